"""Is each GPU's memory sound, is it joined to its NVLink fabric, and does it run at its clocks?"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from gpucheck.checks.reading import evidence, gpu_name, working_gpus
from gpucheck.checks.registry import Said, broken, check, holds, skipped, untold
from gpucheck.findings import Confidence, Evidence, Finding, Fix, Severity, Status

if TYPE_CHECKING:
    from collections.abc import Iterator

    from gpucheck.facts import Fact, Facts, Gpu
    from gpucheck.matrix import Matrix

ERROR_PAGES = "https://docs.nvidia.com/deploy/a100-gpu-mem-error-mgmt/error-recovery-and-response-flags.html"
CITATION = f"NVIDIA GPU Memory Error Management, {ERROR_PAGES}, checked 2026-11-22"
# Of NVML's reasons those that mean trouble with heat or power; idle and the power limit are normal (nvml.h).
SLOWED = ("hardware-thermal-slowdown", "hardware-power-brake", "software-thermal-slowdown")


@check("memory-sound", "uncorrectable-ecc")
def memory_sound(facts: Facts, _: Matrix) -> Iterator[Said]:
    """No GPU has memory errors that wait for a reset or for another card.

    Cards without ECC (most GeForce cards) tell nothing of it: skipped.
    """
    gpus = working_gpus(facts)
    if not gpus:
        yield skipped(facts.gpus.missing or "the driver lists no GPU that answers")
    for gpu in gpus:
        counted = (gpu.ecc_uncorrected, gpu.remap_failed, gpu.remap_pending, gpu.retirement_pending)
        if not any(fact.known for fact in counted):
            yield untold(gpu.ecc_uncorrected, gpu_name(gpu))
        elif gpu.remap_failed.value:
            yield broken(_worn_out(gpu))
        elif gpu.remap_pending.value or gpu.retirement_pending.value or gpu.ecc_uncorrected.value:
            yield broken(_wants_reset(gpu))
        elif (blind := next(filter(_open, counted), None)) is not None:
            yield untold(blind, gpu_name(gpu))
        else:
            yield holds("no uncorrectable error", gpu_name(gpu))


def _open(fact: Fact[Any]) -> bool:
    """Whether nobody could tell, of a card that does have such a thing."""
    return not fact.known and untold(fact).status is Status.UNKNOWN


def _worn_out(gpu: Gpu) -> Finding:
    return Finding(
        slug="uncorrectable-ecc",
        severity=Severity.ERROR,
        subject=gpu_name(gpu),
        title=f"{gpu_name(gpu)} could not replace a bad row of its memory",
        cause="Remapping a memory row has failed: the spare rows are used up.",
        evidence=(evidence("remapping failed:", gpu.remap_failed), evidence("GPU", gpu.name)),
        fixes=(
            Fix(text="Take it out of use and have it tested; it is a case for a return if the test confirms it.",
                commands=(f"nvidia-smi -q -d ROW_REMAPPER -i {gpu.index}", f"dcgmi diag -r 3 -i {gpu.index}")),
        ),
        source=CITATION,
    )  # fmt: skip


def _wants_reset(gpu: Gpu) -> Finding:
    return Finding(
        slug="uncorrectable-ecc",
        severity=Severity.WARN,
        subject=gpu_name(gpu),
        title=f"{gpu_name(gpu)} had uncorrectable memory errors; it wants a reset",
        cause="Numbers computed from that memory may be wrong or the program was ended; replacing the bad rows "
        "or pages waits for a reset.",
        evidence=(
            evidence("uncorrectable errors since the driver was loaded:", gpu.ecc_uncorrected),
            evidence("row remapping waits:", gpu.remap_pending),
            evidence("page retirement waits:", gpu.retirement_pending),
        ),
        fixes=(
            Fix(text="Reset it when nothing uses it, or reboot.",
                commands=(f"sudo nvidia-smi --gpu-reset -i {gpu.index}",)),
        ),
        source=CITATION,
    )  # fmt: skip


@check("fabric-ready", "fabric-manager")
def fabric_ready(facts: Facts, _: Matrix) -> Iterator[Said]:
    """On machines with NVSwitch every GPU has joined the NVLink fabric.

    Whether CUDA starts at all another check says; a GPU outside the fabric computes, but not with its peers.
    Before Hopper GPUs have no such state: there only CUDA's refusal tells.
    """
    gpus = working_gpus(facts)
    if not gpus:
        yield skipped(facts.gpus.missing or "the driver lists no GPU that answers")
    for gpu in gpus:
        state = gpu.fabric_state.value
        if state is None:
            yield untold(gpu.fabric_state, gpu_name(gpu))
        elif state == "not-supported":
            yield skipped("this GPU has no fabric", gpu_name(gpu))
        elif state == "completed":
            yield holds("joined", gpu_name(gpu))
        elif facts.driver.cuinit_status.value == 802:
            yield skipped("CUDA does not start; another check says why", gpu_name(gpu))
        else:
            yield broken(_outside_fabric(facts, gpu))


def _outside_fabric(facts: Facts, gpu: Gpu) -> Finding:
    return Finding(
        slug="fabric-manager",
        severity=Severity.WARN,
        subject=gpu_name(gpu),
        title=f"{gpu_name(gpu)} has not joined the NVLink fabric ({gpu.fabric_state.value})",
        cause="The fabric manager does not run, is of another version than the driver, or has failed; training on "
        "several GPUs fails or is slow.",
        confidence=Confidence.LIKELY,
        evidence=(
            evidence("fabric state", gpu.fabric_state),
            evidence("driver", facts.driver.version),
            *fabric_evidence(facts),
        ),
        fixes=(
            Fix(text="Install the fabric manager of exactly the driver's version, start it, and look at its log.",
                commands=("sudo systemctl enable --now nvidia-fabricmanager",
                          "sudo tail -n 30 /var/log/fabricmanager.log")),
        ),
        source="NVIDIA: Fabric Manager User Guide, "
        "https://docs.nvidia.com/datacenter/tesla/fabric-manager-user-guide/index.html, checked 2026-11-22",
    )  # fmt: skip


def fabric_evidence(facts: Facts) -> tuple[Evidence, ...]:
    """Return what the bus and the processes tell of the fabric; a container does not see the host's processes."""
    shown = [evidence("NVSwitch bridges on the PCI bus:", facts.driver.nvswitches)]
    if facts.system.container.value == "none":
        shown.append(evidence("nv-fabricmanager runs:", facts.driver.fabric_manager))
    return tuple(shown)


