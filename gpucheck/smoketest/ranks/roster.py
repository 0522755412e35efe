"""What rank 0's gpucheck knows of every rank of a distributed run, while messages come in."""

from __future__ import annotations

import math
import threading
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

LONGEST = 500  # characters of a text that another rank sends
LINES = 8  # of its script's output


@dataclass(frozen=True, kw_only=True)
class Limits:
    """How long may be waited, in seconds.

    Attributes:
        deadline: For the whole run.
        patience: For all ranks to arrive, and for one operation of the framework.
    """

    deadline: float

    @property
    def patience(self) -> float:
        """60 of the usual 300 seconds; well inside the deadline, so that a report comes out."""
        return max(self.deadline / 5, min(60.0, self.deadline * 0.4))

    @property
    def stage(self) -> float:
        """For a whole stage: a little longer, so that the framework's own message is heard first."""
        return self.patience * 1.2

    @property
    def silence(self) -> float:
        """Without a sign of life from a script that gives one every second."""
        return self.patience / 2


@dataclass(frozen=True, kw_only=True)
class Reduced:
    """An all-reduce as one rank measured it: size in bytes, seconds, whether the sum was right."""

    bytes: int
    seconds: float
    exact: bool


@dataclass(frozen=True, kw_only=True)
class Ended:
    """How a rank's script ended.

    Attributes:
        failure: Why it has no result, or None.
        died: Whether it ended without an exception's text: by a signal, or a library's exit.
        terminated: Whether its launcher or its user ended it, by a signal to gpucheck.
        log: Last lines of its output.
        at: When, on this machine's monotonic clock.
    """

    failure: str | None
    died: bool
    terminated: bool
    log: tuple[str, ...]
    at: float


@dataclass(kw_only=True)
class Member:
    """One rank; times are this machine's monotonic clock.

    Attributes:
        rank: Its number.
        host: Name of its machine.
        address: Where its connection comes from.
        port: The port that its framework listens on, or None.
        stage: The stage that began last.
        entered: When that was.
        heard: Its script's last sign of life.
        arrived: When it arrived, or None.
        reduced: Its all-reduces.
        gradient_error: See `gpucheck.facts.DistributedRun`.
        mirrored: Error and number of devices of MirroredStrategy, or None.
        finished: Whether it has nothing left to measure.
        ended: How its script ended, or None.
        lost: When the connection broke off, or None.
    """

    rank: int
    host: str
    address: str
    entered: float
    heard: float
    port: int | None = None
    stage: str = "start"
    arrived: float | None = None
    reduced: tuple[Reduced, ...] = ()
    gradient_error: float | None = None
    mirrored: tuple[float, int] | None = None
    finished: bool = False
    ended: Ended | None = None
    lost: float | None = None

    @property
    def troubled(self) -> bool:
        """Whether it cannot come to its end any more."""
        failed = self.ended is not None and self.ended.failure is not None
        return not self.finished and (failed or self.lost is not None)

    @property
    def over(self) -> bool:
        """Whether nothing more is to be heard of it."""
        return self.ended is not None or self.lost is not None


@dataclass(kw_only=True)
class Roster:
    """All ranks; every method may be called by any thread."""

    size: int
    members: dict[int, Member] = field(default_factory=dict)
    refused: list[str] = field(default_factory=list)
    changed: threading.Condition = field(default_factory=lambda: threading.Condition(threading.RLock()))

    def join(self, rank: int, host: str, address: str) -> None:
        """Take a rank in.

        Raises:
            ValueError: It is there already.
        """
        with self.changed:
            if rank in self.members:
                raise ValueError(f"a rank {rank} is here already, from {self.members[rank].host}")
            now = time.monotonic()
            self.members[rank] = Member(rank=rank, host=host[:LONGEST], address=address, entered=now, heard=now)
            self.changed.notify_all()

    def refuse(self, text: str) -> None:
        """Note why somebody was not taken in."""
        with self.changed:
            if len(self.refused) < LINES:
                self.refused.append(text[:LONGEST])

    def hear(self, rank: int, message: dict[str, Any]) -> None:
        """Take in what a rank tells.

        Raises:
            ValueError: It has not the form that gpucheck gives it.
            KeyError: Likewise.
            TypeError: Likewise.
        """
        with self.changed:
            _note(self.members[rank], message)
            self.changed.notify_all()

    def lose(self, rank: int) -> None:
        """Note that the connection to a rank broke off."""
        with self.changed:
            self.members[rank].lost = time.monotonic()
            self.changed.notify_all()

    def wait(self, ready: Callable[[], bool], until: float) -> bool:
        """Wait until something holds, at most until a moment of the monotonic clock; return whether it does."""
        with self.changed:
            while not ready():
                left = until - time.monotonic()
                if left <= 0:
                    return False
                self.changed.wait(min(left, 1.0))
            return True

    def everybody(self) -> tuple[Member, ...]:
        """Return all that were heard of, in the order of their ranks."""
        with self.changed:
            return tuple(self.members[rank] for rank in sorted(self.members))

    def arrived(self) -> bool:
        """Whether all ranks have arrived."""
        return sum(member.arrived is not None for member in self.everybody()) == self.size

    def finished(self) -> bool:
        """Whether all ranks have measured everything."""
        return sum(member.finished for member in self.everybody()) == self.size

    def troubled(self) -> bool:
        """Whether a rank has failed or is gone."""
        return any(member.troubled for member in self.everybody())

    def over(self) -> bool:
        """Whether nothing more is to be heard of any rank."""
        return all(member.over for member in self.everybody())


def _note(member: Member, message: dict[str, Any]) -> None:
    now = time.monotonic()
    member.heard = now
    if "stage" in message:
        member.stage, member.entered = _text(message["stage"])[:40], now
    if "arrived" in message:
        port = message["arrived"]["port"]
        member.arrived, member.port = now, None if port is None else _whole(port)
    if "measured" in message:
        told = message["measured"]
        member.reduced = tuple(
            Reduced(bytes=_whole(one["bytes"]), seconds=_real(one["seconds"]), exact=one["exact"] is True)
            for one in told["all_reduce"][:LINES]
        )
        member.gradient_error = _real(told["gradient_error"])
    if "mirrored" in message:
        told = message["mirrored"]
        member.mirrored = _real(told["gradient_error"]), _whole(told["devices"])
    member.finished = member.finished or "finished" in message
    if "ended" in message and member.ended is None:
        told = message["ended"]
        failure = told["failure"]
        member.ended = Ended(
            failure=None if failure is None else _text(failure),
            died=told["died"] is True,
            terminated=told["terminated"] is True,
            log=tuple(map(_text, told["log"][-LINES:])),
            at=now,
        )


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError("a text expected")
    return value[:LONGEST]


def _whole(value: Any) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value < 2**53:
        raise TypeError("a whole number expected")
    return value


def _real(value: Any) -> float:
    if not isinstance(value, (int, float)) or not math.isfinite(value):
        raise TypeError("a number expected")
    return float(value)
