"""One refresh: what to read, what differs, and the files to write."""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from gpucheck.matrix import Package
from gpucheck.matrix.load import read_row, read_toml
from gpucheck.matrix.releases import ToolkitExtra
from gpucheck.matrix.rows import Head
from gpucheck.refresh import READERS, RefreshError, groups, packages, read_groups
from gpucheck.refresh.compare import Difference, differences, known, renewed, worth_reading
from gpucheck.refresh.write import release_file, release_text, rows_text, text, write

if TYPE_CHECKING:
    import datetime
    from collections.abc import Callable, Sequence

    from gpucheck.matrix import Matrix

SUBJECTS = (*READERS, "packages")
PACKAGES = "packages/nvidia.toml"


@dataclass
class Changes:
    """What a refresh found.

    Attributes:
        date: Date of the matrix that was compared.
        differences: What is new or different.
        read: How many wheels were read.
        unread: What could not be read, a line each.
        written: Files that were written.
    """

    date: datetime.date
    differences: list[Difference] = field(default_factory=list)
    read: int = 0
    unread: list[str] = field(default_factory=list)
    written: list[Path] = field(default_factory=list)

    def lines(self) -> list[str]:
        """Return what to tell."""
        count = f"{self.read} wheels read"
        told = [f"{one.text}" for one in self.differences] or [
            f"nothing new: {count}, the matrix of {self.date} holds"
        ]
        return [
            *told,
            *(f"not read: {line}" for line in self.unread),
            *(f"written: {path}" for path in self.written),
        ]


def refresh(
    matrix: Matrix,
    only: Sequence[str],
    today: datetime.date,
    *,
    target: Path | None = None,
    every: bool = False,
    listen: Callable[[str], None] = lambda _: None,
) -> Changes:
    """Read the index again and compare; with ``target`` write the files that changed.

    Args:
        matrix: The matrix to compare with.
        only: Some of `SUBJECTS`; empty for all.
        today: Day of reading.
        target: Folder to write to.
        every: Whether every wheel is read again.
        listen: Called with what is being read.

    Raises:
        RefreshError: A subject is unknown, the index does not answer, or a file cannot be written.
    """
    wrong = [name for name in only if name not in SUBJECTS]
    if wrong:
        raise RefreshError(f"matrix refresh {wrong[0]!r}: write {', '.join(SUBJECTS)}, or nothing for all of them")
    changes = Changes(matrix.date)
    for name in only or SUBJECTS:
        try:
            if name == "packages":
                _packages(matrix, changes, today, target)
            else:
                _framework(matrix, name, changes, today, target, every, listen)
        except OSError as error:
            raise RefreshError(f"--write {target}: {error.filename}: {error.strerror}") from None
    if target is not None and changes.written:
        _date(target, today)
    return changes


def _framework(
    matrix: Matrix,
    framework: str,
    changes: Changes,
    today: datetime.date,
    target: Path | None,
    every: bool,
    listen: Callable[[str], None],
) -> None:
    there, rows = groups(framework), known(matrix, framework)
    wanted = there if every else worth_reading(there, rows)
    read, unread = read_groups(wanted, today, listen)
    found = differences(framework, there, rows, read)
    changes.read += len(read)
    changes.unread += unread
    changes.differences += found
    for release in dict.fromkeys(one.release for one in found) if target is not None else ():
        row = renewed(matrix, framework, release, today, groups=there, read=read)
        changes.written.append(write(target, release_file(row), release_text(row)))  # type: ignore[arg-type]


def _packages(matrix: Matrix, changes: Changes, today: datetime.date, target: Path | None) -> None:
    before = matrix.packages()
    after = packages.read(before, today)
    changed = [(old, new) for old, new in zip(before, after, strict=True) if old != new]
    for old, new in changed:
        more = [text for text in new.versions if text not in old.versions]
        gone = [text for text in old.versions if text not in new.versions]
        words = [f"{label} {' '.join(some)}" for label, some in (("new", more), ("gone", gone)) if some]
        changes.differences.append(Difference("packages", old.name, f"{old.name}: {'; '.join(words)}"))
    if target is not None and changed:
        extras = matrix.rows(PACKAGES, "toolkit-extra", ToolkitExtra)
        rows: dict[str, Sequence[Package | ToolkitExtra]] = {"package": after, "toolkit-extra": extras}
        content = _comment(matrix.base / PACKAGES) + rows_text(rows)
        changes.written.append(write(target, Path(PACKAGES), content))


def _comment(path: Path) -> str:
    """Return the comment that a file begins with."""
    found = re.match(r"(?:#[^\n]*\n|\n)*", path.read_text(encoding="utf-8"))
    return found[0] if found else ""


def _date(target: Path, today: datetime.date) -> None:
    """A whole matrix carries the date of its newest row; an overlay has no such file."""
    path = target / "matrix.toml"
    if path.exists():
        head = read_row(Head, read_toml(path), str(path))
        newer = replace(head, date=max(head.date, today))
        write(target, Path("matrix.toml"), _comment(path) + text({"schema": newer.schema, "date": newer.date}))
