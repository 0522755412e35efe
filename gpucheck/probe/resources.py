"""What programs on a GPU need besides: instruction sets, shared memory, room in the caches; and Secure Boot."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import TYPE_CHECKING

from gpucheck.facts import Fact, absent, seen
from gpucheck.probe.files import exists, is_folder

if TYPE_CHECKING:
    from collections.abc import Mapping

INSTRUCTION_SETS = ("sse4_1", "avx", "avx2", "fma", "avx512f")
# UEFI's global variable; four bytes of attributes stand before its one byte.
SECURE_BOOT = "sys/firmware/efi/efivars/SecureBoot-8be4df61-93ca-11d2-aa0d-00e098032b8c"


def cpu_flags(root: Path) -> Fact[tuple[str, ...]]:
    """Return the processor's instruction sets, of those that frameworks ask for."""
    path = root / "proc/cpuinfo"
    try:
        text = path.read_text(encoding="utf-8", errors="replace")
    except OSError as error:
        return absent(f"cannot be read: {error.strerror}", str(path))
    found = re.search(r"^flags\s*:(.*)$", text, re.MULTILINE)
    if found is None:
        return absent("no line of flags: not an x86 processor", str(path))
    flags = set(found.group(1).split())
    return seen(tuple(name for name in INSTRUCTION_SETS if name in flags), str(path))


def shared_memory(root: Path) -> Fact[int]:
    """Return the size of /dev/shm in bytes."""
    path = root / "dev/shm"
    try:
        room = os.statvfs(path)
    except (OSError, AttributeError) as error:
        return absent(f"cannot be measured: {error}", str(path))
    return seen(room.f_blocks * room.f_frsize, str(path))


def cache_free(environ: Mapping[str, str]) -> Fact[int]:
    """Return the bytes that this user may still write where pip and the frameworks keep their caches."""
    home = environ.get("HOME")
    wanted = environ.get("XDG_CACHE_HOME") or (f"{home}/.cache" if home else None)
    if wanted is None:
        return absent("neither HOME nor XDG_CACHE_HOME is set", "environment")
    path = next((one for one in (Path(wanted), *Path(wanted).parents) if exists(one)), Path(wanted))
    try:
        room = os.statvfs(path)
    except (OSError, AttributeError) as error:
        return absent(f"cannot be measured: {error}", wanted)
    return seen(room.f_bavail * room.f_frsize, str(path))


def secure_boot(root: Path) -> Fact[bool]:
    """Return whether Secure Boot is on; machines without UEFI have none."""
    path = root / SECURE_BOOT
    if not is_folder(root / "sys/firmware/efi"):
        return absent("no UEFI firmware is shown here", str(root / "sys/firmware/efi"))
    try:
        content = path.read_bytes()
    except OSError as error:
        return absent(f"cannot be read: {error.strerror}", str(path))
    return seen(content[4] == 1, str(path)) if len(content) == 5 else absent("is not five bytes", str(path))
