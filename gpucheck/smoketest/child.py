"""One training in a child process: the request goes in, events come out, the deadline holds."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import threading
import time
from collections import deque
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from gpucheck import children
from gpucheck.smoketest.scratch import scratch_folder

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    Listener = Callable[[dict[str, Any]], None]

SCRIPTS = {"torch": "train_torch.py", "tensorflow": "train_tensorflow.py"}
LOG_LINES = 400  # TensorFlow tells the cause on its C++ log, long before the exception
GRACE = 2.0  # seconds to read what a child that has ended still left in its pipes


@dataclass(kw_only=True)
class Heard:
    """What a training told, up to its end.

    Attributes:
        facts: Content of its events, by the event's name.
        stage: The stage that began last.
        log: Last lines of its stderr.
        seconds: Wall time of the whole process.
        failure: Why there is no result, or None.
        bad_input: Whether the user's data is at fault.
    """

    facts: dict[str, dict[str, Any]] = field(default_factory=dict)
    stage: str = "start"
    log: tuple[str, ...] = ()
    seconds: float = 0.0
    failure: str | None = None
    bad_input: bool = False


def train(
    framework: str,
    python: str,
    request: dict[str, Any],
    environment: Mapping[str, str],
    deadline: float,
    listen: Listener,
    *,
    script: str | None = None,
    started: Callable[[subprocess.Popen[bytes]], None] = lambda _: None,
) -> Heard:
    """Run one training, with a folder for what it and its libraries write that is only for them.

    Args:
        framework: ``torch`` or ``tensorflow``.
        python: The interpreter that has it.
        request: What the training script reads from stdin.
        environment: Environment variables to set on top of this process's.
        deadline: Seconds until its process group is killed.
        listen: Called with every event.
        script: Another script of the folder than the framework's training.
        started: Called with the process, from which on it may be told more, or be ended.
    """
    path = Path(__file__).parent / "children" / (script or SCRIPTS[framework])
    with scratch_folder() as scratch:
        asked = {**request, "scratch": scratch}
        return _run(python, path, asked, {**environment, **_temporary(scratch)}, deadline, listen, started)


def _temporary(scratch: str | None) -> dict[str, str]:
    """TensorFlow compiles through files, and clears them away only when it is taken down in order."""
    return {} if scratch is None else dict.fromkeys(("TMPDIR", "TEMP", "TMP", "MPLCONFIGDIR"), scratch)


def _run(
    python: str,
    path: Path,
    request: dict[str, Any],
    environment: Mapping[str, str],
    deadline: float,
    listen: Listener,
    started: Callable[[subprocess.Popen[bytes]], None],
) -> Heard:
    begin, heard = time.monotonic(), Heard()
    try:
        process = children.start([python, str(path)], environment=_environment(environment), stdin=subprocess.PIPE)
    except OSError as error:
        return Heard(failure=f"cannot start {python}: {error.strerror}")
    started(process)
    late = threading.Event()

    def end() -> None:
        late.set()
        children.kill(process)

    watchdog = threading.Timer(deadline, end)
    watchdog.daemon = True
    watchdog.start()
    try:
        lines, readers = _converse(process, request, heard, listen)
        status = process.wait()
        with contextlib.suppress(OSError):
            process.stdin.close()  # type: ignore[union-attr]
        for reader in readers:  # a descendant that left the process group may hold the pipes open for ever
            reader.join(timeout=GRACE)
    except BaseException:
        children.kill(process)
        process.wait()
        raise
    finally:
        watchdog.cancel()
    heard.seconds = time.monotonic() - begin
    heard.log = tuple(lines)
    if late.is_set():
        heard.failure = f"no result within {deadline:.0f} s; the process was ended"
    elif heard.failure is None and "result" not in heard.facts:
        heard.failure = f"the process ended without a result: {children.describe_status(status)}"
    return heard


def _environment(extra: Mapping[str, str]) -> dict[str, str]:
    """The scripts stand beside their library: safe path would hide it; and nothing is written beside them."""
    environment = {**os.environ, **extra, "PYTHONDONTWRITEBYTECODE": "1"}
    environment.pop("PYTHONSAFEPATH", None)
    return environment


def _converse(
    process: subprocess.Popen[bytes], request: dict[str, Any], heard: Heard, listen: Listener
) -> tuple[deque[str], tuple[threading.Thread, threading.Thread]]:
    """Send the request, and begin to read both outputs, each in a thread of its own."""
    lines: deque[str] = deque(maxlen=LOG_LINES)
    assert process.stdin is not None
    assert process.stdout is not None
    assert process.stderr is not None
    readers = (
        threading.Thread(target=_keep_last, args=(process.stderr, lines), daemon=True),
        threading.Thread(target=_hear_all, args=(process.stdout, heard, listen), daemon=True),
    )
    for reader in readers:
        reader.start()
    try:
        process.stdin.write(json.dumps(request).encode() + b"\n")
        process.stdin.flush()  # and it stays open: the child ends when it closes
    except BrokenPipeError:  # it died at once; its status tells
        pass
    return lines, readers


def _keep_last(stream: IO[bytes], lines: deque[str]) -> None:
    for line in stream:
        text = line.decode("utf-8", "replace").strip()
        if text:
            lines.append(text[:500])


def _hear_all(stream: IO[bytes], heard: Heard, listen: Listener) -> None:
    for line in stream:
        _hear(line, heard, listen)


def _hear(line: bytes, heard: Heard, listen: Listener) -> None:
    try:
        event = json.loads(line)
        name = event.pop("event")
    except (ValueError, KeyError, AttributeError, TypeError):
        return  # not ours: something of the framework that slipped through
    if name == "stage":
        heard.stage = event["name"]
    elif name == "failed":
        heard.failure, heard.bad_input = event["text"], event["bad_input"]
    heard.facts[name] = event
    listen({"event": name, **event})
