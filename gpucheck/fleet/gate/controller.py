"""Slurm's controller: which nodes we have taken out, taking one out within a cap, giving one back.

The controller is what all nodes share, so it keeps the cap: a node that was taken out looks who else was, and the
ones beyond the cap step back. The times by which they are ordered are the controller's own, to the second, so
whoever looks more than a second later sees every node that comes before its own. Who was cut off between the two
steps back at the next health check.
"""

from __future__ import annotations

import math
import os
import re
import time
from dataclasses import replace

from gpucheck.fleet.launch.slurm import ask, gpus
from gpucheck.fleet.launch.states import LaunchError
from gpucheck.record import record

PREFIX, MARK = "gpucheck: ", " (gpucheck)"  # of our reasons; what is not wholly ours is not touched
LONGEST_REASON = 200
SETTLED = 1.2  # seconds after which no other node gets the same time
NEEDED = 5.0  # seconds that must be left for taking a node out and looking again
GRACE = 3.0  # seconds to undo what could not be looked at, past the visit; the scripts wait longer
LEAST = 8.0  # seconds that a visit must be given: three questions before
ONE_ANSWER = 10.0  # seconds for one answer
NAME, STATE = re.compile(r"\bNodeName=(\S+)"), re.compile(r"\bState=(\S+)")
OUT = re.compile("DRAIN|DOWN|FAIL|REBOOT|MAINT")
GRES = re.compile(r"\bGres=(\S+)")
REASON = re.compile(r"\bReason=(.*?) \[[^\[\]@\s]*@([0-9T:.+-]+)\]")
# slurmctld adds its own words behind a reason that stands there (node_mgr.c, set_node_reason).
ADDED = r" : (?:Not responding|Node unexpectedly rebooted|reboot [a-z ]+)"
OURS = re.compile(rf"gpucheck: ([a-z0-9, -]+): .* \(gpucheck\)(?:{ADDED})*", re.DOTALL)
CAP = re.compile(r"([0-9]{1,7})(%?)")


class CapError(ValueError):
    """A cap that cannot be read; the message says why."""


@record
class Cap:
    """How many nodes may be out for our reasons at a time.

    Attributes:
        number: So many, or per cent of all nodes.
        percent: Which of the two; then at least one node, unless it is 0 %.
    """

    number: int = 5
    percent: bool = True

    def of(self, nodes: int) -> int:
        """Return how many of a number of nodes that are."""
        return max(math.floor(nodes * self.number / 100), 1) if self.percent and self.number else self.number


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
        drained: Whether it is drained.
        out: Whether it is out for any cause: drained, down, failing, about to reboot.
        reason: Why; empty: not told.
        since: When the reason was given, by the controller's clock.
        gpus: How many GPUs the scheduler gives to jobs there.
    """

    drained: bool
    out: bool = False
    reason: str = ""
    since: str = ""
    gpus: int = 0

    @property
    def ours(self) -> bool:
        """Whether we have taken it out, and nobody else has said anything."""
        return self.drained and OURS.fullmatch(self.reason) is not None

    @property
    def theirs(self) -> bool:
        """Whether others have taken it out, or have said something that a reason of ours would overwrite."""
        return not self.ours and (self.out or bool(self.reason))

    @property
    def slugs(self) -> tuple[str, ...]:
        """For which troubles we have."""
        found = OURS.fullmatch(self.reason)
        return tuple(found[1].split(", ")) if found is not None else ()


def reason(drains: tuple[tuple[str, str], ...]) -> str:
    """Return a reason in one line, as it stands in ``sinfo -R``: slugs, the first one's title, and our mark."""
    slugs = ", ".join(slug for slug, _ in drains)
    title = re.sub(r"[^ -~]|[\"\[\]@()]|(?<= ):", " ", drains[0][1].replace("'", ""))
    return f"{PREFIX}{slugs}: {title}"[: LONGEST_REASON - len(MARK)].rstrip() + MARK


