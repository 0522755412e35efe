"""Child process: what NVML or libcuda answers, as one JSON object on stdout. A script, not a module.

Arguments: ``nvml`` or ``cuda``; the library's path; 1 if root's rights are to be given up first (as root,
nvmlInit and cuInit create /dev/nvidiactl even where no driver runs); for NVML the folder of pynvml.
Functions and fields: NVML API reference, https://docs.nvidia.com/deploy/nvml-api/, and CUDA driver API,
https://docs.nvidia.com/cuda/cuda-driver-api/.
"""

from __future__ import annotations

import ctypes
import json
import os
import sys
from typing import Any


def drop_root() -> None:
    """Become the user nobody for good; a setuid helper cannot bring the rights back."""
    if os.getuid() == 0:
        ctypes.CDLL(None).prctl(38, 1, 0, 0, 0)  # PR_SET_NO_NEW_PRIVS, linux/prctl.h
        os.setgroups([])
        os.setgid(65534)
        os.setuid(65534)


def text(value: Any) -> Any:
    """Old pynvml returns bytes."""
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else value


class Reader:
    """Calls NVML and keeps each answer or the reason why there is none."""

    def __init__(self, nvml: Any) -> None:
        self.nvml = nvml

    def ask(self, name: str, *arguments: Any) -> dict[str, Any]:
        """Return ``{"value": ...}`` or ``{"missing": ..., "code": ...}``."""
        try:
            return {"value": getattr(self.nvml, name)(*arguments), "source": name}
        except self.nvml.NVMLError as error:
            return {"missing": f"{name}: {error}", "code": int(error.value), "source": name}
        except AttributeError:
            return {"missing": f"{name}: not in this nvidia-ml-py", "source": name}

    def field(self, answer: dict[str, Any], read: Any) -> dict[str, Any]:
        """Apply ``read`` to an answer that has a value."""
        return {**answer, "value": text(read(answer["value"]))} if "value" in answer else answer

    def gpu(self, index: int) -> dict[str, Any]:
        """Return one GPU's facts."""
        handle = self.ask("nvmlDeviceGetHandleByIndex", index)
        if "value" not in handle:
            return {"index": index, "status": handle["code"], "text": handle["missing"]}
        device = handle["value"]
        memory = self.ask("nvmlDeviceGetMemoryInfo", device)
        facts = {
            "name": self.field(self.ask("nvmlDeviceGetName", device), text),
            "uuid": self.field(self.ask("nvmlDeviceGetUUID", device), text),
            "pci_address": self.field(self.ask("nvmlDeviceGetPciInfo", device), lambda pci: text(pci.busId)),
            "compute_capability": self.field(
                self.ask("nvmlDeviceGetCudaComputeCapability", device), lambda pair: f"{pair[0]}.{pair[1]}"
            ),
            "memory_total": self.field(memory, lambda info: info.total),
            "memory_free": self.field(memory, lambda info: info.free),
            "mig": self.field(self.ask("nvmlDeviceGetMigMode", device), lambda pair: bool(pair[0])),
        }
        lost = [answer for answer in facts.values() if answer.get("code") == self.nvml.NVML_ERROR_GPU_IS_LOST]
        status = {"status": lost[0]["code"], "text": lost[0]["missing"]} if lost else {"status": 0}
        return {"index": index, **status, "facts": facts}

    def everything(self) -> dict[str, Any]:
        """Initialise NVML and read the driver and every GPU."""
        start = self.ask("nvmlInit")
        answer: dict[str, Any] = {"status": start.get("code", 0), "text": start.get("missing")}
        answer["version"] = self.field(self.ask("nvmlSystemGetDriverVersion"), text)
        answer["driver_cuda"] = self.ask("nvmlSystemGetCudaDriverVersion_v2")
        if answer["status"] == 0:
            count = self.ask("nvmlDeviceGetCount")
            answer["count"] = count
            answer["gpus"] = [self.gpu(index) for index in range(count.get("value", 0))]
        return answer


def error_name(cuda: ctypes.CDLL, code: int) -> str:
    """Return the library's own name of a CUresult."""
    name = ctypes.c_char_p()
    if code and cuda.cuGetErrorName(code, ctypes.byref(name)) == 0 and name.value:
        return name.value.decode("ascii", "replace")
    return ""


def ask_cuda(cuda: ctypes.CDLL) -> dict[str, Any]:
    """Return libcuda's version, what cuInit answers, and how many devices it then counts."""
    version, count = ctypes.c_int(), ctypes.c_int()
    answer: dict[str, Any] = {"version_status": cuda.cuDriverGetVersion(ctypes.byref(version))}
    answer["version"] = version.value
    status = cuda.cuInit(0)
    answer["status"], answer["text"] = status, error_name(cuda, status)
    if status == 0:
        answer["count_status"] = cuda.cuDeviceGetCount(ctypes.byref(count))
        answer["count"] = count.value
    return answer


def main() -> None:
    """Load the library, give up rights if told so, then ask and print."""
    kind, path, give_up_rights = sys.argv[1:4]
    reader = None
    if kind == "nvml":
        sys.path.append(sys.argv[4])
        import pynvml

        reader = Reader(pynvml)
    library = ctypes.CDLL(path)  # pynvml finds it again by its SONAME
    if give_up_rights == "1":
        drop_root()
    json.dump(ask_cuda(library) if reader is None else reader.everything(), sys.stdout)


if __name__ == "__main__":
    main()
