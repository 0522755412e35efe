"""Where the dynamic loader looks for a library, in its order (ld.so(8))."""

# ruff: noqa: PTH110, PTH112, PTH117, PTH121 - texts, not paths: see Loader

from __future__ import annotations

import functools
import os
from pathlib import Path
from typing import TYPE_CHECKING

from gpucheck.probe import elf

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

    Paths are texts here: some hundred files are looked for before the doctor can answer.

    Args:
        root: ``/``, or a folder that stands for it.
        environ: The environment.
    """

    def __init__(self, root: Path, environ: Mapping[str, str]) -> None:
        self.root = str(root).rstrip("/")
        parts = environ.get("LD_LIBRARY_PATH", "").replace(";", ":").split(":")
        self.library_path = [part.rstrip("/") for part in parts if part and os.path.isabs(part)]
        standard = (f"{self.root}/{folder}" for folder in STANDARD_FOLDERS)
        self._seen: dict[tuple[str, ...], tuple[str, ...]] = {}
        self.standard = [folder for folder in standard if os.path.isdir(folder)]

    @functools.cached_property
    def cache(self) -> bytes:
        """The loader's cache: a table, then absolute paths ended by NUL; `ldconfig -p` would cost a process."""
        try:
            return Path(f"{self.root}/etc/ld.so.cache").read_bytes()
        except OSError:
            return b""

    def system_folders(self, library: str) -> list[str]:
        """Return the folders of the cache that hold a library such as ``libcudnn.so``, then the standard ones."""
        wanted, found, place = b"/" + library.encode(), [], -1
        while (place := self.cache.find(wanted, place + 1)) >= 0:
            folder = self.cache[self.cache.rfind(b"\0", 0, place) + 1 : place]
            found.append(f"{self.root}{folder.decode('utf-8', 'replace')}")
        return list(dict.fromkeys([*(folder for folder in found if os.path.isabs(folder)), *self.standard]))

    def candidates(self, soname: str, asker: Dynamic, above: Dynamic | None = None) -> Iterator[Path]:
        """Yield the files that fit a soname, the one that is taken first.

        Args:
            soname: What is asked for.
            asker: The library that asks.
            above: The library that loaded the asker; its DT_RPATH counts where the asker has no DT_RUNPATH.
        """
        own = asker.rpath if not asker.runpath else ()
        inherited = above.rpath if above is not None and not above.runpath and not asker.runpath else ()
        folders = [*self._existing(own), *self._existing(inherited), *self.library_path]
        folders += [*self._existing(asker.runpath), *self.system_folders(soname)]
        for folder in dict.fromkeys(folders):
            path = Path(folder, soname)
            if os.path.exists(path) and not elf.for_another_machine(path, asker.machine):
                yield path

    def _existing(self, folders: tuple[str, ...]) -> tuple[str, ...]:
        """Return the folders that are there; TensorFlow's tag lists 550, of which ten exist."""
        if folders not in self._seen:
            there = (folder for folder in dict.fromkeys(folders) if os.path.isdir(folder))
            self._seen[folders] = tuple(dict.fromkeys(map(_plain, there)))
        return self._seen[folders]


def _plain(folder: str) -> str:
    """Return a folder without ``..``; where a link stands on the way, the place that the kernel takes it to."""
    short = os.path.normpath(folder)
    return short if os.path.exists(short) and os.path.samefile(short, folder) else os.path.realpath(folder)
