"""Is a framework installed, built for this GPU, and for this Python?"""

from __future__ import annotations

from typing import TYPE_CHECKING

from gpucheck.checks.reading import FRAMEWORK_NAMES, evidence, gpu_present, installed, interpreter_path, pip_pin
from gpucheck.checks.registry import Said, broken, check, holds, skipped, unknown
from gpucheck.findings import Confidence, Evidence, Finding, Fix, Safety, Severity
from gpucheck.matrix import parse_version

if TYPE_CHECKING:
    from collections.abc import Iterator

    from gpucheck.facts import Facts, Framework
    from gpucheck.matrix import Matrix, Release


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


@check("built-for-gpu", "cpu-only-build", "rocm-build")
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


def _cuda_build(facts: Facts, framework: Framework) -> Fix:
    python, pin = interpreter_path(facts), pip_pin(framework)
    if facts.system.os.value == "windows" and framework.name == "tensorflow":
        return Fix(text="TensorFlow after 2.10 has no GPU build for native Windows: use WSL2.")
    if framework.name == "tensorflow":
        commands: tuple[str, ...] = (f"{python} -m pip install 'tensorflow[and-cuda]{pin}'",)
    else:
        commands = (f"{python} -m pip uninstall torch", f"{python} -m pip install torch{pin}")
        if facts.system.os.value == "windows":
            return Fix(
                text="The package index has CPU builds only for Windows: take the command for your CUDA "
                "variant from https://pytorch.org/get-started/locally/."
            )
    return Fix(text="Install the CUDA build of the same version.", commands=commands, safety=Safety.ASK)


@check("python-supported", "python-version-unsupported")
def python_supported(facts: Facts, matrix: Matrix) -> Iterator[Said]:
    """The framework's release has wheels for this Python."""
    python = parse_version(facts.interpreter.version.value)
    for framework in installed(facts):
        release = matrix.release(framework.name, framework.version.value)
        if python is None:
            yield unknown(facts.interpreter.version.missing or "the Python version is not known", framework.name)
        elif release is None:
            yield unknown(matrix.why_unknown(framework.name, framework.version.value), framework.name)
        elif f"{python.major}.{python.minor}" in release.python:
            yield holds(f"Python {python.major}.{python.minor}", framework.name)
        else:
            yield broken(_wrong_python(facts, framework, release))


def _wrong_python(facts: Facts, framework: Framework, release: Release) -> Finding:
    name = FRAMEWORK_NAMES[framework.name]
    return Finding(
        slug="python-version-unsupported",
        severity=Severity.WARN,
        subject=framework.name,
        title=f"{name} {release.release} has no wheels for Python {facts.interpreter.version.value}",
        cause=f"It was published for Python {', '.join(release.python)}.",
        confidence=Confidence.LIKELY,
        evidence=(
            evidence("Python", facts.interpreter.version),
            evidence(f"{framework.name} version", framework.version),
        ),
        fixes=(Fix(text=f"Make an environment with Python {release.python[-1]}."),),
        source=f"{release.source}, {release.url}, checked {release.checked}",
    )
