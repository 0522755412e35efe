"""What NVML and CUDA answer when they are initialised, and what each refusal means."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gpucheck.checks.health import fabric_evidence
from gpucheck.checks.reading import evidence, working_gpus
from gpucheck.checks.registry import Said, broken, check, holds, skipped, unknown
from gpucheck.checks.ways import without_foreign_libcuda
from gpucheck.findings import Confidence, Evidence, Finding, Fix, Severity

if TYPE_CHECKING:
    from collections.abc import Iterator

    from gpucheck.facts import Facts
    from gpucheck.matrix import Matrix

# nvmlReturn_t, NVML API reference: https://docs.nvidia.com/deploy/nvml-api/
NVML_NO_PERMISSION, NVML_NOT_LOADED, NVML_MISMATCH, NVML_UNKNOWN = 4, 9, 18, 999
# CUresult, CUDA driver API: https://docs.nvidia.com/cuda/cuda-driver-api/
CU_NO_DEVICE, CU_NOT_READY, CU_MISMATCH, CU_COMPAT, CU_UNKNOWN = 100, 802, 803, 804, 999


@check(
    "driver-answers",
    "permission-denied",
    "container-cgroup-lost-gpu",
    "cuinit-unknown-error",
    "fabric-manager",
    "forward-compat-unsupported",
    decisive=True,
)
def driver_answers(facts: Facts, _: Matrix) -> Iterator[Said]:
    """NVML and CUDA can be initialised."""
    driver = facts.driver
    kernel_side = driver.module_loaded.value or driver.dxg.value
    if not kernel_side and not driver.nvml_status.known and not driver.cuinit_status.known:
        probe_failed = driver.nvml_library.known or driver.cuda_library.known
        reason = driver.nvml_status.missing or "no driver is loaded"
        yield unknown(reason, "NVML") if probe_failed and not driver.module_loaded.known else skipped(reason)
        return
    yield _nvml_answer(facts)
    yield _cuda_answer(facts)


def _nvml_answer(facts: Facts) -> Said:
    driver, code = facts.driver, facts.driver.nvml_status.value
    if code == 0:
        return holds(f"NVML lists {len(facts.gpus.value or ())} GPUs", "NVML")
    if code == NVML_NOT_LOADED and driver.module_loaded.value is False:
        return skipped("no kernel module is loaded; another check says what that means", "NVML")
    if code == NVML_MISMATCH or not driver.nvml_library.known:
        return skipped("another check says why it does not", "NVML")
    if code is None:
        return unknown(driver.nvml_status.missing or "NVML was not asked", "NVML")
    shown = evidence("nvmlInit answers", driver.nvml_status)
    if driver.refused_nodes.value or any(not node.usable for node in driver.device_nodes.value or ()):
        return skipped("device nodes cannot be opened; another check says why", "NVML")
    if code == NVML_NO_PERMISSION:
        return broken(_permission_denied(facts, shown))
    if code == NVML_UNKNOWN and facts.system.container.value not in (None, "none"):
        return broken(
            Finding(
                slug="container-cgroup-lost-gpu",
                severity=Severity.ERROR,
                subject="NVML",
                title="This container has lost access to its GPU",
                cause="NVML answers Unknown Error inside a container: its cgroup no longer allows the devices.",
                confidence=Confidence.LIKELY,
                evidence=(shown, evidence("container", facts.system.container)),
                fixes=(
                    Fix(
                        text="Restart the container; if nvidia-smi fails on the host too, look there first.",
                        systems=("container",),
                    ),
                ),
            )
        )
    return unknown(f"nvmlInit fails with {code} ({driver.nvml_status.raw or 'no text'})", "NVML")


def _uvm_node(facts: Facts) -> Evidence:
    there = any(node.path == "/dev/nvidia-uvm" for node in facts.driver.device_nodes.value or ())
    return Evidence(text=f"/dev/nvidia-uvm is {'there' if there else 'missing'}", source="/dev")


def _permission_denied(facts: Facts, shown: Evidence) -> Finding:
    return Finding(
        slug="permission-denied",
        severity=Severity.ERROR,
        subject="NVML",
        title="This user may not use the NVIDIA devices",
        cause="The driver is loaded, but it refuses this user.",
        evidence=(shown, *(Evidence(text=f"{node.mode} {node.group}", source=node.path)
                           for node in facts.driver.device_nodes.value or ())),
        fixes=(
            Fix(text="Join the group that owns the nodes, then log in again.",
                commands=("ls -l /dev/nvidia*", 'sudo usermod -aG video "$USER"')),
        ),
    )  # fmt: skip


def _cuda_answer(facts: Facts) -> Said:
    driver, code = facts.driver, facts.driver.cuinit_status.value
    if code == 0:
        return holds("cuInit succeeds", "CUDA")
    if not driver.cuda_library.known or code == CU_MISMATCH or driver.nvml_status.value == NVML_MISMATCH:
        return skipped("another check says why it does not", "CUDA")
    if code is None:
        return unknown(driver.cuinit_status.missing or "CUDA was not asked", "CUDA")
    if driver.refused_nodes.value:
        return skipped("device nodes cannot be opened; another check says why", "CUDA")
    if code in CUINIT_TROUBLES:
        slug, title, cause, fix = CUINIT_TROUBLES[code]
        shown: tuple[Evidence, ...] = (
            evidence("cuInit answers", driver.cuinit_status),
            evidence("libcuda.so.1", driver.cuda_library),
        )
        if code == CU_NOT_READY:
            shown = (*shown, *fabric_evidence(facts))
        if code == CU_UNKNOWN:
            shown = (*shown, evidence("nvidia_uvm is loaded:", driver.uvm_loaded), _uvm_node(facts))
        return broken(
            Finding(slug=slug, severity=Severity.ERROR, subject="CUDA", title=title, cause=cause,
                    evidence=shown, fixes=(fix or without_foreign_libcuda(facts),), confidence=Confidence.LIKELY)
        )  # fmt: skip
    if code == CU_NO_DEVICE and "CUDA_VISIBLE_DEVICES" in (facts.environment.value or {}):
        return skipped("cuInit finds no device; the device mask is judged by its own check", "CUDA")
    if code == CU_NO_DEVICE and not working_gpus(facts):
        return skipped("cuInit finds no device, nor does NVML", "CUDA")
    return unknown(f"cuInit fails with {code} ({driver.cuinit_status.raw or 'no text'})", "CUDA")


CUINIT_TROUBLES: dict[int, tuple[str, str, str, Fix | None]] = {
    CU_UNKNOWN: (
        "cuinit-unknown-error",
        "CUDA cannot start: unknown error (999)",
        "The driver is loaded, but its module nvidia_uvm or a device node is not usable; often after suspend.",
        Fix(text="Reload the module when nothing uses the GPU, else reboot.",
            commands=("sudo rmmod nvidia_uvm && sudo modprobe nvidia_uvm", "sudo nvidia-modprobe -c 0 -u"),
            systems=("linux",)),
    ),
    CU_NOT_READY: (
        "fabric-manager",
        "CUDA cannot start: system not yet initialised (802)",
        "On machines with NVSwitch the fabric manager must run, in exactly the driver's version.",
        Fix(text="Start the fabric manager.", commands=("sudo systemctl start nvidia-fabricmanager",),
            systems=("linux",)),
    ),
    CU_COMPAT: (
        "forward-compat-unsupported",
        "CUDA cannot start: forward compatibility is not supported on this card (804)",
        "The libcuda that is loaded comes from cuda-compat, which works on data-centre GPUs only.",
        None,
    ),
}  # fmt: skip
