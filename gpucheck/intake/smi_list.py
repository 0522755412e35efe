"""Reads ``nvidia-smi -L``: each GPU's name and UUID and those of its MIG devices; and ``nvidia-smi --version``."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from gpucheck.facts import absent, blank, seen
from gpucheck.facts.hardware import Gpu
from gpucheck.intake.smi import NOT_HERE, VERSION, fact, report, version, with_unreachable

if TYPE_CHECKING:
    from gpucheck.facts import Fact, Facts

SOURCE = "nvidia-smi -L"
VERSION_SOURCE = "nvidia-smi --version"
_ENTRY = re.compile(
    r"\bGPU (\d{1,3}): ([^\n]{1,80}?) \(UUID: ([^\s()]{4,80})\)"
    r"|\bMIG [\w.+]{1,24} Device \d{1,3}: \(UUID: ([^\s()]{4,100})\)"
)
_VERSIONS = re.compile(rf"NVIDIA-SMI version : {VERSION} NVML version : {VERSION} (.{{1,240}})")
_LABELS = {
    "version": ("kmd version : ", "driver version : "),
    "driver_cuda": ("cuda umd version : ", "cuda version : "),
}


def read(text: str) -> Facts | None:
    """Read the list of GPUs anywhere in a text, or the versions alone; None where there is neither."""
    flat = " ".join(text.split())
    gpus, driver = listed(flat), _versions(flat)
    if gpus:
        return report(SOURCE, seen(with_unreachable(gpus, text, SOURCE), SOURCE), driver)
    if driver:
        return report(VERSION_SOURCE, absent(NOT_HERE), {**driver, "nvml_status": absent(NOT_HERE)})
    return None


def listed(flat: str) -> list[Gpu]:
    """Return the GPUs of a list, in their order.

    Args:
        flat: The text with each run of white space as one space.
    """
    entries: dict[int, tuple[str, str]] = {}
    devices: dict[int, dict[str, None]] = {}
    index = None
    for number, name, uuid, device in _ENTRY.findall(flat):
        if not device:
            # Other commands of nvidia-smi head each GPU's part with the same line.
            index = int(number)
            entries[index] = (name, uuid)
        elif index is not None:
            devices.setdefault(index, {})[device] = None
    return [_gpu(index, *entries[index], tuple(devices.get(index, ()))) for index in sorted(entries)]


def _gpu(index: int, name: str, uuid: str, devices: tuple[str, ...]) -> Gpu:
    divided = {"mig": seen(True, SOURCE), "mig_devices": seen(devices, SOURCE)} if devices else {}
    return blank(
        Gpu, NOT_HERE, index=index, status=seen(0, SOURCE), name=fact(name, SOURCE, str), uuid=seen(uuid, SOURCE),
        **divided,
    )  # fmt: skip


def _versions(flat: str) -> dict[str, Fact[Any]]:
    """610 and later name other labels behind the old ones."""
    found = _VERSIONS.search(flat)
    lines = found.group(1).lower() if found is not None else ""
    driver: dict[str, Fact[Any]] = {}
    for name, labels in _LABELS.items():
        for label in labels:
            _, there, rest = lines.partition(label)
            value = version(rest) if there else None
            if value is not None and name not in driver:
                driver[name] = seen(value, VERSION_SOURCE)
    return driver
