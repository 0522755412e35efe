"""The fleet's verdict: what became of each node, what an admin has to do, who differs, who is slow.

Exit status, in this precedence: 2 there was nothing to judge (the caller's, as `PileError`); 1 a node fails, or
differs from the golden node in what must match, or a demand is unmet; 3 a node is missing, or could not be
judged; 0 else. A missing node is 3 and not 1, because nothing is known of it; ``--require complete`` demands all
and makes it 1. Drift without a golden node says who differs and not who is wrong, so it is told and is no failure;
``--require uniform`` makes it one.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from gpucheck.fleet import drift
from gpucheck.fleet.actions import Action, actions
from gpucheck.fleet.classes import MUST
from gpucheck.fleet.offenders import Offender, offenders
from gpucheck.fleet.outcomes import OUTCOMES, Outcome, outcomes
from gpucheck.fleet.outliers import Outlier, Spread, outliers, spreads
from gpucheck.fleet.runs import PileError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from gpucheck.fleet.one import Entry
    from gpucheck.fleet.runs import Pile, Run, Trouble
    from gpucheck.policy import Requirement

COMPLETE, UNIFORM = "complete", "uniform"
DEMANDS = (COMPLETE, UNIFORM)


@dataclass(frozen=True)
class FleetReport:
    """The verdict on many machines.

    Attributes:
        verdict: ``healthy``, ``problem`` or ``inconclusive``.
        exit_status: 0, 1 or 3.
        run: Name of the run that was judged.
        runs: Names of all, the latest last.
        nodes: What became of each node, in natural order.
        counts: How many of each outcome.
        expected: How many were expected; None: nobody said.
        actions: What to do, one line each, the most nodes first.
        groups: The kinds of nodes: name and how many.
        deviations: Who differs.
        outliers: Who is slow.
        spreads: The measured numbers, for pictures.
        offenders: Who failed again and again over several runs.
        demands: Demands on the fleet or its nodes that are unmet: the demand, and whose.
        undetermined: Demands that could not be judged.
        troubles: What is wrong with things in the pile.
        foreign: How many files or lines in it are no reports.
        golden: The golden node's name.
    """

    verdict: str
    exit_status: int
    run: str
    runs: tuple[str, ...]
    nodes: tuple[Outcome, ...]
    counts: dict[str, int]
    expected: int | None
    actions: tuple[Action, ...]
    groups: tuple[tuple[str, int], ...]
    deviations: tuple[drift.Deviation, ...]
    outliers: tuple[Outlier, ...]
    spreads: tuple[Spread, ...]
    offenders: tuple[Offender, ...] = ()
    demands: tuple[tuple[str, tuple[str, ...]], ...] = ()
    undetermined: tuple[tuple[str, tuple[str, ...]], ...] = ()
    troubles: tuple[Trouble, ...] = ()
    foreign: int = 0
    golden: str | None = None


def judge_of(
    requirements: Sequence[Requirement],
) -> Callable[[Any], tuple[tuple[str, ...], tuple[str, ...]]] | None:
    """Return what judges each node's facts while the pile is read; None: nothing is demanded of them."""
    if not requirements:
        return None
    from gpucheck.facts import Facts, from_json
    from gpucheck.findings import Status
    from gpucheck.policy import judged

    def judge(facts: Any) -> tuple[tuple[str, ...], tuple[str, ...]]:
        results = judged(requirements, from_json(Facts, facts))
        named = {
            status: tuple(one.subject or "" for one in results if one.status is status)
            for status in (Status.FAIL, Status.UNKNOWN)
        }
        return named[Status.FAIL], named[Status.UNKNOWN]

    return judge


def collect(
    pile: Pile,
    expected: Iterable[str] | None = None,
    golden: Entry | None = None,
    demands: Iterable[str] = (),
) -> FleetReport:
    """Judge a pile's latest run; the ones before it tell who fails again and again.

    Args:
        pile: What was read; demands on nodes were judged while it was, see `judge_of`.
        expected: The nodes that must have reported; None: those that the run's manifest names, if it does.
        golden: The node that others must be like.
        demands: Of `DEMANDS`.

    Raises:
        PileError: There is no report, and none was expected.
    """
    run = pile.latest
    wanted = tuple(dict.fromkeys(expected)) if expected is not None else run.expected
    if not run.entries and not wanted:
        what = run.troubles[0] if run.troubles else None
        told = f": {what.source}: {what.what}" if what else ""
        more = f" (and {len(run.troubles) - 1} more)" if len(run.troubles) > 1 else ""
        raise PileError(f"there is no report to judge{told}{more}")
    nodes = outcomes(run, wanted)
    compared = [entry for entry in run.entries.values() if not entry.skipped]
    kinds = drift.groups(compared)
    found = drift.deviations(kinds, golden)
    measured = tuple(spreads(kinds))
    unmet, unsure = _demands(run, nodes, found, set(demands))
    counts = Counter(one.outcome for one in nodes)
    status = _status(counts, found, unmet, unsure)
    return FleetReport(
        verdict={0: "healthy", 1: "problem"}.get(status, "inconclusive"),
        exit_status=status,
        run=run.label,
        runs=tuple(one.label for one in pile.runs),
        nodes=nodes,
        counts={name: counts[name] for name in OUTCOMES},
        expected=None if wanted is None else len(wanted),
        actions=actions(run, nodes, pile.advice),
        groups=tuple((one.name, len(one.entries)) for one in kinds),
        deviations=tuple(found),
        outliers=tuple(outliers(measured)),
        spreads=measured,
        offenders=offenders(pile, [outcomes(one, one.expected) for one in pile.runs[:-1]] + [nodes]),
        demands=unmet,
        undetermined=unsure,
        troubles=tuple(run.troubles),
        foreign=run.foreign,
        golden=golden.name if golden is not None else None,
    )


def _demands(
    run: Run, nodes: Sequence[Outcome], found: Sequence[drift.Deviation], demands: set[str]
) -> tuple[tuple[tuple[str, tuple[str, ...]], ...], ...]:
    unmet: dict[str, list[str]] = defaultdict(list)
    unsure: dict[str, list[str]] = defaultdict(list)
    for entry in run.entries.values():
        for kept, names in zip((unmet, unsure), entry.unmet, strict=True):
            for name in names:
                kept[name].append(entry.name)
    missing = [one.node for one in nodes if one.outcome in OUTCOMES[4:]]
    if COMPLETE in demands and missing:
        unmet[COMPLETE] = missing
    odd = dict.fromkeys(node for one in found if one.matching == MUST for node in one.nodes)
    if UNIFORM in demands and odd:
        unmet[UNIFORM] = list(odd)
    return tuple(tuple((name, tuple(of)) for name, of in kept.items()) for kept in (unmet, unsure))


def _status(counts: Counter[str], found: Sequence[drift.Deviation], unmet: Any, unsure: Any) -> int:
    wrong = any(one.kind == "golden" and one.matching == MUST for one in found)
    if counts["fail"] or wrong or unmet:
        return 1
    undecided = any(counts[name] for name in OUTCOMES if name not in ("ok", "fail", "skip"))
    return 3 if undecided or unsure or not counts["ok"] else 0
