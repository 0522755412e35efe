"""Files written whole or not at all, copies of what was there, and what a file looked like."""

from __future__ import annotations

import hashlib
import os
import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from gpucheck.record import record

if TYPE_CHECKING:
    from collections.abc import Iterable

SMALL = 1 << 20  # bytes up to which a file is known by its contents; above, by size and time of change


@record
class Look:
    """What a file looked like.

    Attributes:
        size: Bytes.
        changed: Time of its last change, nanoseconds.
        sha256: Of its contents; None for a large file.
        link: Where it points, for a symbolic link.
    """

    size: int
    changed: int
    sha256: str | None = None
    link: str | None = None


def look(path: Path) -> Look | None:
    """Return what a file looks like now, None where there is none.

    Raises:
        OSError: It cannot be read.
    """
    try:
        seen = path.lstat()
        if path.is_symlink():
            return Look(size=0, changed=seen.st_mtime_ns, link=str(path.readlink()))
        digest = hashlib.sha256(path.read_bytes()).hexdigest() if seen.st_size <= SMALL else None
    except FileNotFoundError:
        return None
    return Look(size=seen.st_size, changed=seen.st_mtime_ns, sha256=digest)


def same(one: Look | None, other: Look | None) -> bool:
    """Whether two looks are of one content; the time counts only where the content was not read."""
    if one is None or other is None:
        return one is other
    if one.sha256 is not None and other.sha256 is not None:
        return one.sha256 == other.sha256
    return (one.size, one.link) == (other.size, other.link) and (
        one.link is not None or one.changed == other.changed
    )


def write_whole(path: Path, content: bytes, mode: int | None = None) -> None:
    """Replace a file by new contents at once; whoever reads it sees the old ones or the new ones.

    A symbolic link stays one: the file that it points to is replaced.

    Raises:
        OSError: There is no room, or no right; the file is then as it was.
    """
    target = path.resolve()
    target.parent.mkdir(parents=True, exist_ok=True)
    if mode is None:
        mode = target.stat().st_mode & 0o7777 if target.exists() else 0o666 & ~_umask()
    handle, name = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        Path(name).chmod(mode)
        Path(name).replace(target)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
    _sync_folder(target.parent)


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def _sync_folder(folder: Path) -> None:
    if os.name != "posix":
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    except OSError:  # some file systems cannot
        pass
    finally:
        os.close(handle)


def keep(path: Path, place: Path, *, linked: bool) -> None:
    """Keep a file at another place, with its mode and times.

    Args:
        path: The file.
        place: Where it is kept.
        linked: Whether a hard link will do: only for files that are replaced, never written into.

    Raises:
        OSError: There is no room, or no right.
    """
    place.parent.mkdir(parents=True, exist_ok=True)
    if linked and not path.is_symlink():
        try:
            os.link(path, place)
            return
        except OSError:  # another file system, or one without links
            pass
    shutil.copy2(path, place, follow_symlinks=False)


def bring_back(place: Path, path: Path) -> None:
    """Put a kept file back where it was, at once.

    Raises:
        OSError: There is no room, or no right.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}."[:100])
    os.close(handle)
    Path(name).unlink()
    try:
        shutil.copy2(place, name, follow_symlinks=False)
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


def room_for(paths: Iterable[Path], folder: Path) -> int:
    """Return how many bytes are missing in a folder to keep copies of files there; 0 or less: it has room.

    Files of the same file system are linked and need none.
    """
    device = folder.stat().st_dev
    sizes = [path.lstat() for path in paths]
    needed = sum(one.st_size for one in sizes if one.st_dev != device)
    return needed - shutil.disk_usage(folder).free
