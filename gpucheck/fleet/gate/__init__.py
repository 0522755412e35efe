"""A gate at a node's door, for Slurm's HealthCheckProgram and Prolog.

A node is taken out by what is certain alone; a policy that cannot be read, a fact that cannot be told, a time that
is up or a crash of ours are logged, and the node is left as it is.
"""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING

from gpucheck.fleet.gate import controller
from gpucheck.fleet.gate.controller import Cap
from gpucheck.fleet.gate.decision import Decision, decide, from_json, to_json
from gpucheck.fleet.launch.states import LaunchError
from gpucheck.record import record

if TYPE_CHECKING:
    from collections.abc import Callable

    from gpucheck.findings import Report
    from gpucheck.fleet.gate.kept import Store

OPEN, SHUT = 0, 1
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
        max_age: Seconds for which a decision holds for the prolog.
    """

    node: str
    act: bool = False
    cap: Cap = Cap()
    budget: float = 2.0
    max_age: float = 600.0


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
    try:
        if decision.drains:
            drained = _take_out(order, decision, log)
        elif drained is not False:  # taken out by us, or not asked yet since the boot
            drained = _give_back(order, decision, log)
    except LaunchError as error:
        log(f"left as it is: {error}")
        drained = None
    _keep(store, decision, drained, log)
    return OPEN


def prolog(order: Order, judge: Callable[[], Report], store: Store, log: Callable[[str], None]) -> int:
    """Return 1 where the job must not begin here; a young decision that lets it begin is believed.

    Slurm itself takes out a node whose prolog fails, so 1 is returned only within the cap; a reason that stands
    there already it leaves as it is (slurmctld's drain_nodes).
    """
    kept = store.read()
    if kept is not None and kept.age <= order.max_age and not kept.decision.drains:
        return OPEN
    decision = judged(order, judge, log)  # what was wrong may have been mended since
    if decision is None:
        return OPEN
    out = kept.drained if kept is not None else None
    try:
        if decision.drains:
            out = _take_out(order, decision, log)
    except LaunchError as error:
        log(f"left as it is: {error}")
        out = None
    _keep(store, decision, out, log)
    return SHUT if decision.drains and out else OPEN


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
    why = controller.reason(decision.drains)
    if not order.act:
        log(f"would drain {order.node}: {why} (--act does it)")
        return None
    found = controller.standing(order.node)
    if found.drained:
        if not found.ours:
            log(f"drained already, by others: {found.reason}; {why}")
        return True
    held = controller.drain(order.node, decision.drains, order.cap)
    log(f"drained {order.node}: {why}" if held is None else f"not drained: {held}; {why}")
    return held is None


def _give_back(order: Order, decision: Decision, log: Callable[[str], None]) -> bool:
    """Give the node back where its troubles are certainly gone; return whether it is still out for our reasons.

    Raises:
        LaunchError: The controller cannot be asked.
    """
    found = controller.standing(order.node)
    if not found.ours:
        if not order.act:
            log(f"would leave {order.node} as it is: nothing certain speaks against it")
        return False
    left = [slug for slug in found.slugs if slug not in decision.sound]
    if left or not found.slugs:
        log(f"still drained: {', '.join(left) or found.reason} is not certainly gone")
        return True
    if not order.act:
        log(f"would give {order.node} back: {found.reason} is gone (--act does it)")
        return True
    controller.clear(order.node)
    log(f"gave {order.node} back: {found.reason} is gone")
    return False


def _keep(store: Store, decision: Decision, drained: bool | None, log: Callable[[str], None]) -> None:
    trouble = store.write(decision, drained)
    if trouble is not None:
        log(trouble)
