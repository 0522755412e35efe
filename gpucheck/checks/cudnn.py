"""Is the cuDNN that the loader takes one that the framework can work with?"""

from __future__ import annotations

from typing import TYPE_CHECKING

from gpucheck.checks.architecture import distinct
from gpucheck.checks.reading import (
    FRAMEWORK_NAMES,
    evidence,
    gpu_name,
    gpu_present,
    in_library_path,
    installed,
    published_build,
)
from gpucheck.checks.registry import Said, broken, check, holds, not_cuda, skipped, unknown
from gpucheck.checks.ways import by_packages, with_cuda_libraries, with_folders, without_folders
from gpucheck.findings import Confidence, Evidence, Finding, Fix, Severity
from gpucheck.matrix import Limit, matches, parse_version

if TYPE_CHECKING:
    from collections.abc import Iterator

    from gpucheck.facts import Facts, Framework, Gpu, Library
    from gpucheck.matrix import CudnnRelease, Matrix, Rule


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
    if build is not None and build.cudnn is not None:
        return build.cudnn, f"{build.source}, {build.url}"
    release = matrix.release(framework.name, framework.version.value) if build is not None else None
    tested = release.tested_on(facts.system.os.value or "") if release is not None else None
    if tested is None or tested.cudnn is None:
        return None, why or f"the row of {framework.name} {framework.version.value} names no cuDNN"
    return tested.cudnn, f"{tested.source}, {tested.url}"


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
        fixes=_mismatch_fixes(facts, framework, loaded),
        source=rule.citation,
    )


def _mismatch_fixes(facts: Facts, framework: Framework, loaded: Library) -> tuple[Fix, ...]:
    folder = loaded.path.rpartition("/")[0]
    own = next(
        (one.shipped for one in framework.libraries.value or () if one.soname.startswith("libcudnn.")), None
    )
    if in_library_path(facts, loaded.path):
        return (without_folders(facts, [folder]),)
    if loaded.version.source is not None and "dist-info" in loaded.version.source:
        asked = [line for line in framework.requires.value or () if line.startswith("nvidia-cudnn")]
        text = "Install the cuDNN that the framework asks for."
        return (by_packages(facts, text, install=(asked[0].partition(";")[0].strip(),)),) if asked else (
            Fix(text="Let pip bring the cuDNN that the framework asks for: reinstall the framework."),
        )  # fmt: skip
    update = Fix(
        text=f"Update the cuDNN in {folder} to the version that the framework was built with, or newer.",
        systems=("linux", "wsl"),
    )
    if own is None:
        return (update,)
    first = own.path.rpartition("/")[0]
    return (with_folders(facts, "Let the loader find the framework's own cuDNN first.", [first]), update)


def _missing(facts: Facts, framework: Framework) -> Finding:
    name = FRAMEWORK_NAMES[framework.name]
    return Finding(
        slug="cudnn-missing",
        severity=Severity.ERROR,
        subject=framework.name,
        title=f"No cuDNN is where {name} looks for it",
        cause="The plain wheel does not bring cuDNN; its CUDA libraries come as packages of their own."
        if framework.name == "tensorflow"
        else "The nvidia-cudnn package that it depends on is not installed.",
        evidence=(evidence("libcudnn", framework.cudnn_loaded),),
        fixes=(with_cuda_libraries(facts, framework),),
    )


@check("cudnn-supports-gpu", "cudnn-gpu-unsupported", by_rows=True)
def cudnn_supports_gpu(facts: Facts, matrix: Matrix) -> Iterator[Said]:
    """The cuDNN that the loader takes still has code for each GPU, and the framework accepts it there.

    The major and minor may be right and the card be too old all the same: cuDNN 9.11 dropped what 9.10 had.
    """
    for framework in installed(facts):
        loaded = framework.cudnn_loaded.value
        for gpu in distinct(facts) if framework.build.value == "cuda" else ():
            subject = f"{framework.name} on {gpu_name(gpu)}"
            if loaded is None or parse_version(loaded.version.value) is None:
                yield _without_version(facts, matrix, framework, gpu)
            elif gpu.compute_capability.value is None:
                yield unknown(gpu.compute_capability.missing or "no compute capability", subject)
            else:
                yield _on_gpu(facts, matrix, framework, gpu, loaded)


def _without_version(facts: Facts, matrix: Matrix, framework: Framework, gpu: Gpu) -> Said:
    """A described wheel whose cuDNN no source names is unknown, unless no cuDNN at all would be too new."""
    subject, capability = f"{framework.name} on {gpu_name(gpu)}", gpu.compute_capability.value
    why = framework.cudnn_loaded.missing or "the cuDNN that it loads is not known"
    if not facts.described or framework.cudnn_loaded.source is not None:
        return skipped(why, subject)
    if all(matches(row.compute_capability or "", capability) for row in matrix.cudnn_releases()):
        return holds(f"every cuDNN that the matrix knows supports compute capability {capability}", subject)
    return unknown(why, subject)


def _on_gpu(facts: Facts, matrix: Matrix, framework: Framework, gpu: Gpu, loaded: Library) -> Said:
    subject, version = f"{framework.name} on {gpu_name(gpu)}", loaded.version.value or ""
    capability = gpu.compute_capability.value or ""
    limit = matrix.cudnn_limit(framework.name, framework.version.value or "", version, capability)
    row = matrix.cudnn(version)
    if limit is not None:
        return broken(_unsupported(facts, framework, gpu, loaded, limit))
    fits = matches(row.compute_capability, capability) if row is not None and row.compute_capability else None
    if fits is None or row is None:
        return unknown(f"the matrix of {matrix.date} does not say which cards cuDNN {version} supports", subject)
    if fits:
        return holds(f"cuDNN {version}, compute capability {row.compute_capability}", subject)
    return broken(_unsupported(facts, framework, gpu, loaded, row))


def _unsupported(
    facts: Facts, framework: Framework, gpu: Gpu, loaded: Library, row: Limit | CudnnRelease
) -> Finding:
    name, version = FRAMEWORK_NAMES[framework.name], loaded.version.value
    refused = isinstance(row, Limit)
    return Finding(
        slug="cudnn-gpu-unsupported",
        severity=Severity.ERROR if refused else Severity.WARN,
        subject=f"{framework.name} on {gpu_name(gpu)}",
        title=f"cuDNN {version} no longer supports compute capability {gpu.compute_capability.value}",
        cause=f"{name} refuses it on such a card." if refused else "Its libraries have no code for the card.",
        confidence=Confidence.CERTAIN if refused else Confidence.LIKELY,
        evidence=(
            Evidence(text=f"cuDNN {version}", source=loaded.path),
            evidence(f"{gpu.name.value or gpu_name(gpu)}: compute capability", gpu.compute_capability),
        ),
        fixes=(
            by_packages(
                facts, "Install the last cuDNN that has code for it.", install=("nvidia-cudnn-cu12<9.11",)
            ),
        ),
        source=row.citation,
    )
