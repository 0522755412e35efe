"""Facts as JSON and back."""

from __future__ import annotations

import functools
import math
import types
import typing
from dataclasses import MISSING, fields, is_dataclass
from typing import Any

from gpucheck.facts.fact import Fact, T_co


class FactsError(ValueError):
    """A facts document that does not have the form of facts; the message names the place."""


def to_json(value: Any) -> Any:
    """Turn facts into what `json.dumps` takes; every object carries all its keys."""
    if is_dataclass(value):
        return {item.name.rstrip("_"): to_json(getattr(value, item.name)) for item in fields(value)}
    if isinstance(value, (tuple, list)):
        return [to_json(item) for item in value]
    if isinstance(value, dict):
        return {str(key): to_json(item) for key, item in value.items()}
    if isinstance(value, str) and not value.isascii():
        # Names that are not UTF-8 reach Python with surrogates, which JSON cannot carry; they are written out.
        return value.encode("utf-8", "backslashreplace").decode("utf-8")
    return value


def from_json(kind: Any, data: Any, place: str = "facts") -> Any:
    """Read what `to_json` made.

    Args:
        kind: The class, or any type that occurs in a facts class.
        data: Parsed JSON.
        place: Where ``data`` stands, for messages.

    Raises:
        FactsError: A key is unknown or missing, or a value has the wrong type.
    """
    origin, arguments = _origin(kind), typing.get_args(kind)
    if origin in (types.UnionType, typing.Union):
        return _read_optional(arguments, data, place)
    if is_dataclass(origin):
        return _read_object(kind, origin, data, place)
    if origin is tuple:
        items = _expect(list, data, place)
        return tuple(from_json(arguments[0], item, f"{place}[{n}]") for n, item in enumerate(items))
    if origin is dict:
        pairs = _expect(dict, data, place)
        return {key: from_json(arguments[1], item, f"{place}.{key}") for key, item in pairs.items()}
    if origin is float and isinstance(data, int) and not isinstance(data, bool):
        data = float(_expect(int, data, place))
    return _expect(origin, data, place)


def _origin(kind: Any) -> Any:
    return typing.get_origin(kind) or kind


def _read_optional(arguments: tuple[Any, ...], data: Any, place: str) -> Any:
    if data is None:
        return None
    inner = next(argument for argument in arguments if argument is not type(None))
    return from_json(inner, data, place)


def _read_object(kind: Any, origin: Any, data: Any, place: str) -> Any:
    pairs = _expect(dict, data, place)
    hints = _hints(origin)
    argument = typing.get_args(kind)
    values: dict[str, Any] = {}
    for item in fields(origin):
        name = item.name.rstrip("_")
        if name not in pairs:
            if item.default is MISSING and item.default_factory is MISSING:
                raise FactsError(f"{place}: the key {name!r} is missing")
            continue
        hint = _specialise(hints[item.name], argument)
        values[item.name] = from_json(hint, pairs[name], f"{place}.{name}")
    unknown = sorted(set(pairs) - {item.name.rstrip("_") for item in fields(origin)})
    if unknown:
        raise FactsError(f"{place}: unknown key {unknown[0]!r}")
    if origin is Fact and values.get("value") is None and values.get("missing") is None:
        raise FactsError(f"{place}: has neither a value nor a reason why it is missing")
    return origin(**values)


@functools.cache
def _hints(kind: Any) -> dict[str, Any]:
    return typing.get_type_hints(kind)


def _specialise(hint: Any, argument: tuple[Any, ...]) -> Any:
    if argument and hint == T_co | None:
        return argument[0] | None
    return hint


def _expect(kind: Any, data: Any, place: str) -> Any:
    wrong_bool = isinstance(data, bool) and kind is not bool
    if not isinstance(data, kind) or wrong_bool:
        raise FactsError(f"{place}: {kind.__name__} expected, found {type(data).__name__}")
    if isinstance(data, int) and abs(data) >= 2**63:
        raise FactsError(f"{place}: the number is too large")
    if isinstance(data, float) and not math.isfinite(data):
        raise FactsError(f"{place}: {data} is not a number that JSON has")
    if isinstance(data, str) and any("\ud800" <= sign <= "\udfff" for sign in data):
        raise FactsError(f"{place}: the text is not valid Unicode")
    return data
