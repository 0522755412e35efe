"""Re-reads the package index and the wheels' own files into matrix rows. The one room that opens the network.

Facts that live only in vendors' pages are hand rows; they are kept as they are.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from packaging.version import Version

from gpucheck.matrix.releases import Build
from gpucheck.refresh import index, tensorflow, torch
from gpucheck.refresh.index import RefreshError, Wheel
from gpucheck.refresh.wheel import Reader

if TYPE_CHECKING:
    import datetime
    from collections.abc import Callable, Iterable, Sequence

__all__ = ["READERS", "Group", "RefreshError", "groups", "merged", "read_groups"]

READERS: dict[str, Any] = {"torch": torch, "tensorflow": tensorflow}
THREADS = 6


@dataclass(frozen=True, kw_only=True)
class Group:
    """The wheels of one distribution, version and platform, which differ in their Python only."""

    framework: str
    distribution: str
    version: Version
    platform: str
    wheels: tuple[Wheel, ...]

    @property
    def release(self) -> str:
        """The minor release that it belongs to."""
        return f"{self.version.major}.{self.version.minor}"

    @property
    def python(self) -> tuple[str, ...]:
        """Python versions that have a wheel, oldest first."""
        return tuple(sorted({wheel.python for wheel in self.wheels}, key=_python_key))

    @property
    def chosen(self) -> Wheel:
        """The wheel that is read: of the highest build number the one for the middle Python."""
        newest = max(wheel.build for wheel in self.wheels)
        wheels = [wheel for wheel in self.wheels if wheel.build == newest]
        wheels.sort(key=lambda wheel: _python_key(wheel.python))
        plain = [wheel for wheel in wheels if not wheel.python.endswith("t")] or wheels
        return plain[len(plain) // 2]


def _python_key(python: str) -> tuple[int, int, bool]:
    major, minor = python.rstrip("t").split(".")
    return int(major), int(minor), python.endswith("t")


def groups(framework: str) -> list[Group]:
    """Return every release of a framework on the index from the oldest that the matrix keeps, oldest first.

    Raises:
        RefreshError: The index does not answer.
    """
    reader = READERS[framework]
    found: dict[tuple[str, Version, str], list[Wheel]] = {}
    with index.session() as http:
        for distribution in reader.DISTRIBUTIONS:
            for wheel in index.wheels(http, distribution):
                if wheel.version >= Version(reader.OLDEST):
                    found.setdefault((distribution, wheel.version, wheel.platform), []).append(wheel)
    return [
        Group(framework=framework, distribution=key[0], version=key[1], platform=key[2], wheels=tuple(wheels))
        for key, wheels in sorted(found.items(), key=lambda item: (item[0][1], item[0][0], item[0][2]))
    ]


def read_groups(
    wanted: Sequence[Group],
    today: datetime.date,
    listen: Callable[[str], None] = lambda _: None,
) -> tuple[list[Build], list[str]]:
    """Read one wheel of each group.

    Returns:
        The rows in the order of the groups, and what could not be read, a line each.
    """

    def read(group: Group) -> Build | RefreshError:
        listen(group.chosen.filename)
        try:
            return _read(group, today)
        except RefreshError as error:
            return error

    with ThreadPoolExecutor(THREADS) as pool:
        answers = list(pool.map(read, wanted))
    rows = [answer for answer in answers if isinstance(answer, Build)]
    return rows, [str(answer) for answer in answers if isinstance(answer, RefreshError)]


def _read(group: Group, today: datetime.date) -> Build:
    module = READERS[group.framework]
    with Reader(group.chosen) as reader:
        if module is not tensorflow:
            row: Build = module.read(reader, group.python, today)
            return row
        inner = tensorflow.wrapped(reader)
        if inner is None:
            return tensorflow.read(reader, group.python, today)
        with Reader(_inner_wheel(group, inner)) as code:
            return tensorflow.read(reader, group.python, today, code)


def _inner_wheel(group: Group, distribution: str) -> Wheel:
    with index.session() as http:
        found = [
            wheel
            for wheel in index.wheels(http, distribution)
            if wheel.version == group.version and wheel.platform == group.platform
        ]
    if not found:
        raise RefreshError(f"{distribution} {group.version}: no wheel for {group.platform}")
    return next((wheel for wheel in found if wheel.python == group.chosen.python), found[0])


def merged(rows: Iterable[Build]) -> tuple[Build, ...]:
    """Join rows that differ in nothing but their version, source and date; the newest version's source stays."""
    kept: list[Build] = []
    for row in rows:
        for place, other in enumerate(kept):
            if facts_of(other) == facts_of(row):
                versions = tuple(sorted({*other.versions, *row.versions}, key=Version))
                newest = max(row, other, key=lambda one: max(map(Version, one.versions)))
                kept[place] = replace(newest, versions=versions)
                break
        else:
            kept.append(row)
    return tuple(kept)


def facts_of(row: Build) -> Build:
    """Return a row without what may differ between two readings of equal wheels."""
    import datetime

    return replace(row, versions=(), source="", url="", note=None, checked=datetime.date.min)
