"""Which rank a distributed run fails by: absent, gone, silent, dead, failed or behind."""

from __future__ import annotations

import re
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from gpucheck.smoketest.ranks.roster import Ended, Limits, Member, Roster

STAGES = ("start", "import", "device_start", "meet", "barrier", "all_reduce", "gradients", "mirrored")
TOGETHER = ("barrier", "all_reduce", "gradients", "mirrored")  # in these a rank that hangs holds up all
# How gloo, NCCL, TensorFlow's servers and sockets say that another rank is at fault.
BY_ANOTHER = re.compile(
    r"closed by peer|reset by peer|broken pipe|socket closed|connection refused|remote process|ncclRemoteError|"
    r"time-?d? ?out|unavailable|Collective ops is aborted",
    re.IGNORECASE,
)
SETTLE = 3.0  # seconds in which failures that belong together come in
MANY = 8  # ranks that are named one by one


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """Why a run has no result.

    Attributes:
        failure: In words, with the ranks.
        stage: The stage in which it failed.
        ranks: The ranks that it comes from.
        absent: Whether these did not arrive.
        log: What the first of them printed last.
        at: When it was given up, on this machine's monotonic clock.
    """

    failure: str
    stage: str
    ranks: tuple[int, ...]
    absent: bool = False
    log: tuple[str, ...] = ()
    at: float


def conduct(roster: Roster, tell: Callable[[dict[str, Any]], None], limits: Limits) -> Outcome | None:
    """Lead the ranks through the run, and end them all.

    Args:
        roster: What is known of them.
        tell: Says something to every rank.
        limits: How long may be waited.

    Returns:
        Why it failed, or None.
    """
    begin = time.monotonic()
    roster.wait(lambda: roster.troubled() or roster.arrived(), begin + limits.patience)
    if not roster.troubled() and not roster.arrived():
        outcome = absent(roster, limits)
        tell({"end": outcome.failure})
        return outcome
    if not roster.troubled():
        tell({"go": addresses(roster.everybody())})
        roster.wait(
            lambda: (
                roster.troubled() or roster.finished() or any(overdue(one, limits) for one in roster.everybody())
            ),
            begin + limits.deadline,
        )
    if roster.finished():
        tell({"leave": True})
        return None
    roster.wait(roster.over, time.monotonic() + SETTLE)
    outcome = blame(roster, limits)
    tell({"end": outcome.failure})
    return outcome


def addresses(members: Sequence[Member]) -> list[str]:
    """Return each rank's ``host:port``.

    A rank on rank 0's machine comes from a loopback address there, by which others cannot reach it; if all do,
    everything stays on the loopback.
    """
    loopback = ("127.", "::1", "localhost")
    alone = all(one.address.startswith(loopback) for one in members)

    def host(one: Member) -> str:
        name = "127.0.0.1" if alone else one.address
        if not alone and name.startswith(loopback):
            name = next(other.host for other in members if other.rank == 0)
        return f"[{name}]" if ":" in name else name

    return [f"{host(one)}:{one.port}" for one in members]


def overdue(member: Member, limits: Limits) -> bool:
    """Whether a rank's stage has taken too long, or its script gives no sign of life."""
    now = time.monotonic()
    late = member.stage in TOGETHER and now - member.entered > limits.stage
    return not member.finished and (late or now - member.heard > limits.stage)


def absent(roster: Roster, limits: Limits) -> Outcome:
    """Name the ranks that did not arrive in time."""
    members = {member.rank: member for member in roster.everybody()}
    missing = [rank for rank in range(roster.size) if rank not in members or members[rank].arrived is None]
    found = [f"rank {rank} is on {members[rank].host} in its stage {members[rank].stage!r}"
             for rank in missing if rank in members]  # fmt: skip
    unheard = [rank for rank in missing if rank not in members]
    if unheard:
        found.append(f"nothing was heard of {named(unheard)}")
    details = "; ".join([*found[:MANY], *roster.refused])
    return Outcome(
        failure=f"{named(missing)} of {roster.size} did not arrive within {limits.patience:.0f} s: {details}",
        stage="meet",
        ranks=tuple(missing),
        absent=True,
        at=time.monotonic(),
    )


