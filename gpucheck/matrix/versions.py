"""Versions and specifiers, compared by `packaging` only; what cannot be parsed is None, never "too old"."""

from __future__ import annotations

import functools

from packaging.specifiers import InvalidSpecifier, SpecifierSet
from packaging.version import InvalidVersion, Version


def parse_version(text: str | None) -> Version | None:
    """Return a version that can be compared, or None when the text is not one."""
    try:
        return Version(text) if text is not None else None
    except InvalidVersion:
        return None


@functools.lru_cache(maxsize=4096)
def specifier_set(text: str) -> SpecifierSet:
    """Return a parsed specifier; the same few stand in many rows and requirements.

    Raises:
        InvalidSpecifier: It is not one.
    """
    return SpecifierSet(text)


@functools.lru_cache(maxsize=4096)
def matches(specifier: str, text: str | None) -> bool | None:
    """Whether a version fits a PEP 440 specifier; None when either cannot be parsed.

    Pre-releases count as versions like any other: packaging's default changed between 24 and 26.
    """
    version = parse_version(text)
    try:
        return None if version is None else specifier_set(specifier).contains(version, prereleases=True)
    except InvalidSpecifier:
        return None


def published(version: str | None) -> bool:
    """Whether a version is a release as the framework's project publishes it, e.g. ``2.13.0+cu130``."""
    parsed = parse_version(version)
    if parsed is None or parsed.is_prerelease:
        return False
    return parsed.local is None or parsed.local == "cpu" or parsed.local.startswith("cu")
