"""A gate at a node's door, for Slurm's HealthCheckProgram and Prolog.

A node is taken out by what is certain alone; a policy that cannot be read, a fact that cannot be told, a time that
is up or a crash of ours are logged, and the node is left as it is.
"""

from __future__ import annotations

import json
import os
import time
from typing import TYPE_CHECKING

from gpucheck.fleet.gate.controller import PREFIX, Cap, Controller, Standing, reason
from gpucheck.fleet.gate.decision import UNMET, Decision, decide, from_json, to_json
from gpucheck.fleet.launch.states import LaunchError
from gpucheck.record import record

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from gpucheck.findings import Report
    from gpucheck.fleet.gate.kept import Store

# SHUT is no status that Python, a shell or a signal gives: a gpucheck that cannot even start shuts nothing.
OPEN, SHUT = 0, 20
PROBE_SHARE = 0.7  # of the budget: a probe's own deadline comes first, so that its failure is told
# They tell of a job, and the gate is the node's.
OF_A_JOB = ("CUDA_VISIBLE_DEVICES", "NVIDIA_VISIBLE_DEVICES", "GPU_DEVICE_ORDINAL", "ROCR_VISIBLE_DEVICES")


@record
class Order:
    """What the gate may do.

    Attributes:
        node: The node's name in its scheduler.
        act: Whether it may take the node out and give it back; else it says what it would do.
        cap: How many nodes may be out for our reasons.
        budget: Seconds that judging may take.
        patience: Seconds that the scheduler's controller may take.
        max_age: Seconds for which a decision holds for the prolog.
    """

    node: str
    act: bool = False
    cap: Cap = Cap()
    budget: float = 2.0
    patience: float = 10.0
    max_age: float = 600.0

    def controller(self) -> Controller:
        """Return the controller, for a visit that begins now."""
        return Controller(node=self.node, cap=self.cap, until=time.monotonic() + self.patience)


def health(order: Order, judge: Callable[[], Report], store: Store, log: Callable[[str], None]) -> int:
    """Judge the node anew: take it out, give back what we took out, or leave it.

    Returns:
        0, always: slurmd only logs the status, and 16.05 to 17.02 would not start with another one.
    """
    decision = judged(order, judge, log)
    if decision is None:
        return OPEN
    before = store.read()
    drained = before.drained if before is not None else None
    owed = tuple(dict.fromkeys((*store.owed(), *(slug for slug, _ in decision.drains))))
    _keep(store, decision, None, owed, log)  # not known any more, should we be ended in between
    try:
        if decision.drains:
            drained = _take_out(order, decision, log)
        elif drained is not False:  # taken out by us, or not asked yet since the boot
            drained = _give_back(order, decision, owed, log)
    except LaunchError as error:
        log(f"nothing more done: {error}")
        drained = None
    _keep(store, decision, drained, () if drained is False else owed, log)
    return OPEN


def prolog(order: Order, judge: Callable[[], Report], store: Store, log: Callable[[str], None]) -> int:
    """Return `SHUT` where the job must not begin here; a young decision that lets it begin is believed.

    Slurm itself takes out a node whose prolog fails, so it is returned only within the cap; a reason that stands
    there already Slurm leaves as it is (slurmctld's drain_nodes).
    """
    kept = store.read()
    if kept is not None and kept.age <= order.max_age and not kept.decision.drains:
        return OPEN
    decision = judged(order, judge, log)  # what was wrong may have been mended since
    if decision is None:
        return OPEN
    out = kept.drained if kept is not None else None
    owed = tuple(dict.fromkeys((*store.owed(), *(slug for slug, _ in decision.drains))))
    _keep(store, decision, None if decision.drains else out, owed, log)
    if not decision.drains:
        return OPEN
    try:
        out = _take_out(order, decision, log)
    except LaunchError as error:
        log(f"nothing more done: {error}")
        out = None
    _keep(store, decision, out, () if out is False else owed, log)
    return SHUT if out else OPEN


