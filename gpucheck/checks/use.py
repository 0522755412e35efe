"""Can a program get the GPU now: compute mode, memory, MIG?"""

from __future__ import annotations

from typing import TYPE_CHECKING

from gpucheck.checks.reading import evidence, gpu_name, working_gpus
from gpucheck.checks.registry import Said, broken, check, holds, skipped, untold
from gpucheck.findings import Confidence, Evidence, Finding, Fix, Safety, Severity

if TYPE_CHECKING:
    from collections.abc import Iterator

    from gpucheck.facts import Facts, Gpu
    from gpucheck.matrix import Matrix

GIB = 2**30
# A CUDA context and cuDNN's workspace take some hundred MiB: below both limits training can hardly start.
LEAST_FREE, LEAST_SHARE = GIB, 0.1
MPS = ("nvidia-cuda-mps", "mps-server")


@check("gpu-accepts-programs", "device-in-use")
def gpu_accepts_programs(facts: Facts, _: Matrix) -> Iterator[Said]:
    """The compute mode lets one more program use the GPU.

    A false alarm under CUDA MPS, whose server holds an exclusive GPU for all: then it holds.
    """
    gpus = working_gpus(facts)
    if not gpus:
        yield skipped(facts.gpus.missing or "the driver lists no GPU that answers")
    for gpu in gpus:
        mode, running = gpu.compute_mode.value, gpu.processes.value or ()
        by_mps = any((one.name or "").startswith(MPS) for one in running)
        if mode is None:
            yield untold(gpu.compute_mode, gpu_name(gpu))
        elif mode == "prohibited" or (mode.startswith("exclusive") and running and not by_mps):
            yield broken(_closed(gpu, mode))
        else:
            yield holds(f"compute mode {mode}", gpu_name(gpu))


def _closed(gpu: Gpu, mode: str) -> Finding:
    cause = "Its compute mode forbids every program." if mode == "prohibited" else (
        "Its compute mode admits one program, and one runs."
    )  # fmt: skip
    return Finding(
        slug="device-in-use",
        severity=Severity.ERROR,
        subject=gpu_name(gpu),
        title=f"{gpu_name(gpu)} takes no more programs (compute mode {mode})",
        cause=f"{cause} CUDA answers that all devices are busy or unavailable.",
        evidence=(evidence("compute mode", gpu.compute_mode), *holders(gpu)),
        fixes=(
            Fix(text="Let several programs use it.", commands=(f"sudo nvidia-smi -i {gpu.index} -c DEFAULT",),
                safety=Safety.ASK),
        ),
    )  # fmt: skip


def holders(gpu: Gpu) -> tuple[Evidence, ...]:
    """Return the processes that hold a GPU's memory as evidence, the largest first."""
    found = sorted(gpu.processes.value or (), key=lambda one: -(one.memory or 0))[:4]
    return tuple(
        Evidence(
            text=f"process {one.pid} ({one.name or 'name not visible here'})"
            + (f" holds {one.memory / GIB:.1f} GiB" if one.memory else ""),
            source=gpu.processes.source,
        )
        for one in found
    )


@check("memory-free", "gpu-out-of-memory")
def memory_free(facts: Facts, _: Matrix) -> Iterator[Said]:
    """Each GPU has memory left for a program to start.

    A false alarm where the program that fills it is the user's own and meant to: it is a warning that names it.
    """
    gpus = working_gpus(facts)
    if not gpus:
        yield skipped(facts.gpus.missing or "the driver lists no GPU that answers")
    for gpu in gpus:
        free, total = gpu.memory_free.value, gpu.memory_total.value
        if gpu.mig.value:
            yield skipped("MIG is on; its devices have memory of their own", gpu_name(gpu))
        elif free is None:
            yield untold(gpu.memory_free, gpu_name(gpu))
        elif free >= LEAST_FREE or (total and free >= total * LEAST_SHARE):
            yield holds(f"{free / GIB:.1f} GiB free", gpu_name(gpu))
        else:
            yield broken(_full(gpu, free))


def _full(gpu: Gpu, free: int) -> Finding:
    pids = " ".join(str(one.pid) for one in gpu.processes.value or ())
    return Finding(
        slug="gpu-out-of-memory",
        severity=Severity.WARN,
        subject=gpu_name(gpu),
        title=f"{gpu_name(gpu)} has only {free / GIB:.1f} GiB of memory free",
        cause="Other processes hold it; a framework that starts now runs out of memory, or fails to create its "
        "cuDNN or cuBLAS handle.",
        confidence=Confidence.LIKELY,
        evidence=(evidence("memory in bytes:", gpu.memory_total), *holders(gpu)),
        fixes=(
            Fix(text="End what is left over there, or take another GPU.",
                commands=(f"ps -o pid,user,etime,cmd -p {pids}",) if pids else ("nvidia-smi",)),
        ),
    )  # fmt: skip


@check("mig-usable", "mig-misconfigured")
def mig_usable(facts: Facts, _: Matrix) -> Iterator[Said]:
    """A GPU in MIG mode has a MIG device; without one CUDA sees nothing of it."""
    gpus = working_gpus(facts)
    if not gpus:
        yield skipped(facts.gpus.missing or "the driver lists no GPU that answers")
    for gpu in gpus:
        devices = gpu.mig_devices.value
        if gpu.mig.value is None:
            yield untold(gpu.mig, gpu_name(gpu))
        elif not gpu.mig.value:
            yield skipped("MIG is off", gpu_name(gpu))
        elif devices is None:
            yield untold(gpu.mig_devices, gpu_name(gpu))
        elif devices:
            yield holds(f"{len(devices)} MIG devices", gpu_name(gpu))
        else:
            yield broken(_no_instance(facts, gpu))


def _no_instance(facts: Facts, gpu: Gpu) -> Finding:
    alone = len(working_gpus(facts)) == 1
    return Finding(
        slug="mig-misconfigured",
        severity=Severity.ERROR if alone else Severity.WARN,
        subject=gpu_name(gpu),
        title=f"{gpu_name(gpu)} is in MIG mode, but has no MIG device",
        cause="In MIG mode programs see MIG devices only, and none has been made.",
        confidence=Confidence.LIKELY,
        evidence=(evidence("MIG mode on:", gpu.mig), evidence("MIG devices:", gpu.mig_devices)),
        fixes=(
            Fix(text="Make one, with a compute instance in it; the profiles are listed first.",
                commands=(f"sudo nvidia-smi mig -i {gpu.index} -lgip",
                          f"sudo nvidia-smi mig -i {gpu.index} -cgi 0 -C")),
            Fix(text="Switch MIG off (ends running jobs).",
                commands=(f"sudo nvidia-smi -i {gpu.index} -mig 0",)),
        ),
    )  # fmt: skip
