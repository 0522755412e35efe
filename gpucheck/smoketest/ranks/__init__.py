"""The proof of distributed training: one gpucheck a rank, each with its script; rank 0 leads and reports."""

from __future__ import annotations

import functools
import os
import queue
import socket
import time
from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING, Any

from gpucheck.facts import AllReduce, DistributedRun, Facts, Rank
from gpucheck.fixes import safe_environment
from gpucheck.smoketest import choose_frameworks
from gpucheck.smoketest.layers import described
from gpucheck.smoketest.ranks.meeting import Guest, Host, MeetingError
from gpucheck.smoketest.ranks.outcome import Outcome, blame, conduct
from gpucheck.smoketest.ranks.roster import Limits, Member, Roster
from gpucheck.smoketest.ranks.worker import ENDING, Worker
from gpucheck.smoketest.reading import LOG_SHOWN
from gpucheck.smoketest.request import Request, RequestError

if TYPE_CHECKING:
    import contextlib
    from collections.abc import Callable

    from gpucheck.smoketest.ranks.launchers import Launch

    Listener = Callable[[str, dict[str, Any]], None]

TOGETHER_WITH = ("framework", "python", "device", "seed", "deadline", "fix")
NOTICING = 0.5  # seconds; Open MPI kills one second after SIGTERM


@dataclass(kw_only=True)
class Part:
    """One rank's part in one run.

    Attributes:
        framework: ``torch`` or ``tensorflow``.
        request: What was asked for.
        launch: Who this rank is.
        python: The interpreter.
        fixes: Environment variables to set.
        limits: How long may be waited.
        listen: Called with the script's events.
        last: Closes the connections once this process has told everything: launchers end all ranks with the first.
    """

    framework: str
    request: Request
    launch: Launch
    python: str
    fixes: dict[str, str]
    limits: Limits
    listen: Callable[[dict[str, Any]], None]
    last: contextlib.ExitStack

    def worker(self, post: Callable[[dict[str, Any]], None]) -> Worker:
        """Return this rank's script, not started yet."""
        message = {
            "device": self.request.device,
            "seed": self.request.seed,
            "layers": described(self.request.network.layers),
            "rank": self.launch.rank,
            "size": self.launch.size,
            "local_rank": self.launch.local_rank,
            "patience": self.limits.patience,
        }
        environment = {**self.fixes, **self.launch.environment}
        return Worker(
            self.framework, self.python, message, environment, self.limits.deadline, post=post, listen=self.listen
        )


def check(request: Request) -> None:
    """See that nothing is asked for that has no meaning in a distributed run.

    Raises:
        RequestError: Something is.
    """
    for item in fields(request):
        if item.name not in TOGETHER_WITH and getattr(request, item.name) != item.default:
            raise RequestError(f"--{item.name.replace('_', '-')} and --distributed: give only one")


def run_all(request: Request, facts: Facts, launch: Launch, listen: Listener, last: contextlib.ExitStack) -> Facts:
    """Take this rank's part in the run of each framework, and return the facts with what came of it.

    Args:
        request: What was asked for; see `check`.
        facts: What was seen of this machine.
        launch: Who this rank is.
        listen: Called with the framework and each event of its script.
        last: See `Part`.

    Raises:
        RequestError: A framework is not installed.
    """
    runs: list[DistributedRun] = []
    python = facts.interpreter.executable.value or "python"
    for name in choose_frameworks(request, facts):
        part = Part(
            framework=name,
            request=request,
            launch=launch,
            python=python,
            fixes=safe_environment(name, facts, os.environ) if request.fix else {},
            limits=Limits(deadline=request.seconds),
            listen=functools.partial(listen, name),
            last=last,
        )
        runs.append(_lead(part) if launch.rank == 0 else _follow(part))
    return replace(facts, distributed=tuple(runs))


def _lead(part: Part) -> DistributedRun:
    """Take rank 0's part: gather the others, and judge what comes of it.

    A launcher ends all ranks when one has failed; if it is that, the report still comes out.
    """
    begin, roster = time.monotonic(), Roster(size=part.launch.size)
    roster.join(0, socket.gethostname(), part.launch.master)
    worker = part.worker(functools.partial(roster.hear, 0))
    try:
        host = Host(part.launch, part.framework, roster)
    except MeetingError as error:
        return _record(part, worker, roster, begin, _failed(str(error), "start", 0))
    part.last.callback(host.close)

    def tell(message: dict[str, Any]) -> None:
        if "go" not in message:
            host.stop()
        host.tell(message)
        worker.obey(message)

    worker.start()
    try:
        outcome = conduct(roster, tell, part.limits)
    except SystemExit:
        if not roster.wait(lambda: _real_trouble(roster), time.monotonic() + NOTICING):
            raise
        outcome = blame(roster, part.limits)
        tell({"end": outcome.failure})
    finally:
        worker.end()
    worker.join(ENDING)
    return _record(part, worker, roster, begin, outcome)


def _real_trouble(roster: Roster) -> bool:
    return any(one.troubled and not (one.ended is not None and one.ended.terminated) for one in roster.everybody())


