"""Earlier runs on this machine, kept only where the user asked for it: the last snapshots, each with its verdict.

One snapshot is one file, named by its contents; beside it stands when it was seen and what the verdict was.
"""

from __future__ import annotations

import contextlib
import datetime
import hashlib
import json
import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from gpucheck.facts import FactsError
from gpucheck.memory import snapshot
from gpucheck.record import record

if TYPE_CHECKING:
    from gpucheck.facts import Facts

MOST = 50
ABOUT, KEPT = ".about.json", ".snapshot.json"
GOOD = "healthy"


@record
class Run:
    """A snapshot that is kept.

    Attributes:
        name: Hash of its contents.
        python: The interpreter that was looked into.
        verdict: The last run's verdict.
        first: When it was seen first, ISO form in UTC.
        last: When it was seen last.
        good: When the verdict was good last; None: never.
    """

    name: str
    python: str
    verdict: str
    first: str
    last: str
    good: str | None = None


class Past:
    """The history.

    Args:
        folder: Where it is kept; not made before something is.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._bad: set[Path] = set()

    @property
    def damaged(self) -> tuple[str, ...]:
        """What was ignored so far, in sentences; `keep` removes it."""
        return tuple(f"history: {path} is damaged and was ignored" for path in sorted(self._bad))

    def runs(self) -> list[Run]:
        """Return what is kept, the oldest first; what is damaged is left out, see `damaged`."""
        found = []
        for path in sorted(self.folder.glob(f"*{ABOUT}")):
            try:
                content = json.loads(path.read_text(encoding="utf-8"))
                found.append(_run(content, path.name.removesuffix(ABOUT)))
            except (OSError, ValueError, RecursionError):
                self._bad.add(path)
        return sorted(found, key=lambda run: run.last)

    def last_good(self, python: str) -> tuple[Run, Facts] | None:
        """Return the last good run with an interpreter, or None."""
        good = [run for run in self.runs() if run.python == python and run.good is not None]
        for run in sorted(good, key=lambda run: run.good or "", reverse=True):
            path = self.folder / f"{run.name}{KEPT}"
            try:
                text = path.read_text(encoding="utf-8")
                if _hash(text) == run.name:
                    return run, snapshot.read(text)
            except (OSError, ValueError, FactsError):
                pass
            self._bad.add(path)
        return None

    def keep(self, text: str, python: str, verdict: str, now: str) -> None:
        """Keep a snapshot, or note that it was seen again; of too many the oldest go.

        Args:
            text: The snapshot.
            python: The interpreter that was looked into.
            verdict: The verdict on it.
            now: The time, ISO form in UTC.

        Raises:
            OSError: It cannot be written.
        """
        self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        name, runs = _hash(text), self.runs()
        before = next((run for run in runs if run.name == name), None)
        run = Run(
            name=name,
            python=python,
            verdict=verdict,
            first=before.first if before is not None else now,
            last=now,
            good=now if verdict == GOOD else before.good if before is not None else None,
        )
        _write(self.folder / f"{name}{KEPT}", text)
        about = {field: getattr(run, field) for field in FIELDS}
        _write(self.folder / f"{name}{ABOUT}", json.dumps(about, indent=2) + "\n")
        self._bad = {path for path in self._bad if not path.name.startswith(f"{name}.")}
        self._forget([run for run in runs if run.name != name], python)

    def _forget(self, others: list[Run], python: str) -> None:
        """Remove the oldest, but never the last good one."""
        good = max((run for run in others if run.python == python and run.good), key=lambda run: run.good or "",
                   default=None)  # fmt: skip
        removable = [run for run in others if run is not good]
        for run in removable[: max(0, len(others) + 1 - MOST)]:
            self._remove(run.name)
        for path in self._bad:
            self._remove(path.name.partition(".")[0])

    def _remove(self, name: str) -> None:
        for ending in (ABOUT, KEPT):
            with contextlib.suppress(OSError):
                (self.folder / f"{name}{ending}").unlink()


FIELDS = ("python", "verdict", "first", "last", "good")


def _run(content: object, name: str) -> Run:
    if not isinstance(content, dict) or set(content) != set(FIELDS):
        raise ValueError("not a run")
    if not all(isinstance(value, str) or (key == "good" and value is None) for key, value in content.items()):
        raise ValueError("not a run")
    run = Run(name=name, **content)
    for moment in (run.first, run.last, run.good or run.last):
        datetime.datetime.fromisoformat(moment)
    return run


def _write(path: Path, text: str) -> None:
    """Write a file at once, for the user alone: another run sees the old contents or the new ones.

    Raises:
        OSError: There is no room, or no right.
    """
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=".")
    try:
        with os.fdopen(handle, "w", encoding="utf-8", newline="\n") as file:
            file.write(text)
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:16]
