"""Any pile of reports, in constant memory a node: a run's folder, files, a stream; and what is wrong with each.

Nothing is lost: what cannot be counted is named with its place and what it is instead.
"""

from __future__ import annotations

import json
import os
import stat
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any
from urllib.parse import unquote

from gpucheck.fleet.contract import NODES, file_name, pseudonym
from gpucheck.fleet.framing import LARGEST, MAGIC, Unframer, lines
from gpucheck.fleet.nodes import NodesError, expand
from gpucheck.fleet.one import DamagedError, Entry, Reader

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

MANIFEST, EVENTS, SUMMARY = "manifest.json", "events.jsonl", "summary.json"
LAUNCHERS = ("partial", ".lock")  # what else a launcher keeps there
STREAMS = (".jsonl", ".ndjson", ".log", ".txt", ".out")
STATES = ("ok", "fail", "timeout", "no-report", "unreachable", "crashed", "skip", "interrupted")
# Names that many give to a report: then the folder says whose it is, as that of a CI artifact does.
NO_NAMES = {"report", "gpucheck", "gpucheck-report", "doctor", "result", "node", "index"}
FOREIGN = ("no report of gpucheck", "garbage", "empty")
PIECE = 2**20


class PileError(ValueError):
    """A pile that cannot be read at all; the message is one line."""


@dataclass(frozen=True)
class Trouble:
    """What is wrong with one thing in a pile.

    Attributes:
        source: The file, or where in a stream.
        what: What it is instead of a report that counts.
        node: Whose report it should have been, where that is known.
    """

    source: str
    what: str
    node: str | None = None


@dataclass
class Run:
    """The reports of one run.

    Attributes:
        label: Its folder's name.
        entries: What each node reported.
        troubles: What is wrong.
        foreign: Files that are no reports and were left alone.
        expected: The nodes that it was meant for, where it says so.
        states: What the launcher says became of a node, and why.
    """

    label: str = ""
    entries: dict[str, Entry] = field(default_factory=dict)
    troubles: list[Trouble] = field(default_factory=list)
    foreign: int = 0
    expected: tuple[str, ...] | None = None
    states: dict[str, tuple[str, str | None]] = field(default_factory=dict)

    @property
    def started(self) -> str:
        """When its first report was begun."""
        return min((one.started for one in self.entries.values() if one.started), default="")

    def add(self, entry: Entry) -> None:
        """Count a report; of two of one node the later one."""
        other = self.entries.get(entry.name)
        if other is not None:
            first, last = sorted((other, entry), key=lambda one: one.started)
            said = f"one of two reports of {entry.name}; the later one counts ({last.source})"
            self.troubles.append(Trouble(first.source, said, entry.name))
            entry = last
        self.entries[entry.name] = entry


@dataclass
class Pile:
    """Runs, the latest one last, and of each trouble what to do."""

    runs: list[Run]
    advice: dict[str, tuple[str, str, tuple[str, ...]]]

    @property
    def latest(self) -> Run:
        """The run that is judged."""
        return self.runs[-1]


def read_pile(
    sources: Sequence[str],
    *,
    stdin: IO[bytes] | None = None,
    judge: Callable[[Any], tuple[tuple[str, ...], tuple[str, ...]]] | None = None,
) -> Pile:
    """Read a pile.

    Args:
        sources: Folders of runs, folders of runs' folders, folders with reports, files, ``-``.
        stdin: What ``-`` is.
        judge: Judges a report's facts: demands that are not met, and those that could not be determined.

    Raises:
        PileError: Something that was named is not there.
    """
    reader = Reader(judge)
    loose = Run()
    runs: list[Run] = []
    for source in sources:
        path = Path(source)
        if source == "-":
            if stdin is None:
                raise PileError("-: there is no stdin")
            _stream(iter(lambda: stdin.read(PIECE), b""), "stdin", reader, loose)
        elif path.is_dir():
            runs += _folder(path, reader, loose)
        elif path.is_file():
            _file(path, reader, loose)
        else:
            raise PileError(f"{source}: there is no such file or folder")
    if loose.entries or loose.troubles or loose.foreign or not runs:
        runs.append(loose)
    runs.sort(key=lambda run: run.started)
    return Pile(runs, reader.advice)


def _folder(path: Path, reader: Reader, loose: Run) -> list[Run]:
    try:
        if _is_run(path):
            return [_run(path, reader)]
        below = [one for one in sorted(path.iterdir()) if one.is_dir() and _is_run(one)]
        if below:
            return [_run(one, reader) for one in below]
        _loose_folder(path, reader, loose)
    except OSError as error:
        raise PileError(f"{path}: cannot be read: {error.strerror}") from None
    return []


def _is_run(path: Path) -> bool:
    return (path / NODES).is_dir() or (path / MANIFEST).is_file()


