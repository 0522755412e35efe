"""Every file of a matrix folder, read and linted as a whole."""

from __future__ import annotations

import datetime
from dataclasses import fields
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from packaging.specifiers import InvalidSpecifier, SpecifierSet
from packaging.version import Version

from gpucheck.matrix import MatrixError, parse_version
from gpucheck.matrix.load import read_row, read_rows, read_toml
from gpucheck.matrix.messages import MESSAGE_FILES, Message
from gpucheck.matrix.references import unresolved
from gpucheck.matrix.releases import Companion, Package, PackageLimit, Release, ToolkitExtra
from gpucheck.matrix.rows import (
    BRANCH_KINDS,
    XID_ACTIONS,
    Architecture,
    Branch,
    Chip,
    CudnnRelease,
    Distribution,
    Encoding,
    Floor,
    ForwardError,
    ForwardPackage,
    ForwardSupport,
    Head,
    Limit,
    Product,
    Row,
    Rule,
    Toolkit,
    Xid,
)

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

TABLES: dict[str, dict[str, type[Row]]] = {
    "cuda/floors.toml": {"floor": Floor},
    "cuda/toolkits.toml": {"toolkit": Toolkit},
    "cuda/branches.toml": {"branch": Branch},
    "cuda/architectures.toml": {"architecture": Architecture},
    "cuda/chips.toml": {"chip": Chip},
    "cuda/forward.toml": {
        "forward-support": ForwardSupport,
        "forward-package": ForwardPackage,
        "forward-error": ForwardError,
    },
    "cudnn.toml": {"rule": Rule, "encoding": Encoding, "limit": Limit, "release": CudnnRelease},
    "gpus.toml": {"gpu": Product},
    "xid.toml": {"xid": Xid},
    "distributions.toml": {"distribution": Distribution},
    **{f"messages/{name}.toml": {"message": Message} for name in MESSAGE_FILES},
    "packages/nvidia.toml": {"package": Package, "toolkit-extra": ToolkitExtra},
    "packages/torch.toml": {"package-limit": PackageLimit, "companion": Companion},
    "packages/tensorflow.toml": {"package-limit": PackageLimit, "companion": Companion},
}
# What makes a row of a kind the only one of its table.
KEYS: dict[type[Row], tuple[str, ...]] = {
    Floor: ("cuda_major",),
    Toolkit: ("version",),
    Branch: ("branch",),
    Architecture: ("name", "compute_capabilities"),
    ForwardSupport: ("products",),
    ForwardPackage: ("package",),
    ForwardError: ("code",),
    Rule: ("framework",),
    Encoding: ("from_major",),
    Limit: ("framework", "release", "cudnn", "compute_capability"),
    CudnnRelease: ("version",),
    Product: ("name",),
    Chip: ("chip",),
    Xid: ("number",),
    Message: ("name",),
    Distribution: ("ids", "versions"),
    Package: ("name",),
    ToolkitExtra: ("version", "extra"),
    PackageLimit: ("framework", "release", "package", "platform"),
    Companion: ("framework", "release", "package"),
}
SPECIFIERS: dict[type[Row], tuple[str, ...]] = {
    Limit: ("cudnn", "compute_capability", "release"),
    CudnnRelease: ("compute_capability",),
    PackageLimit: ("release", "needs"),
}
VERSIONS: dict[type[Row], tuple[str, ...]] = {
    Floor: ("linux", "windows"),
    Toolkit: ("version", "linux", "windows"),
    Branch: ("driver_cuda",),
    Architecture: ("compute_capabilities", "first_toolkit"),
    ForwardPackage: ("cuda",),
    CudnnRelease: ("version", "cuda", "driver_linux"),
    Product: ("compute_capability",),
    Package: ("versions",),
    Companion: ("release", "version"),
}
ORDERED_BY = {
    ("cuda/toolkits.toml", "toolkit"): "version",
    ("cuda/branches.toml", "branch"): "branch",
    ("cudnn.toml", "release"): "version",
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
    if not overlay and not found:
        found.extend(unresolved(list(all_rows(matrix_folder))))
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
        for key in ("build", "tested", "trouble"):
            rows: tuple[Row, ...] = getattr(release, key)
            yield from ((f"{place} [[{key}]] row {n}", row) for n, row in enumerate(rows, 1))


def _file(path: Path, matrix_folder: Path, today: datetime.date) -> Iterator[str]:
    name = path.relative_to(matrix_folder).as_posix()
    if name == "matrix.toml":
        yield from _head(read_row(Head, read_toml(path), str(path)), matrix_folder)
    elif name.startswith("frameworks/"):
        release = read_row(Release, read_toml(path), str(path))
        yield from _release(release, path)
        for row in (release, *release.build, *release.tested, *release.trouble):
            yield from (f": {text}" for text in _dated(row, today))
    elif name in TABLES:
        unknown = set(read_toml(path)) - set(TABLES[name])
        yield from (f": unknown table {key!r}" for key in sorted(unknown))
        for key, kind in TABLES[name].items():
            yield from _table(read_rows(path, key, kind), name, key, today)
    else:
        yield ": no such file belongs to the matrix"


def _head(head: Head, matrix_folder: Path) -> Iterator[str]:
    newest = max((row.checked for _, row in all_rows(matrix_folder)), default=head.date)
    if head.date != newest:
        yield f": date is {head.date}, but the newest row was checked on {newest}"


def _release(release: Release, path: Path) -> Iterator[str]:
    if (release.framework, release.release) != (path.parent.name, path.stem):
        yield f": says {release.framework} {release.release}"
    for number, build in enumerate(release.build, 1):
        place = f", [[build]] row {number}"
        if build.variant == "cpu" and build.cuda_runtime is not None:
            yield f"{place}: variant {build.variant!r} does not fit cuda-runtime {build.cuda_runtime!r}"
        names = ("versions", "cuda_runtime", "cudnn", "glibc")
        yield from (f"{place}: {text}" for text in _parse(build, names))
        wrong = [code for code in build.arch_list if not code.startswith(("sm_", "compute_"))]
        yield from (f"{place}: arch-list has {code!r}; sm_XX or compute_XX expected" for code in wrong)
        if any(Version(text).release[:2] != Version(release.release).release for text in build.versions):
            yield f"{place}: versions {', '.join(build.versions)} do not belong to {release.release}"
        yield from (
            f"{place}: python {text!r} is not major.minor" for text in build.python if text.count(".") != 1
        )
        yield from _overlaps(release, number)
    for number, trouble in enumerate(release.trouble, 1):
        yield from (
            f", [[trouble]] row {number}: {text}" for text in _specifiers(trouble, ("compute_capability",))
        )


def _overlaps(release: Release, number: int) -> Iterator[str]:
    """Two rows that speak of one binary."""
    build = release.build[number - 1]
    for other_number, other in enumerate(release.build[: number - 1], 1):
        names = ("platform", "variant", "distribution", "default")
        if any(getattr(build, name) != getattr(other, name) for name in names):
            continue
        if not build.versions or not other.versions or set(build.versions) & set(other.versions):
            yield (
                f", [[build]] row {number}: a second {build.variant} build for {build.platform}, "
                f"see row {other_number}"
            )


def _table(rows: tuple[Row, ...], name: str, key: str, today: datetime.date) -> Iterator[str]:
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
        if isinstance(row, Branch) and row.kind not in (None, *BRANCH_KINDS):
            yield f"{place}: kind {row.kind!r} is none of {', '.join(BRANCH_KINDS)}"
        if isinstance(row, Xid) and row.action not in XID_ACTIONS:
            yield f"{place}: action {row.action!r} is none of {', '.join(XID_ACTIONS)}"
    yield from _order(rows, ORDERED_BY.get((name, key)), key)


def _order(rows: tuple[Row, ...], attribute: str | None, key: str) -> Iterator[str]:
    """A table of versions is in order, newest or oldest first."""
    parsed = [parse_version(str(getattr(row, attribute))) for row in rows] if attribute else []
    known = [version for version in parsed if version is not None]
    downwards = len(known) > 1 and known[0] > known[-1]
    for before, after in pairwise(known):
        if (before < after) is downwards:
            yield f", [[{key}]]: {after} stands after {before}, out of order"


def _dated(row: Row, today: datetime.date) -> Iterator[str]:
    if row.checked > today:
        yield f"checked on {row.checked}, which lies in the future"
    if not row.url.startswith("https://"):
        yield f"url {row.url!r} does not start with https://"


def _parse(row: Row, names: tuple[str, ...]) -> Iterator[str]:
    assert {item.name for item in fields(row)} >= set(names)
    for name in names:
        value = getattr(row, name)
        texts = value if isinstance(value, tuple) else (value,)
        parsed = [parse_version(text) for text in texts if text is not None]
        if None in parsed:
            yield f"{name.replace('_', '-')} {texts[parsed.index(None)]!r} is not a version"
        elif name == "versions" and not _rises([version for version in parsed if version is not None]):
            yield "versions are not in order, oldest first, or one is there twice"


def _rises(versions: list[Version]) -> bool:
    return all(before < after for before, after in pairwise(versions))


def _specifiers(row: Row, names: tuple[str, ...]) -> Iterator[str]:
    for name in names:
        try:
            SpecifierSet(getattr(row, name) or "")
        except InvalidSpecifier:
            yield f"{name.replace('_', '-')} {getattr(row, name)!r} is not a version specifier"
