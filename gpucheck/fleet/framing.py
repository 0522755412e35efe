"""A document as lines on a stream that nodes share: launchers cut long lines and mix those of several nodes.

A line is ``gpucheck1 NODE ID INDEX/COUNT CRC PAYLOAD.``: ID is the CRC-32 of the whole document, CRC that of the
line's other fields, PAYLOAD base64 of a piece of the document under zlib. What stands before and behind it in the
same line (a launcher's label, the rest of another one) does no harm.
"""

from __future__ import annotations

import base64
import re
import zlib
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

MAGIC = "gpucheck1"
LONGEST_LINE = 1_000  # bytes, the line end counted
LONGEST_NODE = 200  # of its written form
MOST_FRAMES = 100_000
LARGEST = 64 * 2**20  # bytes of a document
FRAME = re.compile(
    rb"gpucheck1 ([!-~]{1,200}) ([0-9a-f]{8}) ([0-9]{1,6})/([0-9]{1,6}) ([0-9a-f]{8}) ([A-Za-z0-9+/=]*)\."
)
Key = tuple[str, str, int]


class FrameError(ValueError):
    """A document that cannot be framed."""


def frames(document: bytes, node: str) -> Iterator[bytes]:
    """Yield a document as framed lines of at most 1,000 bytes each.

    Raises:
        FrameError: The node's name is too long, or the document too large.
    """
    from urllib.parse import quote

    name = quote(node, safe="") or "-"
    if len(name) > LONGEST_NODE or len(document) > LARGEST:
        what = f"the name of the node {node[:40]!r}" if len(name) > LONGEST_NODE else f"the report of {node}"
        raise FrameError(f"{what} is too long to be framed")
    packed = zlib.compress(document)
    ident = f"{zlib.crc32(document):08x}"
    room = LONGEST_LINE - len(f"{MAGIC} {name} {ident} 100000/100000 00000000 .\n")
    size = room // 4 * 3
    pieces = [packed[start : start + size] for start in range(0, len(packed), size)]
    for number, piece in enumerate(pieces, 1):
        payload = base64.b64encode(piece).decode("ascii")
        head = f"{name} {ident} {number}/{len(pieces)}"
        yield f"{MAGIC} {head} {_check(head, payload)} {payload}.\n".encode("ascii")


def _check(head: str, payload: str) -> str:
    return f"{zlib.crc32(f'{head} {payload}'.encode('ascii')):08x}"


class _Frame(NamedTuple):
    key: Key
    number: int
    piece: bytes


def unframed(stream: Iterable[bytes]) -> Iterator[tuple[str, bytes | str]]:
    """Yield each document as soon as it is whole, and in the end what is missing.

    Args:
        stream: Lines, or pieces of any size.

    Yields:
        The node and its document; or the node and, as text, what is wrong: frames that are missing, a document
        that cannot be unpacked. Damaged frames of which no node can be told come last, with an empty name.
    """
    gathering = Unframer()
    for line in lines(stream):
        yield from gathering.line(line)
    yield from gathering.end()


class Unframer:
    """Frames that came, until their document is whole."""

    def __init__(self) -> None:
        self._open: dict[Key, dict[int, bytes]] = {}
        self._done: set[Key] = set()
        self._damaged = 0

    def line(self, line: bytes) -> Iterator[tuple[str, bytes | str]]:
        """Take one line of the stream, and yield what became whole by it."""
        found = list(_found(line))
        self._damaged += max(line.count(MAGIC.encode() + b" ") - len(found), 0)
        for frame in found:
            if frame.key in self._done:
                continue
            pieces = self._open.setdefault(frame.key, {})
            pieces[frame.number] = frame.piece
            if len(pieces) == frame.key[2]:
                self._done.add(frame.key)
                yield frame.key[0], _whole(frame.key, self._open.pop(frame.key))

    def end(self) -> Iterator[tuple[str, bytes | str]]:
        """Yield what is missing now that no more comes."""
        for key, pieces in self._open.items():
            yield key[0], _missing(key, pieces)
        if self._damaged:
            yield "", f"{self._damaged} damaged frame{'s' * (self._damaged > 1)} in the stream"


def lines(stream: Iterable[bytes]) -> Iterator[bytes]:
    """Yield the lines of a stream that comes in pieces; of one that has no end, only its last part."""
    rest = b""
    for piece in stream:
        *whole, rest = (rest + piece).split(b"\n") if rest else piece.split(b"\n")
        yield from (line for line in whole if line)
        if len(rest) > LARGEST:
            yield rest[:-LONGEST_LINE]
            rest = rest[-LONGEST_LINE:]
    if rest:
        yield rest


def _found(line: bytes) -> Iterator[_Frame]:
    from urllib.parse import unquote

    start = 0
    while match := FRAME.search(line, start):
        name, ident, number, count, check, payload = (part.decode("ascii") for part in match.groups())
        head = f"{name} {ident} {number}/{count}"
        valid = 1 <= int(number) <= int(count) <= MOST_FRAMES and _check(head, payload) == check
        # Behind a damaged one the next may begin within it.
        start = match.end() if valid else match.start() + len(MAGIC)
        if valid:
            yield _Frame((unquote(name), ident, int(count)), int(number), base64.b64decode(payload))


def _whole(key: Key, pieces: dict[int, bytes]) -> bytes | str:
    packed = b"".join(pieces[number] for number in range(1, key[2] + 1))
    unpacking = zlib.decompressobj()
    try:
        document = unpacking.decompress(packed, LARGEST)
    except zlib.error as error:
        return f"the frames are whole, but cannot be unpacked: {error}"
    if unpacking.unconsumed_tail or not unpacking.eof or f"{zlib.crc32(document):08x}" != key[1]:
        return "the frames are whole, but what they hold is not the report that was sent"
    return document


def _missing(key: Key, pieces: dict[int, bytes]) -> str:
    lost = [str(number) for number in range(1, key[2] + 1) if number not in pieces]
    shown = ", ".join(lost[:5]) + (", ..." if len(lost) > 5 else "")
    return f"{len(lost)} of {key[2]} frames are missing: {shown}"
