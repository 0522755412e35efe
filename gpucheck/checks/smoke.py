"""Did the smoke training finish, on the right device, with right numbers, and did it learn?"""

from __future__ import annotations

from typing import TYPE_CHECKING

from gpucheck.checks.reading import FRAMEWORK_NAMES, gpu_present
from gpucheck.checks.registry import Said, broken, check, holds, skipped, unknown
from gpucheck.findings import Evidence, Finding, Fix, Severity

if TYPE_CHECKING:
    from collections.abc import Iterator

    from gpucheck.facts import Errors, Facts, SmokeRun
    from gpucheck.matrix import Matrix


# A GPU's trouble cannot be the cause of what fails before the device is opened.
BEFORE_THE_DEVICE = ("start", "import", "data")


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
        evidence=tuple(Evidence(text=line, source="the child's output") for line in run.log),
    )


@check("smoke-on-gpu", "silent-cpu-fallback", "ran-on-cpu", "convolution-without-cudnn", decisive=True)
def smoke_on_gpu(facts: Facts, _: Matrix) -> Iterator[Said]:
    """Where a GPU is present the training ran on it, unless the CPU was asked for."""
    for run in facts.smoke:
        if run.device is None:
            yield skipped("it did not come to its device", run.framework)
        elif run.device != "cpu":
            yield _proof(run)
        elif run.asked == "cpu" or not gpu_present(facts):
            yield broken(_ran_on_cpu(run))
        else:
            yield broken(_fell_back(run))


def _proof(run: SmokeRun) -> Said:
    if run.convolution.gpu_proved:
        return holds(f"convolution proved on {run.device_name or run.device} through cuDNN", run.framework)
    reason = run.convolution.reason or "no witness was heard"
    if run.convolution.gpu_proved is False:
        return broken(_without_cudnn(run, reason))
    return unknown(f"ran on {run.device}, but convolution there is not proved: {reason}", run.framework)


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
            *(Evidence(text=line, source="the child's output") for line in run.log),
        ),
        fixes=(Fix(text="If the CPU is meant, say so.", commands=("gpucheck smoke --device cpu",)),),
    )


@check("convolution-right", "convolution-wrong", "tf32-in-use")
def convolution_right(facts: Facts, _: Matrix) -> Iterator[Said]:
    """Forward convolution and both gradients agree with a float64 reference."""
    for run in facts.smoke:
        seen = run.convolution
        parts = {"forward": seen.forward, "grad_input": seen.grad_input, "grad_weight": seen.grad_weight}
        errors = {name: error for name, error in parts.items() if error is not None}
        if len(errors) < len(parts):
            reason = "the training failed before" if run.failure else "the child did not report it"
            yield skipped(reason, run.framework) if run.failure else unknown(reason, run.framework)
            continue
        if seen.arithmetic is None:
            yield broken(_wrong(run, errors))
        elif seen.arithmetic != "fp32" and run.device == "cpu":
            yield broken(_wrong(run, errors, Severity.WARN))
        elif seen.arithmetic == "tf32":
            yield broken(_tf32(run, errors))
        else:
            yield holds(f"{seen.arithmetic}, {seen.backend or 'backend not known'}", run.framework)


def _measured(errors: dict[str, Errors]) -> tuple[Evidence, ...]:
    return tuple(
        Evidence(text=f"{name}: relative error {error.norm:.1e} (norm), {error.maximum:.1e} (largest)",
                 source="against a float64 reference")
        for name, error in errors.items()
    )  # fmt: skip


def _wrong(run: SmokeRun, errors: dict[str, Errors], severity: Severity = Severity.ERROR) -> Finding:
    files = tuple(Evidence(text="mapped", source=library.path) for library in run.convolution.libraries)
    return Finding(
        slug="convolution-wrong",
        severity=severity,
        subject=run.framework,
        title=f"{FRAMEWORK_NAMES[run.framework]} computes convolutions wrongly on {run.device}",
        cause="The numbers differ from the float64 reference by more than bfloat16 arithmetic would."
        if run.convolution.arithmetic is None
        else f"The errors have the size of {run.convolution.arithmetic}, which a CPU uses only if it is told to.",
        evidence=(*_measured(errors), *files),
        fixes=(Fix(text="Run again with --device cpu: if that is right, suspect the card or its libraries."),),
    )


def _tf32(run: SmokeRun, errors: dict[str, Errors]) -> Finding:
    return Finding(
        slug="tf32-in-use",
        severity=Severity.INFO,
        subject=run.framework,
        title=f"{FRAMEWORK_NAMES[run.framework]} convolves float32 numbers in TF32",
        cause="It is the framework's default on this card; the errors have TF32's size.",
        evidence=_measured(errors),
    )


@check("smoke-learned", "training-does-not-learn", decisive=True)
def smoke_learned(facts: Facts, _: Matrix) -> Iterator[Said]:
    """The training reaches the accuracy that every healthy machine reaches."""
    for run in facts.smoke:
        if run.failure is not None:
            yield skipped("the training failed before", run.framework)
        elif run.accuracy is None:
            yield unknown("the child reported no accuracy", run.framework)
        elif run.accuracy_limit is None:
            yield unknown("the data is not the well-known MNIST: no accuracy is known to expect", run.framework)
        elif run.accuracy >= run.accuracy_limit:
            yield holds(f"accuracy {run.accuracy:.2%}, at least {run.accuracy_limit:.2%} asked", run.framework)
        else:
            yield broken(_did_not_learn(run))


def _did_not_learn(run: SmokeRun) -> Finding:
    losses = f"loss from {run.loss_first} to {run.loss_last}"
    return Finding(
        slug="training-does-not-learn",
        severity=Severity.ERROR,
        subject=run.framework,
        title=f"{FRAMEWORK_NAMES[run.framework]} reached {run.accuracy or 0:.2%}, less than "
        f"the {run.accuracy_limit or 0:.2%} of every healthy machine",
        cause="The training finished but did not learn as it should.",
        evidence=(
            Evidence(text=losses, source="training"),
            Evidence(text=f"seed {run.seed}", source="training"),
        ),
        fixes=(
            Fix(text="Run it again with another --seed.", commands=(f"gpucheck smoke --seed {run.seed + 1}",)),
        ),
    )
