"""A fleet run on the screen: how far it is, on stderr while it goes on, and who ended how."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from gpucheck.report.cleaning import clean

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from types import TracebackType

    from rich.console import Console
    from rich.status import Status

ORDER = ("ok", "fail", "timeout", "no-report", "unreachable", "crashed")
MOST_LINES = 20  # of nodes that are named with their own reason


class FleetProgress:
    """Counts the nodes' ends while it is open as a context: one moving line on a terminal, nothing in a pipe."""

    def __init__(self, console: Console, expected: int) -> None:
        self.console, self.expected = console, expected
        self.status: Status | None = None
        self.states: dict[str, str] = {}
        self.begun = 0

    def __enter__(self) -> FleetProgress:
        """Begin to show."""
        if self.console.file.isatty():  # colour may be forced into a file, movement never
            self.status = self.console.status(f"0 of {self.expected} nodes")
            self.status.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Take the line away."""
        if self.status is not None:
            self.status.stop()

    def began(self, _node: str) -> None:
        """Count a node that begins."""
        self.begun += 1
        self._show()

    def ended(self, node: str, state: str, reason: str | None) -> None:
        """Count a node's end, and leave a line behind where it is not ok."""
        self.states[node] = state  # a second word corrects the first
        if self.status is not None and state != "ok":
            self.console.print(clean(f"{node}: {state}{f': {reason}' * bool(reason)}"), style="dim")
        self._show()

    def _show(self) -> None:
        from rich.text import Text

        if self.status is None:
            return
        counts, done = Counter(self.states.values()), len(self.states)
        parts = [f"{done} of {self.expected} nodes", f"{max(self.begun - done, 0)} at work"]
        parts += [f"{counts[state]} {state}" for state in ORDER if counts[state]]
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
