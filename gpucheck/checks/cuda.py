"""Does the driver run the CUDA runtime that each framework was built with?"""

from __future__ import annotations

from typing import TYPE_CHECKING

from gpucheck.checks.reading import (
    FRAMEWORK_NAMES,
    driver_works,
    evidence,
    installed,
)
from gpucheck.checks.registry import Said, broken, check, holds, not_cuda, skipped, unknown
from gpucheck.checks.ways import driver_install, without_foreign_libcuda
from gpucheck.findings import Finding, Fix, Severity
from gpucheck.matrix import Toolkit, parse_version

if TYPE_CHECKING:
    from collections.abc import Iterator

    from packaging.version import Version

    from gpucheck.facts import Facts, Framework
    from gpucheck.matrix import Floor, Matrix

MINOR_COMPATIBLE_FROM = 11  # CUDA Compatibility, "Minor Version Compatibility"


@check("driver-supports-runtime", "driver-too-old", by_rows=True)
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
        elif facts.reports and framework.answer.value is not None and framework.answer.value.available:
            # A report's word weighs more than a driver version whose cuda-compat it does not show.
            yield holds("the report says that it uses the GPU", framework.name)
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
    floor = _floor(matrix, built)
    if floor is None:
        return unknown(f"the matrix of {matrix.date} has no driver for CUDA {runtime.value}", framework.name)
    lowest = _lowest(facts, floor)
    if driver is None or lowest is None:
        reason = facts.driver.version.missing or "no floor for this system"
        return unknown(f"the driver cannot be compared with CUDA {built.major}: {reason}", framework.name)
    if len(driver.release) == 1 and driver.major == lowest.major and driver < lowest:
        text = f"{driver} names a driver branch only; CUDA {built.major}.x needs {lowest} of it or newer"
        return unknown(text, framework.name)
    if driver >= lowest and (supported is None or supported.major >= built.major):
        text = f"CUDA runtime {runtime.value} by minor-version compatibility (driver >= {lowest})"
        return holds(text, framework.name)
    return broken(_driver_too_old(facts, matrix, framework, floor, str(lowest), new_enough=driver >= lowest))


def _floor(matrix: Matrix, built: Version) -> Floor | Toolkit | None:
    """The driver that a runtime needs: that of its major from CUDA 11 on, its toolkit's own before."""
    if built.major >= MINOR_COMPATIBLE_FROM:
        return matrix.floor(built.major)
    return matrix.toolkit(f"{built.major}.{built.minor}")


def _lowest(facts: Facts, floor: Floor | Toolkit) -> Version | None:
    windows_driver = facts.system.os.value == "windows" or facts.system.wsl.value
    return parse_version(floor.windows if windows_driver else floor.linux)


def _driver_too_old(
    facts: Facts, matrix: Matrix, framework: Framework, floor: Floor | Toolkit, lowest: str, *, new_enough: bool
) -> Finding:
    name, driver = FRAMEWORK_NAMES[framework.name], facts.driver
    which = f"{framework.cuda_runtime.value}" if isinstance(floor, Toolkit) else f"{floor.cuda_major}.x"
    cause = (
        f"{'The' if isinstance(floor, Toolkit) else 'Any'} CUDA {which} runtime needs driver {lowest} or newer."
    )
    fixes: tuple[Fix, ...] = (
        driver_install(facts, matrix, f"Update the driver to {lowest} or newer, then reboot."),
        Fix(
            text=f"Install a build of {name} for a CUDA runtime that this driver runs.",
            commands=(f"gpucheck recommend --framework {'tf' if framework.name == 'tensorflow' else 'torch'}",),
        ),
    )
    if new_enough:  # the driver itself would do: another driver's libcuda stands before its own
        cause = "The libcuda that is loaded belongs to an older driver than the one that runs."
        fixes = (without_foreign_libcuda(facts),)
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
        source=floor.citation,
    )  # fmt: skip
