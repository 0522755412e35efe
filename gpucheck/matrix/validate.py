"""Every file of a matrix folder, read and linted as a whole."""

from __future__ import annotations

import datetime
from dataclasses import fields
from typing import TYPE_CHECKING, Any

from packaging.specifiers import InvalidSpecifier, SpecifierSet

from gpucheck.matrix import MatrixError, parse_version
from gpucheck.matrix.load import read_row, read_rows, read_toml
from gpucheck.matrix.rows import (
    Architecture,
    Encoding,
    Floor,
    Head,
    Limit,
    Product,
    Release,
    Row,
    Rule,
    Toolkit,
)

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

TABLES: dict[str, dict[str, type[Row]]] = {
    "cuda/floors.toml": {"floor": Floor},
    "cuda/toolkits.toml": {"toolkit": Toolkit},
    "cuda/architectures.toml": {"architecture": Architecture},
    "cudnn.toml": {"rule": Rule, "encoding": Encoding, "limit": Limit},
    "gpus.toml": {"gpu": Product},
}
KEYS: dict[type[Row], tuple[str, ...]] = {
    Floor: ("cuda_major",),
    Toolkit: ("version",),
    Architecture: ("name", "compute_capabilities"),
    Rule: ("framework",),
    Encoding: ("from_major",),
    Limit: ("framework", "cudnn", "compute_capability"),
    Product: ("name",),
}
SPECIFIERS: dict[type[Row], tuple[str, ...]] = {Limit: ("cudnn", "compute_capability")}
VERSIONS: dict[type[Row], tuple[str, ...]] = {
    Floor: ("linux", "windows"),
    Toolkit: ("version", "linux", "windows"),
    Product: ("compute_capability",),
}


def problems(matrix_folder: Path, today: datetime.date | None = None, *, overlay: bool = False) -> list[str]:
    """Return what is wrong with the files of a matrix folder, each line naming file and row.

    Args:
        matrix_folder: The folder.
        today: The day that no row may lie after; by default the present one.
        overlay: Whether it is only laid over ours, so that files may be missing.
    """
    day = today or datetime.datetime.now(tz=datetime.timezone.utc).date()
    found: list[str] = []
    for path in sorted(matrix_folder.rglob("*.toml")):
        try:
            found.extend(f"{path.relative_to(matrix_folder)}{text}" for text in _file(path, matrix_folder, day))
        except MatrixError as error:
            found.append(str(error))
    if not overlay and not (matrix_folder / "matrix.toml").exists():
        found.append("matrix.toml: is missing")
    return found


def all_rows(matrix_folder: Path) -> Iterator[tuple[str, Row]]:
    """Yield every row with a place such as ``cuda/floors.toml row 2``."""
    for file, keys in TABLES.items():
        for key, kind in keys.items():
            if (matrix_folder / file).exists():
                for number, row in enumerate(read_rows(matrix_folder / file, key, kind), 1):
                    yield f"{file} [[{key}]] row {number}", row
    for path in sorted(matrix_folder.glob("frameworks/*/*.toml")):
        release = read_row(Release, read_toml(path), str(path))
        place = str(path.relative_to(matrix_folder))
        yield place, release
        yield from ((f"{place} [[build]] row {n}", row) for n, row in enumerate(release.build, 1))
        yield from ((f"{place} [[trouble]] row {n}", row) for n, row in enumerate(release.trouble, 1))


def _file(path: Path, matrix_folder: Path, today: datetime.date) -> Iterator[str]:
    name = path.relative_to(matrix_folder).as_posix()
    if name == "matrix.toml":
        yield from _head(read_row(Head, read_toml(path), str(path)), matrix_folder)
    elif name.startswith("frameworks/"):
        release = read_row(Release, read_toml(path), str(path))
        yield from _release(release, path)
        for row in (release, *release.build, *release.trouble):
            yield from (f": {text}" for text in _dated(row, today))
    elif name in TABLES:
        unknown = set(read_toml(path)) - set(TABLES[name])
        yield from (f": unknown table {key!r}" for key in sorted(unknown))
        for key, kind in TABLES[name].items():
            yield from _table(read_rows(path, key, kind), key, today)
    else:
        yield ": no such file belongs to the matrix"


def _head(head: Head, matrix_folder: Path) -> Iterator[str]:
    newest = max((row.checked for _, row in all_rows(matrix_folder)), default=head.date)
    if head.date != newest:
        yield f": date is {head.date}, but the newest row was checked on {newest}"


def _release(release: Release, path: Path) -> Iterator[str]:
    if (release.framework, release.release) != (path.parent.name, path.stem):
        yield f": says {release.framework} {release.release}"
    seen: set[tuple[str, str]] = set()
    for number, build in enumerate(release.build, 1):
        place = f", [[build]] row {number}"
        if (build.platform, build.variant) in seen:
            yield f"{place}: a second {build.variant} build for {build.platform}"
        seen.add((build.platform, build.variant))
        if (build.variant == "cpu") != (build.cuda_runtime is None):
            yield f"{place}: variant {build.variant!r} does not fit cuda-runtime {build.cuda_runtime!r}"
        yield from (f"{place}: {text}" for text in _parse(build, ("cuda_runtime", "cudnn", "glibc")))
        wrong = [code for code in build.arch_list if not code.startswith(("sm_", "compute_"))]
        yield from (f"{place}: arch-list has {code!r}; sm_XX or compute_XX expected" for code in wrong)
    yield from (f": python {text!r} is not major.minor" for text in release.python if text.count(".") != 1)
    for number, trouble in enumerate(release.trouble, 1):
        yield from (
            f", [[trouble]] row {number}: {text}" for text in _specifiers(trouble, ("compute_capability",))
        )


def _table(rows: tuple[Row, ...], key: str, today: datetime.date) -> Iterator[str]:
    seen: set[tuple[Any, ...]] = set()
    for number, row in enumerate(rows, 1):
        place = f", [[{key}]] row {number}"
        identity = tuple(getattr(row, name) for name in KEYS[type(row)])
        if identity in seen:
            yield f"{place}: {' '.join(map(str, identity))} is there twice"
        seen.add(identity)
        yield from (f"{place}: {text}" for text in _dated(row, today))
        yield from (f"{place}: {text}" for text in _parse(row, VERSIONS.get(type(row), ())))
        yield from (f"{place}: {text}" for text in _specifiers(row, SPECIFIERS.get(type(row), ())))


def _dated(row: Row, today: datetime.date) -> Iterator[str]:
    if row.checked > today:
        yield f"checked on {row.checked}, which lies in the future"
    if not row.url.startswith("https://"):
        yield f"url {row.url!r} does not start with https://"


def _parse(row: Row, names: tuple[str, ...]) -> Iterator[str]:
    assert {item.name for item in fields(row)} >= set(names)
    for name in names:
        text = getattr(row, name)
        if text is not None and parse_version(text) is None:
            yield f"{name.replace('_', '-')} {text!r} is not a version"


def _specifiers(row: Row, names: tuple[str, ...]) -> Iterator[str]:
    for name in names:
        try:
            SpecifierSet(getattr(row, name))
        except InvalidSpecifier:
            yield f"{name.replace('_', '-')} {getattr(row, name)!r} is not a version specifier"
