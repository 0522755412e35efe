"""What became of a node: absence is a result, counted against the list of those that were expected."""

from __future__ import annotations

from enum import Enum
from typing import Any

from gpucheck.record import record


class LaunchError(ValueError):
    """A run that cannot begin or go on; the message is one line."""


class State(str, Enum):
    """How a node ended."""

    OK = "ok"
    FAIL = "fail"
    TIMEOUT = "timeout"
    NO_REPORT = "no-report"
    UNREACHABLE = "unreachable"
    CRASHED = "crashed"


INTERRUPTED = "interrupted"  # in events: the coordinator ended before the node did


@record
class End:
    """What became of one node.

    Attributes:
        node: Its name.
        state: How it ended.
        reason: What went wrong, or what a node that answered has to say; None: nothing.
        seconds: From its start to its end, seen from here.
        report: Its report as it was sent, where it is whole.
        partial: What else came of it: half a report, something that is none.
        undecided: Whether its report says neither healthy nor broken.
    """

    node: str
    state: State
    reason: str | None = None
    seconds: float | None = None
    report: bytes | None = None
    partial: bytes | None = None
    undecided: bool = False


def exit_status(ends: dict[str, End]) -> int:
    """Return 1 where a node has failed, 3 where one has not answered or could not be judged, else 0."""
    if any(end.state is State.FAIL and not end.undecided for end in ends.values()):
        return 1
    return 3 if any(end.state is not State.OK for end in ends.values()) or not ends else 0


def about(document: Any) -> str | None:
    """Say in a few words why a report is not healthy: its root causes, or that it is inconclusive."""
    causes = document.get("root_causes") or [
        finding.get("slug") for finding in document.get("findings") or () if finding.get("severity") == "error"
    ]
    if causes:
        return ", ".join(map(str, causes[:3]))
    return None if document.get("exit_status") == 0 else f"verdict: {document.get('verdict')}"
