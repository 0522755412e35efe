"""TOML files into typed rows; every error names the file, the row and the key."""

from __future__ import annotations

import datetime
import functools
import types
import typing
from dataclasses import MISSING, fields, is_dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import tomli  # compiled: three times as fast as the standard library's (measured)

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable

R = typing.TypeVar("R")


class MatrixError(ValueError):
    """A file of the matrix that cannot be used; the message names file, row and key."""


def folder() -> Path:
    """Return the matrix folder: inside the wheel when installed, beside the package in a checkout."""
    package = Path(__file__).parents[1]
    shipped = package / "_matrix"
    return shipped if shipped.is_dir() else package.parent / "matrix"


@functools.lru_cache(maxsize=256)
def _parsed(path: Path, changed: int) -> dict[str, Any]:  # noqa: ARG001 - part of the key
    """One file is asked for several kinds of rows; it is read again when its time of change differs."""
    return _parse(path)


def read_toml(path: Path) -> dict[str, Any]:
    """Parse one TOML file. What is returned is shared: it must not be changed.

    Raises:
        MatrixError: It cannot be read, or it is not TOML.
    """
    try:
        changed = path.stat().st_mtime_ns
    except OSError as error:
        raise MatrixError(f"{path}: cannot be read: {error.strerror}") from None
    return _parsed(path, changed)


def _parse(path: Path) -> dict[str, Any]:
    try:
        content: dict[str, Any] = tomli.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise MatrixError(f"{path}: cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise MatrixError(f"{path}: is not UTF-8 text") from None
    except tomli.TOMLDecodeError as error:
        raise MatrixError(f"{path}: is not valid TOML: {error}") from None
    return content


def _all(_: dict[str, Any]) -> bool:
    return True


def read_rows(
    path: Path, key: str, kind: type[R], wanted: Callable[[dict[str, Any]], bool] = _all
) -> tuple[R, ...]:
    """Return the rows of one array of tables, e.g. all ``[[floor]]`` of ``cuda/floors.toml``.

    Args:
        path: The file.
        key: Name of the array.
        kind: The row's class.
        wanted: Which of its tables are read into rows.

    Raises:
        MatrixError: The file, or a row that is wanted, cannot be used.
    """
    tables = read_toml(path).get(key, [])
    if not isinstance(tables, list):
        raise MatrixError(f"{path}: {key!r} must be an array of tables, written [[{key}]]")
    return tuple(
        read_row(kind, table, f"{path}, [[{key}]] row {number}")
        for number, table in enumerate(tables, 1)
        if not isinstance(table, dict) or wanted(table)
    )


def read_row(kind: type[R], table: Any, place: str) -> R:
    """Read one table into a row.

    Raises:
        MatrixError: A key is unknown, missing, or has the wrong type.
    """
    if not isinstance(table, dict):
        raise MatrixError(f"{place}: must be a table")
    hints, known = _keys(kind)  # type: ignore[arg-type]
    for key in table:
        if key not in known:
            raise MatrixError(f"{place}: unknown key {key!r}; known: {', '.join(sorted(known))}")
    values: dict[str, Any] = {}
    for key, item in known.items():
        if key in table:
            values[item.name] = _value(hints[item.name], table[key], f"{place}, key {key!r}")
        elif item.default is MISSING and item.default_factory is MISSING:
            raise MatrixError(f"{place}: the key {key!r} is missing")
    return kind(**values)


@functools.cache
def _keys(kind: Hashable) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return a row's type hints and its fields by TOML key."""
    return typing.get_type_hints(kind), {item.name.replace("_", "-"): item for item in fields(kind)}  # type: ignore[arg-type]


def _value(hint: Any, value: Any, place: str) -> Any:
    if isinstance(hint, types.UnionType):
        hint = next(part for part in typing.get_args(hint) if part is not type(None))
    if typing.get_origin(hint) is tuple:
        return _tuple(typing.get_args(hint)[0], value, place)
    if not isinstance(value, hint) or (isinstance(value, bool) and hint is not bool):
        raise MatrixError(f"{place}: must be {_wanted(hint)}, found {value!r}")
    if isinstance(value, str) and not value.strip():
        raise MatrixError(f"{place}: is empty")
    return value


def _tuple(inner: Any, value: Any, place: str) -> tuple[Any, ...]:
    if not isinstance(value, list):
        raise MatrixError(f"{place}: must be a list, found {value!r}")
    if isinstance(inner, type) and is_dataclass(inner):
        return tuple(read_row(inner, item, f"{place} row {n}") for n, item in enumerate(value, 1))
    return tuple(_value(inner, item, place) for item in value)


def _wanted(hint: Any) -> str:
    words = {str: "text in quotes", int: "a whole number", bool: "true or false"}
    return "a date such as 2026-11-22" if hint is datetime.date else words.get(hint, str(hint))
