"""A fleet run on the screen: how far it is, on stderr while it goes on, and who ended how."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from gpucheck.report.cleaning import clean
from gpucheck.report.moving import MovingLine

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from rich.console import Console

ORDER = ("ok", "fail", "timeout", "no-report", "unreachable", "crashed")
MOST_LINES = 20  # of nodes that are named with their own reason


class FleetProgress(MovingLine):
    """Counts the nodes' ends while it is open as a context."""

    def __init__(self, console: Console, expected: int) -> None:
        super().__init__(console, f"0 of {expected} nodes")
        self.expected, self.begun = expected, 0
        self.states: dict[str, str] = {}
        self.counts: Counter[str] = Counter()

    def began(self, _node: str) -> None:
        """Count a node that begins."""
        self.begun += 1
        self._show()

    def ended(self, node: str, state: str, reason: str | None) -> None:
        """Count a node's end, and leave a line behind where it is not ok."""
        if node in self.states:  # a second word corrects the first
            self.counts[self.states[node]] -= 1
        self.states[node] = state
        self.counts[state] += 1
        if self.status is not None and state != "ok":
            self.console.print(clean(f"{node}: {state}{f': {reason}' * bool(reason)}"), style="dim")
        self._show()

    def _show(self) -> None:
        from rich.text import Text

        if self.status is None:
            return
        done = len(self.states)
        parts = [f"{done} of {self.expected} nodes", f"{max(self.begun - done, 0)} at work"]
        parts += [f"{self.counts[state]} {state}" for state in ORDER if self.counts[state]]
        self.status.update(Text(" · ".join(parts)))


def lines(ends: Mapping[str, tuple[str, str | None]], fold: Callable[[list[str]], str]) -> Iterator[str]:
    """Yield the result: how many are ok, and who ended how, those with the same reason together.

    Args:
        ends: State and reason of every expected node.
        fold: Writes names as ranges.
    """
    good = sum(state == "ok" for state, _ in ends.values())
    yield f"{good} of {len(ends)} nodes ok."
    groups: dict[tuple[str, str], list[str]] = {}
    for node, (state, reason) in ends.items():
        groups.setdefault((state, (reason or "") if state != "ok" else ""), []).append(node)
    ordered = sorted(groups.items(), key=lambda item: (ORDER.index(item[0][0]), -len(item[1])))
    for (state, reason), nodes in ordered[:MOST_LINES]:
        told = f": {reason}" if reason else ""
        yield clean(f" {'✓' if state == 'ok' else '✗'} {state:<11} {len(nodes):>5}  {fold(nodes)}{told}")
    if len(ordered) > MOST_LINES:
        yield f" and {len(ordered) - MOST_LINES} more kinds of trouble: events.jsonl has them all"
