"""Is a framework installed, built for this GPU, and for this Python?"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from gpucheck.checks.reading import (
    FRAMEWORK_NAMES,
    evidence,
    gpu_present,
    installed,
    platform,
)
from gpucheck.checks.registry import Said, broken, check, holds, skipped, unknown
from gpucheck.checks.ways import with_cuda_libraries
from gpucheck.findings import Confidence, Evidence, Finding, Fix, Severity
from gpucheck.matrix import matches, parse_version, published

if TYPE_CHECKING:
    from collections.abc import Iterator

    from gpucheck.facts import Facts, Framework
    from gpucheck.matrix import Build, Matrix, PackageLimit, Release


@check("framework-installed", "torch-not-installed", "tensorflow-not-installed")
def framework_installed(facts: Facts, _: Matrix) -> Iterator[Said]:
    """A framework is installed in the interpreter looked at; one is enough."""
    some = bool(installed(facts))
    for framework in facts.frameworks:
        name = FRAMEWORK_NAMES[framework.name]
        if not framework.installed.known:
            yield unknown(framework.installed.missing or "not looked at", framework.name)
        elif framework.installed.value:
            yield holds(framework.version.value or "version not known", framework.name)
        elif some:
            yield skipped("not installed", framework.name)
        else:
            yield broken(
                Finding(
                    slug=f"{framework.name}-not-installed",
                    severity=Severity.INFO,
                    subject=framework.name,
                    title=f"{name} is not installed",
                    cause="There is no such package in the interpreter that was looked at.",
                    evidence=(evidence("interpreter", facts.interpreter.executable),),
                )
            )


@check("built-for-gpu", "cpu-only-build", "rocm-build", "windows-native-tf", by_rows=True)
def built_for_gpu(facts: Facts, _: Matrix) -> Iterator[Said]:
    """Where there is an NVIDIA GPU, the framework is a CUDA build."""
    for framework in installed(facts):
        build = framework.build.value
        if build is None:
            yield unknown(framework.build.missing or "not looked at", framework.name)
        elif build == "cuda":
            yield holds(f"CUDA runtime {framework.cuda_runtime.value or 'not known'}", framework.name)
        elif not gpu_present(facts):
            yield skipped(f"a {build} build, and no NVIDIA GPU here", framework.name)
        else:
            yield broken(_wrong_build(facts, framework, build))


def _wrong_build(facts: Facts, framework: Framework, build: str) -> Finding:
    name = FRAMEWORK_NAMES[framework.name]
    kind = "for AMD GPUs (ROCm)" if build == "rocm" else "for the CPU only"
    if build == "cpu" and _is_windows_tensorflow(facts, framework):
        return _windows_tensorflow(framework)
    return Finding(
        slug="rocm-build" if build == "rocm" else "cpu-only-build",
        severity=Severity.ERROR,
        subject=framework.name,
        title=f"This {name} was built {kind}, and an NVIDIA GPU is here",
        cause="A build without CUDA cannot use the GPU, whatever the driver.",
        evidence=(
            evidence(f"{framework.name} version", framework.version),
            Evidence(text=f"build: {build}", source=framework.build.source),
        ),
        fixes=(_cuda_build(facts, framework),),
    )


def _is_windows_tensorflow(facts: Facts, framework: Framework) -> bool:
    """TensorFlow 2.10 was the last with CUDA for native Windows (its install page, and the wheels)."""
    version = parse_version(framework.version.value)
    on_windows = facts.system.os.value == "windows" and framework.name == "tensorflow"
    return on_windows and version is not None and (version.major, version.minor) > (2, 10)


def _windows_tensorflow(framework: Framework) -> Finding:
    return Finding(
        slug="windows-native-tf",
        severity=Severity.ERROR,
        subject=framework.name,
        title=f"TensorFlow {framework.version.value} for native Windows has no GPU support",
        cause="From 2.11 on the Windows wheels are CPU builds; 2.10 was the last with CUDA.",
        evidence=(
            evidence("tensorflow version", framework.version),
            Evidence(text="build: cpu", source=framework.build.source),
        ),
        fixes=(
            Fix(text="Run it in WSL2, where the Linux wheels use the Windows driver.", systems=("windows",)),
            Fix(text="Stay with TensorFlow 2.10 and Python 3.10.", systems=("windows",)),
        ),
        source="TensorFlow: Install with pip, https://www.tensorflow.org/install/pip",
    )


def _cuda_build(facts: Facts, framework: Framework) -> Fix:
    version = parse_version(framework.version.value)
    with_extra = framework.name == "torch" or version is None or (version.major, version.minor) >= (2, 14)
    if platform(facts) not in ("linux-x86_64", "windows-x86_64") or not with_extra:
        return Fix(text="See which release has a CUDA build for this machine.", commands=("gpucheck recommend",))
    if framework.name == "torch" and facts.system.os.value == "windows":
        return Fix(
            text="The package index has CPU builds only for Windows: take the command for your CUDA "
            "variant from https://pytorch.org/get-started/locally/.",
            systems=("windows",),
        )
    return replace(with_cuda_libraries(facts, framework), text="Install the CUDA build of the same version.")


@check("python-supported", "python-version-unsupported", by_rows=True)
def python_supported(facts: Facts, matrix: Matrix) -> Iterator[Said]:
    """The framework's release has wheels for this Python."""
    python = parse_version(facts.interpreter.version.value)
    for framework in installed(facts):
        known = _pythons(facts, matrix, framework)
        if python is None and facts.described:
            yield skipped(facts.interpreter.version.missing or "no Python is given", framework.name)
        elif python is None:
            yield unknown(facts.interpreter.version.missing or "the Python version is not known", framework.name)
        elif not known:
            yield unknown(matrix.why_unknown(framework.name, framework.version.value), framework.name)
        elif (limit := _extra_limit(facts, matrix, framework)) is not None:
            yield broken(_wrong_python_for_extra(facts, framework, limit))
        elif f"{python.major}.{python.minor}" in known:
            yield holds(f"Python {python.major}.{python.minor}", framework.name)
        else:
            yield broken(_wrong_python(facts, matrix, framework, known))