@record
class Controller:
    """The controller, for one visit.

    Attributes:
        node: The node that asks.
        cap: How many nodes may be out for our reasons.
        until: When the visit must end, on the monotonic clock: whoever has started us kills us then.
    """

    node: str
    cap: Cap
    until: float

    def standing(self) -> Standing:
        """Return how the node stands.

        Raises:
            LaunchError: The controller cannot be asked, or does not answer in time.
        """
        told = self._ask("scontrol", "show", "node", self.node, "--oneliner")
        return dict(map(_read, told.splitlines()[:1])).get(self.node) or Standing(drained=False)

    def drain(self, drains: tuple[tuple[str, str], ...]) -> tuple[bool, str | None]:
        """Take the node out, unless others have, or as many are out as may be.

        Returns:
            Whether it is out now; and, where it is not so by us, why.

        Raises:
            LaunchError: The controller cannot be asked, or does not answer in time.
        """
        own, ours, most = self._look()
        if own.theirs:
            return own.out, f"others have taken it out: {own.reason}"
        if len(ours) >= most and self.node not in ours:
            return False, _reached(ours, most)
        if self._left() < NEEDED:
            raise LaunchError("the controller is too slow to take a node out within the cap")
        self._ask("scontrol", "update", f"NodeName={self.node}", "State=DRAIN", f"Reason={reason(drains)}")
        time.sleep(SETTLED)
        try:
            return self.step_back()
        except LaunchError as error:
            try:
                replace(self, until=time.monotonic() + GRACE).clear()
            except LaunchError:
                raise LaunchError(f"{error}; drained, and the next health check looks at the cap") from None
            raise

    def step_back(self) -> tuple[bool, str | None]:
        """Give the node, which we have taken out, back if it stands beyond the cap.

        Returns:
            As `drain` does.

        Raises:
            LaunchError: The controller cannot be asked, or does not answer in time.
        """
        own, ours, most = self._look()
        if own.theirs:
            return own.out, f"others have taken it out: {own.reason}"
        if self.node in ours[:most]:
            return True, None
        self.clear()
        return False, _reached(ours, most)

    def clear(self) -> None:
        """Give the node back if it is ours; what else is wrong with it stays so (a node that is down).

        Raises:
            LaunchError: The controller cannot be asked, or does not answer in time.
        """
        if self.standing().ours:
            self._ask("scontrol", "update", f"NodeName={self.node}", "State=UNDRAIN")

    def _look(self) -> tuple[Standing, list[str], int]:
        """Return how this node stands, which we have taken out, the first one first, and how many these may be.

        `sinfo` leaves out nodes that are in no partition.
        """
        nodes = dict(map(_read, self._ask("scontrol", "show", "nodes", "--oneliner").splitlines()))
        out = sorted((one.since, name) for name, one in nodes.items() if one.ours)
        own = nodes.get(self.node, Standing(drained=False))
        return own, [name for _, name in out], self.cap.of(len(nodes))

    def _ask(self, *words: str) -> str:
        os.environ["SLURM_TIME_FORMAT"] = "standard"  # a form that can be ordered
        if self._left() <= 0:
            raise LaunchError("the controller is too slow")
        return ask(*words, patience=min(self._left(), ONE_ANSWER))

    def _left(self) -> float:
        return self.until - time.monotonic()


def _read(line: str) -> tuple[str, Standing]:
    """Return a node and how it stands, from a line of ``scontrol show node --oneliner``."""
    name, state, why, gres = (pattern.search(line) for pattern in (NAME, STATE, REASON, GRES))
    return name[1] if name else "", Standing(
        drained=state is not None and "DRAIN" in state[1],
        out=state is not None and OUT.search(state[1]) is not None,
        reason=why[1].strip() if why else "",
        since=why[2] if why else "",
        gpus=gpus(gres[1]) if gres else 0,
    )


def _reached(out: list[str], most: int) -> str:
    from gpucheck.fleet.nodes import shown

    those = f": {shown(out[:most])} out for gpucheck's reasons" if out[:most] else ""
    return f"the cap of {most} is reached{those}"
