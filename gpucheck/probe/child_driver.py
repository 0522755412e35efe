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

# Their opening starts nothing; /dev/nvidia0's would wake the GPU.
HARMLESS_NODES = ("/dev/nvidiactl", "/dev/nvidia-uvm")
COMPUTE_MODES = ("default", "exclusive-thread", "prohibited", "exclusive-process")  # nvmlComputeMode_t
FABRIC_STATES = ("not-supported", "not-started", "in-progress", "completed")  # nvmlGpuFabricState_t
CLOCK_REASONS = {  # nvmlClocksEventReasons, nvml.h
    0x1: "idle",
    0x2: "application-clocks",
    0x4: "software-power-cap",
    0x8: "hardware-slowdown",
    0x10: "sync-boost",
    0x20: "software-thermal-slowdown",
    0x40: "hardware-thermal-slowdown",
    0x80: "hardware-power-brake",
    0x100: "display-clocks",
}
FUNCTION_NOT_FOUND = 13  # NVML_ERROR_FUNCTION_NOT_FOUND: an older library
MOST_MIG_DEVICES, MOST_PROCESSES = 16, 64


def drop_root() -> None:
    """Become the user nobody for good; a setuid helper cannot bring the rights back."""
    if os.getuid() == 0:
        ctypes.CDLL(None).prctl(38, 1, 0, 0, 0)  # PR_SET_NO_NEW_PRIVS, linux/prctl.h
        os.setgroups([])
        os.setgid(65534)
        os.setuid(65534)


def refused_nodes() -> list[str]:
    """Return the nodes that the kernel refuses although their permissions allow them: a control group's rules."""
    refused = []
    for path in HARMLESS_NODES:
        try:
            os.close(os.open(path, os.O_RDWR))
        except PermissionError as error:
            if os.access(path, os.R_OK | os.W_OK):
                refused.append(f"{path}: {error.strerror}")
        except OSError:
            continue
    return refused


def process_name(pid: int) -> str | None:
    """Return a process's short name; None for one of another PID namespace, or gone."""
    try:
        with open(f"/proc/{pid}/comm", encoding="utf-8", errors="replace") as file:  # noqa: PTH123 - a script
            return file.read().strip()
    except OSError:
        return None


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

    def first(self, *names: str, arguments: tuple[Any, ...]) -> dict[str, Any]:
        """Return the answer of the first function that this generation of the library has."""
        answers = []
        for name in names:
            answers.append(self.ask(name, *arguments))
            if (
                "not in this" not in answers[-1].get("missing", "")
                and answers[-1].get("code") != FUNCTION_NOT_FOUND
            ):
                return answers[-1]
        return answers[-1]

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
            "vbios": self.field(self.ask("nvmlDeviceGetVbiosVersion", device), text),
            "mig": self.field(self.ask("nvmlDeviceGetMigMode", device), lambda pair: bool(pair[0])),
            **self.health(device),
            **self.use(device),
        }
        lost = [answer for answer in facts.values() if answer.get("code") == self.nvml.NVML_ERROR_GPU_IS_LOST]
        status = {"status": lost[0]["code"], "text": lost[0]["missing"]} if lost else {"status": 0}
        return {"index": index, **status, "facts": facts}

    def health(self, device: Any) -> dict[str, Any]:
        """Return memory errors and the state of the NVLink fabric."""
        rows = self.ask("nvmlDeviceGetRemappedRows", device)
        return {
            "ecc": self.field(self.ask("nvmlDeviceGetEccMode", device), lambda pair: bool(pair[0])),
            # nvmlMemoryErrorType_t 1: uncorrected; nvmlEccCounterType_t 0: since the driver was loaded
            "ecc_uncorrected": self.ask("nvmlDeviceGetTotalEccErrors", device, 1, 0),
            "remap_pending": self.field(rows, lambda counts: bool(counts[2])),
            "remap_failed": self.field(rows, lambda counts: bool(counts[3])),
            "retirement_pending": self.field(self.ask("nvmlDeviceGetRetiredPagesPendingStatus", device), bool),
            "fabric_state": self.fabric(device),
        }

    def fabric(self, device: Any) -> dict[str, Any]:
        """Return how far the GPU's registration with the NVLink fabric is."""
        kind = getattr(self.nvml, "c_nvmlGpuFabricInfoV_t", None)
        if kind is None:
            return {"missing": "nvmlDeviceGetGpuFabricInfoV: not in this nvidia-ml-py"}
        info = kind()
        answer = self.ask("nvmlDeviceGetGpuFabricInfoV", device, ctypes.byref(info))
        return self.field(answer, lambda _: FABRIC_STATES[min(int(info.state), 3)])

    def use(self, device: Any) -> dict[str, Any]:
        """Return who uses the GPU and how."""
        running = self.first(
            *(f"nvmlDeviceGetComputeRunningProcesses{suffix}" for suffix in ("_v3", "_v2", "")),
            arguments=(device,),
        )
        reasons = self.first(
            "nvmlDeviceGetCurrentClocksEventReasons",
            "nvmlDeviceGetCurrentClocksThrottleReasons",
            arguments=(device,),
        )
        return {
            "persistence": self.field(self.ask("nvmlDeviceGetPersistenceMode", device), bool),
            "compute_mode": self.field(
                self.ask("nvmlDeviceGetComputeMode", device), lambda mode: COMPUTE_MODES[min(int(mode), 3)]
            ),
            "processes": self.field(running, lambda found: [self.process(one) for one in found[:MOST_PROCESSES]]),
            "throttle": self.field(
                reasons, lambda bits: [name for bit, name in CLOCK_REASONS.items() if int(bits) & bit]
            ),
            "mig_devices": self.mig_devices(device),
        }

    @staticmethod
    def process(found: Any) -> dict[str, Any]:
        """Return one process that holds memory."""
        pid, memory = int(found.pid), found.usedGpuMemory
        return {"pid": pid, "memory": int(memory) if memory is not None else None, "name": process_name(pid)}

    def mig_devices(self, device: Any) -> dict[str, Any]:
        """Return the UUIDs of the MIG devices."""
        most = self.ask("nvmlDeviceGetMaxMigDeviceCount", device)
        if "value" not in most:
            return most
        handles = (
            self.ask("nvmlDeviceGetMigDeviceHandleByIndex", device, index)
            for index in range(min(int(most["value"]), MOST_MIG_DEVICES))
        )
        found = [self.ask("nvmlDeviceGetUUID", handle["value"]) for handle in handles if "value" in handle]
        return {**most, "value": [text(one["value"]) for one in found if "value" in one]}

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
    # Before the library is loaded, which would try the nodes itself; a simulated driver has none.
    refused = refused_nodes() if give_up_rights == "0" else []
    library = ctypes.CDLL(path)  # pynvml finds it again by its SONAME
    if give_up_rights == "1":
        drop_root()
    answer = ask_cuda(library) if reader is None else reader.everything()
    json.dump({**answer, "refused_nodes": refused}, sys.stdout)


if __name__ == "__main__":
    main()
