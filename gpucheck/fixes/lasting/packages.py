"""Packages changed as one step: what they replace is kept first, and everything comes back if it did not help."""

from __future__ import annotations

import contextlib
import os
import shutil
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from gpucheck.fixes.lasting import files
from gpucheck.fixes.lasting.entry import Entry, FileChange, JournalError, new_id
from gpucheck.fixes.lasting.target import Target, ask, replaceable

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from gpucheck.fixes.lasting.installer import Planned
    from gpucheck.fixes.lasting.journal import Journal

LISTING = "listing"  # what lay in the environment before, one path a line


def replaced(target: Target, planned: Sequence[Planned]) -> list[Path]:
    """Return every file that a plan replaces, compiled ones too.

    Raises:
        TargetError: One of the packages could not be had again.
    """
    found: dict[Path, None] = {}
    for one in planned:
        have = target.distributions.get(one.name)
        if have is None:
            continue
        replaceable(one.name, have)
        for text in have.files:
            path = Path(text)
            found[path] = None
            if path.suffix == ".py":
                found.update(dict.fromkeys(path.parent.glob(f"__pycache__/{path.stem}.*.pyc")))
    return [path for path in found if path.is_file() or path.is_symlink()]


def begin(journal: Journal, target: Target, planned: Sequence[Planned], what: str, slug: str) -> Entry:
    """Keep what a plan replaces, note what is there, and hold every other file by a link for the time being.

    Raises:
        TargetError: One of the packages could not be had again.
        JournalError: The journal cannot be written.
    """
    paths = replaced(target, planned)
    names = tuple(one.name for one in planned)
    entry = Entry(id=new_id(), what=what, slug=slug, python=target.python, names=names)
    present = sorted(_present(target.roots))
    entry = journal.begin(entry, paths, linked=True, notes={LISTING: os.fsencode("\0".join(present))})
    _hold(_holding(target, entry), present)
    return entry


def _holding(target: Target, entry: Entry) -> Path:
    """A folder on the environment's own file system, where links cost no room."""
    return Path(target.prefix if target.virtual else target.sites[0]) / f".gpucheck-{entry.id}"


def _hold(folder: Path, present: Sequence[str]) -> None:
    """Link every file: an installer puts new files in the place of others' without asking, and tells nobody.

    What cannot be linked is not protected: file systems without links, files of another user.
    """
    try:
        folder.mkdir(mode=0o700)
    except OSError:
        return
    for number, path in enumerate(present):
        with contextlib.suppress(OSError):
            os.link(path, folder / str(number), follow_symlinks=False)


def with_new_files(journal: Journal, entry: Entry, target: Target) -> Entry:
    """Add the files that a change has brought or overwritten, so that undoing it removes them or brings them back.

    New are those of the packages concerned, what an installer has set aside (``~name``), and those beside files
    that were replaced; what somebody else has installed meanwhile is not among them.
    """
    before = _noted(journal, entry)
    now = ask(target.python, entry.names).distributions
    ours = {path for one in now.values() for path in one.files}
    beside = {str(Path(one.path).parent) for one in entry.files} - {*target.sites, *target.roots}

    def belongs(path: str) -> bool:
        near = path in ours or str(Path(path).parent) in beside
        return near or _set_aside(path, target) or _compiled(path, ours)

    holding = _holding(target, entry)
    overwritten = tuple(_overwritten(journal, entry, before, ours, holding))
    shutil.rmtree(holding, ignore_errors=True)
    new = [
        path for path in sorted(_present(target.roots) - set(before)) if belongs(path) and not Path(path).is_dir()
    ]
    had = {str(folder) for path in before for folder in (Path(path), *Path(path).parents)}
    made = {str(folder) for path in new for folder in Path(path).parents} - had - set(target.roots)
    return replace(
        entry,
        files=(*entry.files, *overwritten, *(FileChange(path=path) for path in new)),
        folders=tuple(sorted(made, key=len, reverse=True)),
    )


def _overwritten(
    journal: Journal, entry: Entry, before: Sequence[str], ours: set[str], holding: Path
) -> Iterator[FileChange]:
    """Yield files of nobody concerned that the new packages have taken the place of; each is kept now."""
    kept = {one.path for one in entry.files}
    for number, path in enumerate(before):
        held = holding / str(number)
        if path not in ours or path in kept or not (held.exists() or held.is_symlink()):
            continue
        if os.path.lexists(path) and Path(path).lstat().st_ino == held.lstat().st_ino:
            continue
        name = f"o{number:06d}"
        files.keep(held, journal.folder / entry.id / name, linked=True)
        yield FileChange(path=path, before=files.look(held), kept=name)


def _noted(journal: Journal, entry: Entry) -> list[str]:
    """Files and folders that were there, in the order of their links."""
    try:
        return os.fsdecode((journal.folder / entry.id / LISTING).read_bytes()).split("\0")
    except OSError as error:
        raise JournalError(f"{journal.folder / entry.id}: cannot be read: {error.strerror}") from None


def _present(roots: Iterable[str]) -> set[str]:
    found: set[str] = set()
    for root in roots:
        for folder, inner, names in os.walk(root):
            inner[:] = [name for name in inner if not name.startswith(".gpucheck-")]
            found.update(f"{folder}/{name}" for name in (*inner, *names))
    return found


def _set_aside(path: str, target: Target) -> bool:
    return any(path.startswith(f"{site}/~") for site in target.sites)


def _compiled(path: str, ours: set[str]) -> bool:
    """Whether it is the compiled form of a file of ours."""
    folder, _, name = path.rpartition("/__pycache__/")
    return bool(folder) and f"{folder}/{name.partition('.')[0]}.py" in ours
