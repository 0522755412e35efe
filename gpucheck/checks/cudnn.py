"""Is the cuDNN that the loader takes one that the framework can work with?"""

from __future__ import annotations

from typing import TYPE_CHECKING

from gpucheck.checks.reading import (
    FRAMEWORK_NAMES,
    evidence,
    gpu_present,
    installed,
    interpreter_path,
    pip_pin,
    published_build,
)
from gpucheck.checks.registry import Said, broken, check, holds, not_cuda, skipped, unknown
from gpucheck.findings import Evidence, Finding, Fix, Safety, Severity
from gpucheck.matrix import parse_version

if TYPE_CHECKING:
    from collections.abc import Iterator

    from gpucheck.facts import Facts, Framework, Library
    from gpucheck.matrix import Matrix, Rule


@check("cudnn-loaded-as-built", "cudnn-version-mismatch", "cudnn-missing")
def cudnn_loaded_as_built(facts: Facts, matrix: Matrix) -> Iterator[Said]:
    """The cuDNN that the loader takes has the major version of the build, and no older minor.

    A newer minor is fine, a system-wide cuDNN beside the wheel's too, as long as the loader does not take
    it. Judged only where a GPU is present: without one no cuDNN is needed.
    """
    for framework in installed(facts):
        if (excuse := not_cuda(framework)) is not None:
            yield excuse
        elif not gpu_present(facts):
            yield skipped("no NVIDIA GPU here, cuDNN is not needed", framework.name)
        else:
            yield _judge(facts, matrix, framework)


def _judge(facts: Facts, matrix: Matrix, framework: Framework) -> Said:
    loaded, (built, source) = framework.cudnn_loaded, _built_with(facts, matrix, framework)
    if loaded.value is None and loaded.source is None:
        return unknown(loaded.missing or "not looked at", framework.name)
    if loaded.value is None and built is None:
        text = f"no cuDNN was found, and where this build looks for it is not known: {source}"
        return unknown(text, framework.name)
    if loaded.value is None:
        return broken(_missing(facts, framework))
    rule = matrix.cudnn_rule(framework.name)
    have, want = parse_version(loaded.value.version.value), parse_version(built)
    if rule is None or have is None or want is None:
        reason = loaded.value.version.missing if have is None else source
        return unknown(f"built and loaded cuDNN cannot be compared: {reason}", framework.name)
    if not rule.understood:
        return unknown(f"the matrix's rule for {framework.name} is newer than this gpucheck", framework.name)
    if rule.accepts((have.major, have.minor), (want.major, want.minor)):
        return holds(f"built with {built}, loads {loaded.value.version.value}", framework.name)
    return broken(_mismatch(facts, framework, loaded.value, rule, (built or "", source)))


def _built_with(facts: Facts, matrix: Matrix, framework: Framework) -> tuple[str | None, str]:
    """Return the cuDNN of the build and its source, or None and the reason why it is not known."""
    if framework.cudnn_built.value is not None:
        return framework.cudnn_built.value, framework.cudnn_built.source or framework.name
    build, why = published_build(facts, matrix, framework)
    if build is None or build.cudnn is None:
        return None, why or f"the row of {framework.name} {framework.version.value} names no cuDNN"
    return build.cudnn, f"{build.source}, {build.url}"


def _mismatch(facts: Facts, framework: Framework, loaded: Library, rule: Rule, built: tuple[str, str]) -> Finding:
    name = FRAMEWORK_NAMES[framework.name]
    others = tuple(
        Evidence(text="not taken, further down the search order", source=path) for path in loaded.shadows
    )
    return Finding(
        slug="cudnn-version-mismatch",
        severity=Severity.ERROR,
        subject=framework.name,
        title=f"{name} was built with cuDNN {built[0]} but loads {loaded.version.value}",
        cause="The loader takes the first cuDNN that it finds; its major must be that of the build, its minor "
        "no older.",
        evidence=(
            Evidence(text=f"loaded {loaded.version.value}", source=loaded.path),
            Evidence(text=f"built with {built[0]}", source=built[1]),
            *others,
        ),
        fixes=_mismatch_fixes(facts, loaded),
        source=f"{rule.source}, {rule.url}, checked {rule.checked}",
    )


def _mismatch_fixes(facts: Facts, loaded: Library) -> tuple[Fix, ...]:
    folder = loaded.path.rpartition("/")[0]
    if folder in (facts.environment.value or {}).get("LD_LIBRARY_PATH", "").split(":"):
        text = f"Take {folder} out of LD_LIBRARY_PATH, so that the framework finds its own."
        return (Fix(text=text, safety=Safety.ASK),)
    if loaded.version.source is not None and "dist-info" in loaded.version.source:
        return (Fix(text="Let pip bring the cuDNN that the framework asks for: reinstall the framework."),)
    return (Fix(text=f"Update the cuDNN in {folder} to the version that the framework was built with, or newer."),)


def _missing(facts: Facts, framework: Framework) -> Finding:
    name, python = FRAMEWORK_NAMES[framework.name], interpreter_path(facts)
    pin = pip_pin(framework)
    package = f"tensorflow[and-cuda]{pin}" if framework.name == "tensorflow" else f"{framework.name}{pin}"
    return Finding(
        slug="cudnn-missing",
        severity=Severity.ERROR,
        subject=framework.name,
        title=f"No cuDNN is where {name} looks for it",
        cause="The plain wheel does not bring cuDNN; its CUDA libraries come as packages of their own."
        if framework.name == "tensorflow"
        else "The nvidia-cudnn package that it depends on is not installed.",
        evidence=(evidence("libcudnn", framework.cudnn_loaded),),
        fixes=(
            Fix(text="Install it together with its CUDA libraries.",
                commands=(f"{python} -m pip install '{package}'",), safety=Safety.ASK),
        ),
    )  # fmt: skip
