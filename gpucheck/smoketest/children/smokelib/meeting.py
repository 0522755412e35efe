"""How one rank's script meets the others: through its gpucheck process, which talks to that of rank 0.

``arrived`` goes up; what comes down, one JSON object a line on stdin, is ``members`` once all are there, and
``leave`` once all have measured: a process that ends early would take its connections from the others.
"""

from __future__ import annotations

import contextlib
import json
import socket
import threading
import time

BEAT = 1.0  # seconds between two signs of life


def beat(session) -> None:
    """Give a sign of life every second, as long as this process runs."""

    def tell() -> None:
        while True:
            time.sleep(BEAT)
            with contextlib.suppress(OSError, ValueError):  # the parent has gone, or this process is ending
                session.emit("alive")

    threading.Thread(target=tell, daemon=True).start()


def meet(session, *, port: bool = False) -> list[str]:
    """Say that this rank has arrived, and wait for all others; the parent's deadline bounds it.

    Args:
        session: The run.
        port: Whether this rank is to listen on a free port of its own, held until all have arrived.

    Returns:
        Each rank's ``host:port`` in the order of the ranks; without meaning unless ``port``.
    """
    with session.stage("meet"), contextlib.ExitStack() as held:
        number = None
        if port:
            listener = held.enter_context(socket.socket())
            listener.bind(("", 0))
            number = listener.getsockname()[1]
        session.emit("arrived", port=number)
        return json.loads(session.told.get())["members"]


def leave(session, **measured: object) -> None:
    """Hand over what was measured, and stay until all ranks have done so; the parent's deadline bounds it."""
    session.emit("measured", **measured)
    session.told.get()
