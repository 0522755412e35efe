"""The code that a binary carries for GPUs, read out of its fatbin sections: `--deep`, where no other source tells.

Layout (measured on libtensorflow_cc.so.2 of 2.21, cuDNN 9.28, NCCL 2.32, cuBLASLt 12.9, where it gives what
cuobjdump lists): containers of magic 0xBA55ED50 with u16 version, u16 header size, u64 body size; in each body
entries of u16 kind (1 PTX, 2 machine code), u32 header size at +4, u64 payload size at +8, u32 arch at +28.
"""

from __future__ import annotations

import mmap
import struct
from typing import TYPE_CHECKING

from gpucheck.facts import Fact, absent, seen

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

MAGIC = b"\x50\xed\x55\xba"
SECTIONS = (b".nv_fatbin", b"__nv_relfatbin")
KINDS = {1: "compute", 2: "sm"}


def arch_list(path: Path) -> Fact[tuple[str, ...]]:
    """Return ``sm_XX`` and ``compute_XX`` of every architecture in a library."""
    try:
        with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
            found = {code for place in _sections(content) for code in _codes(content, *place)}
    except (OSError, ValueError, IndexError, OverflowError, struct.error) as error:
        return absent(f"its fatbin sections cannot be read: {error}", str(path))
    if not found:
        return absent("it has no fatbin section", str(path))
    return seen(tuple(sorted(found, key=lambda one: (one[0], int(one.partition("_")[2])))), str(path))


def _sections(content: mmap.mmap) -> Iterator[tuple[int, int]]:
    if content[:6] != b"\x7fELF\x02\x01":
        raise ValueError("not a 64-bit ELF file")
    (table,) = struct.unpack_from("<Q", content, 40)
    size, count, names = struct.unpack_from("<HHH", content, 58)
    headers = [struct.unpack_from("<IIQQQQ", content, table + number * size) for number in range(count)]
    texts = headers[names][4]
    for name, _, _, _, offset, length in headers:
        end = content.find(b"\0", texts + name)
        if content[texts + name : end] in SECTIONS:
            yield offset, length


def _codes(content: mmap.mmap, start: int, size: int) -> Iterator[str]:
    place, end = start, min(start + size, len(content))
    while (place := content.find(MAGIC, place, end)) >= 0:
        header, body = struct.unpack_from("<HQ", content, place + 6)
        entry, last = place + header, min(place + header + body, end)
        while entry + 32 <= last:
            kind, header_size, payload = struct.unpack_from("<HxxIQ", content, entry)
            (architecture,) = struct.unpack_from("<I", content, entry + 28)
            if kind in KINDS:
                yield f"{KINDS[kind]}_{architecture}"
            entry += max(header_size + payload, 32)
        place = max(last, place + len(MAGIC))