def _follow(part: Part) -> DistributedRun:
    """Take another rank's part: do what rank 0 says."""
    begin, roster = time.monotonic(), Roster(size=part.launch.size)
    roster.join(part.launch.rank, socket.gethostname(), "")

    def post(message: dict[str, Any]) -> None:
        roster.hear(part.launch.rank, message)
        guest.line.send(message)

    worker = part.worker(post)
    try:
        guest = Guest(part.launch, part.framework, part.limits.patience)
    except MeetingError as error:
        return _record(part, worker, roster, begin, _failed(str(error), "start", 0))
    part.last.callback(guest.part, ENDING)
    worker.start()
    try:
        reason = _obey(guest, worker, begin + part.limits.deadline + ENDING)
    except (SystemExit, KeyboardInterrupt):
        told = {"failure": "it was ended by a signal to gpucheck", "died": True, "terminated": True, "log": []}
        guest.line.send({"ended": told})
        raise
    finally:
        worker.end()
    own = roster.members[part.launch.rank]
    failed = own.ended.failure if own.ended is not None and not own.finished else None
    worker.join(ENDING)
    if reason is None:
        return _record(part, worker, roster, begin, None)
    return _record(part, worker, roster, begin, _failed(failed or reason, own.stage, own.rank))


def _obey(guest: Guest, worker: Worker, until: float) -> str | None:
    """Do what rank 0 says to the end; return why there is no result, or None."""
    while True:
        try:
            message = guest.heard.get(timeout=max(0.0, until - time.monotonic()))
        except queue.Empty:
            return "rank 0 has not ended the run in time"
        if message is None:
            return "the connection to rank 0 broke off"
        if worker.obey(message):
            return str(message["end"])[:2000] if "end" in message else None


def _failed(text: str, stage: str, rank: int) -> Outcome:
    return Outcome(failure=text, stage=stage, ranks=(rank,), at=time.monotonic())


def _record(part: Part, worker: Worker, roster: Roster, begin: float, outcome: Outcome | None) -> DistributedRun:
    about, members = worker.heard.facts.get("about", {}), roster.everybody()
    arrivals = [one.arrived for one in members if one.arrived is not None]
    errors = [one.gradient_error for one in members if one.gradient_error is not None]
    mirrored = [one.mirrored for one in members if one.mirrored is not None]
    return DistributedRun(
        framework=part.framework,
        version=about.get("version"),
        python=part.python,
        launcher=part.launch.launcher,
        backend=about.get("backend"),
        rank=part.launch.rank,
        size=part.launch.size,
        asked=part.request.device,
        device=about.get("device"),
        device_name=about.get("device_name"),
        meeting_limit=round(part.limits.patience, 1),
        ranks=tuple(_rank(one, min(arrivals, default=0.0), outcome) for one in members),
        absent=outcome.ranks if outcome is not None and outcome.absent else (),
        blamed=outcome.ranks if outcome is not None else (),
        all_reduce=_all_reduce(members, part.launch.size),
        gradient_error=max(errors, default=None),
        mirrored_error=max((error for error, _ in mirrored), default=None),
        mirrored_devices=min((devices for _, devices in mirrored), default=None),
        failure=outcome.failure if outcome is not None else None,
        failure_stage=outcome.stage if outcome is not None else None,
        log=_log(outcome, worker, part.launch.rank),
        seconds=round(time.monotonic() - begin, 2),
    )


def _log(outcome: Outcome | None, worker: Worker, rank: int) -> tuple[str, ...]:
    """Return the last lines of the rank that failed."""
    if outcome is None or outcome.log or rank not in outcome.ranks:
        return outcome.log if outcome is not None else ()
    return worker.heard.log[-LOG_SHOWN:]


def _rank(member: Member, first: float, outcome: Outcome | None) -> Rank:
    silent = outcome is not None and member.ended is None and not member.finished
    return Rank(
        rank=member.rank,
        host=member.host,
        late=round(member.arrived - first, 3) if member.arrived is not None else None,
        stage=member.stage,
        silent=round(max(0.0, outcome.at - member.heard), 1) if outcome is not None and silent else None,
        failure=member.ended.failure if member.ended is not None else None,
    )


def _all_reduce(members: tuple[Member, ...], ranks: int) -> tuple[AllReduce, ...]:
    """Put the ranks' measurements together: the slowest time, and who got a wrong sum."""
    sizes = sorted({one.bytes for member in members for one in member.reduced})
    made = []
    for size in sizes:
        each = {member.rank: one for member in members for one in member.reduced if one.bytes == size}
        seconds = max(one.seconds for one in each.values())
        speed = size / seconds if seconds > 0 else None
        wrong = tuple(rank for rank, one in each.items() if not one.exact)
        made.append(
            AllReduce(
                bytes=size,
                seconds=seconds,
                algorithm_bandwidth=speed,
                bus_bandwidth=speed * 2 * (ranks - 1) / ranks if speed is not None else None,
                exact=not wrong,
                wrong_ranks=wrong,
            )
        )
    return tuple(made)