def _extra_limit(facts: Facts, matrix: Matrix, framework: Framework) -> PackageLimit | None:
    """Return the row by which the extra that would be installed excludes this Python."""
    with_extra = any(line.startswith("nvidia-") for line in framework.requires.value or ())
    if not facts.described or not with_extra:
        return None
    for row in matrix.package_limits(framework.name, framework.version.value):
        if row.package == "python" and matches(row.needs, facts.interpreter.version.value) is False:
            return row
    return None


def _wrong_python_for_extra(facts: Facts, framework: Framework, row: PackageLimit) -> Finding:
    name = f"{FRAMEWORK_NAMES[framework.name]}[{row.extra}] {framework.version.value}"
    return Finding(
        slug="python-version-unsupported",
        severity=Severity.ERROR,
        subject=framework.name,
        title=f"{name} cannot be installed with Python {facts.interpreter.version.value}",
        cause=row.breaks,
        evidence=(evidence("Python", facts.interpreter.version),),
        fixes=(Fix(text="See which release and which Python go together.", commands=("gpucheck recommend",)),),
        source=row.citation,
    )


def _pythons(facts: Facts, matrix: Matrix, framework: Framework) -> tuple[str, ...]:
    """Return the Pythons that have a wheel of a version: on this platform, else on any."""
    version = framework.version.value
    release = matrix.release(framework.name, version)
    here = matrix.builds(framework.name, version, platform(facts))
    parsed = parse_version(version)
    anywhere = (
        () if release is None or parsed is None else tuple(row for row in release.build if row.covers(parsed))
    )
    for rows in (here, anywhere):
        found = dict.fromkeys(python for row in rows for python in row.python)
        if found:
            return tuple(found)
    return ()


def _wrong_python(facts: Facts, matrix: Matrix, framework: Framework, known: tuple[str, ...]) -> Finding:
    name, version = FRAMEWORK_NAMES[framework.name], framework.version.value
    release = matrix.release(framework.name, version)
    plain = [python for python in known if not python.endswith("t")] or list(known)
    return Finding(
        slug="python-version-unsupported",
        severity=Severity.ERROR if facts.described else Severity.WARN,
        subject=framework.name,
        title=f"{name} {version} has no wheels for Python {facts.interpreter.version.value}",
        cause=f"It was published for Python {', '.join(plain)}.",
        confidence=Confidence.CERTAIN if facts.described else Confidence.LIKELY,
        evidence=(
            evidence("Python", facts.interpreter.version),
            evidence(f"{framework.name} version", framework.version),
        ),
        fixes=(Fix(text=f"Make an environment with Python {plain[-1]}."),),
        source=release.citation if release else None,
    )


@check("wheel-for-platform", "platform-unsupported", "glibc-too-old", by_rows=True)
def wheel_for_platform(facts: Facts, matrix: Matrix) -> Iterator[Said]:
    """A release that is still to be installed has a wheel for this operating system, processor and C library."""
    if not facts.described:
        yield skipped("only asked of what is still to be installed")
        return
    for framework in installed(facts):
        version, place = framework.version.value, platform(facts)
        release, parsed = matrix.release(framework.name, version), parse_version(version)
        rows = [row for row in release.build if parsed and row.covers(parsed)] if release is not None else []
        if not rows or place is None or not published(version):
            yield unknown(matrix.why_unknown(framework.name, version), framework.name)
        elif here := matrix.builds(framework.name, version, place):
            older = _glibc_too_old(facts, framework, here)
            yield broken(older) if older is not None else holds(place, framework.name)
        else:
            yield broken(_no_wheel(framework, release, place, sorted({row.platform for row in rows})))


def _glibc_too_old(facts: Facts, framework: Framework, rows: tuple[Build, ...]) -> Finding | None:
    """A wheel whose tag names a newer C library is passed over by pip (PEP 600)."""
    have = parse_version(facts.system.glibc.value)
    told = [(least, row) for row in rows if (least := parse_version(row.glibc)) is not None]
    if have is None or len(told) < len([row for row in rows if row.from_index]):
        return None  # an old tag, manylinux1, does not tell what the wheel needs
    least, row = min(told, key=lambda one: one[0], default=(have, rows[0]))
    if have >= least:
        return None
    name = f"{FRAMEWORK_NAMES[framework.name]} {framework.version.value}"
    return Finding(
        slug="glibc-too-old",
        severity=Severity.ERROR,
        subject=framework.name,
        title=f"{name} needs glibc {least} or newer, this system has {have}",
        cause="Its wheels are built for a newer C library; pip does not take them here.",
        evidence=(evidence("glibc", facts.system.glibc),),
        fixes=(Fix(text="Take an older release, a container, or a newer system."),),
        source=row.citation,
    )


def _no_wheel(framework: Framework, release: Release | None, place: str, platforms: list[str]) -> Finding:
    name = f"{FRAMEWORK_NAMES[framework.name]} {framework.version.value}"
    return Finding(
        slug="platform-unsupported",
        severity=Severity.ERROR,
        subject=framework.name,
        title=f"{name} has no wheel for {place}",
        cause=f"It was published for {', '.join(platforms)}.",
        evidence=(evidence(f"{framework.name} version", framework.version),),
        fixes=(Fix(text="`gpucheck recommend` names a release that has one."),),
        source=release.citation if release else None,
    )
