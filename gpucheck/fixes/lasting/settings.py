"""Settings written to a place where they last, as one step of the journal."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import TYPE_CHECKING

from gpucheck.fixes.lasting import files, places
from gpucheck.fixes.lasting.entry import Entry, FileChange, JournalError, new_id
from gpucheck.fixes.lasting.files import Look
from gpucheck.fixes.lasting.journal import Journal

if TYPE_CHECKING:
    from collections.abc import Mapping

    from gpucheck.fixes.lasting.places import Place


def write(
    journal: Journal, place: Place, values: Mapping[str, str | None], *, override: bool, slug: str | None = None
) -> Entry | None:
    """Write settings; None when the place has them already.

    Raises:
        PlanError: The place cannot hold them.
        JournalError: The journal or the file cannot be written; nothing is changed then.
    """
    path = place.path or Path()
    wanted = None if place.kind == "conda" else places.content(place, values, override=override)[0]
    if wanted is not None and path.exists() and path.read_bytes() == wanted:
        return None
    path = path.resolve()  # a link stays; the file behind it is what changes
    made = tuple(str(folder) for folder in path.parents if not folder.exists())
    entry = Entry(id=new_id(), what=f"settings in {path}", slug=slug, files=_wanted(path, wanted), folders=made)
    entry = journal.begin(entry, [path], linked=False)
    failure = places.set_in_conda(place, values) if wanted is None else _write(path, wanted)
    if failure is not None:
        journal.undo(entry, checked=False)
        raise JournalError(failure)
    return journal.end(entry)


def _wanted(path: Path, content: bytes | None) -> tuple[FileChange, ...]:
    """What the file is to become, by which a change that was cut off is told from one of the user's."""
    if content is None:
        return ()
    look = Look(size=len(content), changed=0, sha256=hashlib.sha256(content).hexdigest())
    return (FileChange(path=str(path), after=look),)


def _write(path: Path, wanted: bytes) -> str | None:
    try:
        files.write_whole(path, wanted)
    except OSError as error:
        return f"{path}: cannot be written: {error.strerror}"
    return None


def kept(place: Place, values: Mapping[str, str | None], *, override: bool) -> tuple[str, ...]:
    """Return the names that a place keeps as the user has set them there.

    Raises:
        PlanError: The place cannot be read.
    """
    return () if place.kind == "conda" else places.content(place, values, override=override)[1]
