"""The talk between a training script and gpucheck: a request on stdin, one JSON object a line on stdout.

What frameworks print goes to stderr, also what their C++ parts write to file descriptor 1. Stdin stays open as
long as gpucheck lives: when it closes, nobody waits for this process any more, and it ends.
"""

from __future__ import annotations

import contextlib
import json
import os
import queue
import sys
import threading
import time
import traceback
from typing import Any

LONGEST = 1000  # letters of a failure's text; some exceptions print whole tensors


class Failed(Exception):
    """The run cannot go on; the message is for the user."""


class BadInput(Failed):
    """What the user gave cannot be used; the message begins with the option."""


class Session:
    """One run: the request, the clock of each stage, and the events."""

    def __init__(self) -> None:
        self.request = json.loads(sys.stdin.buffer.readline())
        self.out = os.fdopen(os.dup(1), "w", encoding="utf-8")
        os.dup2(2, 1)
        self.seconds: dict[str, float] = {}
        self.stage_name = "start"
        self.events: Any = None  # where the curves are written on the way, if anywhere
        self.told: queue.Queue[bytes] = queue.Queue()
        self.lock = threading.Lock()

    def emit(self, event: str, **content: object) -> None:
        """Write one event; any thread may."""
        with self.lock:
            self.out.write(json.dumps({"event": event, **content}) + "\n")
            self.out.flush()

    @contextlib.contextmanager
    def stage(self, name: str):
        """Time a stage, and let the parent know that it began."""
        if name != self.stage_name:
            self.stage_name = name
            self.emit("stage", name=name)
        begin = time.perf_counter()
        yield
        self.seconds[name] = self.seconds.get(name, 0.0) + time.perf_counter() - begin


def end_with_the_parent(told: queue.Queue[bytes]) -> None:
    """End this process when gpucheck is gone, killed or not: nothing may be left on the GPU.

    What gpucheck says until then is put into ``told``, line by line.
    """

    def wait() -> None:
        rest = b""
        while part := os.read(0, 65536):
            *lines, rest = (rest + part).split(b"\n")
            for line in lines:
                told.put(line)
        os._exit(1)

    threading.Thread(target=wait, daemon=True).start()


def serve(run) -> None:
    """Run a training script's ``run(session)`` and report how it ended.

    A failure is an event with the stage and the exception's text; the traceback goes to stderr.
    """
    session, status = Session(), 0
    end_with_the_parent(session.told)
    try:
        result = run(session)
        session.emit("result", seconds=session.seconds, **result)
    except BaseException as error:
        told, status = isinstance(error, Failed), 1
        if not told:
            traceback.print_exc()
        text = (str(error) if told else f"{type(error).__name__}: {error}")[:LONGEST]
        session.emit("failed", stage=session.stage_name, text=text, bad_input=isinstance(error, BadInput))
    session.out.close()
    sys.stderr.flush()
    os._exit(status)  # taking the frameworks down in order costs 0.1 to 0.6 s and proves nothing
