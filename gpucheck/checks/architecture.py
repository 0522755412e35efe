"""Does the framework's binary carry code for each GPU, and does the driver still know the GPU?"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from gpucheck.checks.reading import (
    FRAMEWORK_NAMES,
    evidence,
    gpu_name,
    installed,
    published_build,
    working_gpus,
)
from gpucheck.checks.registry import Said, broken, check, holds, skipped, unknown
from gpucheck.findings import Confidence, Evidence, Finding, Fix, Severity
from gpucheck.matrix import matches, parse_version
from gpucheck.record import record

if TYPE_CHECKING:
    from collections.abc import Iterator

    from gpucheck.facts import Facts, Framework, Gpu
    from gpucheck.matrix import Architecture, Matrix, Trouble

# What each kind of reported trouble means for a card without machine code of its own.
REPORTED = {
    "ptx-broken": "The PTX that it carries is reported not to compile for this card.",
    "xla-ptx-too-old": "It has no machine code for this card. Plain operations are reported to run through PTX, "
    "but XLA aborts, which Keras 3 uses in `model.fit` by default (jit_compile='auto').",
}


@check("driver-supports-gpu", "gpu-unsupported-by-driver", by_rows=True)
def driver_supports_gpu(facts: Facts, matrix: Matrix) -> Iterator[Said]:
    """The driver branch still knows each GPU's architecture.

    A GPU on which CUDA starts is supported, whatever a row says.
    """
    driver = parse_version(facts.driver.version.value)
    branch = matrix.branch(driver) if driver is not None else None
    for gpu in distinct(facts):
        subject, capability = gpu_name(gpu), gpu.compute_capability.value
        row = matrix.architecture(capability)
        if facts.driver.cuinit_status.value == 0:
            yield holds("CUDA starts with it", subject)
        elif driver is None or branch is None:
            yield skipped(facts.driver.version.missing or "the driver is not known", subject)
        elif row is None:
            yield unknown(f"the matrix of {matrix.date} has no row for compute capability {capability}", subject)
        elif (cuda := _older_than_the_card(facts, row)) is not None:
            yield broken(_not_yet_known(facts, gpu, row, cuda))
        elif row.last_driver_branch is None or branch.branch <= row.last_driver_branch:
            yield holds(f"{row.name} with driver branch R{branch.branch}", subject)
        else:
            yield broken(
                Finding(
                    slug="gpu-unsupported-by-driver",
                    severity=Severity.ERROR,
                    subject=subject,
                    title=f"Driver {driver} no longer supports {gpu.name.value or capability} ({row.name})",
                    cause=f"R{row.last_driver_branch} is the last branch for compute capability {capability}.",
                    evidence=(
                        evidence("driver", facts.driver.version),
                        evidence("compute capability", gpu.compute_capability),
                    ),
                    fixes=(Fix(text=f"Install a driver of branch R{row.last_driver_branch}, then reboot."),),
                    source=row.citation,
                )
            )


def _older_than_the_card(facts: Facts, row: Architecture) -> str | None:
    """Return the driver CUDA when it is older than the card's first toolkit; Jetson has drivers of its own."""
    have, first = parse_version(facts.driver.driver_cuda.value), parse_version(row.first_toolkit)
    if row.integrated or have is None or first is None or have >= first:
        return None
    return facts.driver.driver_cuda.value


def _not_yet_known(facts: Facts, gpu: Gpu, row: Architecture, cuda: str) -> Finding:
    return Finding(
        slug="gpu-unsupported-by-driver",
        severity=Severity.ERROR,
        subject=gpu_name(gpu),
        title=f"Driver {facts.driver.version.value} is older than {gpu.name.value or row.name}",
        cause=f"It supports CUDA up to {cuda}; compute capability {gpu.compute_capability.value} came with CUDA "
        f"{row.first_toolkit}.",
        confidence=Confidence.LIKELY,
        evidence=(
            evidence("driver", facts.driver.version),
            evidence("driver CUDA", facts.driver.driver_cuda),
            evidence("compute capability", gpu.compute_capability),
        ),
        fixes=(Fix(text=f"Install a driver that supports CUDA {row.first_toolkit} or newer, then reboot."),),
        source=row.citation,
    )


@record
class Code:
    """The code that a binary carries.

    Attributes:
        arch_list: ``sm_XX`` and ``compute_XX``.
        source: Where that was read.
        complete: False where the source does not tell which PTX there is.
        integrated: Compute capabilities of GPUs inside Tegra processors.
    """

    arch_list: tuple[str, ...]
    source: str
    complete: bool = True
    integrated: frozenset[str] = frozenset()

    def runs_natively(self, capability: str) -> bool:
        """Whether machine code runs: that of the same major from its minor on, on Tegra only its own.

        CUDA C++ Programming Guide, "Binary Compatibility".
        """
        wanted = _split(capability.replace(".", ""))
        for code in self.arch_list:
            have = _split(code.partition("_")[2])
            if not code.startswith("sm_") or have[0] != wanted[0]:
                continue
            exact = capability in self.integrated or f"{have[0]}.{have[1]}" in self.integrated
            if have == wanted or (have[1] < wanted[1] and code[-1].isdigit() and not exact):
                return True
        return False

    def runs_ptx(self, capability: str) -> bool:
        """Whether PTX can be compiled: for its own compute capability and every later one."""
        wanted = _split(capability.replace(".", ""))
        return any(
            code.startswith("compute_") and code[-1].isdigit() and _split(code[8:]) <= wanted
            for code in self.arch_list
        )


