"""What was seen of a machine: frozen values, each with its source or the reason why it is missing.

Imports nothing of ours from elsewhere and judges nothing.
"""

from __future__ import annotations

from dataclasses import field

from gpucheck.facts.codec import FactsError, from_json, to_json
from gpucheck.facts.diagnostics import Diagnostic, DiagnosticTest
from gpucheck.facts.distributed import AllReduce, DistributedRun, Rank
from gpucheck.facts.fact import Fact, absent, blank, seen, unread
from gpucheck.facts.hardware import DeviceNode, Driver, Gpu, GpuProcess, PciCard
from gpucheck.facts.machine import Interpreter, OtherInterpreter, ProbeRun, System
from gpucheck.facts.smoke import (
    Compiled,
    Convolution,
    Errors,
    Fold,
    Observation,
    Retry,
    Samples,
    Seconds,
    SmokeData,
    SmokeRun,
)
from gpucheck.facts.software import Answer, Dependency, Framework, Library, PackageFile
from gpucheck.facts.text import Message
from gpucheck.facts.usable import usable_gpus
from gpucheck.record import record

__all__ = [
    "AllReduce",
    "Answer",
    "Compiled",
    "Convolution",
    "Dependency",
    "DeviceNode",
    "Diagnostic",
    "DiagnosticTest",
    "DistributedRun",
    "Driver",
    "Errors",
    "Fact",
    "Facts",
    "FactsError",
    "Fold",
    "Framework",
    "Gpu",
    "GpuProcess",
    "Interpreter",
    "Library",
    "Message",
    "Observation",
    "OtherInterpreter",
    "PackageFile",
    "PciCard",
    "ProbeRun",
    "Rank",
    "Retry",
    "Samples",
    "Seconds",
    "SmokeData",
    "SmokeRun",
    "System",
    "absent",
    "blank",
    "from_json",
    "seen",
    "to_json",
    "usable_gpus",
]


@record
class Facts:
    """Everything that was seen of one machine and one interpreter.

    Attributes:
        pci_cards: Display and 3D controllers on the PCI bus, of all vendors.
        gpus: GPUs that NVML lists.
        packages: Versions of the packages that the frameworks require, and of NVIDIA's, by normalised name;
            an empty version: named by a requirement that leaves it open.
        package_files: Files of NVIDIA's packages that are not what their packages installed.
        environment: The environment variables that matter, and no others.
        described: Whether nobody looked at a machine: it is described, and its packages are only wanted.
        probes: How each probe went.
        smoke: Smoke trainings.
        distributed: Runs over several processes.
        diagnostics: What other tools say of the hardware.
        reports: What they were read in, where that is a pasted text: ``collect_env``, ``log``...
        messages: Known messages in that text.
    """

    system: System = field(default_factory=System)
    interpreter: Interpreter = field(default_factory=Interpreter)
    driver: Driver = field(default_factory=Driver)
    pci_cards: Fact[tuple[PciCard, ...]] = unread()
    gpus: Fact[tuple[Gpu, ...]] = unread()
    frameworks: tuple[Framework, ...] = ()
    packages: Fact[dict[str, str]] = unread()
    package_files: Fact[tuple[PackageFile, ...]] = unread()
    environment: Fact[dict[str, str]] = unread()
    described: bool = False
    probes: tuple[ProbeRun, ...] = ()
    smoke: tuple[SmokeRun, ...] = ()
    distributed: tuple[DistributedRun, ...] = ()
    diagnostics: tuple[Diagnostic, ...] = ()
    reports: tuple[str, ...] = ()
    messages: tuple[Message, ...] = ()

    def framework(self, name: str) -> Framework:
        """Return what was seen of a framework; an entry without facts when it was not looked at."""
        return next((found for found in self.frameworks if found.name == name), Framework(name=name))
