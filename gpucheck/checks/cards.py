"""Does the driver list every card that is on the bus, and does every listed GPU answer?"""

from __future__ import annotations

from typing import TYPE_CHECKING

from gpucheck.checks.kernel_log import lines_on
from gpucheck.checks.reading import driver_works, evidence, gpu_name, nvidia_cards, parted, unlisted
from gpucheck.checks.registry import Said, broken, check, holds, skipped, unknown
from gpucheck.findings import Evidence, Finding, Fix, Severity

if TYPE_CHECKING:
    from collections.abc import Iterator

    from gpucheck.facts import Facts, Gpu, PciCard
    from gpucheck.matrix import Matrix

NVML_LOST = 15  # NVML_ERROR_GPU_IS_LOST


@check("cards-listed", "gpu-missing")
def cards_listed(facts: Facts, _: Matrix) -> Iterator[Said]:
    """Every NVIDIA card on the PCI bus is listed by the driver.

    A false alarm in a container or a job that was given only some of the cards: there it is skipped.
    A card that no kernel driver took, beside others that work, is often an old display card: a warning.
    """
    cards, gpus, missing = nvidia_cards(facts), facts.gpus.value, unlisted(facts)
    if not driver_works(facts) or gpus is None:
        yield skipped("the driver lists no cards")
    elif cards is None or missing is None:
        yield unknown(facts.pci_cards.missing or "the PCI bus was not read")
    elif not missing:
        yield holds(f"{len(gpus)} listed by NVML, {len(cards)} on the PCI bus")
    elif not gpus and facts.system.scheduler.value not in (None, "none"):
        yield skipped(f"{facts.system.scheduler.value} gave this job no GPU")
    elif (owner := parted(facts)) is not None:
        yield skipped(f"{len(gpus)} of {len(cards)} cards were given to this {owner} environment")
    else:
        yield from (broken(_missing(facts, card, bool(gpus))) for card in missing)


def _missing(facts: Facts, card: PciCard, others_work: bool) -> Finding:
    untaken = card.kernel_driver is None and others_work
    return Finding(
        slug="gpu-missing",
        severity=Severity.WARN if untaken else Severity.ERROR,
        subject=f"PCI {card.address}",
        title=f"The card at {card.address} is on the PCI bus, but the driver does not list it",
        cause="The driver did not take this card: it may be too old for this driver branch, or it failed to start."
        if untaken
        else "The driver holds the card but could not start it, or lost it.",
        evidence=(
            Evidence(text=f"10de:{card.device} {card.name or ''}".strip()
                     + f", held by {card.kernel_driver or 'no kernel driver'}", source=facts.pci_cards.source),
            Evidence(text=f"NVML lists {len(facts.gpus.value or ())} GPUs", source=facts.gpus.source),
            *lines_on(facts, card.address),
        ),
        fixes=(
            Fix(text="See why in the kernel's log.", commands=("sudo dmesg | grep -i -e NVRM -e Xid",)),
            Fix(text="Reboot; if it stays away, reseat the card and check its power."),
        ),
    )  # fmt: skip


@check("gpus-answer", "gpu-lost", decisive=True)
def gpus_answer(facts: Facts, _: Matrix) -> Iterator[Said]:
    """Every GPU that the driver lists answers it."""
    if not facts.gpus.value:
        yield skipped(facts.gpus.missing or "the driver lists no GPU")
        return
    for gpu in facts.gpus.value:
        code = gpu.status.value
        if code == 0:
            yield holds(" ".join(filter(None, (gpu.name.value, _memory(gpu)))) or "answers", gpu_name(gpu))
        elif code == NVML_LOST:
            yield broken(_lost(facts, gpu))
        else:
            yield unknown(gpu.status.missing or f"NVML answers {code}: {gpu.status.raw}", gpu_name(gpu))


def _memory(gpu: Gpu) -> str | None:
    free = gpu.memory_free.value
    return f"with {free / 2**30:.0f} GiB free" if free is not None else None


def _lost(facts: Facts, gpu: Gpu) -> Finding:
    return Finding(
        slug="gpu-lost",
        severity=Severity.ERROR,
        subject=gpu_name(gpu),
        title=f"{gpu_name(gpu)} is lost: it no longer answers the driver",
        cause="The card fell off the PCIe bus: power, heat, a riser or the card itself.",
        evidence=(
            evidence("NVML answers", gpu.status),
            evidence("PCI address", gpu.pci_address),
            *lines_on(facts, gpu.pci_address.value),
        ),
        fixes=(
            Fix(text="See the Xid lines of the kernel's log.", commands=("sudo dmesg | grep -i xid",)),
            Fix(text="Reboot (ends running jobs).", commands=("sudo reboot",)),
        ),
    )


# PCI vendors whose cards compute too; the rest are consoles of servers and of virtual machines.
OTHERS = {"1002": "AMD", "8086": "Intel"}


@check("cards-are-nvidia", "other-vendor-gpu")
def cards_are_nvidia(facts: Facts, _: Matrix) -> Iterator[Said]:
    """Some card here is NVIDIA's; what others need is not judged here."""
    cards = facts.pci_cards.value
    if cards is None:
        yield unknown(facts.pci_cards.missing or "the PCI bus was not read")
        return
    others = [card for card in cards if card.vendor in OTHERS]
    if nvidia_cards(facts) or driver_works(facts) or not others:
        yield holds(f"{len(cards)} display controllers on the PCI bus")
        return
    makers = " and ".join(dict.fromkeys(OTHERS[card.vendor] for card in others))
    yield broken(
        Finding(
            slug="other-vendor-gpu",
            severity=Severity.INFO,
            title=f"The graphics here is {makers}'s",
            cause="gpucheck judges NVIDIA GPUs; cards of other makers are named and left alone.",
            evidence=tuple(
                Evidence(text=f"{card.vendor}:{card.device} at {card.address}", source=facts.pci_cards.source)
                for card in others
            ),
        )
    )
