"""Questions about facts that several checks ask."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gpucheck.findings import Evidence

if TYPE_CHECKING:
    from gpucheck.facts import Fact, Facts, Framework, Gpu, PciCard

NVIDIA = "10de"
FRAMEWORK_NAMES = {"torch": "PyTorch", "tensorflow": "TensorFlow"}


def evidence(label: str, fact: Fact[object]) -> Evidence:
    """Return a fact as a line of evidence; a missing one says why."""
    text = f"{label} {fact.value}" if fact.known else f"{label}: not known ({fact.missing})"
    return Evidence(text=text, source=fact.source)


def driver_works(facts: Facts) -> bool:
    """Whether NVML or CUDA could be initialised."""
    driver = facts.driver
    return driver.nvml_status.value == 0 or driver.cuinit_status.value == 0


def nvidia_cards(facts: Facts) -> tuple[PciCard, ...] | None:
    """NVIDIA cards on the PCI bus that are meant for this system; None when it cannot be read.

    A card handed to ``vfio-pci`` belongs to a virtual machine.
    """
    cards = facts.pci_cards.value
    if cards is None:
        return None
    return tuple(card for card in cards if card.vendor == NVIDIA and card.kernel_driver != "vfio-pci")


def working_gpus(facts: Facts) -> tuple[Gpu, ...]:
    """GPUs that NVML lists and that answer."""
    return tuple(gpu for gpu in facts.gpus.value or () if gpu.status.value == 0)


def gpu_present(facts: Facts) -> bool:
    """Whether this machine has an NVIDIA GPU that frameworks should use."""
    return bool(working_gpus(facts) or nvidia_cards(facts) or facts.driver.visible_devices.value)


def gpu_name(gpu: Gpu) -> str:
    """Return a GPU as a subject of a finding, e.g. ``GPU 1``."""
    return f"GPU {gpu.index}"


def installed(facts: Facts) -> tuple[Framework, ...]:
    """Frameworks in the interpreter looked at."""
    return tuple(framework for framework in facts.frameworks if framework.installed.value)


def platform(facts: Facts) -> str | None:
    """Return the matrix's name of this platform, e.g. ``linux-x86_64``; None when not known."""
    system = facts.system
    if system.os.value is None or system.machine.value is None:
        return None
    machine = {"amd64": "x86_64", "AMD64": "x86_64", "ARM64": "arm64"}.get(
        system.machine.value, system.machine.value
    )
    return f"{system.os.value}-{machine}"


def interpreter_path(facts: Facts) -> str:
    """Return the interpreter as a word of a command line."""
    return facts.interpreter.executable.value or "python"
