"""Reads other machines' reports into Facts: our own JSON so far."""

from __future__ import annotations

import json
from typing import Any

from gpucheck.facts import Facts, FactsError, from_json

__all__ = ["IntakeError", "read"]


FRAMEWORKS = ("torch", "tensorflow")


class IntakeError(ValueError):
    """A report that cannot be read; the message says what is wrong and where."""


def read(text: str, name: str) -> Facts:
    """Read a report that ``gpucheck doctor --format json`` wrote, or its ``facts`` alone.

    Args:
        text: The document.
        name: Where it comes from, for messages.

    Raises:
        IntakeError: It is not such a document.
    """
    if not text.strip():
        raise IntakeError(f"{name}: is empty")
    try:
        content = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise IntakeError(f"{name}: is not a gpucheck report in JSON: {error}") from None
    if not isinstance(content, dict):
        raise IntakeError(f"{name}: is not a gpucheck report: an object was expected")
    try:
        facts: Facts = from_json(Facts, _facts(content, name))
    except FactsError as error:
        raise IntakeError(f"{name}: {error}") from None
    for place, framework in [
        *((f"frameworks[{n}].name", one.name) for n, one in enumerate(facts.frameworks)),
        *((f"smoke[{n}].framework", run.framework) for n, run in enumerate(facts.smoke)),
    ]:
        if framework not in FRAMEWORKS:
            raise IntakeError(f"{name}: facts.{place}: {framework[:40]!r} is neither torch nor tensorflow")
    return facts


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
