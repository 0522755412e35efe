"""The compatibility matrix: rows with sources, read file by file as they are asked for.

A query answers with a row or with None; None means that the matrix does not know, never "no".
Imports nothing of ours from elsewhere.
"""

# ruff: noqa: PTH110 - a version from outside may make a name that is too long: no such file, no exception

from __future__ import annotations

import datetime
import os
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from packaging.version import Version

from gpucheck.matrix.load import MatrixError, folder, read_row, read_rows, read_toml
from gpucheck.matrix.messages import MESSAGE_FILES, Message
from gpucheck.matrix.releases import Build, Companion, Package, PackageLimit, Release, Trouble
from gpucheck.matrix.rows import (
    Architecture,
    Branch,
    Chip,
    CudnnRelease,
    Distribution,
    Encoding,
    Floor,
    Head,
    Limit,
    Product,
    Row,
    Rule,
    Toolkit,
    Xid,
)
from gpucheck.matrix.versions import matches, parse_version, published

if TYPE_CHECKING:
    from collections.abc import Container

__all__ = [
    "Architecture",
    "Branch",
    "Build",
    "Chip",
    "Companion",
    "CudnnRelease",
    "Distribution",
    "Encoding",
    "Floor",
    "Head",
    "Limit",
    "Matrix",
    "MatrixError",
    "Message",
    "Package",
    "PackageLimit",
    "Product",
    "Release",
    "Row",
    "Rule",
    "Toolkit",
    "Trouble",
    "Xid",
    "folder",
    "matches",
    "parse_version",
    "published",
]

