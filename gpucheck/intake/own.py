"""Our own report in JSON, also one that was cut off."""

from __future__ import annotations

import json
import re
from dataclasses import fields, replace
from typing import TYPE_CHECKING, Any

from gpucheck.facts import Facts, FactsError, ProbeRun, from_json

if TYPE_CHECKING:
    from collections.abc import Iterator

FRAMEWORKS = ("torch", "tensorflow")
# Values that are given up, one after the other, until what is left of a report that was cut off can be read.
MOST_TRIES = 60
# The keys of a report, and of its facts alone.
OURS = {"schema_version", "facts", *(item.name for item in fields(Facts))}


class IntakeError(ValueError):
    """A report that cannot be read; the message says what is wrong and where."""


def read(text: str, name: str) -> Facts | None:
    """Read a report that ``gpucheck doctor --format json`` wrote, or its ``facts`` alone; None: it is none.

    Args:
        text: The document.
        name: Where it comes from, for messages.

    Raises:
        IntakeError: It is one, but not of a form that this version knows.
    """
    if not text.lstrip().startswith("{"):
        return None
    try:
        content = json.loads(text)
    except (ValueError, RecursionError) as error:
        first = re.match(r'\s*\{\s*"(\w+)"', text)
        return _cut_off(text, name, error) if first is not None and first[1] in OURS else None
    if content and not OURS & content.keys():
        return None
    try:
        facts: Facts = from_json(Facts, _facts(content, name))
    except FactsError as error:
        raise IntakeError(f"{name}: {error}") from None
    return _known(facts, name)


def _known(facts: Facts, name: str) -> Facts:
    for place, framework in [
        *((f"frameworks[{n}].name", one.name) for n, one in enumerate(facts.frameworks)),
        *((f"smoke[{n}].framework", run.framework) for n, run in enumerate(facts.smoke)),
    ]:
        if framework not in FRAMEWORKS:
            raise IntakeError(f"{name}: facts.{place}: {framework[:40]!r} is neither torch nor tensorflow")
    return facts


def _cut_off(text: str, name: str, error: Exception) -> Facts:
    """Read the facts that stand in a document before it ends too early.

    Raises:
        IntakeError: None do, or it is damaged in the middle.
    """
    for whole in _closed(text):
        try:
            content = json.loads(whole)
            facts: Facts = from_json(Facts, _facts(content, name))
        except (ValueError, RecursionError):  # an object lacks a key that stood behind the end: one value less
            continue
        said = ProbeRun(
            name="reading", milliseconds=0.0, error=f"{name} is cut off; what stands before the end is used"
        )
        return _known(replace(facts, probes=(*facts.probes, said)), name)
    raise IntakeError(f"{name}: is not a whole gpucheck report in JSON: {error}")


def _closed(text: str) -> Iterator[str]:
    """Yield a document that was cut off, closed behind each of its last whole values, the last one first."""
    ends: list[tuple[int, str]] = []
    closers = ""
    inside, escaped = False, False
    for place, sign in enumerate(text):
        if inside:
            inside, escaped = escaped or sign != '"', not escaped and sign == "\\"
        elif sign == '"':
            inside = True
        elif sign in "{[":
            closers = ("}" if sign == "{" else "]") + closers
        elif sign in "}]":
            closers = closers[1:]
            ends.append((place + 1, closers))
        elif sign == ",":
            ends.append((place, closers))
    if closers:
        yield from (text[:place] + rest for place, rest in reversed(ends[-MOST_TRIES:]))


def _facts(content: dict[str, Any], name: str) -> Any:
    if "schema_version" not in content:
        return content
    if content["schema_version"] != 1:
        raise IntakeError(
            f"{name}: schema_version is {content['schema_version']!r}, this gpucheck reads 1: "
            "use the version of gpucheck that wrote it"
        )
    facts = content.get("facts")
    return {**facts, "smoke": content.get("smoke") or []} if isinstance(facts, dict) else facts
