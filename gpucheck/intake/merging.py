"""Several reports of one machine into one set of facts: what any of them shows counts."""

from __future__ import annotations

from dataclasses import fields, is_dataclass, replace
from typing import TYPE_CHECKING, Any

from gpucheck.facts import Fact, Facts, Framework, Gpu, seen
from gpucheck.facts.fact import NOT_LOOKED_AT
from gpucheck.intake.installed import NOT_SHOWN

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable


def joined(parts: Iterable[Facts]) -> Facts:
    """Return what several reports show together; where two differ, the earlier one counts.

    Args:
        parts: The facts of each report, the most exact first.
    """
    whole = Facts()
    for part in parts:
        whole = _joined(whole, part)
    return whole


def _joined(first: Any, second: Any) -> Any:
    values = {}
    for item in fields(first):
        one, other = getattr(first, item.name), getattr(second, item.name)
        together: Callable[[Any, Any], Any] = JOINED.get(item.name, _plain)
        values[item.name] = together(one, other)
    return replace(first, **values)


def _plain(one: Any, other: Any) -> Any:
    if isinstance(one, Fact):
        # What a report has no place for is the same as what nobody looked at.
        told = other.known or (one.missing == NOT_LOOKED_AT and other.missing != NOT_SHOWN)
        return other if told and not one.known else one
    if is_dataclass(one):
        return _joined(one, other)
    return (*one, *other) if isinstance(one, tuple) else one or other


def _frameworks(one: tuple[Framework, ...], other: tuple[Framework, ...]) -> tuple[Framework, ...]:
    """An import that fails in one interpreter does not outweigh a package that another one has."""
    named = {framework.name: framework for framework in one}
    for framework in other:
        first = named.get(framework.name)
        if first is not None and first.installed.value is False and framework.installed.value:
            first, framework = framework, first  # noqa: PLW2901
        named[framework.name] = framework if first is None else _joined(first, framework)
    return tuple(named.values())


def _gpus(one: Fact[tuple[Gpu, ...]], other: Fact[tuple[Gpu, ...]]) -> Any:
    """Two lists of the same length tell of the same cards, in the same order."""
    if not one.value or not other.value or len(one.value) != len(other.value):
        return _plain(one, other) if one.value or not other.value else other
    return seen(tuple(_joined(a, b) for a, b in zip(one.value, other.value, strict=True)), one.source or "")


def _union(one: Fact[dict[str, str]], other: Fact[dict[str, str]]) -> Any:
    if not one.known or not other.known:
        return _plain(one, other)
    return seen({**(other.value or {}), **(one.value or {})}, one.source or "")


JOINED: dict[str, Callable[[Any, Any], Any]] = {
    "frameworks": _frameworks,
    "gpus": _gpus,
    "packages": _union,
    "environment": _union,
    "index": lambda one, _: one,
}
