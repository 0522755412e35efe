"""What a shared library asks the loader for: the dynamic section of a 64-bit ELF file, read without mapping it.

Layout: System V ABI, gABI 4.1, chapters 4 and 5, and elf(5). A framework's library has a gigabyte; a few pages
of it are read. A library for ELF on the start-up path would cost more than the rest of the probe.
"""

from __future__ import annotations

import struct
from typing import IO, TYPE_CHECKING

from gpucheck.record import record

if TYPE_CHECKING:
    from pathlib import Path

PT_LOAD, PT_DYNAMIC = 1, 2
DT_NULL, DT_NEEDED, DT_STRTAB, DT_SONAME, DT_RPATH, DT_RUNPATH = 0, 1, 5, 14, 15, 29
MOST_ENTRIES, LONGEST_TEXT = 4096, 16384


class ElfError(ValueError):
    """A file that is no 64-bit ELF library, or a damaged one."""


@record
class Dynamic:
    """What the loader is asked for.

    Attributes:
        needed: Sonames of the libraries that it needs.
        soname: Its own, or None.
        rpath: Folders of DT_RPATH, ``$ORIGIN`` replaced: searched before LD_LIBRARY_PATH, and ignored where
            there is a runpath (ld.so(8)).
        runpath: Folders of DT_RUNPATH: searched after LD_LIBRARY_PATH.
        machine: Its processor, by ELF's number.
    """

    needed: tuple[str, ...] = ()
    soname: str | None = None
    rpath: tuple[str, ...] = ()
    runpath: tuple[str, ...] = ()
    machine: int | None = None


def dynamic(path: Path) -> Dynamic:
    """Read the dynamic section of a shared library.

    Raises:
        ElfError: It cannot be read, is no little-endian 64-bit ELF file, or is damaged.
    """
    try:
        with path.open("rb") as file:
            return _dynamic(file, str(path.parent))
    except OSError as error:
        raise ElfError(f"{path} cannot be read: {error.strerror}") from None
    except (struct.error, OverflowError, ValueError) as error:
        raise ElfError(f"{path} is not a 64-bit ELF library, or a damaged one: {error}") from None


def for_another_machine(path: Path, machine: int | None) -> bool:
    """Whether a file is an ELF library of another class or processor, which the loader passes over."""
    try:
        with path.open("rb") as file:
            header = file.read(20)
    except OSError:
        return False
    if header[:4] != b"\x7fELF" or len(header) < 20:
        return False
    other = machine is not None and struct.unpack_from("<H", header, 18)[0] != machine
    return header[4:6] != b"\x02\x01" or other


def _dynamic(file: IO[bytes], origin: str) -> Dynamic:
    segments = list(_segments(file))
    place = next(((offset, size) for kind, offset, _, size in segments if kind == PT_DYNAMIC), None)
    if place is None:
        return Dynamic(machine=_machine(file))
    entries = list(_entries(file, *place))
    table = next((value for tag, value in entries if tag == DT_STRTAB), None)
    start = _offset(segments, table) if table is not None else None
    if start is None:
        raise ValueError("its string table is nowhere in the file")
    texts: dict[int, list[str]] = {}
    for tag, value in entries:
        if tag in (DT_NEEDED, DT_SONAME, DT_RPATH, DT_RUNPATH):
            texts.setdefault(tag, []).append(_text(file, start + value))
    return Dynamic(
        needed=tuple(texts.get(DT_NEEDED, ())),
        soname=next(iter(texts.get(DT_SONAME, ())), None),
        rpath=_folders(texts.get(DT_RPATH), origin),
        runpath=_folders(texts.get(DT_RUNPATH), origin),
        machine=_machine(file),
    )


def _machine(file: IO[bytes]) -> int:
    file.seek(18)
    (number,) = struct.unpack("<H", file.read(2))
    return int(number)


def _segments(file: IO[bytes]) -> list[tuple[int, int, int, int]]:
    """Kind, offset, virtual address and size in the file of every segment."""
    header = file.read(64)
    if header[:6] != b"\x7fELF\x02\x01":
        raise ValueError("its first bytes are others")
    (table,) = struct.unpack_from("<Q", header, 32)
    size, count = struct.unpack_from("<HH", header, 54)
    file.seek(table)
    content = file.read(min(size * count, 65536))
    found = []
    for number in range(count):
        kind, _, offset, address, _, length = struct.unpack_from("<IIQQQQ", content, number * size)
        found.append((kind, offset, address, length))
    return found


def _entries(file: IO[bytes], offset: int, size: int) -> list[tuple[int, int]]:
    file.seek(offset)
    content = file.read(min(size, 16 * MOST_ENTRIES))
    pairs = [struct.unpack_from("<QQ", content, at) for at in range(0, len(content) - 15, 16)]
    return [(tag, value) for tag, value in pairs if tag != DT_NULL]


def _offset(segments: list[tuple[int, int, int, int]], address: int) -> int | None:
    """Where in the file a virtual address lies."""
    for kind, offset, start, size in segments:
        if kind == PT_LOAD and start <= address < start + size:
            return offset + address - start
    return None


def _text(file: IO[bytes], offset: int) -> str:
    file.seek(offset)
    return file.read(LONGEST_TEXT).partition(b"\0")[0].decode("utf-8", "replace")


def _folders(texts: list[str] | None, origin: str) -> tuple[str, ...]:
    parts = ":".join(texts or ()).split(":")
    return tuple(part.replace("${ORIGIN}", origin).replace("$ORIGIN", origin) for part in parts if part)
