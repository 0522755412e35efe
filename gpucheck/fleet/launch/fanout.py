"""Many nodes at a time, one process each."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from gpucheck.fleet.launch.states import End, State

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from gpucheck.fleet.launch.job import Job


async def fan_out(
    nodes: Sequence[str],
    job: Job,
    reach: Callable[[str], Awaitable[End]],
    told: Callable[[str | End], None],
    limit: float,
) -> None:
    """Reach every node, so many at a time; what one of them does is no matter of the others.

    Args:
        nodes: The nodes.
        job: What they do.
        reach: Reaches one.
        told: Called with the name of a node that begins, and with each one's end.
        limit: Seconds for the whole run; whoever has not ended by then is a timeout.
    """
    turn = asyncio.Semaphore(job.fanout)
    ended: set[str] = set()

    async def one(node: str) -> None:
        async with turn:
            told(node)
            try:
                found = await reach(node)
            except OSError as error:
                found = End(node=node, state=State.UNREACHABLE, reason=f"cannot start: {error.strerror or error}")
            ended.add(node)
            told(found)

    tasks = [asyncio.ensure_future(one(node)) for node in nodes]
    try:
        done, late = await asyncio.wait(tasks, timeout=limit)
        for task in done:
            task.result()
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    for node in nodes if late else ():
        if node not in ended:
            told(End(node=node, state=State.TIMEOUT, reason=f"the run's deadline of {limit:g} s came first"))
