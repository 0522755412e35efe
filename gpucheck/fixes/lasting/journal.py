"""The journal of what was changed: written before each change and after it, and read to undo it.

One folder an entry in the user's state folder: ``entry.json``, and the files as they were. An entry that was begun
and not ended is one whose process was killed: it can be undone like any other.
"""

from __future__ import annotations

import contextlib
import os
import shutil
from dataclasses import replace
from pathlib import Path
from typing import IO, TYPE_CHECKING

import platformdirs

from gpucheck.fixes.lasting import files
from gpucheck.fixes.lasting.entry import DONE, UNDONE, Entry, FileChange, JournalError, read, text_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping


def state_folder() -> Path:
    """Return the user's state folder of gpucheck (XDG base directory specification; not made yet)."""
    return Path(platformdirs.user_state_dir("gpucheck", appauthor=False))


class Journal:
    """The journal.

    Args:
        folder: The state folder.
    """

    def __init__(self, folder: Path | None = None) -> None:
        self.folder = folder or state_folder()

    @contextlib.contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the journal for one process.

        Raises:
            JournalError: Another process holds it, or it cannot be written.
        """
        try:
            self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            lock = os.fdopen(os.open(self.folder / "lock", os.O_RDWR | os.O_CREAT, 0o600), "r+")
        except OSError as error:
            raise JournalError(f"{self.folder}: the journal cannot be written: {error.strerror}") from None
        with lock:
            if not _lock(lock):
                raise JournalError("another `gpucheck fix` or `undo` is at work; wait until it has ended")
            yield

    def begin(
        self, entry: Entry, paths: list[Path], *, linked: bool, notes: Mapping[str, bytes] | None = None
    ) -> Entry:
        """Keep the files as they are and write the entry down, before anything is changed.

        Args:
            entry: The change.
            paths: Every file that it touches and that may exist.
            linked: Whether hard links will do as copies.
            notes: Further files of the entry's folder.

        Raises:
            JournalError: It cannot be written; nothing was kept then.
        """
        place = self.folder / entry.id
        try:
            place.mkdir(parents=True, mode=0o700)
            if (missing := files.room_for((path for path in paths if path.exists()), place)) > 0:
                raise OSError(28, f"No space left on device ({missing / 2**20:.0f} MiB more are needed)")
            changes = tuple(_kept(path, number, place, linked=linked) for number, path in enumerate(paths))
            wanted = {one.path: one.after for one in entry.files}
            entry = replace(entry, files=tuple(replace(one, after=wanted.get(one.path)) for one in changes))
            for name, content in (notes or {}).items():
                files.write_whole(place / name, content, mode=0o600)
            self.write(entry)
        except OSError as error:
            shutil.rmtree(place, ignore_errors=True)
            raise JournalError(f"{place}: the journal cannot be written: {error.strerror}") from None
        return entry

    def write(self, entry: Entry) -> None:
        """Write an entry's state down.

        Raises:
            OSError: It cannot be written; the former state stands.
        """
        files.write_whole(self.folder / entry.id / "entry.json", text_of(entry), mode=0o600)

    def end(self, entry: Entry) -> Entry:
        """Note what every file looks like after a change, by which undoing it knows whether it was touched since.

        Raises:
            JournalError: It cannot be written; the change stands, and can be undone.
        """
        try:
            changed = tuple(replace(one, after=files.look(Path(one.path))) for one in entry.files)
            entry = replace(entry, files=changed, state=DONE)
            self.write(entry)
        except OSError as error:
            why = f"{self.folder}: the journal cannot be written: {error.strerror}"
            raise JournalError(f"{why}; the change is made, `gpucheck undo {entry.id}` takes it back") from None
        return entry

    def entries(self) -> list[Entry]:
        """Return all entries, the oldest first; an unreadable one is left out, its folder stays."""
        found = []
        for path in sorted(self.folder.glob("*/entry.json")):
            with contextlib.suppress(JournalError):
                found.append(read(path))
        return found

    def entry(self, name: str | None) -> Entry:
        """Return an entry, or the last one that is not undone.

        Raises:
            JournalError: There is none.
        """
        if name is None:
            open_ = [entry for entry in self.entries() if entry.state != UNDONE]
            if not open_:
                raise JournalError("there is nothing to undo")
            return open_[-1]
        path = self.folder / name / "entry.json"
        if Path(name).name != name or not path.exists():
            raise JournalError(f"there is no entry {name!r} in the journal; `gpucheck undo --list` shows them")
        return read(path)

    def undo(self, entry: Entry, *, checked: bool = True) -> Entry:
        """Bring back every file as it was, byte for byte.

        Args:
            entry: The change.
            checked: Whether files that were changed since are a reason to refuse.

        Raises:
            JournalError: It is undone already, a file was changed since, or a file cannot be written.
        """
        if entry.state == UNDONE:
            raise JournalError(f"{entry.id} is undone already")
        if checked:
            changed = [one.path for one in entry.files if not _untouched(one, entry.state)]
            if changed:
                more = f" and {len(changed) - 1} more" if len(changed) > 1 else ""
                raise JournalError(f"{changed[0]}{more} changed since {entry.id}; nothing was undone")
        try:
            for one in entry.files:
                _restore(one, self.folder / entry.id)
            for folder in entry.folders:
                _remove_empty(Path(folder))
            entry = replace(entry, state=UNDONE)
            self.write(entry)
        except OSError as error:
            raise JournalError(f"{error.filename}: cannot be brought back: {error.strerror}; try again") from None
        for one in entry.files:
            if one.kept is not None:
                (self.folder / entry.id / one.kept).unlink(missing_ok=True)
        return entry


def _kept(path: Path, number: int, place: Path, *, linked: bool) -> FileChange:
    before = files.look(path)
    if before is None:
        return FileChange(path=str(path))
    name = f"{number:05d}"
    files.keep(path, place / name, linked=linked)
    return FileChange(path=str(path), before=before, kept=name)


def _untouched(change: FileChange, state: str) -> bool:
    """Compiled files come and go by themselves; what a change that was cut off wanted may not be known."""
    path = Path(change.path)
    if path.suffix == ".pyc":
        return True
    now = files.look(path)
    if state == DONE:
        return files.same(now, change.after)
    return change.after is None or files.same(now, change.after) or files.same(now, change.before)


def _restore(change: FileChange, place: Path) -> None:
    path = Path(change.path)
    if change.kept is None:
        path.unlink(missing_ok=True)
        return
    kept = place / change.kept
    if kept.exists() or kept.is_symlink():
        if not (files.same(files.look(path), change.before) and _same_time(path, kept)):
            files.bring_back(kept, path)
    elif not files.same(files.look(path), change.before):
        raise OSError(2, "its kept copy is gone", str(path))


def _same_time(path: Path, kept: Path) -> bool:
    return path.lstat().st_mtime_ns == kept.lstat().st_mtime_ns and path.lstat().st_mode == kept.lstat().st_mode


def _remove_empty(folder: Path) -> None:
    with contextlib.suppress(OSError):
        folder.rmdir()


def _lock(file: IO[str]) -> bool:
    """The lock ends with the process, however it ends."""
    try:
        if os.name == "posix":
            import fcntl

            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        else:
            import msvcrt

            msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)  # type: ignore[attr-defined]
    except OSError:
        return False
    return True
