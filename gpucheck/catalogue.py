"""Checks and findings as text for people: what `gpucheck explain SLUG` and the pages in docs/troubles/ show."""

from __future__ import annotations

import difflib
from dataclasses import dataclass
from typing import TYPE_CHECKING

from gpucheck.checks import all_checks
from gpucheck.checks.pages import ADVICE, GROUPS
from gpucheck.checks.troubles import TROUBLES

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


class UnknownSlug(ValueError):  # noqa: N818 - it is named after what it says
    """There is no such finding; the message names the nearest."""


@dataclass(frozen=True, kw_only=True)
class Page:
    """What is known of one trouble.

    Attributes:
        slug: Its name.
        group: The title of the group of troubles that it belongs to.
        meaning: What it is.
        remedy: What cures it.
        why: Why it happens.
        confirm: What decides whether it is this one.
        cures: What to do, each after the system where it is done.
        vain: Popular advice that does not help here, and why.
        references: Title and address of documentation and public threads.
        messages: What programs print then, as examples.
        checks: Names of the checks that find it, with what they state.
        causes: Troubles that it can follow from.
        follows: Troubles that can follow from it.
    """

    slug: str
    group: str
    meaning: str
    remedy: str
    why: str
    confirm: tuple[str, ...]
    cures: tuple[tuple[str, str], ...]
    vain: tuple[str, ...]
    references: tuple[tuple[str, str], ...]
    messages: tuple[str, ...]
    checks: tuple[tuple[str, str], ...]
    causes: tuple[str, ...]
    follows: tuple[str, ...]


def slugs() -> tuple[str, ...]:
    """Return every slug that can occur, in the order of the causes."""
    return tuple(TROUBLES)


def groups() -> dict[str, tuple[str, ...]]:
    """Return every slug that can occur, by the title of its group."""
    return dict(GROUPS)


def page(slug: str, examples: Mapping[str, Sequence[str]] | None = None) -> Page:
    """Return the page of a slug.

    Args:
        slug: Its name.
        examples: What programs print, by the slug that it shows.

    Raises:
        UnknownSlug: There is none.
    """
    trouble = TROUBLES.get(slug)
    if trouble is None:
        near = difflib.get_close_matches(slug, TROUBLES, n=1)
        hint = f"; did you mean {near[0]}?" if near else "; `gpucheck explain` lists them all"
        raise UnknownSlug(f"there is no finding {slug!r}{hint}")
    advice = ADVICE[slug]
    return Page(
        slug=slug,
        group=next(title for title, members in GROUPS.items() if slug in members),
        meaning=trouble.meaning,
        remedy=trouble.remedy,
        why=advice.why,
        confirm=advice.confirm,
        cures=advice.cures,
        vain=advice.vain,
        references=advice.references,
        messages=tuple(dict.fromkeys((examples or {}).get(slug, ()))),
        checks=tuple((check.name, check.summary) for check in all_checks() if slug in check.slugs),
        causes=tuple(name for name, other in TROUBLES.items() if slug in other.follows),
        follows=trouble.follows,
    )
