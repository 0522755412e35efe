"""What somebody wants to install: requirement lines into frameworks, pins and the wheels that pip would take."""

from __future__ import annotations

import difflib
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import unquote

from packaging.requirements import InvalidRequirement, Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import InvalidWheelFilename, canonicalize_name, parse_wheel_filename
from packaging.version import InvalidVersion, Version

from gpucheck.describe.machine import DescriptionError, variant

if TYPE_CHECKING:
    from collections.abc import Iterable

    from gpucheck.matrix import Build, Matrix

ELSEWHERE = "elsewhere"  # the variant of what comes neither from the package index nor from torch's own
FRAMEWORKS = {
    "torch": "torch", "pytorch": "torch", "tensorflow": "tensorflow", "tf": "tensorflow",
    "tensorflow-gpu": "tensorflow", "tensorflow-cpu": "tensorflow",
}  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """A framework that is wanted.

    Attributes:
        framework: ``torch`` or ``tensorflow``.
        distribution: ``tensorflow-gpu``..., as it was written.
        specifier: PEP 440 specifier over versions, empty for the newest.
        variant: torch's local label, ``cu126``; None for what the package index gives.
        extras: e.g. ``and-cuda``.
        origin: Where it was asked for.
        markers: Environment markers, one of which must hold; none: it is asked for everywhere.
        constraint: Whether it only bounds a version, for a package that something else asks for.
    """

    framework: str
    distribution: str
    specifier: str = ""
    variant: str | None = None
    extras: frozenset[str] = frozenset()
    origin: str = "the command line"
    markers: tuple[str, ...] = ()
    constraint: bool = False


@dataclass(frozen=True, kw_only=True)
class Pin:
    """Another package that is wanted in a version."""

    name: str
    specifier: str
    origin: str = "the command line"
    markers: tuple[str, ...] = ()
    constraint: bool = False


def parse(text: str, origin: str = "the command line", index: str | None = None) -> Wanted | Pin:
    """Read one requirement, e.g. ``torch==2.10.0+cu126`` or ``numpy<2``.

    Args:
        text: The requirement.
        origin: Where it stands, for messages.
        index: The index that it is taken from; pytorch.org's tells the variant.

    Raises:
        DescriptionError: It is not a requirement.
    """
    try:
        found = Requirement(text.strip())
    except InvalidRequirement:
        return _lenient(text, origin)
    name = canonicalize_name(found.name)
    markers = (str(found.marker),) if found.marker is not None else ()
    if name not in FRAMEWORKS:
        return Pin(name=name, specifier=str(found.specifier), origin=origin, markers=markers)
    framework, specifier = FRAMEWORKS[name], str(found.specifier)
    label = variant_of(specifier) or (_variant_of_index(index) if framework == "torch" else None)
    if found.url is not None:
        specifier, label = _of_url(found.url)
    return Wanted(
        framework=framework,
        distribution="torch" if framework == "torch" else name if name != "tf" else "tensorflow",
        specifier=re.sub(r"\+(cu\d+|cpu)\b", "", specifier),
        variant=label,
        extras=frozenset(found.extras),
        origin=origin,
        markers=markers,
    )


def _of_url(url: str) -> tuple[str, str | None]:
    """Return version and variant of a wheel's address; of another address nothing is known."""
    try:
        _, found, _, _ = parse_wheel_filename(unquote(url.partition("#")[0].rpartition("/")[2]))
    except InvalidWheelFilename:
        return "", ELSEWHERE
    return f"=={found}", variant_of(f"=={found}")


def _lenient(text: str, origin: str) -> Wanted | Pin:
    """``torch 2.9`` and ``torch=2.9`` (conda's form) are clear, too."""
    form = re.fullmatch(r"\s*([A-Za-z][\w.-]*)\s*=?\s*v?(\d[\w.+]*)\s*", text)
    if form is None:
        near = difflib.get_close_matches(text.strip(), FRAMEWORKS, n=1)
        hint = f"; did you mean {near[0]}?" if near else ""
        raise DescriptionError(f"{origin}: {text.strip()!r} is no requirement; write e.g. torch==2.9{hint}")
    return parse(f"{form[1]}=={form[2]}", origin)


def variant_of(specifier: str) -> str | None:
    """Return the local label in a specifier such as ``==2.10.0+cu126``."""
    found = re.search(r"\+(cu\d+|cpu)\b", specifier)
    return found[1] if found else None


def _variant_of_index(index: str | None) -> str | None:
    if re.search(r"pytorch\.org/whl/(nightly|test)\b", index or ""):
        return ELSEWHERE
    found = re.search(r"download\.pytorch\.org/whl/(?:\w+/)?(cu\d+|cpu)\b", index or "")
    return variant(found[1]) if found else None


def version(matrix: Matrix, wanted: Wanted, platform: str | None, python: str | None) -> str:
    """Return the version that pip would take of those that the matrix knows.

    A version that no row knows is returned as it was asked for, so that the checks call it unknown.
    """
    if wanted.variant == ELSEWHERE:
        return "from elsewhere"
    asked = SpecifierSet(wanted.specifier)
    exact = [clause for clause in asked if clause.operator in ("==", "===") and not clause.version.endswith(".*")]
    if exact and _unreadable(exact[0].version):
        return exact[0].version
    fitting = [text for text in _known(matrix, wanted, asked) if asked.contains(text)]
    ours = [text for text in fitting if wheel(matrix, wanted, text, platform, python) is not None]
    anywhere = [text for text in fitting if wheel(matrix, wanted, text, platform, None) is not None]
    for texts in (ours, anywhere, fitting):
        if texts:
            return max(texts, key=Version)
    return exact[0].version if exact else wanted.specifier


def _unreadable(text: str) -> bool:
    try:
        return Version(text).is_prerelease or Version(text).local is not None
    except InvalidVersion:
        return True


def _known(matrix: Matrix, wanted: Wanted, asked: SpecifierSet) -> Iterable[str]:
    """Return the versions that the matrix knows; of an exact demand only the files that can have it are read."""
    for release in reversed(matrix.releases(wanted.framework)):
        exact = [clause for clause in asked if clause.operator == "=="]
        if exact and Version(exact[0].version.removesuffix(".*")).release[:2] != release.release[:2]:
            continue
        yield from map(str, matrix.patches(wanted.framework, str(release)))


def wheel(matrix: Matrix, wanted: Wanted, text: str, platform: str | None, python: str | None) -> Build | None:
    """Return the row of the wheel that would be installed, or None."""
    rows = matrix.builds(wanted.framework, text, platform)
    for row in rows:
        if not _is_wanted(row, wanted):
            continue
        pythons = row.python or tuple(one for other in rows for one in other.python)
        if python is None or ".".join(python.split(".")[:2]) in pythons:
            return row
    return None


def _is_wanted(row: Build, wanted: Wanted) -> bool:
    if wanted.variant is not None:
        return row.variant == wanted.variant
    if wanted.distribution == "tensorflow-gpu":
        return row.distribution == "tensorflow-gpu"
    return row.default
