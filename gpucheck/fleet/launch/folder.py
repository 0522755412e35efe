"""A run's folder: manifest.json, nodes/NAME.json, partial/NAME, events.jsonl; enough to go on after any end."""

from __future__ import annotations

import contextlib
import datetime
import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gpucheck.fleet.contract import NODES, ContractError, file_name, write_report
from gpucheck.fleet.launch.heard import parse, whole
from gpucheck.fleet.launch.states import LaunchError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from gpucheck.fleet.launch.states import End

SCHEMA_VERSION = 1
MANIFEST, EVENTS, PARTIAL, LOCK, SUMMARY = "manifest.json", "events.jsonl", "partial", ".lock", "summary.json"
RUNS = Path("gpucheck-fleet")


def default() -> Path:
    """Return the folder of a new run that nobody has named."""
    return RUNS / datetime.datetime.now().astimezone().strftime("%Y-%m-%dT%H-%M-%S")


def latest() -> Path:
    """Return the folder of the newest run below the working directory.

    Raises:
        LaunchError: There is none.
    """
    found = sorted(path.parent for path in RUNS.glob(f"*/{MANIFEST}"))
    if not found:
        raise LaunchError(f"--resume: there is no run in {RUNS}; name its folder with --out DIR")
    return found[-1]


class Folder:
    """The folder of one run; a context in which no other coordinator may write there."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.lock: int | None = None

    def create(self, manifest: dict[str, Any]) -> None:
        """Begin a new run.

        Raises:
            LaunchError: Something is there already, or it cannot be written.
        """
        if (self.path / MANIFEST).exists():
            raise LaunchError(f"--out {self.path}: a run is there already; --resume goes on with it")
        with self._writing():
            self.path.mkdir(parents=True, exist_ok=True)
            if any(entry.name != LOCK for entry in self.path.iterdir()):
                (self.path / LOCK).unlink(missing_ok=True)  # ours, in somebody else's folder
                raise LaunchError(f"--out {self.path}: is not empty, and no run's folder")
            (self.path / NODES).mkdir(exist_ok=True)
            content = {"schema_version": SCHEMA_VERSION, **manifest}
            self._write(MANIFEST, json.dumps(content, indent=2) + "\n")

    def manifest(self) -> dict[str, Any]:
        """Return what the run was begun with.

        Raises:
            LaunchError: There is no run, or a newer gpucheck has begun it.
        """
        path = self.path / MANIFEST
        try:
            content = json.loads(path.read_bytes())
            version, nodes = content["schema_version"], content["nodes"]
        except OSError as error:
            raise LaunchError(f"--resume: {path}: {error.strerror}") from None
        except (ValueError, KeyError, TypeError, RecursionError):
            raise LaunchError(f"--resume: {path}: is no manifest of a run") from None
        if version != SCHEMA_VERSION or not isinstance(nodes, list):
            raise LaunchError(f"--resume: {path}: its schema is {version}, this gpucheck knows {SCHEMA_VERSION}")
        return dict(content)

    def report(self, node: str) -> bytes | None:
        """Return a node's report where it is whole."""
        try:
            content = (self.path / NODES / file_name(node)).read_bytes()
        except OSError:
            return None
        return content if whole(node, content) else None

    def missing(self, nodes: Sequence[str]) -> list[str]:
        """Return the nodes without a whole report."""
        return [node for node in nodes if self.report(node) is None]

    def keep(self, end: End) -> None:
        """Keep what came of a node: its report, or what there is instead, out of the reports' way.

        Raises:
            LaunchError: It cannot be written.
        """
        partial = self.path / PARTIAL / file_name(end.node).removesuffix(".json")
        with self._writing():
            if end.report is not None:
                write_report(self.path, end.node, end.report)
                partial.unlink(missing_ok=True)
            else:
                (self.path / NODES / file_name(end.node)).unlink(missing_ok=True)
                partial.unlink(missing_ok=True)
            if end.partial and end.report is None:
                partial.parent.mkdir(exist_ok=True)
                partial.write_bytes(end.partial)
        self.event(end.node, end.state.value, reason=end.reason, seconds=end.seconds and round(end.seconds, 3))

    def event(self, node: str | None, state: str, **more: Any) -> None:
        """Add one line to the run's events.

        Raises:
            LaunchError: It cannot be written.
        """
        now = datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="milliseconds")
        line = json.dumps({"time": now, "node": node, "state": state, **more}, separators=(",", ":")) + "\n"
        with self._writing(), (self.path / EVENTS).open("ab") as file:
            file.write(line.encode())

    def told(self, node: str) -> Any:
        """Return a node's whole report, parsed."""
        raw = self.report(node)
        return parse(node, raw) if raw is not None else None

    def summary(self, content: str) -> None:
        """Write the collector's word.

        Raises:
            LaunchError: It cannot be written.
        """
        with self._writing():
            self._write(SUMMARY, content)

    def _write(self, name: str, content: str) -> None:
        """Write a document as a whole or not at all."""
        part = self.path / f".{name}.part"
        part.write_text(content, encoding="utf-8")
        part.replace(self.path / name)

    @contextlib.contextmanager
    def _writing(self) -> Iterator[None]:
        try:
            yield
        except ContractError as error:
            raise LaunchError(f"{error}; gpucheck fleet run --resume --out {self.path} goes on") from None
        except OSError as error:
            raise LaunchError(f"{error.filename or self.path}: {error.strerror}") from None

    def __enter__(self) -> Folder:
        """Take the folder.

        Raises:
            LaunchError: Another coordinator has it.
        """
        try:
            import fcntl
        except ImportError:
            return self
        with self._writing():
            self.path.mkdir(parents=True, exist_ok=True)
            self.lock = os.open(self.path / LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        try:
            fcntl.flock(self.lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise LaunchError(f"--out {self.path}: another gpucheck fleet run is at work there") from None
        except OSError:
            pass  # a file system without locks
        return self

    def __exit__(self, *error: object) -> None:
        """Give it back."""
        if self.lock is not None:
            os.close(self.lock)