R = TypeVar("R", bound=Row)


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
        self._rows: dict[tuple[str, str], tuple[Row, ...]] = {}

    @cached_property
    def date(self) -> datetime.date:
        """Day up to which the rows were checked."""
        path = self.base / "matrix.toml"
        return read_row(Head, read_toml(path), str(path)).date

    def rows(self, file: str, key: str, kind: type[R]) -> tuple[R, ...]:
        """Return all rows of one array of tables, the overlay's first."""
        if (file, key) not in self._rows:
            paths = [place / file for place in self.folders if os.path.exists(place / file)]
            self._rows[file, key] = tuple(row for path in paths for row in read_rows(path, key, kind))
        return self._rows[file, key]  # type: ignore[return-value]

    def floor(self, cuda_major: int) -> Floor | None:
        """Return the lowest driver for any CUDA runtime of a major."""
        rows = self.rows("cuda/floors.toml", "floor", Floor)
        return next((row for row in rows if row.cuda_major == cuda_major), None)

    def toolkit(self, version: str | None) -> Toolkit | None:
        """Return a CUDA toolkit by major and minor, e.g. ``10.1``."""
        rows = self.rows("cuda/toolkits.toml", "toolkit", Toolkit)
        return next((row for row in rows if row.version == version), None)

    def branch(self, driver: Version) -> Branch | None:
        """Return the branch of a driver version: the newest that is not above its first number.

        Windows drivers count on inside a branch (581.29 is of R580).
        """
        rows = [row for row in self.rows("cuda/branches.toml", "branch", Branch) if row.branch <= driver.major]
        return max(rows, key=lambda row: row.branch, default=None)

    def architecture(self, compute_capability: str | None) -> Architecture | None:
        """Return the architecture of a compute capability such as ``8.6``."""
        rows = self.rows("cuda/architectures.toml", "architecture", Architecture)
        return next((row for row in rows if compute_capability in row.compute_capabilities), None)

    def chip(self, name: str | None) -> Chip | None:
        """Return the chip of a name such as ``GP104GLM [Quadro P5000 Mobile]``: the longest that fits."""
        first = (name or "").split(" ")[0]
        rows = [row for row in self.rows("cuda/chips.toml", "chip", Chip) if first.startswith(row.chip)]
        return max(rows, key=lambda row: len(row.chip), default=None)

    def distribution(self, name: str | None) -> Distribution | None:
        """Return how a Linux distribution, such as ``rocky 9.4``, installs the driver."""
        system, _, version = (name or "").partition(" ")
        rows = self.rows("distributions.toml", "distribution", Distribution)
        major = version.partition(".")[0]
        return next(
            (row for row in rows if system in row.ids and (not row.versions or major in row.versions)), None
        )

    def messages(self) -> tuple[Message, ...]:
        """Return the messages by which troubles show themselves."""
        files = [f"messages/{name}.toml" for name in MESSAGE_FILES]
        return tuple(row for file in files for row in self.rows(file, "message", Message))

    def xid(self, number: int) -> Xid | None:
        """Return what an Xid means."""
        return next((row for row in self.rows("xid.toml", "xid", Xid) if row.number == number), None)

    def integrated(self) -> frozenset[str]:
        """Return the compute capabilities of GPUs inside Tegra processors."""
        rows = self.rows("cuda/architectures.toml", "architecture", Architecture)
        return frozenset(text for row in rows if row.integrated for text in row.compute_capabilities)

    def cudnn_rule(self, framework: str) -> Rule | None:
        """Return how the loaded cuDNN must relate to the built one."""
        rows = self.rows("cudnn.toml", "rule", Rule)
        return next((row for row in rows if row.framework == framework), None)

    def cudnn(self, version: str | None) -> CudnnRelease | None:
        """Return the row of a cuDNN release: of ``9.10.2.21`` that of 9.10.2, else that of 9.10."""
        parsed = parse_version(version)
        if parsed is None:
            return None
        rows = self.cudnn_releases()
        names = [".".join(map(str, parsed.release[:length])) for length in (3, 2)]
        return next((row for name in names for row in rows if row.version == name), None)

    def cudnn_releases(self) -> tuple[CudnnRelease, ...]:
        """Return every cuDNN release that the matrix knows."""
        return self.rows("cudnn.toml", "release", CudnnRelease)

    def cudnn_limit(self, framework: str, version: str, cudnn: str, compute_capability: str) -> Limit | None:
        """Return the row by which a framework refuses a cuDNN on a compute capability."""
        for row in self.rows("cudnn.toml", "limit", Limit):
            if (
                row.framework == framework
                and matches(row.release, version)
                and matches(row.cudnn, cudnn)
                and matches(row.compute_capability, compute_capability)
            ):
                return row
        return None

    def products(self) -> tuple[Product, ...]:
        """Return every GPU product that the matrix knows."""
        return self.rows("gpus.toml", "gpu", Product)

    def packages(self) -> tuple[Package, ...]:
        """Return NVIDIA's library packages on the package index."""
        return self.rows("packages/nvidia.toml", "package", Package)

    def package_limits(
        self, framework: str, version: str | None, packages: Container[str] | None = None
    ) -> tuple[PackageLimit, ...]:
        """Return what a version of a framework needs of other packages, beside what its METADATA declares.

        Args:
            framework: ``torch`` or ``tensorflow``.
            version: Its version.
            packages: Only rows on these; None for all.
        """
        file = f"packages/{framework}.toml"
        return self._concerning(file, "package-limit", PackageLimit, version, "{}", packages)

    def companions(self, framework: str, version: str | None) -> tuple[Companion, ...]:
        """Return the companion packages of a release, such as torchvision."""
        return self._concerning(f"packages/{framework}.toml", "companion", Companion, version, "=={}.*")

    def _concerning(
        self,
        file: str,
        key: str,
        kind: type[R],
        version: str | None,
        specifier: str,
        packages: Container[str] | None = None,
    ) -> tuple[R, ...]:
        """Return the rows whose release fits a version; of some hundred rows only those few are made."""

        def wanted(table: dict[str, Any]) -> bool:
            if packages is not None and table.get("package") not in packages:
                return False
            return _fits(specifier, table.get("release"), version)

        paths = [place / file for place in self.folders if os.path.exists(place / file)]
        return tuple(row for path in paths for row in read_rows(path, key, kind, wanted))

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

    def builds(self, framework: str, version: str | None, platform: str | None) -> tuple[Build, ...]:
        """Return the published builds of a version for a platform, the package index's own first.

        A version with a label of its own (``2.10.0a0+b4e4ee81d3.nv25.11``) or a pre-release is somebody's own
        build: the rows say nothing about it.
        """
        release = self.release(framework, version) if published(version) else None
        parsed = parse_version(version)
        if release is None or parsed is None:
            return ()
        found = [row for row in release.build if row.platform == platform and row.covers(parsed)]
        return tuple(sorted(found, key=lambda row: not row.default))

    def build(self, framework: str, version: str | None, platform: str, cuda: str | None) -> Build | None:
        """Return the published build of a version for a platform whose CUDA runtime is ``cuda``."""
        rows = self.builds(framework, version, platform)
        return next((row for row in rows if row.cuda_runtime == cuda), None)

    def why_unknown(self, framework: str, version: str | None) -> str:
        """Say why the matrix has no answer: newer than the data, older, or not a version."""
        parsed, known = parse_version(version), self.releases(framework)
        if parsed is None:
            return f"{version!r} is not a version that can be compared"
        if not published(version):
            return f"{framework} {version} is a build of its own; the matrix knows published releases only"
        newest = max(self.patches(framework, str(known[-1]))) if known else None
        if newest is not None and Version(parsed.public) > newest:
            return f"{framework} {version} is newer than the matrix of {self.date} (its newest: {newest})"
        return f"the matrix of {self.date} has no row for {framework} {version}"

    def patches(self, framework: str, version: str) -> list[Version]:
        """Return the patch releases that the matrix knows of a minor release, oldest first."""
        release = self.release(framework, version)
        texts = {text for row in release.build for text in row.versions} if release is not None else set()
        return sorted(map(Version, texts)) or [Version(version)]

    def _read_release(self, framework: str, release: str) -> Release | None:
        for place in self.folders:
            path = place / "frameworks" / framework / f"{release}.toml"
            if os.path.exists(path):
                return read_row(Release, read_toml(path), str(path))
        return None


def _fits(specifier: str, release: object, version: str | None) -> bool:
    """Whether a row concerns a version; a row that is malformed does, so that reading it tells what is wrong."""
    return not isinstance(release, str) or matches(specifier.format(release), version) is not False
