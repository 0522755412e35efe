"""A policy file as TOML, checked key by key; every error names file, line and key."""

from __future__ import annotations

import datetime
import re
from pathlib import Path
from typing import Any

import tomli

from gpucheck.policy.errors import PolicyError, did_you_mean
from gpucheck.policy.shape import DATE, FLAG, NEEDED, NUMBER, POLICY, TEXTS
from gpucheck.record import record

Key = tuple[str, ...]
IN_PYPROJECT: Key = ("tool", "gpucheck")
HEADER = re.compile(r"\s*(\[\[?)\s*([^\]]+?)\s*\]\]?\s*(?:#.*)?$")
ASSIGNMENT = re.compile(
    r"""\s*((?:[A-Za-z0-9_-]+|"[^"]*"|'[^']*')(?:\s*\.\s*(?:[A-Za-z0-9_-]+|"[^"]*"|'[^']*'))*)\s*="""
)


@record
class Document:
    """A policy file that has the right form.

    Attributes:
        path: The file.
        content: Its tables, below ``tool.gpucheck`` in a pyproject.toml.
        lines: For each key the line on which it stands.
    """

    path: Path
    content: dict[str, Any]
    lines: dict[Key, int]

    def place(self, *key: str) -> str:
        """Return where a key stands, e.g. ``gpucheck.toml:12``; of an inner one at least its table."""
        name = _near(self.path)
        for length in range(len(key), 0, -1):
            if key[:length] in self.lines:
                return f"{name}:{self.lines[key[:length]]}"
        return name


def _near(path: Path) -> str:
    """Return a path from the working folder where it lies below: what a code host can link."""
    try:
        return str(path.relative_to(Path.cwd()))
    except (ValueError, OSError):
        return str(path)


def read(path: Path) -> Document:
    """Read and check a policy file.

    Raises:
        PolicyError: It cannot be read, is no TOML, or has a key or a value that does not belong there.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise PolicyError(f"{path}: cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise PolicyError(f"{path}: is not UTF-8 text") from None
    try:
        content: dict[str, Any] = tomli.loads(text)
    except (tomli.TOMLDecodeError, RecursionError) as error:
        raise PolicyError(f"{path}: is not valid TOML: {error}") from None
    prefix = IN_PYPROJECT if path.name == "pyproject.toml" else ()
    for part in prefix:
        content = content.get(part, {})
        if not isinstance(content, dict):
            raise PolicyError(f"{path}: {'.'.join(prefix)} must be a table")
    document = Document(path=path, content=content, lines=_lines(text, prefix))
    _check(document, POLICY, content, ())
    return document


def _lines(text: str, prefix: Key) -> dict[Key, int]:
    """Return the line of every key; tables of an array are numbered from 0."""
    found: dict[Key, int] = {}
    table: Key = ()
    counts: dict[Key, int] = {}
    for number, line in enumerate(text.split("\n"), 1):
        header, assignment = HEADER.match(line), ASSIGNMENT.match(line)
        if header:
            table = _parts(header[2])
            if header[1] == "[[":
                counts[table] = counts.get(table, -1) + 1
                table = (*table, str(counts[table]))
            found.setdefault(table, number)
        elif assignment:
            found.setdefault((*table, *_parts(assignment[1])), number)
    size = len(prefix)
    return {key[size:]: line for key, line in found.items() if key[:size] == prefix}


def _parts(text: str) -> Key:
    return tuple(part.strip().strip("\"'") for part in text.split("."))


def _check(document: Document, shape: Any, value: Any, key: Key) -> None:
    if isinstance(shape, dict):
        _check_table(document, shape, value, key)
    elif isinstance(shape, list):
        if not isinstance(value, list):
            raise _wrong(document, key, f"must be an array of tables, written [[{'.'.join(key)}]]")
        for number, item in enumerate(value):
            _check(document, shape[0], item, (*key, str(number)))
    elif isinstance(shape, tuple):
        if not isinstance(value, str) or value not in shape:
            raise _wrong(document, key, f"must be one of {', '.join(shape)}, found {value!r}")
    elif not _fits(shape, value):
        raise _wrong(document, key, f"must be {WANTED[shape]}, found {value!r}")


def _check_table(document: Document, shape: dict[str, Any], value: Any, key: Key) -> None:
    if not isinstance(value, dict):
        raise _wrong(document, key, "must be a table")
    for name, inner in value.items():
        if name not in shape and "*" not in shape:
            raise _wrong(document, (*key, name), f"unknown key {name!r}{did_you_mean(name, shape)}")
        _check(document, shape.get(name, shape.get("*")), inner, (*key, name))
    array = key[-2] if len(key) > 1 else ""
    for name in NEEDED.get(array, ()):
        if name not in value:
            raise _wrong(document, key, f"the key {name!r} is missing")


def _wrong(document: Document, key: Key, what: str) -> PolicyError:
    name = ".".join(part for part in key if not part.isdigit())
    return PolicyError(f"{document.place(*key)}: {name or 'the policy'}: {what}")


WANTED = {
    "version": 'comparisons in quotes such as ">=12.4,<14"',
    NUMBER: 'a whole number, or comparisons in quotes such as ">=4"',
    "size": 'comparisons in quotes such as ">=39GiB"',
    "text": "text in quotes",
    FLAG: "true or false",
    TEXTS: "a list of texts",
    DATE: "a date such as 2027-01-31, without quotes",
}


def _fits(shape: str, value: Any) -> bool:
    if shape == FLAG:
        return isinstance(value, bool)
    if shape == NUMBER:
        return isinstance(value, str) or (isinstance(value, int) and not isinstance(value, bool))
    if shape == TEXTS:
        return isinstance(value, list) and all(isinstance(one, str) for one in value)
    if shape == DATE:
        return isinstance(value, datetime.date) and not isinstance(value, datetime.datetime)
    return isinstance(value, str) and bool(value.strip())
