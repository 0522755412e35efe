"""The NVIDIA driver: first the kernel's side and the files, which touches nothing; then NVML and CUDA.

As root, nvmlInit and cuInit of the real libraries create /dev/nvidiactl even where no driver runs
(measured with 535 and 470). So without a kernel module or /dev/dxg only a library that LD_LIBRARY_PATH
names is loaded, in a child without root's rights.
"""

from __future__ import annotations

import json
import re
import sys
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gpucheck import children
from gpucheck.facts import Driver, Fact, Gpu, absent, blank, seen
from gpucheck.facts.versions import cuda_version
from gpucheck.probe.loader import library_path, system_folders
from gpucheck.record import record

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Mapping

NVML, CUDA = "libnvidia-ml.so.1", "libcuda.so.1"
NOT_TOUCHED = "no NVIDIA kernel module was seen, so the driver's libraries were not touched"
MODULES = ("nvidia", "nvgpu")  # nvgpu: Jetson's integrated GPUs


@record
class Asked:
    """A child that was started to ask a driver library, or why none was."""

    process: subprocess.Popen[bytes] | None = None
    reason: str = ""


def kernel_side(root: Path, environ: Mapping[str, str]) -> Driver:
    """Return what the kernel and the file system show, without loading anything."""
    modules = root / "sys/module"
    loaded: Fact[bool] = absent("the kernel's modules cannot be read", str(modules))
    nouveau = loaded
    if modules.is_dir():
        found = [modules / name for name in MODULES if (modules / name).is_dir()]
        proc = root / "proc/driver/nvidia/version"
        loaded = seen(bool(found) or proc.exists(), str(found[0] if found else modules))
        nouveau = seen((modules / "nouveau").is_dir(), str(modules))
    nodes = tuple(sorted(f"/dev/{path.name}" for path in (root / "dev").glob("nvidia*")))
    nvml, cuda = _find(NVML, root, environ), _find(CUDA, root, environ)
    return Driver(
        module_loaded=loaded,
        module_version=_module_version(root),
        nouveau_loaded=nouveau,
        dxg=seen((root / "dev/dxg").exists(), str(root / "dev/dxg")),
        device_nodes=seen(nodes, "/dev"),
        nvml_library=nvml,
        cuda_library=cuda,
        library_version=_version_in_name(nvml),
    )


def _module_version(root: Path) -> Fact[str]:
    for path, pattern in (
        (root / "proc/driver/nvidia/version", r"Kernel Module.*?\s(\d{3,}\.\d+(?:\.\d+)?)\s"),
        (root / "sys/module/nvidia/version", r"^(\d{3,}\.\d+(?:\.\d+)?)\s*$"),
    ):
        try:
            text = path.read_text(encoding="utf-8", errors="replace")
        except OSError:
            continue
        found = re.search(pattern, text)
        if found:
            return seen(found.group(1), str(path), raw=text.splitlines()[0])
        return absent("the version was not recognised", str(path), raw=text[:200])
    return absent("no NVIDIA kernel module is loaded", "/proc/driver/nvidia/version")


def _find(name: str, root: Path, environ: Mapping[str, str]) -> Fact[str]:
    """Return where the loader would find a driver library, LD_LIBRARY_PATH first."""
    for folder in library_path(environ):
        if (folder / name).exists():
            return seen(str(folder / name), "LD_LIBRARY_PATH")
    for folder in system_folders(root, name):
        if (folder / name).exists():
            return seen(str(folder / name), "the system's library folders")
    return absent(f"{name} is neither in LD_LIBRARY_PATH nor in the system's library folders")


def _version_in_name(library: Fact[str]) -> Fact[str]:
    if library.value is None:
        return absent(library.missing or "no library")
    real = Path(library.value).resolve()
    found = re.search(r"\.so\.(\d{3,}\.\d+(?:\.\d+)?)$", real.name)
    if found is None:
        return absent("the library's file name carries no version", str(real))
    return seen(found.group(1), str(real))


def ask(driver: Driver) -> tuple[Asked, Asked]:
    """Start one child for NVML and one for CUDA, side by side; a refusal carries its reason."""
    # Where the modules cannot be read (gVisor), nodes that are there before any call of ours tell as much.
    nodes = driver.module_loaded.value is None and bool(driver.device_nodes.value)
    backed = bool(driver.module_loaded.value or driver.dxg.value or nodes)
    cuda = _start("cuda", driver.cuda_library, backed)
    spec = find_spec("pynvml")
    if spec is None or spec.origin is None:
        return Asked(reason="nvidia-ml-py is not installed beside gpucheck"), cuda
    return _start("nvml", driver.nvml_library, backed, str(Path(spec.origin).parent)), cuda


def _start(kind: str, library: Fact[str], backed: bool, *arguments: str) -> Asked:
    if library.value is None:
        return Asked(reason=library.missing or "no library")
    if not backed and library.source != "LD_LIBRARY_PATH":
        return Asked(reason=NOT_TOUCHED)
    if not sys.platform.startswith("linux"):
        return Asked(reason="the driver's libraries are asked on Linux only")
    script = Path(__file__).with_name("child_driver.py")
    rights = "0" if backed else "1"
    try:
        return Asked(process=children.start(children.isolated(script, kind, library.value, rights, *arguments)))
    except OSError as error:
        return Asked(reason=f"cannot start {sys.executable}: {error.strerror}")


def abandon(asked: tuple[Asked, ...]) -> None:
    """End the children that nobody will listen to any more."""
    for one in asked:
        if one.process is not None and one.process.poll() is None:
            children.kill(one.process)
            one.process.wait()


def listen(asked: Asked, deadline: float) -> dict[str, Any] | str:
    """Return a child's answer, or in one phrase why there is none."""
    if asked.process is None:
        return asked.reason
    outcome = children.finish(asked.process, deadline)
    if outcome.failure is not None:
        last = outcome.stderr.strip().splitlines()[-1:]
        return ": ".join([outcome.failure, *last])
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
    driver = replace(driver, cuinit_status=seen(int(answer["status"]), "cuInit", answer.get("text") or None))
    if answer.get("version_status") == 0 and answer.get("version"):
        driver = replace(driver, driver_cuda=seen(cuda_version(answer["version"]), "cuDriverGetVersion"))
    if answer["status"] == 0 and answer.get("count_status") == 0:
        return replace(driver, visible_devices=seen(int(answer["count"]), "cuDeviceGetCount"))
    if answer["status"] == 100:  # CUDA_ERROR_NO_DEVICE
        return replace(driver, visible_devices=seen(0, "cuInit: no device"))
    return replace(driver, visible_devices=absent(f"cuInit answers {answer['status']}", "cuInit"))


def _answer(item: dict[str, Any]) -> Fact[Any]:
    if "value" in item:
        return seen(item["value"], item["source"])
    return absent(item["missing"], item["source"])


def _gpu(item: dict[str, Any]) -> Gpu:
    index, status = int(item["index"]), seen(int(item["status"]), "NVML", item.get("text"))
    if "facts" not in item:
        return replace(blank(Gpu, item["text"], index=index), status=status)
    return Gpu(index=index, status=status, **{name: _answer(answer) for name, answer in item["facts"].items()})
