"""Child process: what NVML answers, as one JSON object on stdout. Runs as a script, not as a module.

Arguments: the folder of pynvml, the library's path, and 1 if root's rights are to be given up first (as
root, nvmlInit creates /dev/nvidiactl even where no driver runs). Field names: NVML API reference,
https://docs.nvidia.com/deploy/nvml-api/.
"""

from __future__ import annotations

import ctypes
import json
import sys
from typing import Any


def drop_root() -> None:
    """Become the user nobody for good; a setuid helper cannot bring the rights back."""
    import os

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


def main() -> None:
    """Read and print."""
    folder, library, give_up_rights = sys.argv[1:4]
    sys.path.append(folder)
    import pynvml

    ctypes.CDLL(library)  # found again by its SONAME when pynvml loads it
    if give_up_rights == "1":
        drop_root()
    json.dump(Reader(pynvml).everything(), sys.stdout)


if __name__ == "__main__":
    main()
