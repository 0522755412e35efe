"""What is to be done on every node, how long it may take, and the command line that does it there."""

from __future__ import annotations

import math
import os
import re
import shlex
import sys
from pathlib import Path

from gpucheck.fleet.launch.states import LaunchError
from gpucheck.record import record

PROBE_SHARE = 0.7  # of the node's deadline: the probe's ends first, so that its failure is told in the report
KILL_AFTER = 2.0  # seconds past the node's deadline: SIGKILL from outside, should our own agent hang
LISTEN_AFTER = 3.0  # seconds past that: the launcher gives the node up
CONNECT = 10.0  # seconds for a connection
DEFAULT_DEADLINE, SMOKE_DEADLINE = 30.0, 300.0
FANOUT = 64  # nodes at a time
SCRIPTS = ("gpucheck", "gpucheck-doctor")  # of pyproject.toml
UNITS = {"": 1.0, "s": 1.0, "m": 60.0, "h": 3600.0}
FRAMEWORKS = {"torch": "torch", "pytorch": "torch", "tf": "tensorflow", "tensorflow": "tensorflow", "all": "all"}
# `timeout` makes a process group of its command, and SIGKILL reaches all of it.
# Slurm, asked not to hand on the login node's environment, leaves PATH out too.
GUARD = (
    "PATH=${{PATH:-/usr/local/bin:/usr/bin:/bin}}; export PATH; "
    'command -v timeout >/dev/null 2>&1 && exec timeout -s KILL {0} "$@"; exec "$@"'
)


@record
class Job:
    """What every node does.

    Attributes:
        command: gpucheck on the nodes, in words.
        smoke: Frameworks to train.
        deadline: Seconds that a node may take.
        fanout: How many nodes work at a time, where we start them ourselves.
        redact: Whether names are taken out of the reports.
        diagnostics: A file on the nodes with another tool's verdict on the hardware; where it is there, it counts.
    """

    command: tuple[str, ...]
    smoke: tuple[str, ...] = ()
    deadline: float = DEFAULT_DEADLINE
    fanout: int = FANOUT
    redact: bool = False
    diagnostics: str | None = None

    @property
    def outer(self) -> float:
        """When the node's own guard kills what is left, in seconds."""
        return math.ceil(self.deadline + KILL_AFTER)

    @property
    def patience(self) -> float:
        """How long a launcher waits for one node that has begun."""
        return self.outer + LISTEN_AFTER

    def run_deadline(self, nodes: int, connect: float = 0.0) -> float:
        """Return how long the whole run may take."""
        waves = math.ceil(max(nodes, 1) / self.fanout)
        return waves * (self.patience + connect) + LISTEN_AFTER

    def words(self, node: str | None, *more: str) -> list[str]:
        """Return the agent's command line.

        Args:
            node: The node's name; None: the agent takes it from its scheduler.
            *more: Where the report goes.
        """
        named = ["--name", node] if node is not None else []
        smoke = ["--smoke", ",".join(self.smoke)] if self.smoke else []
        redact = ["--redact"] if self.redact else []
        told = ["--diagnostics", self.diagnostics] if self.diagnostics is not None else []
        agent = [*self.command, "fleet", "node", *named, "--deadline", f"{self.deadline:g}"]
        return [*agent, *smoke, *told, *redact, *more]

    def guarded(self, node: str | None, *more: str) -> list[str]:
        """Return the same under a guard that kills its process group past the deadline, whatever it does."""
        return ["/bin/sh", "-c", GUARD.format(f"{self.outer:g}"), "gpucheck-node", *self.words(node, *more)]

    def shell(self, node: str, *more: str) -> str:
        """Return one text for a login shell of any kind; a signal becomes an exit status that ssh passes on."""
        inner = shlex.join(self.words(node, *more))
        guard = (
            f"if command -v timeout >/dev/null 2>&1; then timeout -s KILL {self.outer:g} {inner}; else {inner}; fi"
        )
        return f"exec /bin/sh -c {shlex.quote(guard)}"


def own_command() -> tuple[str, ...]:
    """Return the command by which this very gpucheck runs; `-m` would look into the working folder first."""
    script = Path(sys.argv[0])
    if script.name in SCRIPTS and os.access(script, os.X_OK):
        return (str(script.absolute()),)
    return (sys.executable, "-m", "gpucheck")


def read_command(text: str) -> tuple[str, ...]:
    """Read ``--command``.

    Raises:
        LaunchError: It is empty, or a quote is not closed.
    """
    try:
        words = tuple(shlex.split(text))
    except ValueError as error:
        raise LaunchError(f"--command {text!r}: {error}") from None
    if not words:
        raise LaunchError("--command: a path is missing")
    return words


def read_duration(option: str, text: str) -> float:
    """Read a time such as ``30s``, ``5m`` or ``1h``; a bare number is seconds.

    Raises:
        LaunchError: It is none, or too short or long.
    """
    found = re.fullmatch(r"([0-9]{1,6}(?:\.[0-9]{1,3})?)([smh]?)", text.strip())
    if found is None:
        raise LaunchError(f"{option} {text!r}: a time such as 30s, 5m or 1h is expected")
    seconds = float(found[1]) * UNITS[found[2]]
    if not 1 <= seconds <= 86_400:
        raise LaunchError(f"{option} {text!r}: at least 1s and at most 24h")
    return seconds


def read_smoke(text: str | None) -> tuple[str, ...]:
    """Read ``--smoke torch,tf``.

    Raises:
        LaunchError: A framework is not known.
    """
    named = [name.strip().lower() for name in (text or "").split(",") if name.strip()]
    for name in named:
        if name not in FRAMEWORKS:
            raise LaunchError(f"--smoke {text!r}: torch, tf or all expected, not {name!r}")
    if text is not None and not named:
        raise LaunchError("--smoke: torch, tf or all expected")
    return tuple(dict.fromkeys(FRAMEWORKS[name] for name in named))
