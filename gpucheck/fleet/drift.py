"""Who differs: nodes of one kind held against each other, or against a golden node.

Without a golden node the many are not right because they are many: a minority is called one, never wrong, and an
even split is told as one, as a rolling upgrade makes it.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from gpucheck.fleet.classes import FREE, MUST, class_of
from gpucheck.fleet.flat import COUNT, MODEL

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from gpucheck.fleet.one import Entry

FEWEST = 3  # nodes: below there is no majority, only a difference
MOST_ODD = 1 / 3  # of a group's nodes: more of them are no minority but a split
OWN_GROUP = (
    0.1  # of a model's nodes in a pool that have another number of GPUs: a kind of their own, none is missing
)
ORDER = {"golden": 0, "devices": 1, "split": 2, "minority": 3, "differs": 4}
# Facts that only some nodes have, and what their absence means on the others.
ABSENT = {"package ": "not installed", "environment ": "not set"}


@dataclass(frozen=True)
class Group:
    """Nodes of one kind.

    Attributes:
        model: Of their GPUs; None: none has any.
        count: GPUs of each.
        pool: The scheduler's partition.
        entries: Their reports.
    """

    model: str | None
    count: str
    pool: str | None
    entries: tuple[Entry, ...]

    @property
    def name(self) -> str:
        """What people call it."""
        kind = f"{self.count} x {self.model}" if self.model else "no GPU"
        return f"{kind} in {self.pool}" if self.pool else kind


@dataclass(frozen=True)
class Deviation:
    """Nodes that have another value than their peers, or than the golden node.

    Attributes:
        kind: ``golden``, ``devices`` (some are missing), ``minority``, ``split`` or ``differs`` (too few to tell).
        group: The kind of node.
        fact: What differs.
        matching: ``must-match`` or ``should-match``.
        reason: Why it matters.
        value: What these nodes have; of a split each value with its number of nodes.
        usual: What the others have, or the golden node; None where nothing is usual.
        nodes: These nodes; of a split all but those with the first value.
        size: Nodes of the group that tell.
        also: Other facts in which exactly these nodes differ, with their values.
    """

    kind: str
    group: str
    fact: str
    matching: str
    reason: str
    value: str
    usual: str | None
    nodes: tuple[str, ...]
    size: int
    also: tuple[str, ...] = ()


def groups(entries: Iterable[Entry]) -> list[Group]:
    """Return the kinds of nodes: GPU model, number of GPUs, and pool."""
    pools: dict[str | None, list[Entry]] = defaultdict(list)
    for entry in entries:
        pools[entry.pool].append(entry)
    found: list[Group] = []
    for pool, members in sorted(pools.items(), key=lambda one: one[0] or ""):
        models: dict[str | None, list[Entry]] = defaultdict(list)
        for entry in members:
            models[_model(entry)].append(entry)
        blind = models.pop(None, [])
        most = max(models, key=lambda one: len(models[one]), default=None)
        # Where nearly all of a pool have GPUs, those without have lost theirs.
        if most is not None and len(models[most]) > len(members) / 2:
            models[most] += blind
        elif blind:
            models[None] = blind
        for model in sorted(models, key=lambda one: one or ""):
            found += _counted(model, pool, models[model])
    return found


def _model(entry: Entry) -> str | None:
    model = entry.facts.get(MODEL)
    return None if model in (None, "none", "not known") else model


def _counted(model: str | None, pool: str | None, members: list[Entry]) -> Iterator[Group]:
    """Part nodes by their number of GPUs; a number that few have means that some are missing."""
    counts = Counter(_count(entry) for entry in members)
    usual = max(counts, key=lambda one: (counts[one], int(one)))
    own = {one for one, number in counts.items() if number >= max(FEWEST, OWN_GROUP * len(members)) and one != "0"}
    own.add(usual)
    for count in sorted(own, key=int, reverse=True):
        kept = [one for one in members if _count(one) == count]
        kept += [one for one in members if count == usual and _count(one) not in own]
        yield Group(model, count, pool, tuple(kept))


def _count(entry: Entry) -> str:
    count = entry.facts.get(COUNT, "0")
    return count if count.isascii() and count.isdecimal() and len(count) < 6 else "0"


def deviations(found: Iterable[Group], golden: Entry | None = None) -> list[Deviation]:
    """Return who differs, the gravest first.

    Args:
        found: The kinds of nodes.
        golden: What nodes with GPUs of its model must have.
    """
    told: list[Deviation] = []
    for group in found:
        others = _against(group, golden) if golden is not None else _drift(group)
        told += _merged([*_missing_devices(group), *others])
    told.sort(key=lambda one: (ORDER[one.kind], one.matching != MUST, -len(one.nodes)))
    return told


def _missing_devices(group: Group) -> Iterator[Deviation]:
    if len(group.entries) < FEWEST or group.model is None:
        return
    by = defaultdict(list)
    for entry in group.entries:
        if (count := _count(entry)) != group.count:
            by[count].append(entry.name)
    for count, nodes in by.items():
        few = int(count) < int(group.count)
        yield Deviation(
            kind="devices" if few else "minority", group=group.name, fact=COUNT, matching=MUST,
            reason=class_of(COUNT)[1], value=count, usual=group.count, nodes=tuple(nodes), size=len(group.entries),
        )  # fmt: skip


def _values(group: Group) -> Iterator[tuple[str, dict[str, list[dict[str, str]]]]]:
    """Yield each fact with its values, and the profiles (facts that nodes have in common) that have them."""
    profiles = list({id(one.facts): one.facts for one in group.entries}.values())
    names = dict.fromkeys(name for facts in profiles for name in facts)
    for name in names:
        # A missing GPU is told of above, and what follows from it as well.
        if name in (MODEL, COUNT) or class_of(name)[0] == FREE:
            continue
        absent = next((text for prefix, text in ABSENT.items() if name.startswith(prefix)), None)
        values: dict[str, list[dict[str, str]]] = defaultdict(list)
        for facts in profiles:
            value = facts.get(name, absent)
            if value is not None:
                values[value].append(facts)
        if len(values) > 1:
            yield name, values


def _drift(group: Group) -> Iterator[Deviation]:
    of = _members(group)
    for name, values in _values(group):
        counts = {value: sum(len(of[id(facts)]) for facts in having) for value, having in values.items()}
        size = sum(counts.values())
        usual = max(counts, key=lambda one: counts[one])
        odd = {value: _names(having, of) for value, having in values.items() if value != usual}
        matching, reason = class_of(name)
        if size < FEWEST or size - counts[usual] > MOST_ODD * size:
            # Of values that all differ (a path with the node's name in it) nothing follows.
            if len(counts) > max(size / 2, 2) and matching != MUST:
                continue
            told = ", ".join(f"{counts[one]} x {one}" for one in sorted(counts, key=lambda one: -counts[one])[:6])
            nodes = tuple(node for names in odd.values() for node in names)
            kind = "split" if size >= FEWEST else "differs"
            yield Deviation(kind, group.name, name, matching, reason, told, None, nodes, size)
            continue
        for value, nodes in odd.items():
            yield Deviation("minority", group.name, name, matching, reason, value, usual, nodes, size)


def _against(group: Group, golden: Entry) -> Iterator[Deviation]:
    if group.model != _model(golden):
        return
    of = _members(group)
    profiles = list({id(one.facts): one.facts for one in group.entries}.values())
    for name, usual in {COUNT: _count(golden), **golden.facts}.items():
        matching, reason = class_of(name)
        if matching == FREE or name == MODEL:
            continue
        absent = next((text for prefix, text in ABSENT.items() if name.startswith(prefix)), None)
        values: dict[str, list[dict[str, str]]] = defaultdict(list)
        for facts in profiles:
            value = facts.get(name, absent)
            if value not in (None, usual):
                values[value].append(facts)
        for value, having in values.items():
            nodes = _names(having, of)
            yield Deviation("golden", group.name, name, matching, reason, value, usual, nodes, len(group.entries))


def _members(group: Group) -> dict[int, list[str]]:
    of: dict[int, list[str]] = defaultdict(list)
    for entry in group.entries:
        of[id(entry.facts)].append(entry.name)
    return of


def _names(profiles: list[dict[str, str]], of: dict[int, list[str]]) -> tuple[str, ...]:
    return tuple(node for facts in profiles for node in of[id(facts)])


def _merged(found: Iterable[Deviation]) -> list[Deviation]:
    """Return deviations with those of exactly the same nodes in one: one cause shows in many facts."""
    by: dict[tuple[str, frozenset[str]], list[Deviation]] = defaultdict(list)
    for one in found:
        kind = "minority" if one.kind == "devices" else one.kind
        by[kind, frozenset(one.nodes)].append(one)
    merged = []
    for same in by.values():
        first, *others = sorted(same, key=lambda one: (ORDER[one.kind], one.matching != MUST))
        also = tuple(f"{one.fact} {one.value}" for one in others)
        merged.append(replace(first, also=also))
    return merged
