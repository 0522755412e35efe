"""One entry of the journal as a value, and as the text of its file and back."""

from __future__ import annotations

import datetime
import json
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from gpucheck.fixes.lasting.files import Look
from gpucheck.record import record

if TYPE_CHECKING:
    from pathlib import Path

VERSION = 1
BEGUN, DONE, UNDONE = "begun", "done", "undone"


class JournalError(ValueError):
    """The journal cannot be written or read, or an entry cannot be undone; the message says why."""


@record
class FileChange:
    """One file that a change touches.

    Attributes:
        path: The file.
        before: What it looked like before; None: it did not exist.
        kept: Name of its copy in the entry's folder, None where there was no file.
        after: What it looked like afterwards; None: it is gone.
    """

    path: str
    before: Look | None = None
    kept: str | None = None
    after: Look | None = None


@record
class Entry:
    """One change.

    Attributes:
        id: Its name, from the time when it was begun.
        what: What was done, in a sentence.
        slug: The finding that it was to cure, or None.
        python: The interpreter concerned, or None.
        state: ``begun``, ``done`` or ``undone``.
        files: Every file that it touches.
        folders: Folders that it has made, the deepest first.
        names: Packages that it concerns.
    """

    id: str
    what: str
    slug: str | None = None
    python: str | None = None
    state: str = BEGUN
    files: tuple[FileChange, ...] = ()
    folders: tuple[str, ...] = ()
    names: tuple[str, ...] = ()


def new_id() -> str:
    """Return a name for an entry: the time to the microsecond, so that names are in the order of the changes."""
    return f"{datetime.datetime.now(tz=datetime.timezone.utc):%Y%m%d-%H%M%S-%f}"


def text_of(entry: Entry) -> bytes:
    """Return an entry as its file holds it."""
    return (json.dumps({"version": VERSION, **asdict(entry)}, indent=1) + "\n").encode()


def read(path: Path) -> Entry:
    """Read an entry's file.

    Raises:
        JournalError: It cannot be read, or another version of gpucheck wrote it.
    """
    try:
        data: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        if data.pop("version") != VERSION:
            raise JournalError(f"{path}: was written by another version of gpucheck")
        changes = tuple(
            FileChange(**{**one, "before": _look(one["before"]), "after": _look(one["after"])})
            for one in data.pop("files")
        )
        lists = {name: tuple(data[name]) for name in ("folders", "names")}
        return Entry(**{**data, **lists, "files": changes})
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        if isinstance(error, JournalError):
            raise
        raise JournalError(f"{path}: cannot be read: {error}") from None


def _look(data: dict[str, Any] | None) -> Look | None:
    return None if data is None else Look(**data)
