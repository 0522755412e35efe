"""The NVIDIA driver's libraries: which files they are, and what NVML and CUDA answer in children.

As root, nvmlInit and cuInit of the real libraries create /dev/nvidiactl even where no driver runs
(measured with 535 and 470). So without a kernel module or /dev/dxg only a library that LD_LIBRARY_PATH
names is loaded, in a child without root's rights.
"""

from __future__ import annotations

import re
import sys
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gpucheck import children
from gpucheck.facts import Driver, Fact, Gpu, GpuProcess, absent, blank, seen
from gpucheck.facts.versions import cuda_version
from gpucheck.probe.elf import for_another_machine
from gpucheck.probe.files import exists
from gpucheck.record import record

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Callable, Iterable, Mapping

    from gpucheck.probe.loader import Loader

NVML, CUDA = "libnvidia-ml.so.1", "libcuda.so.1"
NOT_TOUCHED = "no NVIDIA kernel module was seen, so the driver's libraries were not touched"


@record
class Asked:
    """A child that was started to ask a driver library, or why none was."""

    process: subprocess.Popen[bytes] | None = None
    reason: str = ""


def with_files(driver: Driver, loader: Loader) -> Driver:
    """Add where the loader would find the driver's libraries, and their version by the file's name."""
    nvml, cuda = _find(NVML, loader), _find(CUDA, loader)
    return replace(driver, nvml_library=nvml, cuda_library=cuda, library_version=_version_in_name(nvml))


def _find(name: str, loader: Loader) -> Fact[str]:
    """Return where the loader would find a driver library, LD_LIBRARY_PATH first."""
    for folders, source in (
        (loader.library_path, "LD_LIBRARY_PATH"),
        (loader.system_folders(name), "the system's library folders"),
    ):
        paths = (Path(folder, name) for folder in folders)
        found = next((path for path in paths if exists(path) and not for_another_machine(path, None)), None)
        if found is not None:
            return seen(str(found), source)
    return absent(f"{name} is neither in LD_LIBRARY_PATH nor in the system's library folders")


def _version_in_name(library: Fact[str]) -> Fact[str]:
    if library.value is None:
        return absent(library.missing or "no library")
    real = Path(library.value).resolve()
    found = re.search(r"\.so\.(\d{3,}\.\d+(?:\.\d+)?)$", real.name)
    if found is None:
        return absent("the library's file name carries no version", str(real))
    return seen(found.group(1), str(real))


def ask(driver: Driver, environment: Mapping[str, str] | None = None) -> tuple[Asked, Asked]:
    """Start one child for NVML and one for CUDA, side by side; a refusal carries its reason.

    Args:
        driver: What is known of it.
        environment: The environment that the children get, the device mask in it; this process's by default.
    """
    # Where the modules cannot be read (gVisor), nodes that are there before any call of ours tell as much.
    nodes = driver.module_loaded.value is None and bool(driver.device_nodes.value)
    backed = bool(driver.module_loaded.value or driver.dxg.value or nodes)
    cuda = _start("cuda", driver.cuda_library, backed, environment)
    spec = find_spec("pynvml")
    if spec is None or spec.origin is None:
        return Asked(reason="nvidia-ml-py is not installed beside gpucheck"), cuda
    folder = str(Path(spec.origin).parent)
    return _start("nvml", driver.nvml_library, backed, environment, folder), cuda


def _start(
    kind: str, library: Fact[str], backed: bool, environment: Mapping[str, str] | None, *arguments: str
) -> Asked:
    if library.value is None:
        return Asked(reason=library.missing or "no library")
    if not backed and library.source != "LD_LIBRARY_PATH":
        return Asked(reason=NOT_TOUCHED)
    if not sys.platform.startswith("linux"):
        return Asked(reason="the driver's libraries are asked on Linux only")
    script = Path(__file__).with_name("child_driver.py")
    rights = "0" if backed else "1"
    try:
        command = children.isolated(script, kind, library.value, rights, *arguments)
        return Asked(process=children.start(command, environment=environment))
    except OSError as error:
        return Asked(reason=f"cannot start {sys.executable}: {error.strerror}")


