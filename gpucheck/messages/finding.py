"""The search: which known messages stand in a text, where, and what they say."""

from __future__ import annotations

import re
from bisect import bisect_right
from typing import TYPE_CHECKING, Protocol

from gpucheck.facts import Message
from gpucheck.messages.lines import cleaned, stripped
from gpucheck.messages.templates import compiled

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from gpucheck.messages.templates import Template

LONGEST = 300
# A match may begin this far before its anchor, and end as far behind it: the longest pattern that rows can make.
REACH = 1500
SPACE = re.compile(r"\s+")
Found = tuple[str, int, dict[str, str]]


class Known(Protocol):
    """What a row of known words must have."""

    @property
    def name(self) -> str:
        """Its name."""

    @property
    def text(self) -> tuple[str, ...]:
        """Its patterns, any of which may fit."""


def recognise(text: str, known: Iterable[Known]) -> tuple[Message, ...]:
    """Return the known messages that stand in a text, each once, in the order of the text.

    Args:
        text: What somebody pasted, or a program wrote.
        known: Rows of known messages.
    """
    page = Page(text)
    found = [seen for row in known for seen in _first(page, row)]
    return tuple(sorted(found, key=lambda seen: seen.number))


def _first(page: Page, row: Known) -> Iterator[Message]:
    for text in row.text:
        match = page.search(compiled(text))
        if match is not None:
            line, number, values = match
            yield Message(name=row.name, line=line, number=number, values=values)
            return


class Page:
    """A text in the form in which it is searched.

    Twice: with an end after each line, so that values end with their line, and without, for wrapped messages.
    """

    def __init__(self, text: str) -> None:
        """Strip and squeeze the text."""
        self.lines = [stripped(line) for line in cleaned(text)]
        short = [SPACE.sub("", line).lower() for line in self.lines]
        self.texts = ("\n".join(short), "".join(short))
        self.starts = (_starts(short, 1), _starts(short, 0))

    def search(self, template: Template) -> Found | None:
        """Return line, number and values of the first match, or None."""
        for form in (0, 1):
            text, place = self.texts[form], -1
            while (place := text.find(template.anchor, place + 1)) >= 0:
                begin = max(place - REACH, 0)
                window = text[begin : place + len(template.anchor) + REACH]
                match = template.regex.search(window)
                if match is not None:
                    return self._told(form, begin, match)
                place += len(template.anchor)
        return None

    def _told(self, form: int, begin: int, match: re.Match[str]) -> Found:
        first = self._line(form, begin + match.start())
        last = self._line(form, begin + match.end() - 1)
        values = {
            name: self._original(form, begin + match.start(name), begin + match.end(name))
            for name, value in match.groupdict().items()
            if value
        }
        line = " ".join(" ".join(self.lines[first : last + 1]).split())
        return _shortened(line), first + 1, values

    def _line(self, form: int, place: int) -> int:
        return bisect_right(self.starts[form], place) - 1

    def _original(self, form: int, begin: int, end: int) -> str:
        """Return a piece of the squeezed text as it was written."""
        first, last = self._line(form, begin), self._line(form, end - 1)
        if first != last:
            return self.texts[form][begin:end]
        start = self.starts[form][first]
        return _piece(self.lines[first], begin - start, end - start)


def _starts(lines: list[str], between: int) -> list[int]:
    starts, place = [], 0
    for line in lines:
        starts.append(place)
        place += len(line) + between
    return starts


def _piece(line: str, begin: int, end: int) -> str:
    """Return the part of a line that its squeezed form has from ``begin`` to ``end``."""
    places = [n for n, sign in enumerate(line) if not sign.isspace()]
    if len(places) < end:  # a letter whose lower case has two characters
        return SPACE.sub("", line).lower()[begin:end]
    return " ".join(line[places[begin] : places[end - 1] + 1].split())


def _shortened(line: str) -> str:
    return line if len(line) <= LONGEST else f"{line[: LONGEST - 1]}\u2026"
