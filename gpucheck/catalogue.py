"""Checks and findings as text for people: what `gpucheck explain SLUG` shows."""

from __future__ import annotations

import difflib
from dataclasses import dataclass

from gpucheck.checks import all_checks
from gpucheck.checks.troubles import TROUBLES


class UnknownSlug(ValueError):  # noqa: N818 - it is named after what it says
    """There is no such finding; the message names the nearest."""


@dataclass(frozen=True, kw_only=True)
class Page:
    """What is known of one trouble.

    Attributes:
        slug: Its name.
        meaning: What it is.
        remedy: What cures it.
        checks: Names of the checks that find it, with what they state.
        follows: Troubles that can follow from it.
    """

    slug: str
    meaning: str
    remedy: str
    checks: tuple[tuple[str, str], ...]
    follows: tuple[str, ...]


def slugs() -> tuple[str, ...]:
    """Return every slug that can occur, in the order of the causes."""
    return tuple(TROUBLES)


def page(slug: str) -> Page:
    """Return the page of a slug.

    Raises:
        UnknownSlug: There is none.
    """
    trouble = TROUBLES.get(slug)
    if trouble is None:
        near = difflib.get_close_matches(slug, TROUBLES, n=1)
        hint = f"; did you mean {near[0]}?" if near else "; `gpucheck explain` lists them all"
        raise UnknownSlug(f"there is no finding {slug!r}{hint}")
    finders = tuple((check.name, check.summary) for check in all_checks() if slug in check.slugs)
    return Page(slug=slug, meaning=trouble.meaning, remedy=trouble.remedy, checks=finders, follows=trouble.follows)
