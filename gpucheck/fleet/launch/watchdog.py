"""On the node: work in a child, and an end to it and all its descendants at the deadline, by SIGKILL.

The work itself starts probes and trainings in process groups of their own, so a group is not enough: on Linux this
process adopts whatever is orphaned below it, and ends it too. It also ends when its coordinator is gone.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import select
import signal
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

from gpucheck.children import describe_status
from gpucheck.record import record

if TYPE_CHECKING:
    from collections.abc import Callable

SET_PDEATHSIG, SET_CHILD_SUBREAPER = 1, 36  # linux/prctl.h
PROC = Path("/proc")
SWEEP = 2.0  # seconds until what is left is in the kernel's hands
LOST = "the coordinator is gone"


@record
class Attended:
    """How the work ended.

    Attributes:
        said: What it handed over, documents apart by an empty byte.
        state: ``done``, ``timeout`` or ``crashed``.
        reason: What went wrong, or None.
    """

    said: tuple[bytes, ...]
    state: str
    reason: str | None = None


def attend(work: Callable[[Callable[[bytes], None]], None], deadline: float, *, lifeline: bool) -> Attended:
    """Do the work in a forked child, and end it at the deadline.

    Args:
        work: Is called in the child with a function that hands over one document.
        deadline: Seconds.
        lifeline: Whether stdin is held open by the coordinator: its end is that of the work.
    """
    begin = time.monotonic()
    _ask_kernel(SET_CHILD_SUBREAPER, 1)
    for stream in (sys.stdout, sys.stderr):
        if stream is not None:
            stream.flush()
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(read)
        _work(work, write)
    os.close(write)
    try:
        said, reason = _listen(read, begin + deadline, lifeline=lifeline)
        status = _ended(child, 0.0 if reason else max(begin + deadline - time.monotonic(), 0.1))
    finally:
        os.close(read)
        sweep()
    if reason is not None:
        return Attended(
            said=said, state="timeout", reason=reason if reason == LOST else f"{reason} {deadline:g} s"
        )
    if status is None:
        return Attended(said=said, state="timeout", reason=f"did not end within {deadline:g} s; killed")
    failed = None if status == 0 else describe_status(status)
    return Attended(said=said, state="done" if failed is None else "crashed", reason=failed)


def _work(work: Callable[[Callable[[bytes], None]], None], write: int) -> None:
    """Be the child; never returns."""
    status = 70
    try:
        _ask_kernel(SET_PDEATHSIG, signal.SIGKILL)
        for name in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(name, signal.SIG_DFL)
        with open(os.devnull, "rb") as nothing:  # noqa: PTH123
            os.dup2(nothing.fileno(), 0)
        os.dup2(2, 1)  # what a library prints is no part of the report

        def hand_over(document: bytes) -> None:
            rest = memoryview(document + b"\0")
            while rest:
                rest = rest[os.write(write, rest) :]

        work(hand_over)
        status = 0
    except BaseException as error:  # noqa: BLE001 - its end is told by its status
        with contextlib.suppress(Exception):
            sys.stderr.write(f"gpucheck: {type(error).__name__}: {error}\n")
            sys.stderr.flush()
    finally:
        os._exit(status)


def _listen(read: int, until: float, *, lifeline: bool) -> tuple[tuple[bytes, ...], str | None]:
    """Read what the child hands over, until it closes its end; return why it was not waited for, or None."""
    heard = bytearray()
    watched = [read, *([0] if lifeline else [])]
    reason: str | None = "no answer within"
    while (left := until - time.monotonic()) > 0:
        ready, _, _ = select.select(watched, [], [], left)
        if read in ready:
            part = os.read(read, 65536)
            heard += part
            if not part:
                reason = None
                break
        elif 0 in ready and not os.read(0, 4096):
            reason = LOST
            break
    return tuple(bytes(part) for part in bytes(heard).split(b"\0")[:-1]), reason


def _ended(child: int, patience: float) -> int | None:
    """Return the child's status, as the subprocess module has it; None: it had to be killed."""
    until, killed = time.monotonic() + patience, False
    while True:
        pid, status = os.waitpid(child, os.WNOHANG)
        if pid:
            return None if killed else os.waitstatus_to_exitcode(status)
        if time.monotonic() >= until:
            if killed:
                return None
            os.kill(child, signal.SIGKILL)
            killed, until = True, time.monotonic() + SWEEP
        time.sleep(0.005)


def sweep() -> None:
    """End every descendant of this process; the orphans among them are its children by now."""
    until = time.monotonic() + SWEEP
    while (left := descendants(os.getpid())) and time.monotonic() < until:
        for pid in left:
            with contextlib.suppress(OSError):
                os.kill(pid, signal.SIGKILL)
        with contextlib.suppress(ChildProcessError):
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass
        time.sleep(0.01)


def descendants(root: int) -> list[int]:
    """Return the process ids below one, zombies left out; empty where there is no /proc."""
    children: dict[int, list[int]] = {}
    for entry in PROC.glob("[0-9]*/stat"):
        with contextlib.suppress(OSError, ValueError):
            state, parent = entry.read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()[:2]
            if state != "Z":
                children.setdefault(int(parent), []).append(int(entry.parent.name))
    found, queue = [], [root]
    while queue:
        below = children.get(queue.pop(), [])
        found += below
        queue += below
    return found


def _ask_kernel(option: int, value: int) -> None:
    """Call prctl(2), where there is one."""
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(option, value, 0, 0, 0)
