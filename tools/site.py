"""What the site needs beyond docs/: a hook of mkdocs (`hooks` in mkdocs.yml), run by `make docs`.

Three files from outside docs/ become pages, the pages in docs/troubles/ come into the navigation, and links that
leave docs/ lead to those pages, or become plain words where the site has no page for them.
"""

from __future__ import annotations

import posixpath
import re
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mkdocs.config.defaults import MkDocsConfig
    from mkdocs.structure.files import Files
    from mkdocs.structure.pages import Page

ROOT = Path(__file__).resolve().parents[1]
PAGES = {
    "matrix/rows.md": "matrix/README.md",
    "changelog.md": "CHANGELOG.md",
    "contributing.md": "CONTRIBUTING.md",
}
PLACES = {"README.md": "index.md", **{source: page for page, source in PAGES.items()}}
LISTS = {"index.md", "guides/index.md", "troubles/index.md", "messages.md", "changelog.md", "matrix/rows.md"}
LINK = re.compile(r"(?<!!)\[([^\]]+)\]\(([^)\s#]+)(#[^)\s]*)?\)")
CODE = re.compile(r"^(```|~~~).*?^\1[ ]*$", re.MULTILINE | re.DOTALL)


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """Put every page of a folder that the navigation names into it, its index first."""
    for entry in config.nav or []:
        for title, target in list(entry.items()):
            if isinstance(target, str) and target.endswith("/"):
                folder = Path(config.docs_dir) / target
                pages = sorted(folder.glob("*.md"), key=lambda path: (path.name != "index.md", path.name))
                entry[title] = [f"{target}{page.name}" for page in pages]
    return config


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the pages whose text lies outside docs/."""
    from mkdocs.structure.files import File

    for page, source in PAGES.items():
        files.append(File.generated(config, page, content=(ROOT / source).read_text(encoding="utf-8")))
    return files


def on_page_markdown(markdown: str, page: Page, **_: object) -> str:
    """Send links that leave docs/ to the site's own pages; code stays as it is."""
    here = page.file.src_uri
    first = here.startswith(("guides/", "troubles/"))
    # A message shall lead to what cures it, before pages that hold the same words, and lists that name all.
    page.meta["search"] = {"boost": 0.1 if here in LISTS else 2 if first else 0.5}
    start = posixpath.dirname(PAGES.get(here, f"docs/{here}"))

    def rewritten(match: re.Match[str]) -> str:
        text, target, anchor = match[1], match[2], match[3] or ""
        if "://" in target or target.startswith("mailto:"):
            return match[0]
        place = posixpath.normpath(posixpath.join(start, target))
        uri = PLACES.get(place, place.removeprefix("docs/") if place.startswith("docs/") else "")
        if not uri:
            return text
        return f"[{text}]({posixpath.relpath(uri, posixpath.dirname(here) or '.')}{anchor})"

    parts, last = [], 0
    for block in CODE.finditer(markdown):
        parts += [LINK.sub(rewritten, markdown[last : block.start()]), block[0]]
        last = block.end()
    return "".join([*parts, LINK.sub(rewritten, markdown[last:])])
