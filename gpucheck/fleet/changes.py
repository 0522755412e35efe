"""What changed between two runs of a fleet: one line for all nodes on which the same did."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from statistics import median
from typing import TYPE_CHECKING

from gpucheck.fleet.classes import FREE, MUST, class_of
from gpucheck.fleet.drift import ABSENT
from gpucheck.fleet.flat import figure

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from gpucheck.fleet.one import Entry
    from gpucheck.fleet.outcomes import Outcome

LEAST = 0.05  # of a number's median over the nodes that both runs have; times vary more
LEAST_TIME = 0.5
ORDER = ("outcome", "finding", "fact", "number")


@dataclass(frozen=True)
class FleetChange:
    """One change.

    Attributes:
        kind: ``outcome``, ``finding``, ``fact`` or ``number``.
        what: What changed.
        old: What it was; None: it was not there.
        new: What it is; None: it is gone.
        nodes: On which nodes.
        worse: Whether it is bad news; None: nobody can say.
    """

    kind: str
    what: str
    old: str | None
    new: str | None
    nodes: tuple[str, ...]
    worse: bool | None = None


@dataclass(frozen=True)
class FleetDifference:
    """What changed.

    Attributes:
        old: Name of the one run.
        new: Name of the other.
        nodes: How many nodes both have.
        changes: The changes; outcomes first, then what touches the most nodes.
    """

    old: str
    new: str
    nodes: int
    changes: tuple[FleetChange, ...]


Nodes = tuple[dict[str, "Entry"], "Sequence[Outcome]"]


def compare(old: Nodes, new: Nodes, labels: tuple[str, str]) -> FleetDifference:
    """Compare two runs.

    Args:
        old: Reports by node, and what became of each.
        new: The same of the later run.
        labels: What the runs are called.
    """
    both = [name for name in new[0] if name in old[0]]
    pairs = [(name, old[0][name], new[0][name]) for name in both]
    found = [*_outcomes(old[1], new[1]), *_findings(pairs), *_facts(pairs), *_numbers(pairs)]
    found.sort(key=lambda one: (ORDER.index(one.kind), not one.worse, -len(one.nodes), one.what))
    return FleetDifference(old=labels[0], new=labels[1], nodes=len(both), changes=tuple(found))


def _outcomes(old: Sequence[Outcome], new: Sequence[Outcome]) -> Iterator[FleetChange]:
    before, after = ({one.node: one.outcome for one in nodes} for nodes in (old, new))
    by: dict[tuple[str | None, str | None], list[str]] = defaultdict(list)
    for node in dict.fromkeys((*after, *before)):
        pair = before.get(node), after.get(node)
        if pair[0] != pair[1]:
            by[pair].append(node)
    for (was, now), nodes in by.items():
        yield FleetChange("outcome", "outcome", was, now, tuple(nodes), now not in ("ok", "skip"))


def _findings(pairs: Sequence[tuple[str, Entry, Entry]]) -> Iterator[FleetChange]:
    came: dict[str, list[str]] = defaultdict(list)
    went: dict[str, list[str]] = defaultdict(list)
    for node, old, new in pairs:
        for slug in set(new.slugs) - set(old.slugs):
            came[slug].append(node)
        for slug in set(old.slugs) - set(new.slugs):
            went[slug].append(node)
    for slug, nodes in came.items():
        yield FleetChange("finding", slug, None, "new", tuple(nodes), worse=True)
    for slug, nodes in went.items():
        yield FleetChange("finding", slug, "there", None, tuple(nodes), worse=False)


def _facts(pairs: Sequence[tuple[str, Entry, Entry]]) -> Iterator[FleetChange]:
    by: dict[tuple[str, str | None, str | None], list[str]] = defaultdict(list)
    for node, old, new in pairs:
        if old.facts == new.facts:
            continue
        for name in dict.fromkeys((*new.facts, *old.facts)):
            absent = next((text for prefix, text in ABSENT.items() if name.startswith(prefix)), None)
            was, now = old.facts.get(name, absent), new.facts.get(name, absent)
            if was != now and class_of(name)[0] != FREE:
                by[name, was, now].append(node)
    for (name, was, now), nodes in sorted(by.items(), key=lambda one: class_of(one[0][0])[0] != MUST):
        yield FleetChange("fact", name, was, now, tuple(nodes))


def _numbers(pairs: Sequence[tuple[str, Entry, Entry]]) -> Iterator[FleetChange]:
    values: dict[tuple[str, str, str], list[tuple[str, float, float]]] = defaultdict(list)
    for node, old, new in pairs:
        for name, (value, unit, better) in new.numbers.items():
            if name in old.numbers and old.numbers[name][1] == unit:
                values[name, unit, better].append((node, old.numbers[name][0], value))
    for (name, unit, better), found in values.items():
        was, now = median(one[1] for one in found), median(one[2] for one in found)
        if was and abs(now - was) / abs(was) > (LEAST_TIME if unit == "s" else LEAST):
            worse = (now < was) == (better == "high")
            nodes = tuple(one[0] for one in found)
            yield FleetChange("number", name, f"{figure(was)} {unit}", f"{figure(now)} {unit}", nodes, worse)
