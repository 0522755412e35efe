"""A folder in the user's cache for what a training must write, gone when it ends, however it ends."""

from __future__ import annotations

import contextlib
import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator


def cache_folder() -> Path:
    """Return gpucheck's folder in the user's cache (XDG base directory specification; LOCALAPPDATA on Windows)."""
    named = os.environ.get("XDG_CACHE_HOME") or os.environ.get("LOCALAPPDATA")
    return (Path(named) if named else Path.home() / ".cache") / "gpucheck"


@contextlib.contextmanager
def scratch_folder() -> Iterator[str | None]:
    """Yield a fresh folder, or None where the cache cannot be written."""
    try:
        place = cache_folder()
        place.mkdir(parents=True, exist_ok=True)
        folder = tempfile.TemporaryDirectory(prefix="smoke-", dir=place, ignore_cleanup_errors=True)
    except (OSError, RuntimeError):  # read-only, full, or no home at all
        yield None
        return
    with folder as path:
        yield path
