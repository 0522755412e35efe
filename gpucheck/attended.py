"""Commands that are replaced or attended: exact signals and exit statuses, and what was said at the end.

Imports nothing of ours.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections import deque
from typing import IO, TYPE_CHECKING

from gpucheck.record import record

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

CANNOT_RUN, NOT_FOUND = 126, 127  # as shells and env(1) have it
KEPT = 1 << 20  # bytes of output that are remembered
IGNORED_BY_PYTHON = ("SIGPIPE", "SIGXFSZ")  # at start; programs expect the default
FORWARDED = ("SIGHUP", "SIGINT", "SIGQUIT", "SIGTERM", "SIGUSR1", "SIGUSR2", "SIGCONT", "SIGWINCH")
SENT_BY_KERNEL = 0x80  # SI_KERNEL, asm-generic/siginfo.h: a terminal's key reaches the whole group by itself


@record
class Ended:
    """How an attended command ended.

    Attributes:
        status: Its exit status; negative: ended by that signal.
        said: The end of what it wrote.
    """

    status: int
    said: str


def replace(file: str, command: Sequence[str], environment: Mapping[str, str]) -> int:
    """Become the command: its process id, signals and exit status are its own.

    Returns:
        The status for a program that cannot be run; on systems without exec that of the child.
    """
    if os.name != "posix":
        return subprocess.run([file, *command[1:]], env=dict(environment), check=False).returncode
    for name in IGNORED_BY_PYTHON:
        signal.signal(getattr(signal, name), signal.SIG_DFL)
    try:
        os.execve(file, list(command), dict(environment))  # noqa: S606 - a command of the user's, without a shell
    except OSError as error:
        sys.stderr.write(f"gpucheck: run: {command[0]} cannot be started: {error.strerror}\n")
    return CANNOT_RUN


def attend(file: str, command: Sequence[str], environment: Mapping[str, str]) -> Ended:
    """Run the command as a child: pass on its output and every signal, and remember the end of what it says.

    Its stdout stays a terminal where it is one.

    Raises:
        OSError: It cannot be started.
    """
    numbers = {getattr(signal, name) for name in FORWARDED if hasattr(signal, name)}
    waits = hasattr(signal, "sigtimedwait")
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {*numbers, signal.SIGCHLD}) if waits else set()
    tail: deque[bytes] = deque()
    try:
        child = subprocess.Popen(
            [file, *command[1:]],
            env=dict(environment),
            stdout=None if sys.stdout.isatty() else subprocess.PIPE,
            stderr=subprocess.PIPE,
            bufsize=0,
            preexec_fn=(lambda: signal.pthread_sigmask(signal.SIG_SETMASK, before)) if waits else None,  # noqa: PLW1509
        )
        streams = [(child.stdout, 1), (child.stderr, 2)]
        readers = [
            threading.Thread(target=_pass_on, args=(stream, number, tail), daemon=True)
            for stream, number in streams
            if stream is not None
        ]
        for reader in readers:
            reader.start()
        status = _until_end(child, numbers) if waits else child.wait()
        for reader in readers:  # a descendant may hold the pipes open for ever
            reader.join(timeout=2)
    finally:
        if waits:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)
    return Ended(status=status, said=b"".join(tail).decode("utf-8", "replace"))


def _until_end(child: subprocess.Popen[bytes], numbers: set[signal.Signals]) -> int:
    """Forward what was sent to us alone, until the child has ended."""
    while (status := child.poll()) is None:
        told = signal.sigtimedwait({*numbers, signal.SIGCHLD}, 0.5)
        if told is None or told.si_signo == signal.SIGCHLD:
            continue
        if told.si_code != SENT_BY_KERNEL:
            child.send_signal(told.si_signo)
    return status


def _pass_on(stream: IO[bytes], number: int, tail: deque[bytes]) -> None:
    """Write on what comes; where our own reader has gone away, the command is to notice it too."""
    size = 0
    with stream:
        while part := os.read(stream.fileno(), 65536):
            tail.append(part)
            size += len(part)
            while size > KEPT and len(tail) > 1:
                size -= len(tail.popleft())
            try:
                while part:
                    part = part[os.write(number, part) :]
            except OSError:
                return


def end_like(status: int) -> int:
    """End as the command ended: by the same signal where it was one.

    Returns:
        Its exit status.
    """
    if status < 0:
        sys.stdout.flush()
        sys.stderr.flush()
        if -status not in (signal.SIGKILL, signal.SIGSTOP):
            signal.signal(-status, signal.SIG_DFL)
        os.kill(os.getpid(), -status)
    return status if status >= 0 else 128 - status