@check("clocks-not-lowered", "gpu-throttled")
def clocks_not_lowered(facts: Facts, _: Matrix) -> Iterator[Said]:
    """No GPU lowers its clocks for heat or a power brake at this moment. Idle and the power limit are normal."""
    gpus = working_gpus(facts)
    if not gpus:
        yield skipped(facts.gpus.missing or "the driver lists no GPU that answers")
    for gpu in gpus:
        reasons = gpu.throttle.value
        slowed = [name for name in reasons or () if name in SLOWED]
        if reasons is None:
            yield untold(gpu.throttle, gpu_name(gpu))
        elif not slowed:
            yield holds(", ".join(reasons) or "full clocks", gpu_name(gpu))
        else:
            yield broken(
                Finding(
                    slug="gpu-throttled",
                    severity=Severity.WARN,
                    subject=gpu_name(gpu),
                    title=f"{gpu_name(gpu)} runs at lowered clocks: {', '.join(slowed)}",
                    cause="It is too hot, or its power supply asked it to slow down.",
                    evidence=(evidence("clock reasons", gpu.throttle),),
                    fixes=(Fix(text="Look at its cooling and power cables.",
                               commands=(f"nvidia-smi -q -d TEMPERATURE,POWER -i {gpu.index}",)),),
                )
            )  # fmt: skip
