"""Installed distributions by the names of their folders, and their metadata, without importing anything.

`importlib.metadata.distributions()` costs 250 times as much (measured) as this one pass over the folders.
"""

from __future__ import annotations

import os
import re
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from gpucheck.record import record

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping


@record
class Distribution:
    """One ``NAME-VERSION.dist-info`` folder."""

    name: str
    version: str
    path: Path

    @cached_property
    def requirements(self) -> list[str]:
        """The Requires-Dist lines of its METADATA; empty when there is none."""
        try:
            text = (self.path / "METADATA").read_text(encoding="utf-8", errors="replace")
        except OSError:
            return []
        head = text.split("\n\n", 1)[0]
        return [line.partition(":")[2].strip() for line in head.splitlines() if line.startswith("Requires-Dist:")]

    @cached_property
    def files(self) -> dict[str, tuple[str, int | None]]:
        """The hash and the size in bytes of every shared library that its RECORD lists (PEP 376)."""
        try:
            lines = (self.path / "RECORD").read_text(encoding="utf-8", errors="replace").splitlines()
        except OSError:
            return {}
        found = {}
        for line in lines:
            path, _, rest = line.rpartition(",")[0].rpartition(",")
            if ".so" in path or path.endswith(".dll"):
                size = line.rpartition(",")[2]
                found[path.strip('"')] = (
                    rest,
                    int(size) if size.isascii() and size.isdigit() and len(size) < 19 else None,
                )
        return found


def normalise(name: str) -> str:
    """Return a distribution's name in the one form of PEP 503."""
    return re.sub(r"[-_.]+", "-", name).lower()


def scan(folders: Iterable[Path]) -> dict[str, Distribution]:
    """Return the distributions in some folders by normalised name; the first on the path wins."""
    found: dict[str, Distribution] = {}
    for folder in folders:
        try:
            names = [entry.name for entry in os.scandir(folder) if entry.name.endswith(".dist-info")]
        except OSError:
            continue
        for entry in sorted(names):
            name, _, version = entry.removesuffix(".dist-info").rpartition("-")
            found.setdefault(normalise(name), Distribution(name=name, version=version, path=folder / entry))
    return found


def pinned(requirements: Iterable[str], prefix: str) -> tuple[str, str] | None:
    """Return the version after ``==`` of the first requirement that starts with a prefix, and its text."""
    for text in requirements:
        found = re.match(rf"({re.escape(prefix)}[\w.-]*)\s*\(?==\s*([\w.]+)", text)
        if found is not None:
            return found.group(2), text.partition(";")[0].strip()
    return None


# What people ask about beside the frameworks' own requirements.
COMPANIONS = (
    "torchvision",
    "torchaudio",
    "triton",
    "numpy",
    "protobuf",
    "keras",
    "tf-keras",
    "jax",
    "jaxlib",
    "jax-cuda12-plugin",
    "jax-cuda13-plugin",
)


def versions(installed: Mapping[str, Distribution], frameworks: Iterable[str]) -> dict[str, str]:
    """Return the versions of what some distributions require, and of NVIDIA's packages; no others."""
    wanted = {
        normalise(found[0])
        for name in frameworks
        for text in installed[name].requirements
        if (found := re.match(r"[\w.-]+", text))
    }
    return {
        name: found.version
        for name, found in sorted(installed.items())
        if name in wanted or name in COMPANIONS or name.startswith(("nvidia-", "cuda-"))
    }
