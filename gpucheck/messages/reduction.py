"""An enormous text in constant memory: of 100 MB only the lines that may say something are kept.

Measured: see benchmarks/explain.py.
"""

from __future__ import annotations

import functools
import re
from bisect import bisect_right
from itertools import accumulate
from typing import TYPE_CHECKING

from gpucheck.record import record

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from typing import BinaryIO

BLOCK = 1 << 20
# Text up to this size is kept whole; of more, its beginning and what may say something.
WHOLE = 1 << 20
BEGINNING = 1 << 18
ENDING = 1 << 17
# Lines with a word of WORDS are kept up to the first size, from then on those that also have one of STRONG.
ENOUGH = 1 << 19
MOST = 1 << 20
LONGEST_LINE = 1 << 16
AROUND = 2
MOST_SHAPES = 100_000
DIGITS = b"0123456789"
WORDS = (
    b"cuda", b"cudnn", b"nvidia", b"nccl", b"gpu", b"memory", b"library", b"version", b"tensor", b"torch",
    b"driver", b"device", b"kernel", b"module", b"requires", b"registered", b"custom operations", b"numa", b"cpu",
)  # fmt: skip
# Every known message of a trouble has one of these: a test of the rows holds that.
STRONG = (
    b"error", b"fail", b"not ", b"n't", b"cannot", b"mismatch", b"compatib", b"missing", b"undefined",
    b"illegal", b"assert", b"lost", b"out of", b"xid", b"loaded runtime", b"too old", b"exception", b"unable",
    b"insufficient", b"denied", b"reject", b"fallen", b"uncorrectable", b"blacklist", b"blocked", b"adapters",
    b"literal", b"capabilit", b"built for", b"libamd", b"algorithm", b"exhausted", b"sigill", b"impossible",
    b"unsatisfiable", b"descriptor", b"watchdog", b"is empty", b"unexpected", b"deprecated", b"legacy",
    b"unknown", b"invalid", b"already", b"no ", b"busy", b"smaller", b"launch", b"_status_", b"unspecified",
    b"requirement", b"attribute", b"conflict", b"space", b"dependencies", b"changed", b"removed", b"found",
    b"differ", b"duplicate", b"ill ", b"unsupported", b"unrecognized", b"nodevfiles", b"layers.real",
    b"cuda setup", b"code = -", b"exitcode", b"sigbus", b"oom", b"different", b"older", b"newer", b"+cpu",
    b"is ", b"has ",
)  # fmt: skip


@record
class Excerpt:
    """What is kept of a text.

    Attributes:
        content: The bytes.
        size: Bytes of the whole.
        complete: Whether nothing was left out.
    """

    content: bytes
    size: int
    complete: bool


def excerpt(stream: BinaryIO) -> Excerpt:
    """Read a stream to its end and return what is to be looked at.

    Memory stays below about 30 MB, whatever the stream holds.

    Args:
        stream: A file or a pipe, open for bytes.

    Raises:
        OSError: It cannot be read.
    """
    head = _read(stream, WHOLE + 1)
    if len(head) <= WHOLE:
        return Excerpt(content=head, size=len(head), complete=True)
    kept = _Kept(head[:BEGINNING])
    size, rest, last = len(head), kept.take(head[BEGINNING:]), head
    while block := stream.read(BLOCK):
        size += len(block)
        rest = kept.take(rest + block)
        last = last[-ENDING:] + block
    kept.take(rest + b"\n")
    return Excerpt(content=b"".join([*kept.parts, last[-ENDING:]]), size=size, complete=False)


def _read(stream: BinaryIO, most: int) -> bytes:
    parts, size = [], 0
    while size < most and (block := stream.read(min(BLOCK, most - size))):
        parts.append(block)
        size += len(block)
    return b"".join(parts)


class _Kept:
    """Lines that may say something, with those around them; lines that differ in numbers alone are kept once."""

    def __init__(self, beginning: bytes) -> None:
        self.parts = [beginning, b"\n"]
        self.size = len(beginning)
        self.shapes: set[int] = set()
        self.before: list[bytes] = []
        self.after = 0

    def take(self, block: bytes) -> bytes:
        """Look at the whole lines of a block; return the unfinished one."""
        lines = block.split(b"\n")
        rest = lines.pop()
        if len(rest) > LONGEST_LINE:
            lines.append(rest[:LONGEST_LINE])
            rest = rest[-LONGEST_LINE // 64 :]
        if self.size < MOST:
            self._look(list(self._new(lines)))
        return rest

    def _new(self, lines: Iterable[bytes]) -> Iterator[bytes]:
        shapes = self.shapes
        for line in lines:
            shape = hash(line.translate(None, DIGITS))
            if shape not in shapes:
                if len(shapes) < MOST_SHAPES:
                    shapes.add(shape)
                yield line

    def _look(self, lines: list[bytes]) -> None:
        lines = [*self.before, *lines]
        done = 0
        for place in self._telling(lines, len(self.before)):
            start = max(place - AROUND, done)
            for line in (*lines[done : min(done + self.after, start)], *lines[start : place + 1]):
                self._keep(line)
            done, self.after = place + 1, AROUND
        for line in lines[done : done + self.after]:
            self._keep(line)
            done, self.after = done + 1, self.after - 1
        self.before = lines[max(len(lines) - AROUND, done) :]

    def _telling(self, lines: list[bytes], begin: int) -> Iterator[int]:
        """Yield the places of lines with a word in them, from ``begin`` on; looked for in all lines at once."""
        text, ends = b"\n".join(lines).lower(), list(accumulate(len(line) + 1 for line in lines))
        position = ends[begin - 1] if begin else 0
        strong, either = _patterns()
        while (found := (either if self.size < ENOUGH else strong).search(text, position)) is not None:
            place = bisect_right(ends, found.start())
            position = ends[place]
            yield place

    def _keep(self, line: bytes) -> None:
        if self.size < MOST:
            self.parts += (line[:LONGEST_LINE], b"\n")
            self.size += len(line[:LONGEST_LINE]) + 1


@functools.cache
def _patterns() -> tuple[re.Pattern[bytes], re.Pattern[bytes]]:
    """Return what finds the strong words, and what finds any; branching by letter is three times as fast."""
    return re.compile(_branches(STRONG)), re.compile(_branches((*STRONG, *WORDS)))


def _branches(words: Iterable[bytes]) -> bytes:
    ends: dict[bytes, list[bytes]] = {}
    for word in words:
        ends.setdefault(word[:1], []).append(word[1:])
    if b"" in ends:
        return b""
    parts = [re.escape(letter) + _branches(rests) for letter, rests in ends.items()]
    return b"(?:" + b"|".join(parts) + b")" if len(parts) > 1 else parts[0]
