"""Questions to the file system that a folder without rights answers with no, not with an exception.

`pathlib`'s own raise PermissionError where a folder above may not be entered.
"""

# ruff: noqa: PTH110, PTH112, PTH113 - that is the point

from __future__ import annotations

import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path


def exists(path: Path) -> bool:
    """Whether there is such a file, as far as this user can see."""
    return os.path.exists(path)


def is_folder(path: Path) -> bool:
    """Whether there is such a folder, as far as this user can see."""
    return os.path.isdir(path)


def is_file(path: Path) -> bool:
    """Whether there is such a regular file, as far as this user can see."""
    return os.path.isfile(path)


def read(path: Path) -> str | None:
    """Return a file's text, undecodable bytes replaced; None where it cannot be read."""
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None
