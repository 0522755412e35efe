"""Nodes of a Ray cluster: a task pinned to each, and deadlines of our own, since Ray waits for a frozen node."""

from __future__ import annotations

import base64
import binascii
import dataclasses
import json
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gpucheck.children import isolated
from gpucheck.fleet.launch.heard import Heard, judge, last_line
from gpucheck.fleet.launch.processes import hear
from gpucheck.fleet.launch.states import End, LaunchError, State

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from gpucheck.fleet.launch.job import Job

INSTALL = "ray is not installed: pip install 'gpucheck-doctor[ray]', into the Python that has gpucheck"
SCRIPT = Path(__file__).with_name("ray_child.py")
STARTING = 60.0  # seconds in which Ray may start a worker process on a node; 40 were seen for 50 nodes on 2 cores
CONNECTING = 60.0  # seconds for the driver


def check() -> None:
    """See that Ray is there.

    Raises:
        LaunchError: It is not.
    """
    if find_spec("ray") is None:
        raise LaunchError(INSTALL)


async def launch(nodes: Sequence[str], job: Job, told: Callable[[str | End], None]) -> None:
    """Let a driver of its own pin a task to every node; it can be ended, whatever Ray waits for."""
    asked = {
        "nodes": {node: job.guarded(node, "--framed", "--lifeline") for node in nodes},
        "deadline": job.outer,
        "patience": job.patience + STARTING,
        "fanout": job.fanout,
    }
    run = _Run(job, told)
    limit = CONNECTING + job.run_deadline(len(nodes), STARTING)
    # -I, or `import ray` would find the file beside the script.
    heard = await hear(isolated(SCRIPT), limit, told=run.hear, given=json.dumps(asked).encode() + b"\n")
    if run.error is not None:
        raise LaunchError(f"--via ray: {run.error} (ray start --head begins a cluster; RAY_ADDRESS names one)")
    for node in nodes:
        if node in run.ended:
            continue
        if not run.ready:
            why = "the cluster has not answered" if heard.timed_out else last_line(heard.err) or "the driver ended"
            told(End(node=node, state=State.UNREACHABLE, reason=f"Ray: {why}", seconds=heard.seconds))
        else:
            told(End(node=node, state=State.TIMEOUT, reason="Ray: the run's deadline came first"))


class _Run:
    """What the driver has told so far."""

    def __init__(self, job: Job, told: Callable[[str | End], None]) -> None:
        self.job, self.told = job, told
        self.rest = b""
        self.ended: set[str] = set()
        self.ready, self.error = False, None

    def hear(self, name: str, part: bytes) -> None:
        """Take a piece of its stdout."""
        if name != "out":
            return
        *lines, self.rest = (self.rest + part).split(b"\n")
        for line in lines:
            try:
                message = json.loads(line)
            except ValueError:
                continue  # a library has printed something
            if isinstance(message, dict):
                self._take(message)

    def _take(self, message: dict[str, Any]) -> None:
        node = message.get("node")
        self.ready = self.ready or "ready" in message
        self.error = message.get("error", self.error)
        if not isinstance(node, str) or node in self.ended:
            return
        if "begin" in message:
            self.told(node)
            return
        self.ended.add(node)
        if "state" in message:
            self.told(End(node=node, state=State(message["state"]), reason=str(message.get("reason"))))
        else:
            self.told(judge(node, dataclasses.replace(_heard(message), limit=self.job.deadline)))


def _heard(message: dict[str, Any]) -> Heard:
    try:
        out = base64.b64decode(message["out"])
    except binascii.Error:
        out = b""
    return Heard(
        out=out,
        err=str(message["err"]),
        status=message["status"],
        seconds=float(message["seconds"]),
        timed_out=bool(message["timed_out"]),
    )
