"""The page of one trouble, for a terminal and as Markdown."""

from __future__ import annotations

import re
import textwrap
from typing import TYPE_CHECKING

from gpucheck import catalogue
from gpucheck.report.cleaning import clean
from gpucheck.report.markdown import code, words

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from gpucheck.catalogue import Page

WIDTH = 88
SYSTEMS = {
    "any": "Everywhere",
    "linux": "Linux",
    "wsl": "WSL",
    "windows": "Windows",
    "container": "Container",
    "cluster": "Cluster",
    "notebook": "Notebook",
}
NAMED = 12  # causes that a terminal shows by name
SPAN = re.compile(r"`([^`]+)`")
KEPT = "\x00"  # stands for a blank at which no line may end; texts are cleaned, so none holds it


def text(page: Page, width: int = WIDTH) -> str:
    """Return the page for a terminal, in lines of a width; commands are not broken, messages never changed."""
    return "\n".join(_lines(page, width)) + "\n"


def _lines(page: Page, width: int) -> Iterator[str]:
    yield page.slug
    yield ""
    yield from _wrapped(page.meaning, width, "  ")
    if page.messages:
        yield from ("", "What you may have seen")
        yield from (f"  {clean(line)}" for message in page.messages for line in message.splitlines())
    yield from ("", "Why")
    yield from _wrapped(page.why, width, "  ")
    yield from _list("How to confirm it", page.confirm, width)
    yield from ("", "How to fix it")
    yield from _wrapped(page.remedy, width, "  ")
    last = max(len(name) for name in SYSTEMS.values())
    for name, cures in _by_system(page).items():
        for number, cure in enumerate(cures):
            yield from _wrapped(cure, width, f"  {'' if number else name:{last}}  - ")
    yield from _list("What does not help", page.vain, width)
    yield from _list("Found by", [f"{name}: {summary}" for name, summary in page.checks], width)
    more = f" and {len(page.causes) - NAMED} more" if len(page.causes) > NAMED else ""
    yield from _names("Can follow from", ", ".join(page.causes[:NAMED]) + more, width)
    yield from _names("Can bring with it", ", ".join(page.follows), width)
    if page.references:
        yield from ("", "Read more")
        for title, address in page.references:
            yield from (f"  {clean(title)}", f"    {clean(address)}")


def _by_system(page: Page) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for system, cure in page.cures:
        found.setdefault(SYSTEMS[system], []).append(cure)
    return found


def _list(title: str, items: Sequence[str], width: int) -> Iterator[str]:
    if items:
        yield from ("", title)
    for item in items:
        yield from _wrapped(item, width, "  - ")


def _names(title: str, names: str, width: int) -> Iterator[str]:
    if names:
        yield from ("", title)
        yield from _wrapped(names, width, "  ")


def _wrapped(plain: str, width: int, before: str) -> list[str]:
    kept = SPAN.sub(lambda found: found.group().replace(" ", KEPT), clean(plain))
    lines = textwrap.wrap(
        kept,
        width,
        initial_indent=before,
        subsequent_indent=" " * len(before),
        break_long_words=False,
        break_on_hyphens=False,
    )
    return [line.replace(KEPT, " ") for line in lines]


def markdown(page: Page) -> str:
    """Return the page as Markdown; troubles that it names are links to the pages beside it."""
    parts = [f"# {page.slug}", prose(page.meaning)]
    if page.messages:
        parts += ["## What you may have seen", _block(page.messages)]
    parts += ["## Why", prose(page.why), "## How to confirm it", _items(map(prose, page.confirm))]
    parts += ["## How to fix it", prose(page.remedy)]
    for name, cures in _by_system(page).items():
        parts += [f"**{name}**", _items(map(prose, cures))]
    if page.vain:
        parts += ["## What does not help", _items(map(prose, page.vain))]
    found = (f"{code(name)}: {prose(summary)}" for name, summary in page.checks)
    more: tuple[tuple[str, Iterable[str]], ...] = (
        ("Found by the checks", found),
        ("Can follow from", map(link, page.causes)),
        ("Can bring with it", map(link, page.follows)),
        ("Read more", (f"[{words(title)}]({address})" for title, address in page.references)),
    )
    for title, items in more:
        if listed := _items(items):
            parts += [f"## {title}", listed]
    parts.append(f"`gpucheck explain {page.slug}` shows this page in a terminal.")
    return "\n\n".join(parts) + "\n"


def prose(plain: str) -> str:
    """Return text of our own as Markdown: what stands between back-quotes is code, a slug is a link."""
    names = "|".join(sorted(catalogue.slugs(), key=len, reverse=True))
    made = []
    for number, piece in enumerate(SPAN.split(plain)):
        if number % 2:
            made.append(code(piece))
        else:
            parted = re.split(rf"(?<![\w-])({names})(?![\w-])", piece)
            made += [link(part) if index % 2 else words(part) for index, part in enumerate(parted)]
    return "".join(made)


def link(slug: str, folder: str = "") -> str:
    """Return a link to the page of a trouble."""
    return f"[{slug}]({folder}{slug}.md)"


def _items(items: Iterable[str]) -> str:
    return "\n".join(f"- {item}" for item in items)


def _block(messages: Sequence[str]) -> str:
    """A fenced block; its fence is longer than any within (CommonMark 4.5)."""
    lines = [clean(line) for message in messages for line in message.splitlines()]
    longest = max((len(run) for line in lines for run in re.findall(r"`+", line)), default=0)
    fence = "`" * max(3, longest + 1)
    return "\n".join([f"{fence}text", *lines, fence])
