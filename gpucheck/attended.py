"""Commands that are replaced or attended: exact signals and exit statuses, and what was said at the end.

Imports nothing of ours.
"""

from __future__ import annotations

import contextlib
import errno
import os
import select
import signal
import subprocess
import sys
import threading
import time
from collections import deque
from typing import IO, TYPE_CHECKING

from gpucheck.record import record

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

CANNOT_RUN, NOT_FOUND = 126, 127  # as shells and env(1) have it
SHELL = "/bin/sh"
PATIENCE = 2.0  # seconds
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

    A script without a first line for the kernel is the shell's, as execvp(3) has it.

    Returns:
        The status for a program that cannot be run; on systems without exec that of the child.
    """
    if os.name != "posix":
        return subprocess.run([file, *command[1:]], env=dict(environment), check=False).returncode
    for name in IGNORED_BY_PYTHON:
        signal.signal(getattr(signal, name), signal.SIG_DFL)
    try:
        try:
            os.execve(file, list(command), dict(environment))  # noqa: S606 - the user's command, without a shell
        except OSError as error:
            if error.errno != errno.ENOEXEC:
                raise
            os.execve(SHELL, [SHELL, file, *command[1:]], dict(environment))  # noqa: S606
    except OSError as error:
        return cannot(command[0], error)


def cannot(name: str, error: OSError) -> int:
    """Say that a command cannot be started; return the status that shells give for it."""
    tell(f"gpucheck: run: {name} cannot be started: {error.strerror}\n")
    return NOT_FOUND if error.errno == errno.ENOENT else CANNOT_RUN


def tell(text: str | Callable[[], str]) -> None:
    """Write to stderr; where there is none, or no room, the command matters more.

    Args:
        text: What to write, or what makes it: rich touches the stream that it renders for.
    """
    try:
        sys.stderr.write(text if isinstance(text, str) else text())
        sys.stderr.flush()
    except (AttributeError, OSError, ValueError):
        return


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
        child = _started([file, *command[1:]], environment, before if waits else None)
        streams = [(child.stdout, 1), (child.stderr, 2)]
        readers = [_Reader(stream, number, tail) for stream, number in streams if stream is not None]
        status = _until_end(child, numbers) if waits else child.wait()
        for reader in readers:
            reader.finish()
    finally:
        if waits:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)
    return Ended(status=status, said=b"".join(tail).decode("utf-8", "replace"))


def _started(
    command: list[str], environment: Mapping[str, str], mask: set[signal.Signals | int] | None
) -> subprocess.Popen[bytes]:
    terminal = sys.stdout is None or sys.stdout.isatty()

    def start(words: list[str]) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            words,
            env=dict(environment),
            stdout=None if terminal else subprocess.PIPE,
            stderr=subprocess.PIPE,
            bufsize=0,
            preexec_fn=None if mask is None else lambda: signal.pthread_sigmask(signal.SIG_SETMASK, mask),  # noqa: PLW1509
        )

    try:
        return start(command)
    except OSError as error:
        if error.errno != errno.ENOEXEC:
            raise
        return start([SHELL, *command])


def _until_end(child: subprocess.Popen[bytes], numbers: set[signal.Signals]) -> int:
    """Forward what was sent to us alone, until the child has ended."""
    while (status := child.poll()) is None:
        told = signal.sigtimedwait({*numbers, signal.SIGCHLD}, 0.5)
        if told is None or told.si_signo == signal.SIGCHLD:
            continue
        if told.si_code != SENT_BY_KERNEL:
            child.send_signal(told.si_signo)
    return status


class _Reader:
    """Passes one stream on in a thread, and keeps its end."""

    def __init__(self, stream: IO[bytes], number: int, tail: deque[bytes]) -> None:
        self.stream, self.number, self.tail, self.size = stream, number, tail, 0
        self.writing, self.moved = False, time.monotonic()
        self.thread = threading.Thread(target=self._pass_on, daemon=True)
        self.thread.start()

    def finish(self) -> None:
        """Wait until everything is passed on; a descendant may hold the pipe open, silent, for ever."""
        while self.thread.is_alive() and (self.writing or time.monotonic() - self.moved < PATIENCE):
            self.thread.join(0.05)

    def _pass_on(self) -> None:
        """Write on what comes; where our own reader has gone away, the command is to notice it too."""
        with self.stream:
            while part := os.read(self.stream.fileno(), 65536):
                self._keep(part)
                self.writing = True
                try:
                    _write_all(self.number, part)
                except OSError:
                    return
                finally:
                    self.writing, self.moved = False, time.monotonic()

    def _keep(self, part: bytes) -> None:
        self.tail.append(part)
        self.size += len(part)
        while self.size > KEPT and len(self.tail) > 1:
            self.size -= len(self.tail.popleft())


def _write_all(number: int, part: bytes) -> None:
    while part:
        try:
            part = part[os.write(number, part) :]
        except BlockingIOError:  # a stream that another program has made non-blocking
            select.select([], [number], [])


def end_like(status: int) -> int:
    """End as the command ended: by the same signal where it was one.

    Returns:
        Its exit status.
    """
    if status < 0:
        for stream in (sys.stdout, sys.stderr):
            with contextlib.suppress(AttributeError, OSError):  # there may be none, or nobody who reads
                stream.flush()
        if -status not in (signal.SIGKILL, signal.SIGSTOP):
            signal.signal(-status, signal.SIG_DFL)
        os.kill(os.getpid(), -status)
    return status if status >= 0 else 128 - status
