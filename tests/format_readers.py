"""Readers written from the rules: of workflow commands as GitHub's runner reads them, and of a whole page."""

from __future__ import annotations

import re
from html.parser import HTMLParser

VOID = {"meta", "br", "img", "input", "link", "hr", "line", "polyline", "circle"}
ALLOWED = {
    *("html", "head", "title", "style", "body", "main", "header", "section", "article", "h1", "h2", "h3", "h4"),
    *(
        "p",
        "span",
        "code",
        "pre",
        "dl",
        "dt",
        "dd",
        "ul",
        "li",
        "div",
        "table",
        "thead",
        "tbody",
        "tr",
        "th",
        "td",
    ),
    *("details", "summary", "a", "figure", "figcaption", "svg", "text"),
}


class Reader(HTMLParser):
    """Sees that every element is closed, and gathers what a page could do."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.links: list[str] = []
        self.words: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert tag in ALLOWED | VOID, tag
        assert len(dict(attrs)) == len(attrs)
        for name, value in attrs:
            assert name not in ("src", "id")
            assert not name.startswith("on")
            if name == "href":
                self.links.append(value or "")
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert tag in VOID

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] != "style":
            self.words.append(data)

    def handle_comment(self, data: str) -> None:
        raise AssertionError(data)


def read(text: str) -> Reader:
    reader = Reader()
    reader.feed(text)
    reader.close()
    assert reader.open == []
    return reader


def commands(text: str) -> list[tuple[str, dict[str, str], str]]:
    """Read workflow commands as the runner does (actions/runner, ActionCommand.cs, TryParseV2)."""

    def plain(value: str, *more: tuple[str, str]) -> str:
        for sign, written in (("\r", "%0D"), ("\n", "%0A"), *more, ("%", "%25")):
            value = value.replace(written, sign)
        return value

    found = []
    for line in re.split(r"\r\n|\r|\n", text):
        if not line.lstrip().startswith("::"):
            assert "##[" not in line
            continue
        info, _, data = line.lstrip()[2:].partition("::")
        name, _, rest = info.partition(" ")
        pairs = [pair.split("=", 1) for pair in rest.split(",") if pair]
        values = {key: plain(value, (":", "%3A"), (",", "%2C")) for key, value in pairs}
        found.append((name, values, plain(data)))
    return found