def abandon(started: Iterable[subprocess.Popen[bytes] | None]) -> None:
    """End the children that nobody will listen to any more."""
    for process in started:
        if process is not None and process.poll() is None:
            children.kill(process)
            process.wait()


def listen(asked: Asked, deadline: float) -> dict[str, Any] | str:
    """Return a child's answer, or in one phrase why there is none."""
    if asked.process is None:
        return asked.reason
    outcome = children.finish(asked.process, deadline)
    if outcome.failure is not None:
        last = outcome.stderr.strip().splitlines()[-1:]
        return ": ".join([outcome.failure, *last])
    import json

    try:
        answer = json.loads(outcome.stdout.splitlines()[-1])
    except (ValueError, IndexError):
        return "the answer could not be read"
    return answer if isinstance(answer, dict) else "the answer could not be read"


def with_nvml(driver: Driver, answer: dict[str, Any] | str) -> tuple[Driver, Fact[tuple[Gpu, ...]]]:
    """Add what NVML answered; return the driver and its GPUs."""
    if isinstance(answer, str):
        return replace(
            driver, nvml_status=absent(answer), version=absent(answer), driver_cuda=absent(answer)
        ), absent(answer)
    status = seen(int(answer["status"]), "nvmlInit", answer.get("text"))
    driver = _with_nodes(driver, answer)
    number = _answer(answer["driver_cuda"])
    driver = replace(
        driver,
        nvml_status=status,
        version=_answer(answer["version"]),
        driver_cuda=replace(number, value=cuda_version(int(number.value))) if number.value else number,
    )
    if answer["status"] != 0:
        return driver, absent(answer.get("text") or "NVML could not be initialised", "nvmlInit")
    if "value" not in answer["count"]:
        return driver, absent(answer["count"]["missing"], "nvmlDeviceGetCount")
    return driver, seen(tuple(_gpu(item) for item in answer["gpus"]), "nvmlDeviceGetCount")


def with_cuda(driver: Driver, answer: dict[str, Any] | str) -> Driver:
    """Add what libcuda answered; its own number of the driver CUDA comes before NVML's."""
    if isinstance(answer, str):
        return replace(driver, cuinit_status=absent(answer), visible_devices=absent(answer))
    driver = _with_nodes(driver, answer)
    driver = replace(driver, cuinit_status=seen(int(answer["status"]), "cuInit", answer.get("text") or None))
    if answer.get("version_status") == 0 and answer.get("version"):
        driver = replace(driver, driver_cuda=seen(cuda_version(answer["version"]), "cuDriverGetVersion"))
    if answer["status"] == 0 and answer.get("count_status") == 0:
        return replace(driver, visible_devices=seen(int(answer["count"]), "cuDeviceGetCount"))
    if answer["status"] == 100:  # CUDA_ERROR_NO_DEVICE
        return replace(driver, visible_devices=seen(0, "cuInit: no device"))
    return replace(driver, visible_devices=absent(f"cuInit answers {answer['status']}", "cuInit"))


def _with_nodes(driver: Driver, answer: dict[str, Any]) -> Driver:
    return replace(driver, refused_nodes=seen(tuple(map(str, answer.get("refused_nodes", ()))), "open"))


def _answer(item: dict[str, Any]) -> Fact[Any]:
    if "value" in item:
        return seen(item["value"], item["source"])
    return absent(item["missing"], item.get("source"))


LISTS: dict[str, Callable[[Any], Any]] = {
    "processes": lambda one: GpuProcess(**one),
    "throttle": str,
    "mig_devices": str,
}


def _field(name: str, item: dict[str, Any]) -> Fact[Any]:
    fact = _answer(item)
    if name not in LISTS or not fact.known:
        return fact
    return replace(fact, value=tuple(map(LISTS[name], fact.value or ())))


def _gpu(item: dict[str, Any]) -> Gpu:
    index, status = int(item["index"]), seen(int(item["status"]), "NVML", item.get("text"))
    if "facts" not in item:
        return replace(blank(Gpu, item["text"], index=index), status=status)
    return Gpu(
        index=index, status=status, **{name: _field(name, answer) for name, answer in item["facts"].items()}
    )
