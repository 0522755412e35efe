"""Slurm's controller: which nodes we have taken out, taking one out within a cap, giving one back.

The controller is what all nodes share, so it keeps the cap: a node that was taken out looks who else was, and the
ones beyond the cap step back. The times by which they are ordered are the controller's own, to the second, so
whoever looks more than a second later sees every node that comes before its own.
"""

from __future__ import annotations

import math
import os
import re
import time

from gpucheck.fleet.launch.slurm import ask
from gpucheck.record import record

PREFIX = "gpucheck: "  # of our reasons; no others are touched
FOREIGN = " : "  # slurmctld appends its own reasons so
LONGEST_REASON = 200
SETTLED = 1.2  # seconds after which no other node gets the same time
STATE = re.compile(r"\bState=(\S+)")
REASON = re.compile(r"\bReason=(.*?) \[[^\[\]@]*@[^\[\]]*\]")
CAP = re.compile(r"([0-9]{1,7})(%?)")


class CapError(ValueError):
    """A cap that cannot be read; the message says why."""


@record
class Cap:
    """How many nodes may be out for our reasons at a time.

    Attributes:
        number: So many, or per cent of all nodes; at least one.
        percent: Which of the two.
    """

    number: int = 5
    percent: bool = True

    def of(self, nodes: int) -> int:
        """Return how many of a number of nodes that are."""
        return max(math.floor(nodes * self.number / 100), 1) if self.percent else self.number


def read_cap(text: str) -> Cap:
    """Read ``5%`` or ``3``.

    Raises:
        CapError: It is neither.
    """
    found = CAP.fullmatch(text.strip())
    if found is None or (found[2] and int(found[1]) > 100):
        raise CapError(f"--cap {text!r}: a number of nodes, or per cent of them, such as 3 or 5%")
    return Cap(number=int(found[1]), percent=bool(found[2]))


@record
class Standing:
    """How a node stands in its scheduler.

    Attributes:
        drained: Whether it is taken out.
        reason: Why.
    """

    drained: bool
    reason: str

    @property
    def ours(self) -> bool:
        """Whether we have taken it out, and nobody has added a reason of theirs (slurmctld does by `` : ``)."""
        return self.drained and self.reason.startswith(PREFIX) and FOREIGN not in self.reason

    @property
    def slugs(self) -> tuple[str, ...]:
        """For which troubles we have."""
        return tuple(re.findall(r"[a-z][a-z0-9-]+", self.reason.removeprefix(PREFIX).partition(":")[0]))


def standing(node: str) -> Standing:
    """Return how a node stands.

    Raises:
        LaunchError: The controller cannot be asked.
    """
    told = ask("scontrol", "show", "node", node, "--oneliner")
    state, reason = STATE.search(told), REASON.search(told)
    return Standing(drained=state is not None and "DRAIN" in state[1], reason=reason[1].strip() if reason else "")


def drain(node: str, drains: tuple[tuple[str, str], ...], cap: Cap) -> str | None:
    """Take a node out, unless as many are out already as may be; return why not, or None.

    Raises:
        LaunchError: The controller cannot be asked.
    """
    ours, nodes = _ours()
    most = cap.of(nodes)
    if len(ours) >= most:
        return _full(ours, most)
    ask("scontrol", "update", f"NodeName={node}", "State=DRAIN", f"Reason={reason(drains)}")
    time.sleep(SETTLED)
    ours, nodes = _ours()
    if node in ours[: cap.of(nodes)]:
        return None
    clear(node)
    return _full(ours, most)


def clear(node: str) -> None:
    """Give a node back that we have taken out; what else is wrong with it stays so (a node that is down).

    Raises:
        LaunchError: The controller cannot be asked.
    """
    if standing(node).ours:
        ask("scontrol", "update", f"NodeName={node}", "State=UNDRAIN")


def reason(drains: tuple[tuple[str, str], ...]) -> str:
    """Return a reason in one line, as it stands in ``sinfo -R``: slugs, and the first one's title."""
    slugs = ", ".join(slug for slug, _ in drains)
    title = re.sub(r"[^ -~]|[\"'\[\]@]|(?<= ):", " ", drains[0][1])
    return f"{PREFIX}{slugs}: {title}"[:LONGEST_REASON].strip()


def _full(ours: list[str], most: int) -> str:
    from gpucheck.fleet.nodes import shown

    return f"the cap of {most} is reached: {shown(ours[:most])} out for gpucheck's reasons"


def _ours() -> tuple[list[str], int]:
    """Return the nodes that we have taken out, the first one first, and how many nodes there are."""
    os.environ["SLURM_TIME_FORMAT"] = "standard"  # a form that can be ordered
    names, out = set(), {}
    for line in ask("sinfo", "-h", "-a", "-N", "-o", "%N|%T|%H|%E").splitlines():
        name, state, since, why = (*line.split("|", 3), "", "", "")[:4]
        names.add(name)
        if state.lower().startswith("drain") and why.startswith(PREFIX):
            out[name] = (since, name)
    return sorted(out, key=lambda one: out[one]), len(names)
