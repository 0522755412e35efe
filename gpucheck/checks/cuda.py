"""Does the driver run the framework's CUDA runtime, and the framework's binary the GPU's code?"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from gpucheck.checks.reading import (
    FRAMEWORK_NAMES,
    driver_works,
    evidence,
    gpu_name,
    installed,
    published_build,
    working_gpus,
)
from gpucheck.checks.registry import Said, broken, check, holds, not_cuda, skipped, unknown
from gpucheck.findings import Evidence, Finding, Fix, Safety, Severity
from gpucheck.matrix import matches, parse_version

if TYPE_CHECKING:
    from collections.abc import Iterator

    from packaging.version import Version

    from gpucheck.facts import Facts, Framework, Gpu
    from gpucheck.matrix import Floor, Matrix, Trouble


@check("driver-supports-runtime", "driver-too-old")
def driver_supports_runtime(facts: Facts, matrix: Matrix) -> Iterator[Said]:
    """The driver runs the CUDA runtime that each framework was built with.

    Minor-version compatibility is counted in: from CUDA 11 on, any driver at or above the floor of a major
    runs every runtime of that major, and newer drivers run older runtimes. Demanding the toolkit's own
    driver would be a false alarm.
    """
    for framework in installed(facts):
        if (excuse := not_cuda(framework)) is not None:
            yield excuse
        elif not driver_works(facts):
            yield skipped("no driver answers", framework.name)
        else:
            yield _runtime_on_driver(facts, matrix, framework)


def _runtime_on_driver(facts: Facts, matrix: Matrix, framework: Framework) -> Said:
    runtime, driver_cuda = framework.cuda_runtime, facts.driver.driver_cuda
    built, supported = parse_version(runtime.value), parse_version(driver_cuda.value)
    if built is None:
        return unknown(runtime.missing or f"CUDA runtime {runtime.value!r} is no version", framework.name)
    if supported is not None and (supported.major, supported.minor) >= (built.major, built.minor):
        return holds(f"CUDA runtime {runtime.value}, driver CUDA {driver_cuda.value}", framework.name)
    driver = parse_version(facts.driver.version.value)
    floor = matrix.floor(built.major)
    if floor is None:
        return unknown(f"the matrix of {matrix.date} has no floor for CUDA {built.major}", framework.name)
    lowest = _lowest(facts, floor)
    if driver is None or lowest is None:
        reason = facts.driver.version.missing or "no floor for this system"
        return unknown(f"the driver cannot be compared with CUDA {built.major}: {reason}", framework.name)
    if driver >= lowest and (supported is None or supported.major >= built.major):
        text = f"CUDA runtime {runtime.value} by minor-version compatibility (driver >= {lowest})"
        return holds(text, framework.name)
    return broken(_driver_too_old(facts, framework, floor, str(lowest), new_enough=driver >= lowest))


def _lowest(facts: Facts, floor: Floor) -> Version | None:
    windows_driver = facts.system.os.value == "windows" or facts.system.wsl.value
    return parse_version(floor.windows if windows_driver else floor.linux)


def _driver_too_old(facts: Facts, framework: Framework, floor: Floor, lowest: str, *, new_enough: bool) -> Finding:
    name, driver = FRAMEWORK_NAMES[framework.name], facts.driver
    cause = f"Any CUDA {floor.cuda_major}.x runtime needs driver {lowest} or newer."
    fixes: tuple[Fix, ...] = (
        Fix(text=f"Update the driver to {lowest} or newer, then reboot."),
        Fix(text=f"Install a build of {name} for CUDA {driver.driver_cuda.value or 'of the driver'}."),
    )
    if new_enough:  # the driver itself would do: another driver's libcuda stands before its own
        cause = "The libcuda that is loaded belongs to an older driver than the one that runs."
        fixes = (Fix(text="Take the folder of that libcuda.so.1 out of LD_LIBRARY_PATH.", safety=Safety.ASK),)
    return Finding(
        slug="driver-too-old",
        severity=Severity.ERROR,
        subject=framework.name,
        title=f"The driver is too old for {name}'s CUDA runtime {framework.cuda_runtime.value}",
        cause=cause,
        evidence=(
            evidence("driver", driver.version),
            evidence("driver CUDA", driver.driver_cuda),
            evidence("libcuda.so.1", driver.cuda_library),
            evidence(f"{framework.name} {framework.version.value or ''} was built with CUDA runtime".strip(),
                     framework.cuda_runtime),
        ),
        fixes=fixes,
        source=f"{floor.source}, {floor.url}, checked {floor.checked}",
    )  # fmt: skip


@check("gpu-in-arch-list", "compute-capability-unsupported", "jit-ptx-slow-start")
def gpu_in_arch_list(facts: Facts, matrix: Matrix) -> Iterator[Said]:
    """The framework's binary carries code for each GPU.

    Machine code runs on the same major compute capability from its minor on (sm_80 runs on 8.6), PTX on
    every later one. Source: CUDA programming guide, "Binary Compatibility" and "PTX Compatibility".
    """
    for framework in installed(facts):
        if framework.build.value != "cuda" or not working_gpus(facts):
            continue
        codes, where = _arch_list(facts, matrix, framework)
        release = matrix.release(framework.name, framework.version.value)
        for gpu in _distinct(working_gpus(facts)):
            subject = f"{framework.name} on {gpu_name(gpu)}"
            capability = gpu.compute_capability
            if capability.value is None or not re.fullmatch(r"\d+\.\d", capability.value):
                yield unknown(capability.missing or f"{capability.value!r} is no compute capability", subject)
            elif codes is None:
                yield unknown(where, subject)
            else:
                trouble = _known_trouble(release.trouble if release else (), capability.value)
                yield _code_for(framework, gpu, capability.value, codes, where, trouble)


def _distinct(gpus: tuple[Gpu, ...]) -> list[Gpu]:
    first: dict[str | None, Gpu] = {}
    for gpu in gpus:
        first.setdefault(gpu.compute_capability.value, gpu)
    return list(first.values())


def _arch_list(facts: Facts, matrix: Matrix, framework: Framework) -> tuple[tuple[str, ...] | None, str]:
    """Return the arch list and its source, or None and the reason why it is not known.

    The row comes first: it was read off the binary, and TensorFlow's own build_info understates it.
    """
    build, why = published_build(facts, matrix, framework)
    if build is not None and build.arch_list:
        return build.arch_list, f"{build.source}, {build.url}, checked {build.checked}"
    if framework.arch_list.value is not None:
        return framework.arch_list.value, framework.arch_list.source or framework.name
    return None, why or f"the row of {framework.name} {framework.version.value} has no arch list"


def _known_trouble(troubles: tuple[Trouble, ...], capability: str) -> Trouble | None:
    return next((row for row in troubles if matches(row.compute_capability, capability)), None)


def runs_machine_code(codes: tuple[str, ...], capability: str) -> bool:
    """Whether one of the ``sm_XX`` runs on that compute capability."""
    wanted = _split(capability.replace(".", ""))
    return any(
        code.startswith("sm_") and _split(code[3:])[0] == wanted[0] and _split(code[3:])[1] <= wanted[1]
        and (code[-1].isdigit() or _split(code[3:]) == wanted)
        for code in codes
    )  # fmt: skip


def runs_ptx(codes: tuple[str, ...], capability: str) -> bool:
    """Whether one of the ``compute_XX`` can be compiled for that compute capability."""
    wanted = _split(capability.replace(".", ""))
    return any(code.startswith("compute_") and code[-1].isdigit() and _split(code[8:]) <= wanted for code in codes)


def _split(number: str) -> tuple[int, int]:
    """Split ``86`` or ``120`` into major and minor; a suffix such as the a of 90a is left out."""
    digits = re.sub(r"\D", "", number)
    return (int(digits[:-1]), int(digits[-1])) if len(digits) > 1 else (0, 0)


def _code_for(
    framework: Framework,
    gpu: Gpu,
    capability: str,
    codes: tuple[str, ...],
    where: str,
    trouble: Trouble | None,
) -> Said:
    subject = f"{framework.name} on {gpu_name(gpu)}"
    name = FRAMEWORK_NAMES[framework.name]
    shown = (
        evidence(f"{gpu.name.value or gpu_name(gpu)}: compute capability", gpu.compute_capability),
        Evidence(text=f"arch list {' '.join(codes)}", source=where),
    )
    if runs_machine_code(codes, capability):
        return holds(f"compute capability {capability}", subject)
    if runs_ptx(codes, capability) and trouble is None:
        return broken(
            Finding(
                slug="jit-ptx-slow-start",
                severity=Severity.INFO,
                subject=subject,
                title=f"{name} has only PTX for compute capability {capability}: the first start is slow",
                cause="The driver compiles the PTX at the first start and keeps the result in its cache.",
                evidence=shown,
            )
        )
    reason = "The PTX that it carries is reported not to compile." if trouble else "It carries no code for it."
    row = f"{trouble.source}, {trouble.url}, checked {trouble.checked}" if trouble else where
    return broken(
        Finding(
            slug="compute-capability-unsupported",
            severity=Severity.ERROR,
            subject=subject,
            title=f"{name} {framework.version.value} does not support compute capability {capability}",
            cause=reason,
            evidence=shown,
            fixes=(
                Fix(text=f"Install a build of {name} whose arch list covers sm_{capability.replace('.', '')}."),
            ),
            source=row,
        )
    )
