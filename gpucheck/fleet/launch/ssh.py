"""Nodes reached by the system's own ssh, drained ones too: no password, no terminal, nothing left there."""

from __future__ import annotations

import dataclasses
import os
import shutil
from typing import TYPE_CHECKING

from gpucheck.fleet.launch.fanout import fan_out
from gpucheck.fleet.launch.heard import Heard, judge, killed_by, last_line
from gpucheck.fleet.launch.job import CONNECT
from gpucheck.fleet.launch.processes import hear
from gpucheck.fleet.launch.states import End, LaunchError, State

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from gpucheck.fleet.launch.job import Job

FAILED = 255  # ssh's own status: no connection, or the remote command was ended by a signal
OPTIONS = (
    "BatchMode=yes", f"ConnectTimeout={CONNECT:g}", "ConnectionAttempts=1", "ServerAliveInterval=5",
    "ServerAliveCountMax=3", "ControlMaster=no", "ClearAllForwardings=yes", "LogLevel=ERROR",
)  # fmt: skip
INSTALL = "ssh is not installed: sudo apt-get install openssh-client (Red Hat: dnf install openssh-clients)"


def check() -> None:
    """See that there is an ssh.

    Raises:
        LaunchError: There is none.
    """
    if shutil.which("ssh") is None:
        raise LaunchError(INSTALL)


def command(node: str, job: Job, arguments: Sequence[str] = ()) -> list[str]:
    """Return the command that reaches a node; the user's own arguments come first, so they win."""
    options = [word for option in OPTIONS for word in ("-o", option)]
    remote = job.shell(node, "--framed", "--lifeline")
    return ["ssh", *arguments, "-T", "-a", "-x", *options, "--", node, remote]


async def launch(
    nodes: Sequence[str], job: Job, told: Callable[[str | End], None], arguments: Sequence[str] = ()
) -> None:
    """Reach every node; see `fanout.fan_out`."""
    environment = {**os.environ, "SSH_ASKPASS_REQUIRE": "never"}

    async def reach(node: str) -> End:
        heard = await hear(command(node, job, arguments), job.patience + CONNECT, environment=environment)
        return _judged(node, dataclasses.replace(heard, limit=job.deadline))

    await fan_out(nodes, job, reach, told, job.run_deadline(len(nodes), CONNECT))


def _judged(node: str, heard: Heard) -> End:
    found = judge(node, heard)
    if heard.status == FAILED and found.state is State.CRASHED and not heard.out:
        reason = last_line(heard.err)
        return dataclasses.replace(found, state=State.UNREACHABLE, reason=reason or "ssh could not reach it")
    if found.state is State.CRASHED and killed_by(heard.status) is None and heard.status == FAILED:
        return dataclasses.replace(found, reason="the connection broke off: " + last_line(heard.err))
    return found
