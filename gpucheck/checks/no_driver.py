"""Why no driver answers: a card without a driver, a container without its GPU, or no card at all."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from gpucheck.checks.reading import enclosed, evidence, installed
from gpucheck.checks.ways import driver_install
from gpucheck.findings import Confidence, Evidence, Finding, Fix, Severity

if TYPE_CHECKING:
    from gpucheck.facts import Facts, PciCard
    from gpucheck.matrix import Matrix

# Texts of the kernel's module loader; "module verification failed" alone is a taint note of a loaded module.
REJECTED = r"(?i)Loading of .*module.* is rejected|Lockdown: .*module"
CAPABILITIES = "NVIDIA_DRIVER_CAPABILITIES"


def container_without_gpu(facts: Facts) -> Finding:
    """The host has the driver, the container has not."""
    builds = [framework.build.value for framework in installed(facts)]
    meant_for_cpu = bool(builds) and all(build == "cpu" for build in builds)
    return Finding(
        slug="container-without-gpu",
        severity=Severity.WARN if meant_for_cpu else Severity.ERROR,
        title="This container was started without the GPU",
        cause="The host's NVIDIA kernel module is loaded, but the driver's libraries are not in the container.",
        evidence=(
            Evidence(text=f"container: {facts.system.container.value}", source=facts.system.container.source),
            evidence("host's kernel module", facts.driver.module_version),
            evidence("libcuda.so.1", facts.driver.cuda_library),
            *_asked_of_container(facts),
        ),
        fixes=(
            Fix(
                text="Start it with the GPU; the host needs the NVIDIA Container Toolkit.",
                commands=("docker run --gpus all ...", "podman run --device nvidia.com/gpu=all ..."),
                systems=("container",),
            ),
        ),
    )


def _asked_of_container(facts: Facts) -> tuple[Evidence, ...]:
    """What the container was told to bring: with void or an empty list it gets neither GPU nor driver.

    Source: NVIDIA Container Toolkit, "Specialized Configurations with Docker".
    """
    variables = facts.environment.value or {}
    names = [name for name in ("NVIDIA_VISIBLE_DEVICES", CAPABILITIES) if name in variables]
    return tuple(Evidence(text=f"{name}={variables[name]!r}", source="environment") for name in names)


def without_cuda(facts: Facts) -> Finding:
    """NVML is here, libcuda is not."""
    inside = enclosed(facts)
    shown = (
        evidence("libnvidia-ml.so.1", facts.driver.nvml_library),
        evidence("libcuda.so.1", facts.driver.cuda_library),
        *_asked_of_container(facts),
    )
    if inside is None:
        return Finding(
            slug="driver-missing",
            severity=Severity.ERROR,
            title="The driver's CUDA library is not installed",
            cause="nvidia-smi works, but libcuda.so.1, which every CUDA program loads, is missing.",
            evidence=shown,
            fixes=(
                Fix(text="Install it in the driver's version: the package libnvidia-compute, libcuda1 or "
                    "nvidia-driver-cuda of your distribution."),
            ),
        )  # fmt: skip
    return Finding(
        slug="container-without-gpu",
        severity=Severity.ERROR,
        title="This container was given nvidia-smi, but not CUDA",
        cause=f"The driver's libcuda.so.1 was not mapped into it: {CAPABILITIES} lacks `compute`.",
        confidence=Confidence.LIKELY,
        evidence=shown,
        fixes=(
            Fix(text="Start it with both capabilities.",
                commands=(f"docker run --gpus all -e {CAPABILITIES}=compute,utility ...",),
                systems=("container",)),
        ),
        source="NVIDIA Container Toolkit: Specialized Configurations with Docker, https://docs.nvidia.com/datacenter/"
        "cloud-native/container-toolkit/latest/docker-specialized.html, checked 2026-11-22",
    )  # fmt: skip


def no_device(facts: Facts, cause: str = "No NVIDIA card is on the PCI bus, and no driver is loaded.") -> Finding:
    """There is nothing to drive."""
    cards = facts.pci_cards.value or ()
    others = f"{len(cards)} display controllers of other makers" if cards else "no display controller"
    return Finding(
        slug="no-device",
        severity=Severity.INFO,
        title="There is no NVIDIA GPU in this machine",
        cause=cause,
        evidence=(Evidence(text=f"PCI bus: {others}", source=facts.pci_cards.source),),
    )


def card_without_driver(facts: Facts, matrix: Matrix, cards: tuple[PciCard, ...]) -> Finding:
    """A card is on the bus, and no kernel module drives it: why?"""
    driver = facts.driver
    names = ", ".join(card.name or f"10de:{card.device}" for card in cards[:3])
    seen = (
        Evidence(text=f"{len(cards)} NVIDIA card{'s' * (len(cards) > 1)} on the PCI bus: {names}",
                 source=facts.pci_cards.source),
        Evidence(text="kernel module nvidia is not loaded", source=driver.module_loaded.source),
    )  # fmt: skip
    if driver.nouveau_loaded.value:
        return Finding(
            slug="nouveau-loaded",
            severity=Severity.ERROR,
            title="The nouveau driver holds the NVIDIA card",
            cause="CUDA works only with NVIDIA's own driver.",
            evidence=(*seen, Evidence(text="kernel module nouveau is loaded", source="/sys/module/nouveau")),
            fixes=(
                driver_install(
                    facts, matrix, "Install the NVIDIA driver; its packages block nouveau. Then reboot."
                ),
            ),
        )
    if driver.library_version.known or driver.module_installed.value:
        installed = evidence("libraries of driver", driver.library_version)
        return _not_loaded(facts, matrix, (*seen, installed, *_said_by_kernel(facts)))
    return Finding(
        slug="driver-missing",
        severity=Severity.ERROR,
        title="An NVIDIA card is here, but no NVIDIA driver",
        cause="Neither the kernel module nor the driver's libraries are installed.",
        evidence=(*seen, evidence("libcuda.so.1", driver.cuda_library)),
        fixes=(driver_install(facts, matrix, "Install the NVIDIA driver from your distribution, then reboot."),),
    )


def _said_by_kernel(facts: Facts) -> tuple[Evidence, ...]:
    lines = facts.driver.kernel_messages.value or ()
    return tuple(Evidence(text=line.strip(), source="the kernel's log") for line in lines[-3:])


def _not_loaded(facts: Facts, matrix: Matrix, shown: tuple[Evidence, ...]) -> Finding:
    driver, kernel = facts.driver, facts.system.kernel.value or "the running kernel"
    shown = (*shown, evidence(f"a module for {kernel} is installed:", driver.module_installed))
    rejected = any(re.search(REJECTED, line) for line in driver.kernel_messages.value or ())
    if rejected or (facts.system.secure_boot.value and driver.module_installed.value):
        return _refused_by_secure_boot(facts, shown, certain=rejected)
    missing = driver.module_installed.value is False
    row = matrix.distribution(facts.system.distribution.value)
    headers = (row.headers,) if row is not None and row.headers is not None else ()
    build = Fix(
        text="Build the module for the running kernel, whose headers it needs, then load it.",
        commands=(*headers, "sudo dkms autoinstall", "sudo modprobe nvidia"),
        systems=("linux",),
    )
    load = Fix(
        text="Load it; the message it prints names the reason if it fails.",
        commands=("sudo modprobe nvidia",),
        systems=("linux",),
    )
    return Finding(
        slug="kernel-module-not-loaded",
        severity=Severity.ERROR,
        title="The driver's kernel module is not loaded",
        cause=f"The driver is installed, but no module was built for the kernel that runs, {kernel}: mostly after "
        "a kernel update."
        if missing
        else "The driver's libraries are installed, but its kernel module is not loaded.",
        evidence=shown,
        fixes=(build,) if missing else (load, build),
    )


def _refused_by_secure_boot(facts: Facts, shown: tuple[Evidence, ...], *, certain: bool) -> Finding:
    return Finding(
        slug="secure-boot-module-signature",
        severity=Severity.ERROR,
        title="Secure Boot keeps the driver's kernel module out",
        cause="The module is installed and Secure Boot is on: a module that is not signed with an enrolled key is "
        "not loaded.",
        confidence=Confidence.CERTAIN if certain else Confidence.LIKELY,
        evidence=(*shown, evidence("Secure Boot on:", facts.system.secure_boot)),
        fixes=(
            Fix(text="`Key was rejected by service` proves it.", commands=("sudo modprobe nvidia",)),
            Fix(text="Enrol the key that the module is signed with, reboot, and confirm it in the blue screen.",
                commands=("sudo mokutil --import /var/lib/shim-signed/mok/MOK.der", "sudo reboot"),
                systems=("linux",)),
            Fix(text="Take a driver package that your distribution signed, or switch Secure Boot off."),
        ),
    )  # fmt: skip
