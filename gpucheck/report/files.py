"""Files that somebody asked for: checked before hours are spent, written as a whole or not at all."""

from __future__ import annotations

import os
from pathlib import Path


class FileError(ValueError):
    """A file that was asked for cannot be written; the message says which and why."""


def check(option: str, path: Path) -> None:
    """See that a file can be written.

    Args:
        option: How the user has named it, without its dashes, for messages.
        path: The file.

    Raises:
        FileError: It is a folder, its folder is missing or closed.
    """
    if path.is_dir() or not path.parent.is_dir():
        what = "is a folder" if path.is_dir() else f"the folder {path.parent} is not there"
        raise FileError(f"--{option} {path}: {what}")
    written = path if _is_stream(path) else path.resolve().parent
    if not os.access(written, os.W_OK):
        raise FileError(f"--{option} {path}: {written} cannot be written to")


def write(option: str, path: Path, content: bytes) -> None:
    """Write a file.

    Raises:
        FileError: It cannot be written; what was there before is still there.
    """
    import tempfile

    try:
        if _is_stream(path):
            # A rename would put a plain file in a device's place, for the whole machine where the user is root.
            path.write_bytes(content)
            return
        path = path.resolve()
        with tempfile.NamedTemporaryFile(dir=path.parent, prefix=f".{path.name}-", delete=False) as file:
            file.write(content)
        written = Path(file.name)
        written.chmod(0o666 & ~_umask())
        written.replace(path)
    except OSError as error:
        raise FileError(f"--{option} {path}: {error.strerror}") from None


def _is_stream(path: Path) -> bool:
    """Whether something is there that is no plain file: /dev/null, /dev/stdout, a named pipe."""
    return path.exists() and not path.is_file()


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
