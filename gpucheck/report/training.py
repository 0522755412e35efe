"""The smoke trainings in a few lines each: accuracy, speed, convolution, and where the time went."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from gpucheck.facts import SmokeRun
    from gpucheck.findings import Report

PARTS = ("import", "data", "device_start", "to_device", "first_step", "train", "evaluate")
GIB = 2**30


def overview(report: Report) -> Iterator[tuple[str, str]]:
    """Yield a mark and a text for each line."""
    for run in report.facts.smoke:
        if run.failure is not None:
            yield "✗", f"{run.framework} {run.version or ''}: no result from the smoke training".replace(" :", ":")
            continue
        learned = (
            run.accuracy is not None and run.accuracy_limit is not None and run.accuracy >= run.accuracy_limit
        )
        yield "✓" if learned else "!", _result(run)
        yield "", _convolution(run)
        if run.fixes_applied:
            yield "", f"fixes applied: {', '.join(f'{name}={text}' for name, text in run.fixes_applied.items())}"
        yield from (("", line) for line in (_learning(run), _folds(run), _memory(report, run)) if line)
        yield "", _time(run)
    if report.facts.smoke:
        yield "", _data(report.facts.smoke[0])


def _result(run: SmokeRun) -> str:
    speed = f", {run.examples_per_second:,.0f} examples/s" if run.examples_per_second else ""
    device = (
        f"{run.device_name} ({run.device})"
        if run.device_name
        else f"the {run.device.upper()}"
        if run.device
        else "?"
    )
    name = "" if (run.model, run.recipe) == ("reference", "quick") else f" {run.model} ({run.recipe} recipe)"
    limit = f" (at least {run.accuracy_limit:.1%} asked)" if run.accuracy_limit is not None else ""
    return f"{run.framework} {run.version}{name} on {device}: {run.accuracy or 0:.2%} right{limit}{speed}"


def _convolution(run: SmokeRun) -> str:
    seen = run.convolution
    errors = [error.norm for error in (seen.forward, seen.grad_input, seen.grad_weight) if error is not None]
    size = f", within {max(errors):.0e} of float64, forward and both gradients" if errors else ""
    proved = {True: "proved on the GPU", False: "NOT on the GPU", None: ""}[seen.gpu_proved]
    main = next((library.path for library in seen.libraries if "/libcudnn.so" in library.path), None)
    files = f" from {main} and {len(seen.libraries) - 1} more cuDNN files" if main else ""
    calls = seen.compiled.custom_calls if seen.compiled is not None else ()
    compiled = f"compiled: {', '.join(calls) or seen.compiled.arithmetic}" if seen.compiled is not None else ""
    text = f"convolution: {seen.arithmetic or 'no known arithmetic'} by {seen.backend or 'an unnamed backend'}"
    return ", ".join(filter(None, (f"{text}{files}{size}", proved, compiled)))


def _learning(run: SmokeRun) -> str | None:
    """What was changed in the recipe, and how the last validation came out."""
    checked = run.curves.get("validation_accuracy")
    seen = f"{run.images_seen:,} images seen" if run.images_seen and (run.changed or checked) else ""
    last = (
        f"validation ({run.validation}) {checked[-1]:.2%} at the end, {max(checked):.2%} at best"
        if checked
        else ""
    )
    parts = [*run.changed, seen, last if not run.folds else ""]
    return f"recipe: {', '.join(filter(None, parts))}" if any(parts) else None


def _folds(run: SmokeRun) -> str | None:
    if not run.folds:
        return None
    from statistics import mean, stdev

    held, test = ([getattr(fold, name) for fold in run.folds] for name in ("accuracy", "test_accuracy"))
    return (
        f"{len(run.folds)} folds: {mean(held):.2%} ± {stdev(held):.2%} on the images held out, "
        f"{mean(test):.2%} ± {stdev(test):.2%} on the test set"
    )


def _memory(report: Report, run: SmokeRun) -> str | None:
    """How much of the GPU's memory was taken, and who holds the rest of what is taken."""
    if run.memory_peak is None:
        return None
    others = [
        f"process {one.pid} ({one.name or 'name not visible'}) {one.memory / GIB:.1f} GiB"
        for gpu in report.facts.gpus.value or ()
        for one in gpu.processes.value or ()
        if one.memory
    ]
    rest = f"; others before it: {', '.join(others[:4])}" if others else ""
    return f"GPU memory: {run.memory_peak / GIB:.2f} GiB at most{rest}"


def _time(run: SmokeRun) -> str:
    seconds = {"import": run.seconds.import_}
    seconds.update({name: getattr(run.seconds, name) for name in PARTS[1:]})
    parts = [f"{name.replace('_', ' ')} {value:.1f}" for name, value in seconds.items() if value is not None]
    proof = run.seconds.proof or 0.0
    rest = (run.seconds.total or 0.0) - proof
    return f"seconds: {', '.join(parts)}; whole process {rest:.1f}, and {proof:.1f} for the proof"


def _data(run: SmokeRun) -> str:
    sizes = f"{run.data.train:,} + {run.data.test or 0:,} images" if run.data.train else "not read"
    if run.data.name == "digits":
        return f"data: built-in digits, {sizes}, seed {run.seed}"
    known = "the well-known MNIST files" if run.data.known else "NOT the well-known MNIST files (SHA-256 differs)"
    return f"data: {run.data.path}, {sizes}, {known}, seed {run.seed}"
