"""NVIDIA's library packages on the index: which versions there are, and which files the newest one has."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import TYPE_CHECKING

from gpucheck.matrix.releases import INDEX
from gpucheck.refresh import index
from gpucheck.refresh.wheel import Reader

if TYPE_CHECKING:
    import datetime
    from collections.abc import Sequence

    from gpucheck.matrix import Package

PLATFORM = "linux-x86_64"
THREADS = 6


def read(rows: Sequence[Package], today: datetime.date) -> list[Package]:
    """Return the rows as the index has them now; one that has not changed is returned as it was.

    Raises:
        RefreshError: The index does not answer.
    """
    with ThreadPoolExecutor(THREADS) as pool:
        return list(pool.map(lambda row: _one(row, today), rows))


def _one(row: Package, today: datetime.date) -> Package:
    with index.session() as http:
        found = [str(version) for version in index.versions(http, row.name) if version.release[:2] != (0, 0)]
        if tuple(found) == row.versions or not found:
            return row
        newest = [one for one in index.any_python(http, row.name) if str(one.version) == found[-1]]
    files = _files(newest[0], row.folder) if newest else ()
    return replace(
        row,
        versions=tuple(found),
        files=files or row.files,
        source=f"PyPI index of {row.name}" + (f", and the file list of {newest[0].filename}" if files else ""),
        url=f"{INDEX}{row.name}/{found[-1]}/",
        checked=today,
    )


def _files(wheel: index.Wheel, folder: str) -> tuple[str, ...]:
    with Reader(wheel) as reader:
        names = [name.rpartition("/") for name in reader.names()]
    return tuple(sorted(name for place, _, name in names if place == folder and ".so" in name))
