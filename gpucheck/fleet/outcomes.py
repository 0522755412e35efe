"""What became of each node: by its report, else by the launcher's word, else that nothing came."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from gpucheck.fleet.nodes import natural

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gpucheck.fleet.runs import Run

# In the order in which they are told. Reports say the first four, the launcher's events the others.
OUTCOMES = ("ok", "fail", "inconclusive", "skip", "crashed", "timeout", "unreachable", "no-report")
OF_REPORTS = {0: "ok", 1: "fail", 2: "crashed", 3: "inconclusive"}
# What became of nodes of which there is no report, and what to do.
ABSENT = {
    "timeout": ("did not answer in time", "look at them by hand: a hanging file system or driver"),
    "unreachable": ("cannot be reached", "see whether they are up, and in the scheduler's list"),
    "crashed": ("crashed on the way", "run `gpucheck doctor` there"),
    "no-report": ("have not reported", "run the fleet again for them"),
    "inconclusive": ("could not be judged", "run `gpucheck doctor -v` there"),
}


@dataclass(frozen=True)
class Outcome:
    """What became of one node.

    Attributes:
        node: Its name.
        outcome: One of `OUTCOMES`.
        reason: Why, where it is not ok.
        slugs: Its root causes.
        source: Where its report is.
        seconds: How long it took.
        expected: Whether it is in the list of expected nodes; True where there is none.
    """

    node: str
    outcome: str
    reason: str | None = None
    slugs: tuple[str, ...] = ()
    source: str | None = None
    seconds: float | None = None
    expected: bool = True


def outcomes(run: Run, expected: Sequence[str] | None) -> tuple[Outcome, ...]:
    """Return what became of each node that was expected, or that has reported, or that the launcher names."""
    listed = set(expected) if expected is not None else None
    damaged = {one.node for one in run.troubles if one.node is not None}
    names = sorted({*run.entries, *(listed or ()), *run.states, *damaged}, key=natural)
    wrong: dict[str | None, str] = {one.node: one.what for one in run.troubles}
    return tuple(_outcome(run, name, wrong.get(name), listed is None or name in listed) for name in names)


def _outcome(run: Run, name: str, wrong: str | None, expected: bool) -> Outcome:
    entry = run.entries.get(name)
    state, reason = run.states.get(name, (None, None))
    if entry is None:
        known = state is not None and state not in ("ok", "fail")
        outcome = "no-report" if state == "interrupted" or not known else str(state)
        return Outcome(name, outcome, wrong or reason or unreported(outcome), expected=expected)
    outcome = "skip" if entry.skipped or state == "skip" else OF_REPORTS.get(entry.status, "fail")
    why = None if outcome == "ok" else ", ".join(entry.roots or entry.slugs) or entry.verdict
    if entry.unmet[0]:
        outcome, why = "fail", f"does not meet {', '.join(entry.unmet[0])}"
    elif entry.unmet[1] and outcome == "ok":
        outcome, why = "inconclusive", f"not known: {', '.join(entry.unmet[1])}"
    return Outcome(name, outcome, why, entry.roots, entry.source, entry.seconds, expected)


def unreported(outcome: str) -> str | None:
    """Return why there is no report, where nobody has said it."""
    said = ABSENT.get(outcome)
    return said[0].replace("have ", "has ") if said else None
