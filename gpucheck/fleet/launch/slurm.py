"""What Slurm says of its nodes before any work is given to them."""

from __future__ import annotations

import functools
import os
import re
import shutil
import subprocess
from typing import TYPE_CHECKING

from gpucheck.fleet.launch.states import LaunchError
from gpucheck.record import record

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

INSTALL = "srun is not installed: sudo apt-get install slurm-client (or take a login node of the cluster)"
PATIENCE = 30.0  # seconds for one question
FLAGS = "*~#!%$@^-+"  # behind a state, sinfo(1)
CLOSED = {
    "down", "drained", "draining", "drain", "fail", "failing", "error", "unknown", "powered_down", "powering_down",
    "powering_up", "future", "planned", "perfctrs", "maint", "reserved", "blocked", "inval", "reboot",
    "no_respond",
}  # fmt: skip
BUSY = {"allocated", "alloc"}
# In these not even a job that is there already runs on.
GONE = {
    "down", "error", "unknown", "powered_down", "powering_down", "powering_up", "future", "inval", "no_respond",
}  # fmt: skip
RESERVED = {"maint", "reserved"}
SAYS_GPUS = ("--gres", "--gpus", "-G", "--gpus-per-node", "--gpus-per-task", "--tres-per-task", "--tres-per-node")


@record
class SlurmNode:
    """A node as sinfo(1) tells it.

    Attributes:
        name: Its name.
        state: e.g. ``idle``, ``drained*``.
        gpus: How many GPUs its generic resources name.
        reason: Why an administrator has closed it; empty: not told.
    """

    name: str
    state: str
    gpus: int
    reason: str

    def closed(self, *, inside: bool, reserved: bool = False) -> str | None:
        """Say why no work can be given to it, or None.

        Args:
            inside: Whether this is an allocation's own step.
            reserved: Whether a reservation is asked for.
        """
        plain = self.state.rstrip(FLAGS).lower()
        shut = GONE if inside else CLOSED - RESERVED if reserved else CLOSED
        if plain in shut or self.state.endswith("*"):
            hint = f": {self.reason}" if self.reason else ""
            return f"Slurm: {self.state}{hint} (--via ssh reaches it)"
        if plain in BUSY and not inside:
            return "Slurm: allocated to other jobs (--via ssh reaches it, or run within their allocation)"
        return None


def ask(*words: str, patience: float = PATIENCE) -> str:
    """Ask one of Slurm's commands.

    Args:
        *words: Its command line.
        patience: Seconds to wait for it.

    Raises:
        LaunchError: It is not there, fails or does not answer.
    """
    if shutil.which(words[0]) is None:
        raise LaunchError(INSTALL.replace("srun", words[0], 1))
    try:
        done = subprocess.run(words, capture_output=True, stdin=subprocess.DEVNULL, timeout=patience, check=False)
    except subprocess.TimeoutExpired:
        raise LaunchError(f"{words[0]}: no answer within {patience:.0f} s") from None
    except OSError as error:
        raise LaunchError(f"{words[0]}: cannot be started: {error.strerror}") from None
    if done.returncode:
        said = done.stderr.decode("utf-8", "replace").strip().splitlines()
        raise LaunchError(f"{words[0]}: {said[-1] if said else f'exit status {done.returncode}'}")
    return done.stdout.decode("utf-8", "replace")


@functools.cache
def survey() -> dict[str, SlurmNode]:
    """Return every node that Slurm knows; asked once.

    Raises:
        LaunchError: It cannot be asked.
    """
    found = {}
    for line in ask("sinfo", "-h", "-a", "-N", "-o", "%N|%T|%G|%E").splitlines():
        name, state, gres, reason = (*line.split("|", 3), "", "", "")[:4]
        told = "" if reason.strip().lower() in ("none", "") else reason.strip()
        found[name.strip()] = SlurmNode(name=name.strip(), state=state.strip(), gpus=gpus(gres), reason=told)
    return found


def gpus(gres: str) -> int:
    """Return how many GPUs a node's generic resources name: ``gpu:h100:8(S:0-1),shard:8``."""
    plain = re.sub(r"\([^)]*\)", "", gres)
    found = (re.fullmatch(r"gpu(?::[^:,]+)*?(?::([0-9]+))?", one.strip()) for one in plain.split(","))
    return sum(int(one[1] or 1) for one in found if one is not None)


def constrained() -> bool:
    """Whether a step sees only those GPUs that were allocated to it."""
    return re.search(r"(?mi)^ConstrainDevices\s*=\s*yes", ask("scontrol", "show", "config")) is not None


def inside(environment: Mapping[str, str], arguments: Iterable[str]) -> bool:
    """Whether srun starts a step of an allocation that is there already."""
    return "SLURM_JOB_ID" in environment or any(one.split("=")[0] == "--jobid" for one in arguments)


def reserved(environment: Mapping[str, str], arguments: Iterable[str]) -> bool:
    """Whether a reservation is asked for."""
    return "SLURM_RESERVATION" in environment or any(one.split("=")[0] == "--reservation" for one in arguments)


def with_gpus(number: int, arguments: Sequence[str]) -> list[str]:
    """Return the arguments that ask for a node's GPUs, where the user's own do not."""
    asked = any(one.split("=")[0] in SAYS_GPUS or re.match(r"-G\d", one) for one in arguments)
    return [f"--gres=gpu:{number}"] if number and not asked else []


def known(nodes: Iterable[str]) -> dict[str, SlurmNode]:
    """Return what Slurm says of these nodes.

    Raises:
        LaunchError: It does not know one, or cannot be asked.
    """
    if shutil.which("srun") is None:
        raise LaunchError(INSTALL)
    every = survey()
    strange = [node for node in nodes if node not in every]
    if strange:
        from gpucheck.fleet.nodes import shown

        raise LaunchError(f"Slurm does not know {shown(strange)}; sinfo -N lists its nodes")
    return {node: every[node] for node in nodes}


def environment() -> dict[str, str]:
    """Return the environment for srun itself; nothing of it reaches the nodes."""
    return dict(os.environ)
