"""Nodes that are only pretended: processes of this machine, for trying and for tests."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from gpucheck.fleet.launch.fanout import fan_out
from gpucheck.fleet.launch.heard import judge
from gpucheck.fleet.launch.processes import hear

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from gpucheck.fleet.launch.job import Job
    from gpucheck.fleet.launch.states import End


async def launch(nodes: Sequence[str], job: Job, told: Callable[[str | End], None]) -> None:
    """Start one agent a node; see `fanout.fan_out`."""

    async def reach(node: str) -> End:
        heard = await hear(job.guarded(node, "--framed", "--lifeline"), job.patience)
        return judge(node, dataclasses.replace(heard, limit=job.deadline))

    await fan_out(nodes, job, reach, told, job.run_deadline(len(nodes)))
