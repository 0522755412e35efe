"""An enormous text in constant memory: of 100 MB only the lines that may say something are kept.

Measured: see benchmarks/explain.py.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from gpucheck.record import record

if TYPE_CHECKING:
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
        shapes, look = self.shapes, self._look
        for line in lines:
            shape = hash(line.translate(None, DIGITS))
            if shape not in shapes:
                look(line, shape)
        return rest

    def _look(self, line: bytes, shape: int) -> None:
        if len(self.shapes) < MOST_SHAPES:
            self.shapes.add(shape)
        lowered = line.lower()
        words = (*STRONG, *WORDS) if self.size < ENOUGH else STRONG
        if any(map(lowered.__contains__, words)):
            for one in (*self.before, line):
                self._keep(one)
            self.before, self.after = [], AROUND
        elif self.after:
            self.after -= 1
            self._keep(line)
        else:
            self.before = [*self.before[-AROUND + 1 :], line]

    def _keep(self, line: bytes) -> None:
        if self.size < MOST:
            self.parts += (line[:LONGEST_LINE], b"\n")
            self.size += len(line[:LONGEST_LINE]) + 1
