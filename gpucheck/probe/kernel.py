"""The kernel's side of the NVIDIA driver: modules, device nodes, messages. No device is opened."""

from __future__ import annotations

import os
import re
import stat
from typing import TYPE_CHECKING

from gpucheck.facts import DeviceNode, Driver, Fact, absent, seen
from gpucheck.probe.files import exists, is_folder, read

if TYPE_CHECKING:
    from pathlib import Path

MODULES = ("nvidia", "nvgpu")  # nvgpu: Jetson's integrated GPUs
# What the driver, nouveau and the module loader write about NVIDIA cards. Source of the texts: os-interface and
# nv.c of NVIDIA's open kernel modules, and kernel/module/main.c of Linux.
TELLING = rb"NVRM: |nvidia.{0,12}: (?:module verification|loading out-of-tree)|Lockdown: .*(?:modprobe|nvidia)"
MOST_RECORDS, MOST_LINES = 50_000, 40


def side(root: Path) -> Driver:
    """Return what the kernel and the file system show.

    Args:
        root: ``/``, or a folder that stands for it in tests.
    """
    modules = root / "sys/module"
    loaded: Fact[bool] = absent("the kernel's modules cannot be read", str(modules))
    nouveau, uvm = loaded, loaded
    if is_folder(modules):
        found = [modules / name for name in MODULES if is_folder(modules / name)]
        proc = root / "proc/driver/nvidia/version"
        loaded = seen(bool(found) or exists(proc), str(found[0] if found else modules))
        nouveau = seen(is_folder(modules / "nouveau"), str(modules))
        uvm = seen(is_folder(modules / "nvidia_uvm"), str(modules))
    return Driver(
        module_loaded=loaded,
        module_version=_module_version(root),
        module_flavor=_module_flavor(root),
        nouveau_loaded=nouveau,
        uvm_loaded=uvm,
        dxg=seen(exists(root / "dev/dxg"), str(root / "dev/dxg")),
        device_nodes=seen(tuple(_nodes(root)), "/dev"),
    )


def _module_version(root: Path) -> Fact[str]:
    for path, pattern in (
        (root / "proc/driver/nvidia/version", r"Kernel Module.*?\s(\d{3,}\.\d+(?:\.\d+)?)\s"),
        (root / "sys/module/nvidia/version", r"^(\d{3,}\.\d+(?:\.\d+)?)\s*$"),
    ):
        text = read(path)
        if text is None:
            continue
        found = re.search(pattern, text)
        if found:
            return seen(found.group(1), str(path), raw=text.splitlines()[0])
        return absent("the version was not recognised", str(path), raw=text[:200])
    return absent("no NVIDIA kernel module is loaded", "/proc/driver/nvidia/version")


def _module_flavor(root: Path) -> Fact[str]:
    """``NVIDIA UNIX Open Kernel Module for x86_64`` or ``NVIDIA UNIX x86_64 Kernel Module``, as nv.c writes it."""
    path = root / "proc/driver/nvidia/version"
    first = (read(path) or "").partition("\n")[0]
    if "Kernel Module" not in first:
        return absent("the driver does not tell", str(path))
    return seen("open" if "Open Kernel Module" in first else "proprietary", str(path))


def _nodes(root: Path) -> list[DeviceNode]:
    nodes = []
    for path in sorted((root / "dev").glob("nvidia*")):
        try:
            status = path.stat()
        except OSError:
            continue
        if stat.S_ISDIR(status.st_mode):
            continue
        usable = os.access(path, os.R_OK | os.W_OK)
        mode, group = stat.filemode(status.st_mode), _group(status.st_gid)
        nodes.append(DeviceNode(path=f"/dev/{path.name}", mode=mode, group=group, usable=usable))
    return nodes


def _group(number: int) -> str:
    try:
        import grp

        return grp.getgrgid(number).gr_name
    except (ImportError, KeyError):
        return str(number)


def installed_module(root: Path, release: str | None) -> Fact[bool]:
    """Return whether a module ``nvidia`` is installed for the running kernel, by its modules.dep."""
    path = root / "lib/modules" / (release or "unknown") / "modules.dep"
    text = read(path)
    if text is None:
        return absent("the running kernel's modules.dep cannot be read", str(path))
    return seen(
        re.search(r"(?:^|/)nvidia(?:-current(?:-open)?|-tesla(?:-\d+)?)?\.ko", text, re.MULTILINE) is not None,
        str(path),
    )


def messages(root: Path) -> Fact[tuple[str, ...]]:
    """Return the kernel log's last lines on the NVIDIA driver; most systems let only root read it."""
    path = root / "dev/kmsg"
    try:
        handle = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0))
    except OSError as error:
        return absent(f"the kernel's log cannot be read: {error.strerror}", str(path))
    lines: list[str] = []
    try:
        for _ in range(MOST_RECORDS):
            record = _record(handle)
            if record is None:
                break
            # A regular file stands for it in tests and gives many records at once.
            for line in record.split(b"\n"):
                if re.search(TELLING, line):
                    lines.append(
                        line.partition(b";")[2].decode("utf-8", "replace") or line.decode("utf-8", "replace")
                    )
    finally:
        os.close(handle)
    return seen(tuple(lines[-MOST_LINES:]), str(path))


def _record(handle: int) -> bytes | None:
    """Return the next record of /dev/kmsg; None at its end."""
    while True:
        try:
            return os.read(handle, 8192) or None
        except BrokenPipeError:  # it was overwritten meanwhile; the next one follows (dev-kmsg ABI)
            continue
        except OSError:
            return None


def fabric_manager(root: Path) -> Fact[bool]:
    """Return whether ``nv-fabricmanager`` runs; the kernel cuts process names to 15 characters."""
    try:
        pids = [entry for entry in (root / "proc").iterdir() if entry.name.isdigit()]
    except OSError as error:
        return absent(f"the processes cannot be listed: {error.strerror}", "/proc")
    names = ((read(pid / "comm") or "").strip() for pid in pids)
    return seen(any(name == "nv-fabricmanage" for name in names), "/proc/*/comm")
