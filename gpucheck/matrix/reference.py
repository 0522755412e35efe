"""Rows that no check judges by, only people read: whole tables, in the files' order."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gpucheck.matrix.rows import (
    Architecture,
    Branch,
    Floor,
    ForwardPackage,
    ForwardSupport,
    Toolkit,
)

if TYPE_CHECKING:
    from gpucheck.matrix import Matrix


class Reference:
    """The whole tables of a matrix."""

    def __init__(self, matrix: Matrix) -> None:
        self._rows = matrix.rows

    def floors(self) -> tuple[Floor, ...]:
        """Return the lowest drivers."""
        return self._rows("cuda/floors.toml", "floor", Floor)

    def toolkits(self) -> tuple[Toolkit, ...]:
        """Return the toolkits."""
        return self._rows("cuda/toolkits.toml", "toolkit", Toolkit)

    def branches(self) -> tuple[Branch, ...]:
        """Return the driver branches, newest first."""
        rows = self._rows("cuda/branches.toml", "branch", Branch)
        return tuple(sorted(rows, key=lambda row: -row.branch))

    def architectures(self) -> tuple[Architecture, ...]:
        """Return the architectures."""
        return self._rows("cuda/architectures.toml", "architecture", Architecture)

    def forward_support(self) -> tuple[ForwardSupport, ...]:
        """Return on which products cuda-compat works."""
        return self._rows("cuda/forward.toml", "forward-support", ForwardSupport)

    def forward_packages(self) -> tuple[ForwardPackage, ...]:
        """Return the cuda-compat packages."""
        return self._rows("cuda/forward.toml", "forward-package", ForwardPackage)
