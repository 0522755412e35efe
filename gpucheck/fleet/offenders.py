"""Who fails again and again over several runs: repeat offenders are few, and cost most."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gpucheck.fleet.outcomes import Outcome
    from gpucheck.fleet.runs import Pile

FEWEST = 2  # runs in which a node failed
FINE = ("ok", "skip")


@dataclass(frozen=True)
class Offender:
    """A node that failed in several runs.

    Attributes:
        node: Its name.
        failed: Runs in which it was not fine.
        runs: Runs that it took part in.
        slugs: What it had, the most frequent first: root causes and outcomes.
        boots: Boots in which it failed: more than one means that a reboot did not help.
    """

    node: str
    failed: int
    runs: int
    slugs: tuple[str, ...]
    boots: int


def offenders(pile: Pile, outcomes: Sequence[tuple[Outcome, ...]]) -> tuple[Offender, ...]:
    """Return the nodes that failed in more than one run, the worst first; none where there is one run alone.

    Args:
        pile: The runs.
        outcomes: For each run what became of its nodes.
    """
    took: Counter[str] = Counter()
    failed: dict[str, Counter[str]] = {}
    times: Counter[str] = Counter()
    boots: dict[str, set[str]] = {}
    for run, nodes in zip(pile.runs, outcomes, strict=True):
        for one in nodes:
            took[one.node] += 1
            if one.outcome in FINE:
                continue
            times[one.node] += 1
            failed.setdefault(one.node, Counter()).update(one.slugs or (one.outcome,))
            entry = run.entries.get(one.node)
            if entry is not None and entry.boot:
                boots.setdefault(one.node, set()).add(entry.boot)
    found = [
        Offender(
            node=node,
            failed=number,
            runs=took[node],
            slugs=tuple(slug for slug, _ in failed[node].most_common()),
            boots=len(boots.get(node, ())),
        )
        for node, number in times.items()
        if number >= FEWEST
    ]
    return tuple(sorted(found, key=lambda one: (-one.failed, one.node)))
