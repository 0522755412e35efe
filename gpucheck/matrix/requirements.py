"""Requirement lines (PEP 508): on which platform they hold, and whether two can be met together."""

from __future__ import annotations

import functools
import re
from typing import TYPE_CHECKING

from packaging.specifiers import InvalidSpecifier, SpecifierSet
from packaging.utils import canonicalize_name
from packaging.version import Version

from gpucheck.matrix.versions import specifier_set
from gpucheck.record import record

if TYPE_CHECKING:
    from collections.abc import Iterable

    from packaging.markers import Marker

ANY_PYTHON = "3.12"  # stands in a marker's place where a description names no Python
# The marker variables that differ between platforms (PEP 508).
ENVIRONMENTS = {
    "linux-x86_64": ("linux", "Linux", "x86_64", "posix"),
    "linux-aarch64": ("linux", "Linux", "aarch64", "posix"),
    "windows-x86_64": ("win32", "Windows", "AMD64", "nt"),
    "windows-arm64": ("win32", "Windows", "ARM64", "nt"),
    "macos-arm64": ("darwin", "Darwin", "arm64", "posix"),
    "macos-x86_64": ("darwin", "Darwin", "x86_64", "posix"),
}
# A line without extras, marker or address needs no parser, and most are so; the parser's import costs the
# doctor 7 ms (measured).
PLAIN = re.compile(r"\s*([A-Za-z0-9][\w.-]*)\s*([<>=!~][^;@()\[]*)?")
# What only an extra brings is left out before it is parsed.
OF_EXTRA = re.compile(r";(.*\band)?\s*extra == [\"'][^\"']*[\"']\s*$")


@record
class Need:
    """What one requirement asks of one package.

    Attributes:
        name: Normalised name of the package.
        specifier: PEP 440 specifier, empty for any version.
        extras: Extras of the package that are asked for.
        marker: When it holds, or None for always.
    """

    name: str
    specifier: str
    extras: tuple[str, ...] = ()
    marker: Marker | None = None

    @property
    def text(self) -> str:
        """The requirement without its marker."""
        extras = f"[{','.join(self.extras)}]" if self.extras else ""
        return f"{self.name}{extras}{self.specifier}"


@functools.lru_cache(maxsize=4096)
def parse(line: str) -> Need | None:
    """Return what a requirement line asks for, or None when it is not one."""
    if (plain := PLAIN.fullmatch(line)) is not None:
        return _plain(plain.group(1), plain.group(2) or "")
    from packaging.requirements import InvalidRequirement, Requirement

    try:
        found = Requirement(line)
    except InvalidRequirement:
        return None
    return Need(
        name=canonicalize_name(found.name),
        specifier=str(found.specifier),
        extras=tuple(sorted(found.extras)),
        marker=found.marker,
    )


def _plain(name: str, specifier: str) -> Need | None:
    try:
        return Need(name=canonicalize_name(name), specifier=str(specifier_set(specifier)))
    except InvalidSpecifier:
        return None


def holds(marker: Marker | None, platform: str, python: str, extra: str = "") -> bool:
    """Whether a marker holds on a platform of the matrix, for a Python version such as ``3.12``.

    Raises:
        KeyError: The platform is none of `ENVIRONMENTS`.
    """
    if marker is None:
        return True
    system, name, machine, os_name = ENVIRONMENTS[platform]
    plain = ".".join(python.rstrip("t").split(".")[:2])
    return marker.evaluate(
        {
            "sys_platform": system,
            "platform_system": name,
            "platform_machine": machine,
            "os_name": os_name,
            "python_version": plain,
            "python_full_version": f"{plain}.0",
            "implementation_name": "cpython",
            "platform_python_implementation": "CPython",
            "extra": extra,
        }
    )


def needs(lines: Iterable[str], platform: str, python: str) -> dict[str, Need]:
    """Return what some requirement lines ask for on a platform, by package; lines on one package are joined."""
    found: dict[str, Need] = {}
    for line in lines:
        need = None if OF_EXTRA.search(line) else parse(line)
        if need is None or not holds(need.marker, platform, python):
            continue
        before = found.get(need.name)
        joined = str(SpecifierSet(before.specifier) & SpecifierSet(need.specifier)) if before else need.specifier
        extras = tuple(sorted({*need.extras, *(before.extras if before else ())}))
        found[need.name] = Need(name=need.name, specifier=joined, extras=extras)
    return found


def newest(specifiers: Iterable[str], versions: Iterable[str]) -> str | None:
    """Return the newest of some versions that all specifiers admit, as pip would take it."""
    joined = SpecifierSet(",".join(filter(None, specifiers)))
    fitting = [text for text in versions if joined.contains(text)]
    return max(fitting, key=Version, default=None)


def can_agree(first: str, second: str, versions: Iterable[str] = ()) -> bool:
    """Whether some version fits both specifiers.

    Args:
        first: PEP 440 specifier.
        second: Another one.
        versions: The versions that exist, where they are known. Otherwise the versions that the specifiers name,
            and one right above each, are tried: between those no specifier changes its answer.
    """
    joined = SpecifierSet(first) & SpecifierSet(second)
    tried = tuple(versions) or _boundaries(joined)
    return any(joined.contains(text, prereleases=True) for text in tried)


def admits_outside(specifier: str, limit: str) -> bool:
    """Whether a specifier admits a version that a limit does not, among those that `_boundaries` tries."""
    joined, bound = SpecifierSet(specifier), SpecifierSet(limit)
    tried = _boundaries(joined & bound)
    return any(
        joined.contains(text, prereleases=True) and not bound.contains(text, prereleases=True) for text in tried
    )


def implied(specifier: str, others: Iterable[str]) -> bool:
    """Whether another specifier is stricter, so that this one says nothing more: ``<2`` beside ``<1.24``."""
    return any(other != specifier and not admits_outside(other, specifier) for other in others)


def _boundaries(specifier: SpecifierSet) -> tuple[str, ...]:
    named = [clause.version.removesuffix(".*") for clause in specifier]
    # "> 2.15" excludes 2.15.post1 (PEP 440), so the next release is tried, too.
    above = [f"{'.'.join(map(str, Version(text).release))}.{last}" for text in named for last in ("1", "post999")]
    return ("0", *named, *above)
