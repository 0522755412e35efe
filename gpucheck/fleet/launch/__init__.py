"""`gpucheck fleet run`: every node of a list, on an engine that is there already, and what became of each."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from gpucheck.fleet.launch import signals
from gpucheck.fleet.launch.job import Job
from gpucheck.fleet.launch.states import INTERRUPTED, End, LaunchError, State
from gpucheck.record import record

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from gpucheck.fleet.launch.folder import Folder

    Told = Callable[[str | End], None]

ENGINES = ("local", "ssh", "srun", "ray")


@record
class Plan:
    """A run.

    Attributes:
        via: One of `ENGINES`.
        nodes: All that are expected.
        job: What they do.
        arguments: The user's own for ssh or srun.
    """

    via: str
    nodes: tuple[str, ...]
    job: Job
    arguments: tuple[str, ...] = ()

    def manifest(self) -> dict[str, Any]:
        """Return it for manifest.json."""
        return {
            "via": self.via,
            "nodes": list(self.nodes),
            "command": list(self.job.command),
            "smoke": list(self.job.smoke),
            "deadline": self.job.deadline,
            "fanout": self.job.fanout,
            "redact": self.job.redact,
            "diagnostics": self.job.diagnostics,
            "arguments": list(self.arguments),
        }


def from_manifest(content: dict[str, Any]) -> Plan:
    """Return the plan of a run that was begun.

    Raises:
        LaunchError: It is not one of ours.
    """
    try:
        job = Job(
            command=tuple(map(str, content["command"])),
            smoke=tuple(map(str, content["smoke"])),
            deadline=float(content["deadline"]),
            fanout=int(content["fanout"]),
            redact=bool(content["redact"]),
            diagnostics=None if (told := content.get("diagnostics")) is None else str(told),
        )
        plan = Plan(
            via=str(content["via"]),
            nodes=tuple(map(str, content["nodes"])),
            job=job,
            arguments=tuple(map(str, content["arguments"])),
        )
    except (KeyError, TypeError, ValueError, OverflowError):
        raise LaunchError("--resume: the manifest does not have the form of one") from None
    if plan.via not in ENGINES or job.fanout < 1:
        raise LaunchError(f"--resume: the manifest names an engine that is not known: {plan.via}")
    return plan


def check(plan: Plan) -> None:
    """See that the engine is there, and knows the nodes.

    Raises:
        LaunchError: It is not, or does not.
    """
    if plan.via == "ssh":
        from gpucheck.fleet.launch import ssh

        ssh.check()
    elif plan.via == "srun":
        from gpucheck.fleet.launch import srun

        srun.check(plan.nodes)
    elif plan.via == "ray":
        from gpucheck.fleet.launch import ray

        ray.check()


def run(plan: Plan, folder: Folder, watch: Told) -> dict[str, End]:
    """Run a plan for the nodes that have no whole report yet.

    Args:
        plan: The plan.
        folder: Its folder, created.
        watch: Called with the name of a node that begins, and with each one's end.

    Returns:
        The end of every expected node, in their order.

    Raises:
        LaunchError: The engine cannot be used, or the folder not be written.
    """
    from gpucheck.fleet.launch.heard import answered

    ends: dict[str, End] = {}
    for node in plan.nodes:
        found = folder.told(node)
        if found is not None:
            ends[node] = answered(node, found, None)
    wanted = [node for node in plan.nodes if node not in ends]

    def told(what: str | End) -> None:
        if isinstance(what, str):
            folder.event(what, "running")
        elif what.node in ends and ends[what.node].state is what.state:
            return  # told twice; a different word corrects the first
        else:
            folder.keep(what)
            ends[what.node] = what
        watch(what)

    begin = time.monotonic()
    folder.event(None, "begin", nodes=len(wanted))
    try:
        if wanted:
            signals.run(_engine(plan, wanted, folder, told))
    except (KeyboardInterrupt, SystemExit):
        folder.event(None, INTERRUPTED, ended=len(ends))
        raise
    for node in wanted:
        if node not in ends:
            told(End(node=node, state=State.NO_REPORT, reason="the engine told nothing of it"))
    folder.event(None, "end", seconds=round(time.monotonic() - begin, 3))
    return {node: ends[node] for node in plan.nodes}


async def _engine(plan: Plan, nodes: Sequence[str], folder: Folder, told: Told) -> None:
    work: Awaitable[None]
    if plan.via == "ssh":
        from gpucheck.fleet.launch import ssh

        work = ssh.launch(nodes, plan.job, told, plan.arguments)
    elif plan.via == "srun":
        from gpucheck.fleet.launch import srun

        work = srun.launch(nodes, plan.job, told, plan.arguments, folder.path)
    elif plan.via == "ray":
        from gpucheck.fleet.launch import ray

        work = ray.launch(nodes, plan.job, told)
    else:
        from gpucheck.fleet.launch import local

        work = local.launch(nodes, plan.job, told)
    await work
