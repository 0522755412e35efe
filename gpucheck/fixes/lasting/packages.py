"""Packages changed as one step: what they replace is kept first, and everything comes back if it did not help."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from gpucheck.fixes.lasting import files, installer
from gpucheck.fixes.lasting.journal import Entry, FileChange, JournalError, new_id
from gpucheck.fixes.lasting.target import Target, ask, replaceable

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from gpucheck.fixes.lasting.installer import Installer, Planned
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
    """Keep what a plan replaces, and note what is there.

    Raises:
        TargetError: One of the packages could not be had again.
        JournalError: The journal cannot be written.
    """
    paths = replaced(target, planned)
    names = tuple(one.name for one in planned)
    entry = Entry(id=new_id(), what=what, slug=slug, python=target.python, names=names)
    entry = journal.begin(entry, paths, linked=True)
    try:
        listing = "\0".join(sorted(_present(target.roots)))
        files.write_whole(journal.folder / entry.id / LISTING, os.fsencode(listing))
    except OSError as error:
        raise JournalError(f"{journal.folder}: the journal cannot be written: {error.strerror}") from None
    return entry


def install(tool: Installer, *, reinstall: Sequence[str], install: Sequence[str]) -> str | None:
    """Install. Return why it failed, or None."""
    return installer.carry_out(tool, reinstall=reinstall, install=install)


def end(journal: Journal, entry: Entry, target: Target) -> Entry:
    """Note what the installer has left: every file that is new or changed.

    Raises:
        JournalError: The journal cannot be written.
    """
    return journal.end(with_new_files(journal, entry, target))


def with_new_files(journal: Journal, entry: Entry, target: Target) -> Entry:
    """Add the files that were not there before and belong to a change, so that undoing it removes them.

    They are those of the packages concerned, of what an installer has set aside (``~name``), and those beside
    files that were replaced; what somebody else has installed meanwhile is not among them.
    """
    before = _noted(journal, entry)
    now = ask(target.python, entry.names).distributions
    ours = {path for one in now.values() for path in one.files}
    beside = {str(Path(one.path).parent) for one in entry.files} - {*target.sites, *target.roots}

    def belongs(path: str) -> bool:
        near = path in ours or str(Path(path).parent) in beside
        return near or _set_aside(path, target) or _compiled(path, ours)

    new = [path for path in sorted(_present(target.roots) - before) if belongs(path)]
    had = {str(folder) for path in before for folder in Path(path).parents}
    made = {str(folder) for path in new for folder in Path(path).parents} - had - set(target.roots)
    return replace(
        entry,
        files=(*entry.files, *(FileChange(path=path) for path in new)),
        folders=tuple(sorted(made, key=len, reverse=True)),
    )


def _noted(journal: Journal, entry: Entry) -> set[str]:
    try:
        return set(os.fsdecode((journal.folder / entry.id / LISTING).read_bytes()).split("\0"))
    except OSError as error:
        raise JournalError(f"{journal.folder / entry.id}: cannot be read: {error.strerror}") from None


def _present(roots: Iterable[str]) -> set[str]:
    found: set[str] = set()
    for root in roots:
        for folder, _, names in os.walk(root):
            found.update(f"{folder}/{name}" for name in names)
    return found


def _set_aside(path: str, target: Target) -> bool:
    return any(path.startswith(f"{site}/~") for site in target.sites)


def _compiled(path: str, ours: set[str]) -> bool:
    """Whether it is the compiled form of a file of ours."""
    folder, _, name = path.rpartition("/__pycache__/")
    return bool(folder) and f"{folder}/{name.partition('.')[0]}.py" in ours
