"""The guides as the tests read them: fenced blocks with their info string, and the code of old-code.md.

Conventions: a block marked ``text`` is a message, word for word; a block marked ``sh`` is for a shell. In
old-code.md a ``python`` block that is followed by a ``text`` block raises exactly that; every other one runs.
``…`` at the start of a path stands for a folder of the reader's.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from conftest import ROOT

FOLDER = ROOT / "docs/guides"
GUIDES = sorted(FOLDER.glob("*.md"))
OLD_CODE = FOLDER / "old-code.md"
FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True)
class Block:
    """A fenced block: its info string, its text, and its line in the file."""

    kind: str
    text: str
    line: int


@dataclass(frozen=True)
class Snippet:
    """A piece of code, and what it raises."""

    code: str
    line: int
    raises: str | None


def blocks(path: Path) -> list[Block]:
    """Return the fenced blocks of a page."""
    text = path.read_text()
    return [Block(one[1], one[2], text.count("\n", 0, one.start()) + 1) for one in FENCE.finditer(text)]


def messages(path: Path) -> list[str]:
    """Return the messages that a guide quotes."""
    return [block.text.strip() for block in blocks(path) if block.kind == "text"]


def snippets(path: Path) -> list[Snippet]:
    """Return the code of a guide with the exception that stands behind it."""
    text, found = path.read_text(), []
    for one in re.finditer(FENCE.pattern + r"(?:\n*^```text\n(.*?)^```$)?", text, FENCE.flags):
        if one[1] == "python":
            raises = one[3].strip() if one[3] else None
            found.append(Snippet(one[2], text.count("\n", 0, one.start()) + 1, raises))
    return found


def commands(path: Path) -> list[str]:
    """Return every command line of ours: a line of a block for a shell, or words in back quotes."""
    text = path.read_text()
    inline = re.findall(r"(?<!`)`((?:srun [^`]*)?gpucheck [^`…]+)`(?!`)", FENCE.sub("", text))
    lines = [line for block in blocks(path) if block.kind in {"", "sh"} for line in block.text.splitlines()]
    found = [line for line in lines if re.match(r"(\$ )?(srun .*)?gpucheck ", line)] + inline
    ours = (re.sub(r"^(\$ )?(srun .*?)?gpucheck ", "", line) for line in found)
    return [re.split(r"  #| [>|] ", line)[0].strip() for line in ours]  # without what is the shell's
