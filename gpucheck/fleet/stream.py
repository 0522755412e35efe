"""Reports on a stream: framed lines, JSON lines and documents over many lines, mixed as they come."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gpucheck.fleet.framing import LARGEST, MAGIC, Unframer, lines
from gpucheck.fleet.one import DamagedError
from gpucheck.fleet.runs import Run, Trouble

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from gpucheck.fleet.one import Reader

FOREIGN = ("no report of gpucheck", "garbage")
BEGIN, END = b"{", b"}"  # lines of a document that was written over many lines


def read_stream(pieces: Iterable[bytes], source: str, reader: Reader, run: Run) -> None:
    """Read a stream; lines of other kinds are counted."""
    frames, magic = Unframer(), MAGIC.encode()
    document: list[bytes] = []
    begun, size = 0, 0
    for number, line in enumerate(lines(pieces), 1):
        plain = line.rstrip()
        if magic in line:  # also in the middle of a document: nodes share the stream
            _unframed(frames.line(line), source, reader, run)
        elif plain == BEGIN:
            if document:
                _document(b"\n".join(document), f"{source}:{begun}", None, reader, run)
            document, begun, size = [line], number, 0
        elif document:
            document.append(line)
            size += len(line)
            if plain == END or size > LARGEST:
                _document(b"\n".join(document), f"{source}:{begun}", None, reader, run)
                document = []
        elif plain.lstrip().startswith(BEGIN):
            _document(line, f"{source}:{number}", None, reader, run)
        elif plain:
            run.foreign += 1
    if document:
        _document(b"\n".join(document), f"{source}:{begun}", None, reader, run)
    _unframed(frames.end(), source, reader, run)


def _unframed(found: Iterator[tuple[str, bytes | str]], source: str, reader: Reader, run: Run) -> None:
    for node, content in found:
        if isinstance(content, str):
            about = f"half a report: {content}" if node else content
            run.troubles.append(Trouble(source, about, node or None))
        else:
            _document(content, f"{source}: frames of {node}", node, reader, run)


def _document(content: bytes, source: str, node: str | None, reader: Reader, run: Run) -> None:
    try:
        entry = reader.read(content, source, node)
    except DamagedError as error:
        if node is None and str(error).startswith(FOREIGN):
            run.foreign += 1  # JSON of another program
        else:
            run.troubles.append(Trouble(source, str(error), node))
        return
    run.add_as(entry, node or entry.name)
