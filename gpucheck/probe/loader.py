"""Where the dynamic loader looks for a library: LD_LIBRARY_PATH, its cache, the standard folders."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

# Debian's, Red Hat's, WSL's, the container toolkit's, Jetson's and NixOS's places.
STANDARD_FOLDERS = (
    "lib/x86_64-linux-gnu",
    "usr/lib/x86_64-linux-gnu",
    "usr/lib/aarch64-linux-gnu",
    "usr/lib/aarch64-linux-gnu/tegra",
    "usr/lib/aarch64-linux-gnu/nvidia",
    "lib64",
    "usr/lib64",
    "usr/lib64/nvidia",
    "lib",
    "usr/lib",
    "usr/lib/wsl/lib",
    "usr/local/nvidia/lib64",
    "run/opengl-driver/lib",
)


def library_path(environ: Mapping[str, str]) -> list[Path]:
    """Return the absolute folders of LD_LIBRARY_PATH, in order."""
    parts = environ.get("LD_LIBRARY_PATH", "").replace(";", ":").split(":")
    return [Path(part) for part in parts if part and os.path.isabs(part)]  # noqa: PTH117 - text, not a path yet


def system_folders(root: Path, library: str) -> list[Path]:
    """Return the folders that are searched after LD_LIBRARY_PATH, for a library such as ``libcudnn.so``.

    The cache's strings are absolute paths ended by NUL; `ldconfig -p` would cost a process.
    """
    try:
        cache = (root / "etc/ld.so.cache").read_bytes()
    except OSError:
        cache = b""
    named = re.findall(rb"(/[^\0]{1,500})/" + re.escape(library.encode()) + rb"[.\d]*\0", cache)
    cached = [root / folder.decode("utf-8", "replace").lstrip("/") for folder in dict.fromkeys(named)]
    return list(dict.fromkeys([*cached, *(root / folder for folder in STANDARD_FOLDERS)]))
