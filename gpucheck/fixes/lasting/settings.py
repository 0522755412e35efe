"""Settings written to a place where they last, as one step of the journal."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from gpucheck.fixes.lasting import files, places
from gpucheck.fixes.lasting.journal import Entry, Journal, JournalError, new_id

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
    entry = Entry(id=new_id(), what=f"settings in {path}", slug=slug)
    entry = journal.begin(entry, [path], linked=False)
    failure = places.set_in_conda(place, values) if wanted is None else _write(path, wanted)
    if failure is not None:
        journal.undo(entry, checked=False)
        raise JournalError(failure)
    return journal.end(entry)


def _write(path: Path, wanted: bytes) -> str | None:
    try:
        files.write_whole(path, wanted)
    except OSError as error:
        return f"{path}: cannot be written: {error.strerror}"
    return None
