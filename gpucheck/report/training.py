"""The smoke trainings in a few lines each: accuracy, speed, convolution, and where the time went."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from gpucheck.facts import SmokeRun
    from gpucheck.findings import Report

PARTS = ("import", "data", "device_start", "first_step", "train", "evaluate", "proof")


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
    limit = f" (at least {run.accuracy_limit:.1%} asked)" if run.accuracy_limit is not None else ""
    return f"{run.framework} {run.version} on {device}: {run.accuracy or 0:.2%} right{limit}{speed}"


def _convolution(run: SmokeRun) -> str:
    seen = run.convolution
    errors = [error.norm for error in (seen.forward, seen.grad_input, seen.grad_weight) if error is not None]
    size = f", within {max(errors):.0e} of float64, forward and both gradients" if errors else ""
    proved = {True: "proved on the GPU", False: "NOT on the GPU", None: ""}[seen.gpu_proved]
    main = next((library.path for library in seen.libraries if "/libcudnn.so" in library.path), None)
    files = f" from {main} and {len(seen.libraries) - 1} more cuDNN files" if main else ""
    text = f"convolution: {seen.arithmetic or 'no known arithmetic'} by {seen.backend or 'an unnamed backend'}"
    return ", ".join(filter(None, (f"{text}{files}{size}", proved)))


def _time(run: SmokeRun) -> str:
    seconds = {"import": run.seconds.import_}
    seconds.update({name: getattr(run.seconds, name) for name in PARTS[1:]})
    parts = [f"{name.replace('_', ' ')} {value:.1f}" for name, value in seconds.items() if value is not None]
    return f"seconds: {', '.join(parts)}; whole process {run.seconds.total or 0:.1f}"


def _data(run: SmokeRun) -> str:
    sizes = f"{run.data.train:,} + {run.data.test or 0:,} images" if run.data.train else "not read"
    if run.data.name == "digits":
        return f"data: built-in digits, {sizes}, seed {run.seed}"
    known = "the well-known MNIST files" if run.data.known else "NOT the well-known MNIST files (SHA-256 differs)"
    return f"data: {run.data.path}, {sizes}, {known}, seed {run.seed}"
