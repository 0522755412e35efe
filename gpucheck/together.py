"""Which TensorFlow and which torch live in one environment, as the doctor's own checks judge it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gpucheck import describe
from gpucheck.diagnosis import diagnose
from gpucheck.tables import Table

if TYPE_CHECKING:
    from packaging.version import Version

    from gpucheck.matrix import Matrix

# Before these nothing resolves: TensorFlow brought no CUDA packages, torch pinned those of CUDA 11.
FIRST = {"torch": (2, 2), "tensorflow": (2, 15)}


def pairs(matrix: Matrix, python: str = "3.11") -> Table:
    """Return the table of all pairs: TensorFlow downwards, torch across.

    Args:
        matrix: The rows.
        python: The environment's Python.
    """
    torches, tensorflows = _since(matrix, "torch"), _since(matrix, "tensorflow")
    rows = tuple(
        (str(tensorflow), *(verdict(matrix, str(torch), str(tensorflow), python) for torch in torches))
        for tensorflow in reversed(tensorflows)
    )
    return Table("Pairs", ("TensorFlow \\ torch", *map(str, torches)), rows)


def _since(matrix: Matrix, framework: str) -> list[Version]:
    return [version for version in matrix.releases(framework) if version.release >= FIRST[framework]]


def verdict(matrix: Matrix, torch: str, tensorflow: str, python: str) -> str:
    """Return ``-`` for a conflict, ``one set``, or the libraries whose files collide."""
    wanted = [describe.parse(f"torch=={torch}.*"), describe.parse(f"tensorflow[and-cuda]=={tensorflow}.*")]
    machine = describe.machine(matrix, gpus=["sm_86"], python=python)
    report = diagnose(describe.installed_into(machine, matrix, wanted), matrix)
    found = {finding.slug: finding for finding in report.findings}
    if "package-conflict" in found:
        return "-"
    if "package-files-overwritten" in found:
        return found["package-files-overwritten"].title.rpartition(": ")[2]
    return "one set"
