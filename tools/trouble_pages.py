"""The pages of the troubles, their list, and docs/messages.md, which tools/pages.py writes."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from gpucheck import catalogue
from gpucheck.report import trouble
from gpucheck.report.markdown import code, words

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

ROOT = Path(__file__).resolve().parents[1]
FOLDER = ROOT / "docs/troubles"


def pages() -> dict[Path, str]:
    """Return every page by its path."""
    shown = examples()
    made = {FOLDER / f"{slug}.md": trouble.markdown(catalogue.page(slug, shown)) for slug in catalogue.slugs()}
    made[FOLDER / "index.md"] = index()
    made[ROOT / "docs/messages.md"] = messages(shown)
    return made


def examples() -> dict[str, list[str]]:
    """Return the messages that the matrix knows, as programs print them, by the trouble that they show."""
    found: dict[str, list[str]] = {}
    for path in sorted([*ROOT.glob("matrix/messages.toml"), *ROOT.glob("matrix/messages/*.toml")]):
        for row in tomllib.loads(path.read_text(encoding="utf-8")).get("message", []):
            if row.get("slug") is not None:  # without one it only tells what stood around another
                found.setdefault(row["slug"], []).append(_example(row))
    return found


def _example(row: dict[str, Any]) -> str:
    text = row.get("example") or row["text"]
    return str(text if isinstance(text, str) else text[0])


def index() -> str:
    """Return the list of all troubles, by group."""
    parts = [
        "# Troubles",
        "Every finding has a name, and every name a page: what it means, why it happens, how to confirm it, what "
        "to do on each system, and what does not help. `gpucheck explain NAME` shows the same in a terminal. If "
        "you have a message and no name, look among the [messages](../messages.md).",
    ]
    for title, members in catalogue.groups().items():
        parts += [f"## {words(title)}", "\n".join(map(_entry, members))]
    return "\n\n".join([*parts, _origin("gpucheck/checks/troubles and gpucheck/checks/pages")]) + "\n"


def _entry(slug: str) -> str:
    return f"- {trouble.link(slug)}: {trouble.prose(catalogue.page(slug).meaning)}"


def messages(shown: dict[str, list[str]]) -> str:
    """Return the list of all messages, each with the trouble that it shows first of all."""
    lines = {
        (line.strip(), slug)
        for slug, members in shown.items()
        for member in members
        for line in member.splitlines()
        if line.strip()
    }
    listed = [
        f"- {code(line)}  \n  {trouble.link(slug, 'troubles/')}"
        for line, slug in sorted(lines, key=lambda one: (one[0].lstrip("[({'\"`").casefold(), one))
    ]
    parts = [
        "# Messages",
        "What programs print when something is wrong with the GPU environment, and the trouble that it shows "
        "first of all. Numbers, names and paths are examples. Some messages have several causes: the page tells "
        "what decides, and `gpucheck explain FILE` judges a whole log.",
        "\n".join(listed),
        _origin("the rows in matrix/messages"),
    ]
    return "\n\n".join(parts) + "\n"


def _origin(source: str) -> str:
    return f"Generated from {source} by `make pages`."