def _run(path: Path, reader: Reader) -> Run:
    run = Run(label=path.resolve().name)
    run.expected = _expected(path / MANIFEST, run)
    _events(path / EVENTS, run)
    known = {MANIFEST, EVENTS, SUMMARY, NODES, *LAUNCHERS}
    run.foreign += sum(one.name not in known for one in path.iterdir())
    folder = path / NODES
    for name in sorted(one.name for one in folder.iterdir()) if folder.is_dir() else ():
        if not name.endswith(".json") or name.startswith("."):
            run.foreign += 1
            continue
        node = unquote(name[:-5])
        entry = _entry(f"{folder}{os.sep}{name}", reader, run, node)
        if entry is not None:  # the names of files are cut where they are too long
            _named(entry, entry.name if file_name(entry.name) == name else node, run)
    return run


def _named(entry: Entry, node: str, run: Run) -> None:
    """Count a report as that of the node for which it came, if it says so itself or hides its name."""
    if entry.name == node:
        run.add(entry)
    elif entry.plain or entry.name == pseudonym(node):
        run.add(replace(entry, name=node))
    else:
        run.troubles.append(Trouble(entry.source, f"is the report of {entry.name}, not of {node}", node))


def _entry(path: str, reader: Reader, run: Run, name: str) -> Entry | None:
    try:
        with open(path, "rb", opener=_at_once) as file:
            about = os.fstat(file.fileno())
            if not stat.S_ISREG(about.st_mode) or about.st_size > LARGEST:
                raise DamagedError("no plain file, or too large for a report")
            content = file.read()
        return reader.read(content, path, name)
    except DamagedError as error:
        run.troubles.append(Trouble(path, str(error), name))
    except OSError as error:
        run.troubles.append(Trouble(path, f"cannot be read: {error.strerror}", name))
    return None


def _at_once(path: str, flags: int) -> int:
    """Open without waiting for the other end of a pipe."""
    return os.open(path, flags | getattr(os, "O_NONBLOCK", 0))


def _expected(path: Path, run: Run) -> tuple[str, ...] | None:
    """Return the nodes that a run's manifest names."""
    if not path.is_file():
        return None
    try:
        content = json.loads(path.read_bytes())
        listed = content["nodes"] if "nodes" in content else content["expected"]
        return tuple(expand(listed)) if isinstance(listed, str) else tuple(map(str, listed))
    except (OSError, ValueError, KeyError, TypeError, NodesError) as error:
        run.troubles.append(Trouble(str(path), f"a damaged manifest: {str(error)[:80]}"))
        return None


def _events(path: Path, run: Run) -> None:
    """Read what the launcher says became of each node: the last word counts."""
    if not path.is_file():
        return
    damaged = 0
    with path.open("rb") as file:
        for line in file:
            try:
                event = json.loads(line)
                node, state = event.get("node"), event.get("state") or event.get("outcome")
            except (ValueError, AttributeError, RecursionError):
                damaged += 1
                continue
            if isinstance(node, str) and state in STATES:
                reason = event.get("reason")
                run.states[node] = (state, None if reason is None else str(reason)[:200])
    if damaged:
        run.troubles.append(Trouble(str(path), f"{damaged} damaged line{'s' * (damaged > 1)}"))


def _loose_folder(path: Path, reader: Reader, run: Run) -> None:
    """Read the reports anywhere in a folder; what is none is counted and left alone."""
    for file in sorted(path.rglob("*")):
        if file.is_dir():
            continue
        if not file.is_file() or file.suffix != ".json":
            run.foreign += 1
            continue
        before = len(run.troubles)
        _file(file, reader, run)
        if len(run.troubles) > before and run.troubles[-1].what.startswith(FOREIGN):
            run.troubles.pop()
            run.foreign += 1


def _file(path: Path, reader: Reader, run: Run) -> None:
    if path.suffix in STREAMS:
        try:
            with path.open("rb") as file:
                _stream(iter(lambda: file.read(PIECE), b""), str(path), reader, run)
        except OSError as error:
            run.troubles.append(Trouble(str(path), f"cannot be read: {error.strerror}"))
        return
    stem = path.stem.removesuffix(".report")
    name = path.resolve().parent.name if stem.lower() in NO_NAMES else unquote(stem)
    entry = _entry(str(path), reader, run, name)
    if entry is not None:
        run.add(entry)


def _stream(pieces: Iterable[bytes], source: str, reader: Reader, run: Run) -> None:
    """Read framed lines and JSON lines, mixed as they come; other lines are counted."""
    frames = Unframer()
    magic, whole = MAGIC.encode(), lines(pieces)
    for number, line in enumerate(whole, 1):
        if magic in line:
            _unframed(frames.line(line), source, reader, run)
        elif line.rstrip() == b"{":  # one report over many lines
            _document(b"\n".join((line, *whole)), f"{source}:{number}", None, reader, run)
        elif line.lstrip().startswith(b"{"):
            _document(line, f"{source}:{number}", None, reader, run)
        elif line.strip():
            run.foreign += 1
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
        run.troubles.append(Trouble(source, str(error), node))
        return
    _named(entry, node or entry.name, run)
