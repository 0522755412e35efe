"""Known words in a program's output and the troubles they show: a search for text, linear in its length."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from gpucheck.record import record

if TYPE_CHECKING:
    from collections.abc import Iterable


class Known(Protocol):
    """What a row of known words must have."""

    @property
    def slug(self) -> str:
        """The trouble."""

    @property
    def text(self) -> str:
        """Its words."""


@record
class Observation:
    """A trouble that shows in an output.

    Attributes:
        slug: The trouble.
        line: The line that shows it.
    """

    slug: str
    line: str


LONGEST = 300


def recognise(output: str, known: Iterable[Known]) -> tuple[Observation, ...]:
    """Return the troubles that an output shows, each once, those first that decide.

    Args:
        output: What a program wrote.
        known: Rows of known words, the deciding ones first.
    """
    found: dict[str, Observation] = {}
    for row in known:
        place = output.find(row.text)
        if place >= 0 and row.slug not in found:
            begin, end = output.rfind("\n", 0, place) + 1, output.find("\n", place)
            line = output[begin : end if end >= 0 else None].strip()
            around = line if len(line) <= LONGEST else output[place : place + LONGEST].partition("\n")[0]
            found[row.slug] = Observation(slug=row.slug, line=around)
    return tuple(found.values())
