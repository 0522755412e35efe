"""Did the smoke training finish, and on the right device?"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from gpucheck.checks.driver import driver_is_real
from gpucheck.checks.reading import FRAMEWORK_NAMES, gpu_present, working_gpus
from gpucheck.checks.registry import Said, broken, check, holds, skipped, unknown
from gpucheck.checks.troubles import TROUBLES
from gpucheck.checks.use import holders
from gpucheck.checks.ways import by_environment
from gpucheck.findings import Confidence, Evidence, Finding, Fix, Safety, Severity, Status

if TYPE_CHECKING:
    from collections.abc import Iterator

    from gpucheck.facts import Facts, Retry, SmokeRun
    from gpucheck.matrix import Matrix


# A GPU's trouble cannot be the cause of what fails before the device is opened.
BEFORE_THE_DEVICE = ("start", "import", "data")
# The troubles that matrix/messages.toml knows by their words.
BY_WORDS = (
    "cudnn-version-mismatch", "cudnn-sublibrary-mismatch", "cudnn-init-failed", "cudnn-missing",
    "memory-growth-mixed", "memory-growth-late", "memory-growth-lost-to-limit", "visible-devices-late",
    "gpu-out-of-memory", "compute-capability-unsupported", "device-in-use", "device-side-assert",
    "illegal-memory-access", "uncorrectable-ecc", "gpu-lost", "cpu-only-build", "cuda-library-missing",
    "libdevice-missing", "numpy-abi-mismatch", "torch-torchvision-mismatch", "cublas-not-initialized",
)  # fmt: skip
# What it means that a cure has helped.
CURED = {
    "memory-growth": (
        "gpu-out-of-memory",
        "Under memory growth the same training passes: memory was short, and no version is at fault.",
        "Switch memory growth on.",
    ),
    "own-libraries": (
        "ld-library-path-shadowing",
        "With the framework's own CUDA libraries first the same training passes: libraries of the same name that "
        "are found before them are at fault, not the framework's package.",
        "Put the framework's own CUDA libraries first.",
    ),
}


@check("smoke-finished", "smoke-failed", "smoke-not-started", decisive=True)
def smoke_finished(facts: Facts, _: Matrix) -> Iterator[Said]:
    """Every smoke training came to its end."""
    for run in facts.smoke:
        if run.failure is None:
            yield holds(f"{run.seconds.total or 0:.1f} s", run.framework)
        else:
            yield broken(_failed(run))
    if not facts.smoke:
        yield skipped("no smoke training was run")


def _failed(run: SmokeRun) -> Finding:
    name = FRAMEWORK_NAMES[run.framework]
    early = run.failure_stage in BEFORE_THE_DEVICE
    title = f"{name} failed before it touched a device" if early else f"The {name} training failed"
    return Finding(
        slug="smoke-not-started" if early else "smoke-failed",
        severity=Severity.ERROR,
        subject=run.framework,
        title=f"{title}, in its stage {run.failure_stage!r}",
        cause=run.failure or "",
        evidence=tuple(Evidence(text=line, source="the training's output") for line in run.log),
    )


@check("no-known-trouble-shown", *BY_WORDS)
def no_known_trouble_shown(facts: Facts, _: Matrix) -> Iterator[Said]:
    """What a failed training printed shows no trouble that is known by its words."""
    for run in facts.smoke:
        known = [one for one in run.observations if one.slug in BY_WORDS]
        if run.failure is None and not run.observations:
            yield skipped("it did not fail", run.framework)
        elif known:  # the rows of messages stand in the order in which they decide
            yield broken(_shown(facts, run, known[0].slug))
        else:
            yield holds("no known words", run.framework)


def _shown(facts: Facts, run: SmokeRun, slug: str) -> Finding:
    told = [one for one in run.observations if one.slug == slug]
    lines = tuple(Evidence(text=one.line, source=one.source) for one in told)
    who = (
        tuple(line for gpu in working_gpus(facts) for line in holders(gpu)) if slug == "gpu-out-of-memory" else ()
    )
    trouble = TROUBLES[slug]
    cured = {CURED[one.cure][0] for one in run.retries if one.passed and one.cure in CURED}
    vain = [one for one in run.retries if not one.passed]
    return Finding(
        slug=slug,
        severity=Severity.ERROR,
        subject=run.framework,
        title=f"{FRAMEWORK_NAMES[run.framework]}'s own output shows it: {slug.replace('-', ' ')}",
        cause=trouble.meaning
        + (" No cure that was tried helped; see the evidence." if vain and not cured else ""),
        confidence=Confidence.LIKELY,
        evidence=(*lines, *who, *_tried(run)),
        fixes=(Fix(text=trouble.remedy),),
    )


def _tried(run: SmokeRun) -> tuple[Evidence, ...]:
    return tuple(
        Evidence(text=f"once more with {one.cure.replace('-', ' ')}: {one.failure or 'it passes'}",
                 source="gpucheck smoke")
        for one in run.retries
    )  # fmt: skip


@check("passes-without-a-cure", "gpu-out-of-memory", "ld-library-path-shadowing")
def passes_without_a_cure(facts: Facts, _: Matrix) -> Iterator[Said]:
    """A training that failed does not pass under memory growth or with the framework's own libraries first."""
    for run in facts.smoke:
        cure = next((one for one in run.retries if one.passed and one.cure in CURED), None)
        if cure is not None:
            yield broken(_cured(facts, run, cure))
        else:
            yield (
                holds("no cure changes it", run.framework)
                if run.retries
                else skipped("none was tried", run.framework)
            )