def judged(order: Order, judge: Callable[[], Report], log: Callable[[str], None]) -> Decision | None:
    """Judge the node in a child, within the budget; None: nothing is known, which was logged."""
    from gpucheck.fleet.launch.watchdog import attend

    def work(hand_over: Callable[[bytes], None]) -> None:
        for name in [*OF_A_JOB, *(one for one in os.environ if one.startswith("SLURM_"))]:
            os.environ.pop(name, None)
        try:
            told = to_json(decide(judge()))
        except ValueError as error:  # a policy, a demand or a file that cannot be used
            told = {"error": str(error)}
        hand_over(json.dumps(told).encode())

    attended = attend(work, order.budget, lifeline=False)
    if attended.state != "done" or not attended.said:
        log(f"not judged: {attended.reason or 'it ended without a verdict'}")
        return None
    told = json.loads(attended.said[-1])
    if "error" in told:
        log(f"not judged: {told['error']}")
        return None
    decision = from_json(told)
    if decision.unsure and not decision.drains:
        more = f" (and {len(decision.unsure) - 1} more)" if len(decision.unsure) > 1 else ""
        log(f"not known: {decision.unsure[0]}{more}")
    return decision


def _take_out(order: Order, decision: Decision, log: Callable[[str], None]) -> bool | None:
    """Take the node out; return whether it is out now, None: nobody was asked.

    Raises:
        LaunchError: The controller cannot be asked.
    """
    if not order.act:
        log(f"would drain {order.node}: {reason(decision.drains)} (--act does it)")
        return None
    controller = order.controller()
    found = controller.standing()
    drains = _of_its_gpus(found, decision, log)
    if not drains:
        return found.ours
    if found.theirs:
        log(f"not drained: others have taken it out: {found.reason}; {reason(drains)}")
        return found.out
    out, why = controller.step_back() if found.ours else controller.drain(drains)
    if why is not None:
        log(f"not drained: {why}; {reason(drains)}")
    elif not found.ours:
        log(f"drained {order.node}: {reason(drains)}")
    return out


def _of_its_gpus(found: Standing, decision: Decision, log: Callable[[str], None]) -> tuple[tuple[str, str], ...]:
    """Return what takes the node out: where the scheduler gives no GPU to jobs only what a policy demands."""
    if found.gpus:
        return decision.drains
    wanted = tuple(one for one in decision.drains if one[0] == UNMET)
    if not wanted:
        log(f"not drained: Slurm has no GPU to give there (Gres); {reason(decision.drains)}")
    return wanted


def _give_back(order: Order, decision: Decision, owed: Iterable[str], log: Callable[[str], None]) -> bool:
    """Give the node back where its troubles are certainly gone; return whether it is still out for our reasons.

    Args:
        order: What the gate may do.
        decision: What was judged now.
        owed: Troubles that it had since it was taken out, besides those of the reason.
        log: Told what is done.

    Raises:
        LaunchError: The controller cannot be asked.
    """
    controller = order.controller()
    found = controller.standing()
    if not found.ours:
        if found.drained and found.reason.startswith(PREFIX):
            log(f"still drained: others have added to the reason: {found.reason}")
            return True
        if not order.act:
            log(f"would leave {order.node} as it is: nothing certain speaks against it")
        return False
    left = [slug for slug in dict.fromkeys((*found.slugs, *owed)) if slug not in decision.sound]
    if left:
        log(f"still drained: {', '.join(left)} is not certainly gone")
        return True
    if not order.act:
        log(f"would give {order.node} back: {found.reason} is gone (--act does it)")
        return True
    controller.clear()
    log(f"gave {order.node} back: {found.reason} is gone")
    return False


def _keep(
    store: Store, decision: Decision, drained: bool | None, owed: tuple[str, ...], log: Callable[[str], None]
) -> None:
    trouble = store.write(decision, drained, owed)
    if trouble is not None:
        log(trouble)
