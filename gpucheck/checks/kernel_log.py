"""What the kernel's log tells of the driver's errors: Xid numbers, and why a card was not taken."""

from __future__ import annotations

import re
from itertools import pairwise
from typing import TYPE_CHECKING

from gpucheck.checks.registry import Said, broken, check, holds, skipped, unknown
from gpucheck.findings import Confidence, Evidence, Finding, Fix, Severity

if TYPE_CHECKING:
    from collections.abc import Iterator

    from gpucheck.facts import Facts
    from gpucheck.matrix import Matrix, Xid

# kernel_rc.c of NVIDIA's open kernel modules writes the line; MIG adds the instance.
XID = r"NVRM: Xid \((?:PCI:)?([0-9a-fA-F:.]+)[^)]*\): (\d+)"
SERIOUS = ("reset-gpu", "restart-machine")


def xids(facts: Facts) -> list[tuple[str, int, str]]:
    """Return PCI address, number and line of every Xid in the kernel's log."""
    found = []
    for line in facts.driver.kernel_messages.value or ():
        match = re.search(XID, line)
        if match is not None:
            found.append((match.group(1).lower(), int(match.group(2)), line.strip()))
    return found


def lines_on(facts: Facts, address: str | None) -> tuple[Evidence, ...]:
    """Return the last lines of the kernel's log on one card, by its PCI address, as evidence.

    The driver names a card by address and PCI ID on one line and says on the next what is wrong with it.
    """
    place, lines = (address or "").lower()[-12:].partition(".")[0], facts.driver.kernel_messages.value or ()
    about = [
        line
        for before, line in pairwise(["", *lines])
        if place and (place in line.lower() or (place in before.lower() and "(PCI ID" in before))
    ]
    return tuple(Evidence(text=line.strip(), source="the kernel's log") for line in about[-3:])


@check("no-gpu-error-logged", "xid-error", "uncorrectable-ecc")
def no_gpu_error_logged(facts: Facts, matrix: Matrix) -> Iterator[Said]:
    """The kernel logged no driver error that asks for a reset since it was booted.

    A false alarm after a reset that the log still precedes: it is a warning, and tells the line. Errors that a
    program makes itself (13, 31, 43) are no fault of the machine.
    """
    messages = facts.driver.kernel_messages
    if messages.value is None:
        wanted = facts.driver.module_loaded.value
        reason = messages.missing or "not looked at"
        yield unknown(reason) if wanted and "cannot be read" not in reason else skipped(reason)
        return
    last: dict[tuple[str, int], str] = {(address, number): line for address, number, line in xids(facts)}
    told = [(row, address, line) for (address, number), line in last.items() if (row := matrix.xid(number))]
    strange = sorted({number for _, number in last} - {row.number for row, _, _ in told})
    serious = [one for one in told if one[0].action in SERIOUS or one[0].number == 48]
    for row, address, line in serious:
        yield broken(_logged(row, address, line))
    if strange and not serious:
        yield unknown(f"Xid {', '.join(map(str, strange))}: the matrix of {matrix.date} does not know it")
    elif not serious:
        yield holds(f"{len(last)} Xid, none that asks for a reset" if last else "no Xid")


def _logged(row: Xid, address: str, line: str) -> Finding:
    memory = row.number in (48, 64, 95, 140, 156)
    how = "Restart the machine" if row.action == "restart-machine" else "Reset the GPU when nothing uses it"
    reset = f"sudo nvidia-smi --gpu-reset -i {address}"
    return Finding(
        slug="uncorrectable-ecc" if memory else "xid-error",
        severity=Severity.WARN,
        subject=f"PCI {address}",
        title=f"The driver logged Xid {row.number} for the card at {address}: {row.meaning}",
        cause="NVIDIA's catalogue of these errors asks for a reset after it.",
        confidence=Confidence.LIKELY,
        evidence=(Evidence(text=line, source="the kernel's log"),),
        fixes=(
            Fix(text=f"{how}, unless that was done since.",
                commands=("sudo reboot",) if row.action == "restart-machine" else (reset,)),
            Fix(text="If it comes back, have the card tested (dcgmi diag -r 3) or replaced."),
        ),
        source=row.citation,
    )  # fmt: skip
