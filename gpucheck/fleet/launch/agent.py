"""What runs on a node: the work under its watchdog, and the way of its report home."""

from __future__ import annotations

import os
import socket
import sys
from typing import TYPE_CHECKING, Any

from gpucheck.fleet.contract import ContractError, encoded, frames, pseudonym, write_report
from gpucheck.fleet.launch.heard import parse
from gpucheck.fleet.launch.states import LaunchError, State
from gpucheck.fleet.launch.watchdog import Attended, attend
from gpucheck.record import record

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    Work = Callable[[Callable[[bytes], None]], None]

MARK = ".shared-"  # a file in the run's folder: who sees it there shares the folder with the coordinator


@record
class Way:
    """How a report goes home.

    Attributes:
        folder: The run's folder; None: framed lines on stdout.
        token: What proves that this is the same folder and not one of the same name; None: it is taken as it is.
        lifeline: Whether stdin is held open by the coordinator.
    """

    folder: Path | None = None
    token: str | None = None
    lifeline: bool = False

    @property
    def shared(self) -> bool:
        """Whether the report goes into a file."""
        return self.folder is not None and (self.token is None or (self.folder / f"{MARK}{self.token}").exists())


def own_name() -> str:
    """Return the name by which this node is expected: Slurm's, else the host's."""
    return os.environ.get("SLURMD_NODENAME") or socket.gethostname()


def serve(work: Work, node: str, deadline: float, way: Way, *, redact: bool = False) -> int:
    """Do the work, and send its last document, or what went wrong with what there is.

    Returns:
        0: a whole report was sent; 1: something else was.

    Raises:
        LaunchError: It can be sent nowhere.
    """
    if not hasattr(os, "fork"):
        raise LaunchError(
            "a node of a fleet needs a POSIX system; run gpucheck doctor there, and collect its reports"
        )
    attended = attend(work, deadline, lifeline=way.lifeline)
    last = parse(node, attended.said[-1]) if attended.said else None
    whole = last is not None and last.whole_from(node) and attended.state == "done"
    document = attended.said[-1] if whole else _failure(attended, pseudonym(node) if redact else node)
    send(document, node, way, whole=whole)
    return 0 if whole else 1


def _failure(attended: Attended, name: str) -> bytes:
    """Return what is sent in a report's place, with the part of it that there is."""
    state = State.TIMEOUT if attended.state == "timeout" else State.CRASHED
    last = parse(name, attended.said[-1]) if attended.said else None
    told: dict[str, Any] = {"state": state.value, "reason": attended.reason or "it ended without a report"}
    if last is not None and "state" in last.content:
        told = last.content
    first = next(
        (one.content for raw in attended.said if (one := parse(name, raw)) and one.whole_from(name)), None
    )
    return encoded({**told, "partial": first, "node": {"name": name}, "complete": False})


def send(document: bytes, node: str, way: Way, *, whole: bool) -> None:
    """Write the report into the shared folder, or framed onto stdout where that cannot be.

    Raises:
        LaunchError: Neither can be done.
    """
    trouble = ""
    if whole and way.folder is not None and way.shared:
        try:
            write_report(way.folder, node, document)
            return
        except ContractError as error:
            trouble = f"{error}; "
    try:
        for frame in frames(document, node):
            sys.stdout.buffer.write(frame)
            sys.stdout.flush()
    except (OSError, ValueError, AttributeError) as error:
        sys.stdout = None  # what is left in its buffer would be told again at the end
        reason = getattr(error, "strerror", None) or error
        raise LaunchError(f"{trouble}the report cannot be sent: {reason}") from None
