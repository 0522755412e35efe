"""Names of nodes: ranges as Slurm writes them, expanded and folded, and files with a name a line."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

MOST = 1_000_000  # names: more is a slip of the keyboard
RANGE = re.compile(r"([0-9]{1,18})(?:-([0-9]{1,18}))?")
DIGITS = re.compile(r"(.*?)([0-9]+)([^0-9]*)", re.DOTALL)


class NodesError(ValueError):
    """Names of nodes that cannot be read; the message says what is wrong and where."""


def expand(text: str) -> list[str]:
    """Return the names that ``node-[001-064,070],gpu[1-2]-[a]`` and the like stand for, each once, in its order.

    Raises:
        NodesError: It is no such list, or stands for more than a million names.
    """
    names: dict[str, None] = {}
    for start, part in _parts(text):
        made = [""]
        for place, piece, inside in _pieces(text, start, part):
            values = _inside(text, place, piece) if inside else [piece]
            if len(made) * len(values) + len(names) > MOST:
                raise _wrong(text, place, f"these are more than {MOST:,} names")
            made = [head + value for head in made for value in values]
        names.update(dict.fromkeys(made))
    return list(names)


def _wrong(text: str, place: int, what: str) -> NodesError:
    shown = text if len(text) <= 60 else f"{text[:57]}..."
    return NodesError(f"node range {shown!r}, character {place + 1}: {what}")


def _parts(text: str) -> Iterator[tuple[int, str]]:
    """Yield what stands between the commas outside brackets, with its place."""
    start, depth = 0, 0
    for place, sign in enumerate([*text, ","]):
        if sign == "," and not depth:
            part = text[start:place].strip()
            if not part:
                raise _wrong(text, start, "a name is missing")
            yield start + text[start:place].index(part[0]), part
            start = place + 1
        depth += {"[": 1, "]": -1}.get(sign, 0)
        if depth not in (0, 1):
            raise _wrong(text, place, "a [ within brackets" if depth > 0 else "a ] without a [")
    if depth:
        raise _wrong(text, text.rindex("["), "this [ is not closed")


def _pieces(text: str, start: int, part: str) -> Iterator[tuple[int, str, bool]]:
    """Yield the pieces outside and inside of brackets, with their places."""
    for number, piece in enumerate(re.split(r"[\[\]]", part)):
        bad = re.search(r"[\s/\\\x00-\x1f\x7f]", piece)
        if bad:
            raise _wrong(text, start + bad.start(), f"{bad.group()!r} is no part of a name")
        yield start, piece, number % 2 == 1
        start += len(piece) + 1


def _inside(text: str, place: int, piece: str) -> list[str]:
    """Return the values of a bracket: numbers, ranges of them, or words."""
    values: list[str] = []
    for item in piece.split(","):
        found = RANGE.fullmatch(item)
        if found is None and ("-" in item or not item):
            what = f"{item!r} is no range of numbers, such as 001-064" if item else "a number or a word is missing"
            raise _wrong(text, place, what)
        first, last = (found[1], found[2] or found[1]) if found else (item, item)
        if found and int(last) < int(first):
            raise _wrong(text, place, f"{item} goes backwards")
        if found and int(last) - int(first) >= MOST:
            raise _wrong(text, place, f"{item} is more than {MOST:,} names")
        numbers = range(int(first), int(last) + 1) if found else ()
        values += [str(number).zfill(len(first)) for number in numbers] if found else [item]
        place += len(item) + 1
    return values


def fold(names: Iterable[str], *, tails: bool = True) -> str:
    """Return names as ranges, in natural order: ``node-[003,017-027]``.

    Args:
        names: The names.
        tails: Whether text may follow a range, ``rack[1-2]-gpu``; Slurm cannot read that.
    """
    groups: dict[tuple[str, str], dict[tuple[int, str], None]] = {}
    for name in sorted(set(names), key=natural):
        found = DIGITS.fullmatch(name)
        if found is None or len(found[2]) > 18 or (found[3] and not tails):
            groups[name, "\0"] = {}
        else:
            groups.setdefault((found[1], found[3]), {})[int(found[2]), found[2]] = None
    return ",".join(
        f"{head}{_folded(list(numbers))}{tail}" if numbers else head for (head, tail), numbers in groups.items()
    )


def _folded(numbers: list[tuple[int, str]]) -> str:
    """Return numbers as ranges; those that are written with zeros before them only beside their like."""
    runs: list[list[str]] = []
    before = -2
    for number, written in numbers:
        last = runs[-1] if runs else [""]
        # What follows is written as a range would write it: filled up to the width of the first.
        if number == before + 1 and written == str(number).zfill(len(last[0])):
            last[1:] = [written]
        else:
            runs.append([written])
        before = number
    if len(runs) == 1 and len(runs[0]) == 1:
        return runs[0][0]
    return f"[{','.join('-'.join(run) for run in runs)}]"


def natural(name: str) -> list[tuple[int, int, str]]:
    """Return a key by which node-2 stands before node-10."""
    return [
        (1, int(part), part) if part.isascii() and part.isdecimal() and len(part) <= 18 else (0, 0, part)
        for part in re.split(r"([0-9]+)", name)
    ]


def shown(names: Iterable[str], most: int = 120) -> str:
    """Return names folded, and cut where they are too many for a line."""
    text = fold(names)
    if len(text) <= most:
        return text
    kept = text[:most].rpartition(",")[0] or text[:most]
    return f"{kept},…"


def read_hostfile(path: Path) -> list[str]:
    """Return the names in a file: a name or a range a line, ``#`` begins a remark, what follows a blank is left.

    Raises:
        NodesError: It cannot be read, is empty, or a line is no name.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, ValueError) as error:
        raise NodesError(
            f"{path}: cannot be read: {getattr(error, 'strerror', None) or 'it is no text'}"
        ) from None
    names: dict[str, None] = {}
    for number, line in enumerate(text.splitlines(), 1):
        words = line.partition("#")[0].split()
        if words:
            try:
                names.update(dict.fromkeys(expand(words[0])))
            except NodesError as error:
                raise NodesError(f"{path}:{number}: {error}") from None
    if not names:
        raise NodesError(f"{path}: names no node")
    return list(names)


def read_nodes(text: str) -> list[str]:
    """Return the names that a range, or a file with such lines, stands for.

    Raises:
        NodesError: It is neither.
    """
    from pathlib import Path

    path = Path(text)
    if "[" not in text and (path.is_file() or "/" in text or path.suffix in (".txt", ".list", ".hosts")):
        return read_hostfile(path)
    return expand(text)
