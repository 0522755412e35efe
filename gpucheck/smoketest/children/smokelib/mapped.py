"""The cuDNN files that are really mapped into this process, and their version."""

from __future__ import annotations

import ctypes
import re


def cudnn_libraries() -> list[dict]:
    """Return path and version of every mapped libcudnn file; empty where /proc is not there."""
    try:
        with open("/proc/self/maps", encoding="utf-8", errors="replace") as maps:
            paths = sorted({found.group(1) for line in maps if (found := re.search(r"(/\S*/libcudnn\S*)$", line))})
    except OSError:
        return []
    return [{"path": path, "version": version(path)} for path in paths]


def version(path: str) -> int | None:
    """Return cudnnGetVersion of the main library; the sub-libraries have no such function."""
    if re.search(r"/libcudnn\.so[.\d]*$", path) is None:
        return None
    try:
        return int(ctypes.CDLL(path).cudnnGetVersion())
    except (OSError, AttributeError):
        return None
