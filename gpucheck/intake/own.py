"""Our own report in JSON, also one that was cut off."""

from __future__ import annotations

import json
from typing import Any

from gpucheck.facts import Facts, FactsError, from_json

FRAMEWORKS = ("torch", "tensorflow")
# Keys of which one stands at the top of every document of ours.
OURS = ('"schema_version"', '"pci_cards"', '"frameworks"', '"interpreter"')


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
    if not text.lstrip().startswith("{") or not any(key in text for key in OURS):
        return None
    try:
        content = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise IntakeError(f"{name}: is not a whole gpucheck report in JSON: {error}") from None
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
