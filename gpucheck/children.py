"""Child processes with a deadline, for everything that can crash, hang or print.

Imports nothing of ours. A child's end is always described, never raised: a crash is a fact.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from typing import TYPE_CHECKING

from gpucheck.record import record

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

POSIX = os.name == "posix"


@record
class Outcome:
    """How a child ended.

    Attributes:
        stdout: What it wrote to file descriptor 1, undecodable bytes replaced.
        stderr: The same of file descriptor 2.
        status: Its exit status; negative: ended by that signal; None: it could not be started.
        timed_out: Whether the deadline passed and the process group was killed.
        seconds: Wall time from start to end.
        error: Why it could not be started, or None.
    """

    stdout: str
    stderr: str
    status: int | None
    timed_out: bool
    seconds: float
    error: str | None = None

    @property
    def failure(self) -> str | None:
        """One phrase that says what went wrong, or None when the child ended with status 0."""
        if self.error is not None:
            return self.error
        if self.timed_out:
            return f"no answer within {self.seconds:.0f} s; ended"
        if self.status is None or self.status == 0:
            return None
        return describe_status(self.status)


def describe_status(status: int) -> str:
    """Put an exit status into words; negative numbers are signals, as in the subprocess module."""
    if status >= 0:
        return f"exit status {status}"
    try:
        return f"crashed with {signal.Signals(-status).name}"
    except ValueError:
        return f"ended by signal {-status}"


def start(
    command: Sequence[str | Path],
    *,
    environment: Mapping[str, str] | None = None,
    folder: Path | None = None,
    stdin: int | None = subprocess.DEVNULL,
) -> subprocess.Popen[bytes]:
    """Start a child in a process group of its own, its output captured.

    Raises:
        OSError: The program does not exist or may not be run.
    """
    return subprocess.Popen(
        [str(part) for part in command],
        stdin=stdin,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=dict(environment) if environment is not None else None,
        cwd=folder,
        start_new_session=POSIX,
    )


def kill(process: subprocess.Popen[bytes]) -> None:
    """End a child and all that it started; TensorFlow keeps SIGTERM, so it is SIGKILL."""
    if POSIX:
        try:
            os.killpg(process.pid, signal.SIGKILL)
            return
        except (ProcessLookupError, PermissionError):
            pass
    process.kill()


def finish(process: subprocess.Popen[bytes], deadline: float) -> Outcome:
    """Wait for a child until ``deadline`` seconds from now; past that, kill its process group."""
    begin = time.monotonic()
    timed_out = False
    try:
        out, err = process.communicate(timeout=max(deadline, 0.0))
    except subprocess.TimeoutExpired:
        timed_out = True
        kill(process)
        out, err = _what_was_said(process)
    except BaseException:
        kill(process)
        process.wait()
        raise
    return Outcome(
        stdout=out.decode("utf-8", "replace"),
        stderr=err.decode("utf-8", "replace"),
        status=process.returncode,
        timed_out=timed_out,
        seconds=time.monotonic() - begin,
    )


def _what_was_said(process: subprocess.Popen[bytes]) -> tuple[bytes, bytes]:
    """Read what a killed child wrote; a descendant outside its group may hold the pipes open for ever."""
    try:
        return process.communicate(timeout=1)
    except subprocess.TimeoutExpired as late:
        for stream in (process.stdout, process.stderr):
            if stream is not None:
                stream.close()
        process.wait()
        return late.stdout or b"", late.stderr or b""


def run(
    command: Sequence[str | Path],
    deadline: float,
    *,
    environment: Mapping[str, str] | None = None,
    folder: Path | None = None,
) -> Outcome:
    """Start a child and wait for it; a program that cannot be started is an outcome too."""
    try:
        process = start(command, environment=environment, folder=folder)
    except OSError as error:
        reason = f"cannot start {command[0]}: {error.strerror or error}"
        return Outcome(stdout="", stderr="", status=None, timed_out=False, seconds=0.0, error=reason)
    return finish(process, deadline)


def isolated(script: Path, *arguments: str) -> list[str]:
    """Return the command that runs one of our own scripts where no local file can be imported."""
    return [sys.executable, "-I", str(script), *arguments]
