"""Are the numbers of the smoke training's convolutions right, forward and backward, eager and compiled?"""

from __future__ import annotations

from typing import TYPE_CHECKING

from gpucheck.checks.reading import FRAMEWORK_NAMES
from gpucheck.checks.registry import Said, broken, check, holds, skipped, unknown
from gpucheck.checks.ways import by_environment
from gpucheck.facts.arithmetic import arithmetic_of
from gpucheck.findings import Evidence, Finding, Fix, Severity

if TYPE_CHECKING:
    from collections.abc import Iterator

    from gpucheck.facts import Compiled, Convolution, Errors, Facts, SmokeRun
    from gpucheck.matrix import Matrix

PARTS = {"forward": "the output", "grad_input": "the input gradient", "grad_weight": "the weight gradient"}


@check("convolution-right", "convolution-wrong", "tf32-in-use", decisive=True)
def convolution_right(facts: Facts, _: Matrix) -> Iterator[Said]:
    """Forward convolution and both gradients agree with a float64 reference."""
    for run in facts.smoke:
        errors = _errors(run.convolution)
        if len(errors) == len(PARTS):
            yield _judged(run, run.convolution.arithmetic, errors, "")
        elif run.failure:
            yield skipped("the training failed before", run.framework)
        else:
            yield unknown("the child did not report it", run.framework)


@check("compiled-convolution-right", "convolution-wrong", "tf32-in-use")
def compiled_convolution_right(facts: Facts, _: Matrix) -> Iterator[Said]:
    """The same in compiled code (torch.compile, XLA), where it was asked for or TensorFlow ran on a GPU."""
    for run in facts.smoke:
        compiled = run.convolution.compiled
        if compiled is None:
            yield skipped("not asked for: --compiled", run.framework)
        elif compiled.failure is not None:
            yield unknown(f"the compiled convolution did not run: {compiled.failure}", run.framework)
        else:
            yield _judged(run, compiled.arithmetic, _errors(compiled), "compiled ")


def _errors(seen: Convolution | Compiled) -> dict[str, Errors]:
    return {part: error for part in PARTS if (error := getattr(seen, part)) is not None}


def _judged(run: SmokeRun, arithmetic: str | None, errors: dict[str, Errors], how: str) -> Said:
    asked = run.arithmetic_asked == "fp32"
    if arithmetic is None:
        return broken(_wrong(run, errors, how))
    if arithmetic == "tf32" and (asked or run.device != "cpu"):
        return broken(_tf32(run, errors, how, asked=asked))
    if arithmetic != "fp32":
        return broken(_coarse(run, arithmetic, errors, how, asked=asked))
    backend = "" if how else f", {run.convolution.backend or 'backend not known'}"
    return holds(f"{how}{arithmetic}{backend}", run.framework)


def _measured(errors: dict[str, Errors]) -> tuple[Evidence, ...]:
    return tuple(
        Evidence(text=f"{PARTS[part]}: relative error {error.norm:.1e} (norm), {error.maximum:.1e} (largest)",
                 source="against a float64 reference")
        for part, error in errors.items()
    )  # fmt: skip


def _wrong(run: SmokeRun, errors: dict[str, Errors], how: str) -> Finding:
    files = tuple(Evidence(text="mapped", source=library.path) for library in run.convolution.libraries)
    parts = [PARTS[part] for part, error in errors.items() if arithmetic_of((error,)) is None]
    which = " and ".join([", ".join(parts[:-1]), parts[-1]] if parts[:-1] else parts)
    return Finding(
        slug="convolution-wrong",
        severity=Severity.ERROR,
        subject=run.framework,
        title=f"{FRAMEWORK_NAMES[run.framework]} computes {which} of {how}convolutions wrongly on {run.device}",
        cause="The numbers differ from the float64 reference by more than bfloat16 arithmetic would.",
        evidence=(*_measured(errors), *files),
        fixes=(Fix(text="Run again with --device cpu: if that is right, suspect the card or its libraries."),),
    )


def _coarse(run: SmokeRun, arithmetic: str, errors: dict[str, Errors], how: str, *, asked: bool) -> Finding:
    return Finding(
        slug="convolution-wrong",
        severity=Severity.ERROR if asked else Severity.WARN,
        subject=run.framework,
        title=f"{FRAMEWORK_NAMES[run.framework]} computes {how}convolutions of float32 numbers in {arithmetic}",
        cause=f"The errors have the size of {arithmetic}, which is used only if somebody switches it on.",
        evidence=_measured(errors),
        fixes=(Fix(text="Look for a setting that lowers the precision of float32, in code or environment."),),
    )


def _tf32(run: SmokeRun, errors: dict[str, Errors], how: str, *, asked: bool) -> Finding:
    return Finding(
        slug="tf32-in-use",
        severity=Severity.ERROR if asked else Severity.INFO,
        subject=run.framework,
        title=f"{FRAMEWORK_NAMES[run.framework]} does {how}convolutions of float32 numbers in TF32"
        + (", although float32 was asked for" if asked else ""),
        cause="The errors have TF32's size although it was switched off."
        if asked
        else "It is the framework's default on this card; the errors have TF32's size.",
        evidence=_measured(errors),
        fixes=(by_environment("Forbid TF32 in every program.", {"NVIDIA_TF32_OVERRIDE": "0"}),) if asked else (),
    )
