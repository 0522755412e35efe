"""Where the dynamic loader looks for a library, in its order (ld.so(8))."""

from __future__ import annotations

import functools
import os
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from gpucheck.probe.elf import Dynamic

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


class Loader:
    """The loader's search, on this machine or on a folder that stands for it.

    Args:
        root: ``/``, or a folder that stands for it.
        environ: The environment.
    """

    def __init__(self, root: Path, environ: Mapping[str, str]) -> None:
        self.root = root
        parts = environ.get("LD_LIBRARY_PATH", "").replace(";", ":").split(":")
        # text, not a path yet
        self.library_path = [Path(part) for part in parts if part and os.path.isabs(part)]  # noqa: PTH117
        self.standard = [root / folder for folder in STANDARD_FOLDERS if (root / folder).is_dir()]

    @functools.cached_property
    def cached(self) -> list[bytes]:
        """Paths in the loader's cache, ended by NUL; `ldconfig -p` would cost a process."""
        try:
            content = (self.root / "etc/ld.so.cache").read_bytes()
        except OSError:
            return []
        return [text for text in content[max(content.find(b"\0/"), 0) :].split(b"\0") if text[:1] == b"/"]

    def system_folders(self, library: str) -> list[Path]:
        """Return the folders of the cache that hold a library such as ``libcudnn.so``, then the standard ones."""
        start = b"/" + library.encode()
        found = [text.rpartition(b"/")[0] for text in self.cached if start in text]
        named = [self.root / folder.decode("utf-8", "replace").lstrip("/") for folder in dict.fromkeys(found)]
        return list(dict.fromkeys([*named, *self.standard]))

    def candidates(self, soname: str, asker: Dynamic, above: Dynamic | None = None) -> Iterator[Path]:
        """Yield the files that fit a soname, the one that is taken first.

        Args:
            soname: What is asked for.
            asker: The library that asks.
            above: The library that loaded the asker; its DT_RPATH counts where the asker has no DT_RUNPATH.
        """
        own = asker.rpath if not asker.runpath else ()
        inherited = above.rpath if above is not None and not above.runpath and not asker.runpath else ()
        folders = [*_existing(own), *_existing(inherited), *self.library_path, *_existing(asker.runpath)]
        folders += self.system_folders(soname)
        for folder in dict.fromkeys(folders):
            if (folder / soname).exists():
                yield folder / soname


@functools.lru_cache(maxsize=64)
def _existing(folders: tuple[str, ...]) -> tuple[Path, ...]:
    """Return the folders that are there; TensorFlow's tag lists 550, of which ten exist."""
    return tuple(Path(folder) for folder in dict.fromkeys(map(os.path.normpath, folders)) if os.path.isdir(folder))  # noqa: PTH112