def _cured(facts: Facts, run: SmokeRun, cure: Retry) -> Finding:
    slug, cause, text = CURED[cure.cure]
    who = (
        tuple(line for gpu in working_gpus(facts) for line in holders(gpu)) if cure.cure == "memory-growth" else ()
    )
    fix = by_environment(text, cure.environment)
    return Finding(
        slug=slug,
        severity=Severity.ERROR,
        subject=run.framework,
        title=f"{FRAMEWORK_NAMES[run.framework]} fails, and passes with {cure.cure.replace('-', ' ')}",
        cause=cause,
        evidence=(*_tried(run), *who),
        fixes=(replace(fix, safety=Safety.SAFE) if cure.cure == "memory-growth" else fix,),
    )


@check(
    "smoke-on-gpu", "silent-cpu-fallback", "ran-on-cpu", "convolution-without-cudnn", "simulated-driver",
    decisive=True,
)  # fmt: skip
def smoke_on_gpu(facts: Facts, matrix: Matrix) -> Iterator[Said]:
    """Where a GPU is present the training ran on it, unless the CPU was asked for."""
    for run in facts.smoke:
        if run.device is None:
            yield skipped("it did not come to its device", run.framework)
        elif run.device != "cpu":
            yield _proof(run, _simulated(facts, matrix))
        elif run.asked == "cpu" or not gpu_present(facts):
            yield broken(_ran_on_cpu(run))
        else:
            yield broken(_fell_back(run))


def _simulated(facts: Facts, matrix: Matrix) -> bool:
    return any(said.status is Status.FAIL for said in driver_is_real(facts, matrix))


def _proof(run: SmokeRun, simulated: bool) -> Said:
    if run.convolution.gpu_proved and simulated:
        return broken(_by_a_stub(run))
    if run.convolution.gpu_proved:
        return holds(f"convolution proved on {run.device_name or run.device} through cuDNN", run.framework)
    reason = run.convolution.reason or "no witness was heard"
    if run.convolution.gpu_proved is False:
        return broken(_without_cudnn(run, reason))
    return unknown(f"ran on {run.device}, but convolution there is not proved: {reason}", run.framework)


def _by_a_stub(run: SmokeRun) -> Finding:
    return Finding(
        slug="simulated-driver",
        severity=Severity.ERROR,
        subject=run.framework,
        title=f"{FRAMEWORK_NAMES[run.framework]} trained on a simulated GPU: that is no proof",
        cause="No kernel module stands behind the driver library that answers.",
        evidence=(Evidence(text=f"device {run.device} {run.device_name or ''}".strip(), source=run.framework),),
        fixes=(Fix(text="Take the stub driver's folder out of LD_LIBRARY_PATH, or train on a real GPU."),),
    )


def _without_cudnn(run: SmokeRun, reason: str) -> Finding:
    files = tuple(Evidence(text="mapped", source=library.path) for library in run.convolution.libraries)
    name, device = FRAMEWORK_NAMES[run.framework], run.device_name or run.device
    return Finding(
        slug="convolution-without-cudnn",
        severity=Severity.ERROR,
        subject=run.framework,
        title=f"{name} did not convolve through cuDNN on {device}",
        cause=reason,
        evidence=(Evidence(text=f"device {run.device}", source=run.framework), *files),
        fixes=(Fix(text="See whether cuDNN is switched off in this environment, or its libraries are missing."),),
    )


def _ran_on_cpu(run: SmokeRun) -> Finding:
    asked = run.asked == "cpu"
    return Finding(
        slug="ran-on-cpu",
        severity=Severity.INFO,
        subject=run.framework,
        title=f"{FRAMEWORK_NAMES[run.framework]} ran on the CPU: this proves nothing about a GPU",
        cause="--device cpu asked for it." if asked else "There is no NVIDIA GPU in this machine.",
        evidence=(Evidence(text=f"device {run.device}", source=run.framework),),
    )


def _fell_back(run: SmokeRun) -> Finding:
    name = FRAMEWORK_NAMES[run.framework]
    return Finding(
        slug="silent-cpu-fallback",
        severity=Severity.ERROR,
        subject=run.framework,
        title=f"{name} ran on the CPU although a GPU is present",
        cause="The framework saw no usable GPU and said nothing.",
        evidence=(
            Evidence(text=f"device {run.device}", source=run.framework),
            *(Evidence(text=line, source="the training's output") for line in run.log),
        ),
        fixes=(Fix(text="If the CPU is meant, say so.", commands=("gpucheck smoke --device cpu",)),),
    )