def blame(roster: Roster, limits: Limits) -> Outcome:
    """Name the ranks that the failure comes from; what the others met follows from that.

    A rank that is gone or silent comes first: the others then fail by an exception or a watchdog of their own. Of
    failures that come together, a process that died comes before one that had time for an exception, and last come
    those that speak of another rank.
    """
    now, members = time.monotonic(), [one for one in roster.everybody() if not one.finished]
    silent = [one for one in members if not one.over and now - one.heard > limits.silence]
    candidates = (
        (_gone(members), _words_gone),
        (silent, _words_silent),
        (_first_to_fail(members), _words_failed),
        (_behind(members), _words_behind),
    )
    chosen, words = next((pair for pair in candidates if pair[0]), candidates[-1])
    told: dict[str, list[Member]] = {}
    for one in chosen:
        told.setdefault(words(one, now), []).append(one)
    parts = [f"{_who(some)} {text}" for text, some in list(told.items())[:MANY]]
    if len(told) > MANY:
        parts.append(f"and {len(told) - MANY} other failures")
    logs = [one.ended.log for one in chosen if one.ended is not None and one.ended.log]
    return Outcome(
        failure="; ".join(parts),
        stage=chosen[0].stage if chosen else "start",
        ranks=tuple(one.rank for one in chosen),
        log=logs[0] if logs else (),
        at=now,
    )


def _gone(members: Sequence[Member]) -> list[Member]:
    return [one for one in members if one.lost is not None and one.ended is None]


def _first_to_fail(members: Sequence[Member]) -> list[Member]:
    failed = [(one, one.ended) for one in members if one.ended is not None and one.ended.failure is not None]
    first = min((ended.at for _, ended in failed), default=0.0)
    weights = {one.rank: _weight(ended) for one, ended in failed if ended.at - first <= SETTLE}
    return [one for one, _ in failed if weights.get(one.rank) == min(weights.values())]


def _weight(ended: Ended) -> tuple[bool, bool, bool]:
    """Order failures that come together, the likeliest cause first."""
    return ended.terminated, not ended.died, bool(BY_ANOTHER.search(ended.failure or ""))


def _behind(members: Sequence[Member]) -> list[Member]:
    places = {one.rank: STAGES.index(one.stage) if one.stage in STAGES else 0 for one in members}
    return [one for one in members if places[one.rank] == min(places.values())]


def _who(members: Sequence[Member]) -> str:
    hosts = list(dict.fromkeys(one.host for one in members))
    more = f" and {len(hosts) - MANY} more hosts" if len(hosts) > MANY else ""
    return f"{named([one.rank for one in members])} on {', '.join(hosts[:MANY])}{more}"


def _words_gone(member: Member, _: float) -> str:
    return f"ended without a word, gpucheck and all, or the machine with it, in stage {member.stage!r}"


def _words_silent(member: Member, now: float) -> str:
    return f"hung in stage {member.stage!r}, or cannot be reached: no sign of life for {now - member.heard:.0f} s"


def _words_failed(member: Member, _: float) -> str:
    failure = member.ended.failure if member.ended is not None else None
    return f"failed in stage {member.stage!r}: {failure}"


def _words_behind(member: Member, now: float) -> str:
    return f"did not get on: {now - member.entered:.0f} s in stage {member.stage!r}"


def named(ranks: Sequence[int]) -> str:
    """Return ``rank 3``, or ``ranks 2, 3 and 5``; of many ranks only the first."""
    if len(ranks) == 1:
        return f"rank {ranks[0]}"
    if len(ranks) > 2 * MANY:
        return f"ranks {', '.join(map(str, ranks[:MANY]))} and {len(ranks) - MANY} more"
    return f"ranks {', '.join(map(str, ranks[:-1]))} and {ranks[-1]}"
