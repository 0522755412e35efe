"""The folder of one run: its manifest, the launcher's events, and a file for each node."""

from __future__ import annotations

import json
import os
import stat
from typing import TYPE_CHECKING
from urllib.parse import unquote

from gpucheck.fleet.contract import NODES, file_name
from gpucheck.fleet.framing import LARGEST
from gpucheck.fleet.nodes import NodesError, expand
from gpucheck.fleet.one import DamagedError
from gpucheck.fleet.runs import Run, Trouble

if TYPE_CHECKING:
    from pathlib import Path

    from gpucheck.fleet.one import Entry, Reader

MANIFEST, EVENTS, SUMMARY = "manifest.json", "events.jsonl", "summary.json"
LAUNCHERS = ("partial", ".lock")  # what else a launcher keeps there
STATES = ("ok", "fail", "timeout", "no-report", "unreachable", "crashed", "skip", "interrupted")


def is_run(path: Path) -> bool:
    """Whether a folder is that of a run."""
    return (path / NODES).is_dir() or (path / MANIFEST).is_file()


def read_run(path: Path, reader: Reader) -> Run:
    """Read a run's folder.

    Raises:
        OSError: The folder cannot be read.
    """
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
        entry = read_file(f"{folder}{os.sep}{name}", reader, run, node)
        if entry is not None:  # the names of files are cut where they are too long
            run.add_as(entry, entry.name if file_name(entry.name) == name else node)
    return run


def read_file(path: str, reader: Reader, run: Run, name: str) -> Entry | None:
    """Read one report; what is wrong with it is told in the run."""
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
    except (OSError, ValueError, KeyError, TypeError, RecursionError, NodesError) as error:
        run.troubles.append(Trouble(str(path), f"a damaged manifest: {str(error)[:80]}"))
        return None


def _events(path: Path, run: Run) -> None:
    """Read what the launcher says became of each node: the last word counts; and when it began."""
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
            if not run.begun and isinstance(event.get("time"), str):
                run.begun = event["time"]
            if isinstance(node, str) and state in STATES:
                reason = event.get("reason")
                run.states[node] = (state, None if reason is None else str(reason)[:200])
    if damaged:
        run.troubles.append(Trouble(str(path), f"{damaged} damaged line{'s' * (damaged > 1)}"))
