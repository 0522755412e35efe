"""The compatibility matrix: rows with sources, read file by file as they are asked for.

A query answers with a row or with None; None means that the matrix does not know, never "no".
Imports nothing of ours from elsewhere.
"""

from __future__ import annotations

import datetime
from functools import cached_property
from pathlib import Path
from typing import TypeVar

from packaging.specifiers import InvalidSpecifier, SpecifierSet
from packaging.version import InvalidVersion, Version

from gpucheck.matrix.load import MatrixError, folder, read_row, read_rows, read_toml
from gpucheck.matrix.rows import (
    Architecture,
    Build,
    Encoding,
    Floor,
    Head,
    Limit,
    Product,
    Release,
    Row,
    Rule,
    Toolkit,
    Trouble,
)

__all__ = [
    "Architecture",
    "Build",
    "Encoding",
    "Floor",
    "Head",
    "Limit",
    "Matrix",
    "MatrixError",
    "Product",
    "Release",
    "Row",
    "Rule",
    "Toolkit",
    "Trouble",
    "folder",
    "matches",
    "parse_version",
]

R = TypeVar("R", bound=Row)


def parse_version(text: str | None) -> Version | None:
    """Return a version that can be compared, or None when the text is not one."""
    try:
        return Version(text) if text is not None else None
    except InvalidVersion:
        return None


def matches(specifier: str, text: str | None) -> bool | None:
    """Whether a version fits a PEP 440 specifier; None when either cannot be parsed.

    Pre-releases count as versions like any other: packaging's default changed between 24 and 26.
    """
    version = parse_version(text)
    try:
        return None if version is None else SpecifierSet(specifier).contains(version, prereleases=True)
    except InvalidSpecifier:
        return None


def published(version: str | None) -> bool:
    """Whether a version is a release as the framework's project publishes it, e.g. ``2.13.0+cu130``."""
    parsed = parse_version(version)
    if parsed is None or parsed.is_prerelease:
        return False
    return parsed.local is None or parsed.local == "cpu" or parsed.local.startswith("cu")


class Matrix:
    """The matrix in one folder, with the user's own rows laid over it.

    Args:
        overlay: A folder of the same layout; its files for a framework release replace ours, its rows
            in the other files come before ours.
        base: The folder below; the shipped one by default.

    Raises:
        MatrixError: ``overlay`` is not a folder, or (later, at the first query) a row is malformed.
    """

    def __init__(self, overlay: Path | None = None, base: Path | None = None) -> None:
        self.base = base or folder()
        if overlay is not None and not overlay.is_dir():
            raise MatrixError(f"{overlay}: is not a folder with matrix files")
        self.folders = [overlay, self.base] if overlay is not None else [self.base]
        self._releases: dict[tuple[str, str], Release | None] = {}

    @cached_property
    def date(self) -> datetime.date:
        """Day up to which the rows were checked."""
        path = self.base / "matrix.toml"
        return read_row(Head, read_toml(path), str(path)).date

    def rows(self, file: str, key: str, kind: type[R]) -> tuple[R, ...]:
        """Return all rows of one array of tables, the overlay's first."""
        paths = [place / file for place in self.folders if (place / file).exists()]
        return tuple(row for path in paths for row in read_rows(path, key, kind))

    def floor(self, cuda_major: int) -> Floor | None:
        """Return the lowest driver for any CUDA runtime of a major."""
        rows = self.rows("cuda/floors.toml", "floor", Floor)
        return next((row for row in rows if row.cuda_major == cuda_major), None)

    def cudnn_rule(self, framework: str) -> Rule | None:
        """Return how the loaded cuDNN must relate to the built one."""
        rows = self.rows("cudnn.toml", "rule", Rule)
        return next((row for row in rows if row.framework == framework), None)

    def releases(self, framework: str) -> list[Version]:
        """Return the minor releases of a framework that the matrix knows, oldest first."""
        files = [path for place in self.folders for path in (place / "frameworks" / framework).glob("*.toml")]
        versions = {parse_version(path.stem) for path in files}
        return sorted(version for version in versions if version is not None)

    def release(self, framework: str, version: str | None) -> Release | None:
        """Return the release that a version such as ``2.13.0+cpu`` belongs to."""
        parsed = parse_version(version)
        if parsed is None:
            return None
        key = (framework, f"{parsed.major}.{parsed.minor}")
        if key not in self._releases:
            self._releases[key] = self._read_release(*key)
        return self._releases[key]

    def build(self, framework: str, version: str | None, platform: str, cuda: str | None) -> Build | None:
        """Return the published build of a release for a platform whose CUDA runtime is ``cuda``.

        A version with a label of its own (``2.10.0a0+b4e4ee81d3.nv25.11``) or a pre-release is somebody's own
        build: the rows say nothing about it.
        """
        release = self.release(framework, version) if published(version) else None
        builds = release.build if release is not None else ()
        return next((row for row in builds if row.platform == platform and row.cuda_runtime == cuda), None)

    def why_unknown(self, framework: str, version: str | None) -> str:
        """Say why `release` has no answer: newer than the data, older, or not a version."""
        parsed, known = parse_version(version), self.releases(framework)
        if parsed is None:
            return f"{version!r} is not a version that can be compared"
        if not published(version):
            return f"{framework} {version} is a build of its own; the matrix knows published releases only"
        if known and (parsed.major, parsed.minor) > (known[-1].major, known[-1].minor):
            return f"{framework} {version} is newer than the matrix of {self.date} (its newest: {known[-1]})"
        return f"the matrix of {self.date} has no row for {framework} {version}"

    def _read_release(self, framework: str, release: str) -> Release | None:
        for place in self.folders:
            path = place / "frameworks" / framework / f"{release}.toml"
            if path.exists():
                return read_row(Release, read_toml(path), str(path))
        return None
