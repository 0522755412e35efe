"""What the index has against what the matrix says, and the releases with the new rows in place."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING

from packaging.version import Version

from gpucheck.matrix.releases import INDEX, Build, Release
from gpucheck.refresh import Group, facts_of, merged

if TYPE_CHECKING:
    import datetime
    from collections.abc import Iterable, Sequence

    from gpucheck.matrix import Matrix

Key = tuple[str, Version, str]  # distribution, version, platform


@dataclass(frozen=True)
class Difference:
    """One line of a refresh: a release, and what is new or different."""

    framework: str
    release: str
    text: str


def known(matrix: Matrix, framework: str) -> dict[Key, Build]:
    """Return the matrix's rows that came from the index, one a version."""
    found: dict[Key, Build] = {}
    for version in matrix.releases(framework):
        release = matrix.release(framework, str(version))
        for row in release.build if release is not None else ():
            if row.from_index:
                found.update({key: replace(row, versions=(str(key[1]),)) for key in _keys(framework, row)})
    return found


def _keys(framework: str, row: Build) -> list[Key]:
    return [(row.distribution or framework, Version(text), row.platform) for text in row.versions]


def key_of(group: Group) -> Key:
    """Return what a group is called in `known`."""
    return (group.distribution, group.version, group.platform)


def worth_reading(groups: Sequence[Group], rows: dict[Key, Build]) -> list[Group]:
    """Return the groups whose wheels must be read: new ones, changed ones, and the newest minor release.

    A file on the index never changes; what can change is which files there are, and how we read them.
    """
    newest = groups[-1].release if groups else ""
    return [
        group
        for group in groups
        if group.release == newest or (row := rows.get(key_of(group))) is None or row.python != group.python
    ]


def differences(
    framework: str, groups: Sequence[Group], rows: dict[Key, Build], read: Iterable[Build]
) -> list[Difference]:
    """Return what is new on the index, gone from it, or read otherwise than the matrix says."""
    found = []
    new = {key: row for row in read for key in _keys(framework, row)}
    for key, row in new.items():
        label = f"{key[0]} {key[1]} {key[2]}"
        before = rows.get(key)
        if before is None:
            text = (
                f"{label}: new ({row.variant}{f', CUDA runtime {row.cuda_runtime}' if row.cuda_runtime else ''})"
            )
            found.append(_difference(framework, key, text))
        elif facts_of(before) != facts_of(row):
            found += [_difference(framework, key, f"{label}: {text}") for text in _changes(before, row)]
    there = {key_of(group) for group in groups}
    gone = sorted(set(rows) - there)
    found += [_difference(framework, key, f"{key[0]} {key[1]} {key[2]}: no longer on the index") for key in gone]
    return found


def _difference(framework: str, key: Key, text: str) -> Difference:
    return Difference(framework, f"{key[1].major}.{key[1].minor}", text)


def _changes(before: Build, after: Build) -> list[str]:
    old, new = facts_of(before), facts_of(after)
    names = [item.name for item in fields(Build) if getattr(old, item.name) != getattr(new, item.name)]
    return [f"{name.replace('_', '-')}: {_change(getattr(old, name), getattr(new, name))}" for name in names]


def _change(old: object, new: object) -> str:
    if isinstance(old, tuple) and isinstance(new, tuple):
        gone = [f"not {text}" for text in old if text not in new]
        return ", ".join([*(f"also {text}" for text in new if text not in old), *gone]) or "in another order"
    return f"{new}, not {old}"


def renewed(
    matrix: Matrix,
    framework: str,
    release: str,
    today: datetime.date,
    *,
    groups: Sequence[Group],
    read: Iterable[Build],
) -> Release:
    """Return a release with the rows that were read; hand rows and what was not read stay.

    Args:
        matrix: The matrix so far.
        framework: The framework.
        release: ``2.15``.
        today: Day of reading.
        groups: What the index has.
        read: The rows that were read.
    """
    before = matrix.release(framework, release)
    by_hand = tuple(row for row in before.build if not row.from_index) if before is not None else ()
    rows = known(matrix, framework)
    rows.update({key: row for row in read for key in _keys(framework, row)})
    there = [key_of(group) for group in groups if group.release == release]
    mechanical = merged(rows[key] for key in there if key in rows)
    row = before or Release(
        framework=framework, release=release, source="", url=f"{INDEX}{framework}/#history", checked=today
    )
    versions = sorted({key[1] for key in there if key in rows})
    return replace(
        row,
        build=(*mechanical, *by_hand),
        source=f"{framework} on PyPI: releases {', '.join(map(str, versions))}",
        url=f"{INDEX}{framework}/#history",
        checked=today,
        note=None,
    )
