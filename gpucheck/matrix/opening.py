"""The matrix with a user's own rows over it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gpucheck.matrix import Matrix, MatrixError

if TYPE_CHECKING:
    from pathlib import Path


def open_matrix(overlay: Path | None = None) -> Matrix:
    """Return the matrix; the user's own rows are read as a whole first, so that a bad one is told at once.

    Raises:
        MatrixError: A row of the user's own cannot be used.
    """
    rows = Matrix(overlay=overlay)
    if overlay is not None:
        from gpucheck.matrix.validate import problems

        found = problems(overlay, overlay=True)
        if found:
            raise MatrixError(f"--matrix {overlay}: {found[0]}")
    return rows
