"""Questions about facts that several checks ask."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gpucheck.facts.fact import NOT_LOOKED_AT
from gpucheck.findings import Evidence
from gpucheck.matrix import parse_version, published

if TYPE_CHECKING:
    from gpucheck.facts import Fact, Facts, Framework, Gpu, PciCard
    from gpucheck.matrix import Build, Matrix

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


def unlisted(facts: Facts) -> tuple[PciCard, ...] | None:
    """NVIDIA cards on the PCI bus that the driver does not list; None when either cannot be read."""
    cards, gpus = nvidia_cards(facts), facts.gpus.value
    if cards is None or gpus is None:
        return None
    listed = {_address(gpu.pci_address.value) for gpu in gpus}
    return tuple(card for card in cards if _address(card.address) not in listed)


def _address(text: str | None) -> str | None:
    """NVML writes 8 digits of PCI domain, the kernel 4, in either case."""
    return text.lower()[-12:] if text is not None else None


def working_gpus(facts: Facts) -> tuple[Gpu, ...]:
    """GPUs that NVML lists and that answer."""
    return tuple(gpu for gpu in facts.gpus.value or () if gpu.status.value == 0)


def parted(facts: Facts) -> str | None:
    """Return the container or scheduler that may have given this environment only some GPUs, or none."""
    names = (facts.system.scheduler.value, facts.system.container.value)
    return next((name for name in names if name not in (None, "none")), None)


def enclosed(facts: Facts) -> str | None:
    """Return the container that this is, or None; WSL is none."""
    name = facts.system.container.value
    return None if name in (None, "none", "wsl") else name


def in_library_path(facts: Facts, path: str) -> bool:
    """Whether a file lies in a folder of LD_LIBRARY_PATH."""
    folders = (facts.environment.value or {}).get("LD_LIBRARY_PATH", "").split(":")
    return path.rpartition("/")[0] in [folder.rstrip("/") for folder in folders if folder]


def gpu_present(facts: Facts) -> bool:
    """Whether there is an NVIDIA GPU that frameworks should use.

    In a container or a job, cards on the bus may be somebody else's: there only GPUs that answer count.
    """
    if working_gpus(facts) or facts.driver.visible_devices.value:
        return True
    return bool(nvidia_cards(facts)) and parted(facts) is None


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


def published_build(facts: Facts, matrix: Matrix, framework: Framework) -> tuple[Build | None, str]:
    """Return the matrix's row of the wheel that is installed, or None and the reason.

    A conda package or a build from source has another binary than the wheel of the same version.
    """
    version, place = framework.version.value, platform(facts)
    if framework.installer.value == "conda" or framework.distribution.missing not in (None, NOT_LOOKED_AT):
        return None, f"{framework.name} {version} was not installed from a wheel; the matrix knows wheels only"
    build = matrix.build(framework.name, version, place, framework.cuda_runtime.value) if place else None
    return build, "" if build is not None else matrix.why_unknown(framework.name, version)


def pip_pin(framework: Framework) -> str:
    """Return ``==VERSION`` for a version that the package index has, else nothing."""
    version = parse_version(framework.version.value)
    return f"=={version.public}" if version is not None and published(framework.version.value) else ""


def interpreter_path(facts: Facts) -> str:
    """Return the interpreter as a word of a command line."""
    return facts.interpreter.executable.value or "python"