def _split(number: str) -> tuple[int, int]:
    """Split ``86`` or ``120`` into major and minor; a suffix such as the a of 90a is left out."""
    digits = re.sub(r"\D", "", number)
    return (int(digits[:-1]), int(digits[-1])) if len(digits) > 1 else (0, 0)


@check("gpu-in-arch-list", "compute-capability-unsupported", "jit-ptx-slow-start", by_rows=True)
def gpu_in_arch_list(facts: Facts, matrix: Matrix) -> Iterator[Said]:
    """The framework's binary carries code for each GPU.

    Machine code runs on the same major compute capability from its minor on (sm_80 runs on 8.6), PTX on
    every later one. Source: CUDA programming guide, "Binary Compatibility" and "PTX Compatibility".
    """
    for framework in installed(facts):
        if framework.build.value != "cuda" or not working_gpus(facts):
            continue
        code, why = _code(facts, matrix, framework)
        for gpu in distinct(facts):
            subject = f"{framework.name} on {gpu_name(gpu)}"
            capability = gpu.compute_capability
            if capability.value is None or not re.fullmatch(r"\d+\.\d", capability.value):
                yield unknown(capability.missing or f"{capability.value!r} is no compute capability", subject)
            elif code is None:
                yield unknown(why, subject)
            else:
                yield _judge(facts, matrix, framework, gpu, code)


def distinct(facts: Facts) -> list[Gpu]:
    """Return the working GPUs, one of each compute capability."""
    first: dict[str | None, Gpu] = {}
    for gpu in working_gpus(facts):
        first.setdefault(gpu.compute_capability.value, gpu)
    return list(first.values())


def _code(facts: Facts, matrix: Matrix, framework: Framework) -> tuple[Code | None, str]:
    """Return what the binary carries, or None and the reason why it is not known.

    The row comes first: it was read off the binary, and TensorFlow's own build_info understates it.
    """
    build, why = published_build(facts, matrix, framework)
    integrated = matrix.integrated()
    if build is not None and build.arch_list:
        source = build.citation
        return Code(
            arch_list=build.arch_list, source=source, complete=build.arch_list_complete, integrated=integrated
        ), ""
    if framework.arch_list.value is not None:
        return Code(
            arch_list=framework.arch_list.value,
            source=framework.arch_list.source or framework.name,
            integrated=integrated,
        ), ""
    return None, why or f"the row of {framework.name} {framework.version.value} has no arch list"


def _judge(facts: Facts, matrix: Matrix, framework: Framework, gpu: Gpu, code: Code) -> Said:
    capability = gpu.compute_capability.value or ""
    subject, name = f"{framework.name} on {gpu_name(gpu)}", FRAMEWORK_NAMES[framework.name]
    release = matrix.release(framework.name, framework.version.value)
    troubles = release.trouble if release is not None else ()
    trouble = next((row for row in troubles if matches(row.compute_capability, capability)), None)
    if code.runs_natively(capability):
        return holds(f"compute capability {capability}", subject)
    if trouble is None and not code.complete:
        return unknown(f"no machine code for {capability}; which PTX it carries is not known", subject)
    if trouble is not None or not code.runs_ptx(capability) or _ptx_too_new(facts, framework):
        return broken(_unsupported(facts, framework, gpu, code, trouble))
    return broken(
        Finding(
            slug="jit-ptx-slow-start",
            severity=Severity.INFO,
            subject=subject,
            title=f"{name} has only PTX for compute capability {capability}: the first start is slow",
            cause="The driver compiles the PTX at the first start and keeps the result in its cache.",
            evidence=_shown(gpu, code),
        )
    )


def _ptx_too_new(facts: Facts, framework: Framework) -> bool:
    """Minor-version compatibility excepts PTX: an older driver cannot compile that of a newer toolkit."""
    runtime, driver = parse_version(framework.cuda_runtime.value), parse_version(facts.driver.driver_cuda.value)
    return runtime is not None and driver is not None and driver < runtime


def _shown(gpu: Gpu, code: Code) -> tuple[Evidence, ...]:
    return (
        evidence(f"{gpu.name.value or gpu_name(gpu)}: compute capability", gpu.compute_capability),
        Evidence(text=f"arch list {' '.join(code.arch_list)}", source=code.source),
    )


def _unsupported(facts: Facts, framework: Framework, gpu: Gpu, code: Code, trouble: Trouble | None) -> Finding:
    capability = gpu.compute_capability.value or ""
    name = FRAMEWORK_NAMES[framework.name]
    cause = "It carries no code for it."
    if trouble is not None:
        cause = REPORTED.get(trouble.kind, "It is reported not to work on this card.")
    elif code.runs_ptx(capability):
        cause = (
            f"It has only PTX for it, of CUDA {framework.cuda_runtime.value}, and the driver compiles PTX up to "
            f"CUDA {facts.driver.driver_cuda.value} only."
        )
    return Finding(
        slug="compute-capability-unsupported",
        severity=Severity.ERROR,
        subject=f"{framework.name} on {gpu_name(gpu)}",
        title=f"{name} {framework.version.value} does not support compute capability {capability}",
        cause=cause,
        evidence=_shown(gpu, code),
        confidence=Confidence.LIKELY if trouble is not None else Confidence.CERTAIN,
        fixes=(
            Fix(text=f"Install a build of {name} whose arch list covers sm_{capability.replace('.', '')}."),
            Fix(text="See what fits.", commands=(f"gpucheck recommend --framework {_option(framework)}",)),
        ),
        source=trouble.citation if trouble else code.source,
    )


def _option(framework: Framework) -> str:
    return "tf" if framework.name == "tensorflow" else framework.name
