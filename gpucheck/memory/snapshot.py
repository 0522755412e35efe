"""A machine as a text that can be committed: facts without what changes by itself, redacted, in a fixed order.

Two snapshots of an unchanged machine are the same, byte for byte. `gpucheck doctor --from` reads them.
"""

from __future__ import annotations

import json
import re
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Protocol

from gpucheck.facts import Fact, Facts, FactsError, absent, from_json, to_json
from gpucheck.facts.fact import NOT_LOOKED_AT

if TYPE_CHECKING:
    from collections.abc import Callable

SCHEMA_VERSION = 1
# The words "not in this" make a check skip what a card or a report does not tell, see `checks.registry.untold`.
LEFT_OUT = "not in this snapshot: it changes by itself"
# What is left out, and why: it differs between two looks at a machine that nobody has touched.
VOLATILE = {
    "system.cache_free": "room on a disk that everybody writes to",
    "driver.kernel_messages": "lines of a log, with times and process ids, that come and go",
    "gpus.memory_free": "depends on the programs that run at this moment",
    "gpus.processes": "programs that run at this moment, with their ids",
    "gpus.throttle": "clocks follow load and temperature",
    "frameworks.answer.seconds": "a time",
    "frameworks.answer.messages": "lines of a log, with times and process ids",
    "probes": "times, and whether a probe was late",
    "smoke": "a measurement, not a property of the machine",
    "distributed": "a measurement, not a property of the machine",
}
# Lists whose order says nothing.
UNORDERED = {"cpu_flags", "device_nodes", "refused_nodes", "pci_cards", "package_files", "mig_devices", "mapped"}
# UUIDs tell one card of the world from all others; their first eight digits tell it from those beside it, and
# CUDA_VISIBLE_DEVICES takes them too.
UUID = re.compile(r"\b([0-9a-f]{8})-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\b", re.IGNORECASE)
# Their values are words of our own or names of products.
VOCABULARY = {"name", "os", "build", "kind", "backend", "machine", "trouble"}


class Redactor(Protocol):
    """What takes private names out of a text: `gpucheck.report.cleaning.Redactor`."""

    def text(self, text: str) -> str:
        """Redact one text."""


def snapshot(facts: Facts, redactor: Redactor | None) -> str:
    """Return the snapshot of a machine.

    Args:
        facts: What was seen of it.
        redactor: Takes out home, user and host name; None leaves them in.
    """
    content = to_json(steady(facts, redactor))
    document = {"schema_version": SCHEMA_VERSION, "kind": "snapshot", "facts": content}
    return json.dumps(document, indent=2, sort_keys=True, allow_nan=False) + "\n"


def read(text: str) -> Facts:
    """Read what `snapshot` made.

    Raises:
        FactsError: It is not one.
    """
    try:
        content = json.loads(text)
        facts: Facts = from_json(Facts, content["facts"])
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise FactsError(f"is no snapshot: {error}") from None
    return facts


def steady(facts: Facts, redactor: Redactor | None) -> Facts:
    """Return what endures of facts: nothing of `VOLATILE`, UUIDs shortened, private names taken out."""
    for place in VOLATILE:
        facts = _without(facts, place.split("."))
    kept: Facts = from_json(Facts, _told(to_json(facts), _shortened(redactor)))
    return kept


def _without(value: Any, parts: list[str]) -> Any:
    """Return a value without one of its parts; lists are gone into."""
    if isinstance(value, tuple):
        return tuple(_without(one, parts) for one in value)
    if isinstance(value, Fact):
        return replace(value, value=_without(value.value, parts)) if value.known else value
    name, rest = parts[0], parts[1:]
    inner = getattr(value, name)
    return replace(value, **{name: _without(inner, rest) if rest else _blank(inner)})


def _blank(value: Any) -> Any:
    if isinstance(value, Fact):
        return value if value.missing == NOT_LOOKED_AT else absent(LEFT_OUT)
    return type(value)()


def _shortened(redactor: Redactor | None) -> Callable[[str], str]:
    return lambda text: UUID.sub(r"\1", text if redactor is None else redactor.text(text))


def _told(value: Any, said: Callable[[str], str], key: str = "") -> Any:
    if isinstance(value, str):
        return said(value)
    if isinstance(value, list):
        items = [_told(item, said) for item in value]
        return sorted(items, key=json.dumps) if key in UNORDERED else items
    if isinstance(value, dict):
        # The value of a fact stands under `value`: there the name of the fact counts.
        names = {name: key if name == "value" else name for name in value}
        return {
            name: item if names[name] in VOCABULARY and isinstance(item, str) else _told(item, said, names[name])
            for name, item in value.items()
        }
    return value
