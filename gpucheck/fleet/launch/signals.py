"""Signals while many processes are watched: the work is cancelled in good order, then the signal is raised."""

from __future__ import annotations

import asyncio
import signal
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Awaitable

ENDING = tuple(getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name))


def run(work: Awaitable[None]) -> None:
    """Do the work on an event loop of its own.

    An exception that a signal's handler raises in the midst of the loop would leave processes behind that nobody
    watches any more.

    Raises:
        KeyboardInterrupt: SIGINT came.
        SystemExit: SIGTERM or SIGHUP did.
    """
    came: list[int] = []
    before = {one: signal.getsignal(one) for one in ENDING}
    heeded = [one for one, handler in before.items() if handler is not signal.SIG_IGN]  # as nohup has it
    try:
        asyncio.run(_until_signal(work, heeded, came))
    except asyncio.CancelledError:
        if not came:
            raise
    finally:
        for one in heeded:
            signal.signal(one, before[one] or signal.SIG_DFL)
    if came:
        raise KeyboardInterrupt if came[0] == signal.SIGINT else SystemExit(128 + came[0])


async def _until_signal(work: Awaitable[None], heeded: list[signal.Signals], came: list[int]) -> None:
    task, loop = asyncio.current_task(), asyncio.get_running_loop()

    def end(number: int) -> None:
        came.append(number)
        if len(came) == 1 and task is not None:
            task.cancel()

    for one in heeded:
        loop.add_signal_handler(one, end, one)
    await work
