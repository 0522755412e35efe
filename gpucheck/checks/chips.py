"""Does the driver know the cards on the bus that it does not list?"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from gpucheck.checks.kernel_log import lines_on
from gpucheck.checks.reading import driver_works, evidence, parted, unlisted
from gpucheck.checks.registry import Said, broken, check, holds, skipped, unknown
from gpucheck.findings import Confidence, Evidence, Finding, Fix, Severity
from gpucheck.matrix import parse_version

if TYPE_CHECKING:
    from collections.abc import Iterator

    from gpucheck.facts import Facts, PciCard
    from gpucheck.matrix import Architecture, Matrix

# What the driver writes into the kernel's log when it leaves a card alone. The second and third stand in
# osapi.c of NVIDIA's open kernel modules; the first in public logs of the proprietary driver 570 to 595.
NEEDS_OPEN = "requires use of the NVIDIA open kernel modules"
NEEDS_PROPRIETARY = r"not supported by open[\s\S]{0,40}nvidia\.ko"
NOT_KNOWN = r"installed in this system is(?:\s+NVRM:)?\s+not supported by the|Legacy drivers"
KERNEL_MODULES = (
    "NVIDIA Driver Installation Guide: Kernel Modules, "
    "https://docs.nvidia.com/datacenter/tesla/driver-installation-guide/kernel-modules.html, checked 2026-11-22"
)


@check("driver-knows-card", "gpu-unsupported-by-driver")
def driver_knows_card(facts: Facts, matrix: Matrix) -> Iterator[Said]:
    """The driver branch and its kind of kernel module support every NVIDIA card on the bus.

    Asked of cards that the driver does not list; not in a container or a job, which may have been given only
    some. The kernel's log decides where it can be read, else the chip by
    its name in the PCI ID database.
    """
    cards = unlisted(facts)
    if not facts.driver.module_loaded.value or not driver_works(facts):
        yield skipped("no driver answers")
    elif cards is None:
        yield unknown(facts.pci_cards.missing or "the PCI bus was not read")
    elif not cards:
        yield holds("the driver lists every card")
    elif (owner := parted(facts)) is not None:
        yield skipped(f"only some cards were given to this {owner} environment")
    else:
        yield from (_judge(facts, matrix, card) for card in cards)


def _judge(facts: Facts, matrix: Matrix, card: PciCard) -> Said:
    subject, log = f"PCI {card.address}", "\n".join(facts.driver.kernel_messages.value or ())
    chip = matrix.chip(card.name)
    row = matrix.architecture(chip.compute_capability) if chip is not None else None
    flavor = facts.driver.module_flavor.value
    if NEEDS_OPEN in log:
        return broken(_wrong_flavor(facts, card, "open", certain=True))
    if re.search(NEEDS_PROPRIETARY, log):
        return broken(_wrong_flavor(facts, card, "proprietary", certain=True))
    if row is None:
        return unknown(f"which chip {card.device} is, is not known: no PCI ID database, or no row", subject)
    major = int(row.compute_capabilities[0].split(".")[0])
    if flavor == "proprietary" and major >= 10:
        return broken(_wrong_flavor(facts, card, "open", certain=False))
    if (flavor == "open" and major < 7) or (flavor == "open" and row.name == "Volta"):
        return broken(_wrong_flavor(facts, card, "proprietary", certain=False))
    if (why := _out_of_range(facts, matrix, row)) is not None:
        return broken(_unsupported(facts, card, row, why))
    if re.search(NOT_KNOWN, log):
        return broken(_unsupported(facts, card, row, "The driver says that it does not support the card."))
    return holds(f"{card.name}: {row.name} with driver {_version(facts)}", subject)


def _version(facts: Facts) -> str:
    return facts.driver.version.value or facts.driver.module_version.value or "of unknown version"


def _out_of_range(facts: Facts, matrix: Matrix, row: Architecture) -> str | None:
    driver = parse_version(facts.driver.version.value or facts.driver.module_version.value)
    branch = matrix.branch(driver) if driver is not None else None
    if branch is not None and row.last_driver_branch is not None and branch.branch > row.last_driver_branch:
        return f"R{row.last_driver_branch} is the last driver branch for {row.name}."
    have, first = parse_version(facts.driver.driver_cuda.value), parse_version(row.first_toolkit)
    if have is not None and first is not None and have < first and not row.integrated:
        return f"The driver supports CUDA up to {have}; {row.name} came with CUDA {first}."
    return None


def _shown(facts: Facts, card: PciCard) -> tuple[Evidence, ...]:
    return (
        Evidence(text=f"10de:{card.device} {card.name or ''}".strip(), source=facts.pci_cards.source),
        evidence("driver", facts.driver.version if facts.driver.version.known else facts.driver.module_version),
        evidence("kernel module", facts.driver.module_flavor),
        *lines_on(facts, card.address),
    )


def _unsupported(facts: Facts, card: PciCard, row: Architecture, why: str) -> Finding:
    branch = row.last_driver_branch
    wanted = f"of branch R{branch}" if branch is not None else f"that supports CUDA {row.first_toolkit} or newer"
    return Finding(
        slug="gpu-unsupported-by-driver",
        severity=Severity.ERROR,
        subject=f"PCI {card.address}",
        title=f"Driver {_version(facts)} does not support the card at {card.address} ({row.name})",
        cause=why,
        confidence=Confidence.LIKELY,
        evidence=_shown(facts, card),
        fixes=(Fix(text=f"Install a driver {wanted}, then reboot."),),
        source=row.citation,
    )


def _wrong_flavor(facts: Facts, card: PciCard, wanted: str, *, certain: bool) -> Finding:
    why = {
        "open": "Cards from Blackwell on work with NVIDIA's open kernel modules only.",
        "proprietary": "Cards before Turing have no system processor (GSP), which the open kernel modules need.",
    }[wanted]
    return Finding(
        slug="gpu-unsupported-by-driver",
        severity=Severity.ERROR,
        subject=f"PCI {card.address}",
        title=f"The card at {card.address} needs the {wanted} kernel modules of the driver",
        cause=why,
        confidence=Confidence.CERTAIN if certain else Confidence.LIKELY,
        evidence=_shown(facts, card),
        fixes=(
            Fix(text=f"Install the driver with its {wanted} kernel modules, then reboot. On Ubuntu and Debian the "
                "packages of the open ones end in -open; NVIDIA's installer takes --kernel-module-type."),
        ),
        source=KERNEL_MODULES,
    )  # fmt: skip
