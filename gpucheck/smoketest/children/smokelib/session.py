"""The talk between a training script and gpucheck: a request on stdin, one JSON object a line on stdout.

What frameworks print goes to stderr, also what their C++ parts write to file descriptor 1.
"""

from __future__ import annotations

import contextlib
import json
import os
import sys
import time
import traceback


class Failed(Exception):
    """The run cannot go on; the message is for the user."""


class BadInput(Failed):
    """The user's data cannot be used."""


class Session:
    """One run: the request, the clock of each stage, and the events."""

    def __init__(self) -> None:
        self.request = json.load(sys.stdin)
        self.out = os.fdopen(os.dup(1), "w", encoding="utf-8")
        os.dup2(2, 1)
        self.seconds: dict[str, float] = {}
        self.stage_name = "start"

    def emit(self, event: str, **content: object) -> None:
        """Write one event."""
        self.out.write(json.dumps({"event": event, **content}) + "\n")
        self.out.flush()

    @contextlib.contextmanager
    def stage(self, name: str):
        """Time a stage, and let the parent know that it began."""
        self.stage_name = name
        self.emit("stage", name=name)
        begin = time.perf_counter()
        yield
        self.seconds[name] = self.seconds.get(name, 0.0) + time.perf_counter() - begin

    def progress(self, done: int, total: int) -> None:
        """Tell how many training steps are done."""
        self.emit("progress", done=done, total=total)


def serve(run) -> None:
    """Run a training script's ``run(session)`` and report how it ended.

    A failure is an event with the stage and the exception's text; the traceback goes to stderr.
    """
    session = Session()
    try:
        result = run(session)
    except BaseException as error:
        told = isinstance(error, Failed)
        if not told:
            traceback.print_exc()
        text = str(error) if told else f"{type(error).__name__}: {error}"
        session.emit("failed", stage=session.stage_name, text=text, bad_input=isinstance(error, BadInput))
        session.out.close()
        sys.exit(1)
    session.emit("result", seconds=session.seconds, **result)
    session.out.close()
