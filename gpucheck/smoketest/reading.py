"""What a training told, as a `SmokeRun`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from gpucheck.facts import (
    Compiled,
    Convolution,
    Errors,
    Fold,
    Library,
    Samples,
    Seconds,
    SmokeData,
    SmokeRun,
    absent,
    seen,
)
from gpucheck.facts.arithmetic import arithmetic_of
from gpucheck.facts.versions import cudnn_version
from gpucheck.smoketest import data
from gpucheck.smoketest.request import parameters

if TYPE_CHECKING:
    from gpucheck.smoketest.child import Heard
    from gpucheck.smoketest.request import Request

PARTS = ("forward", "grad_input", "grad_weight")
STAGES = ("data", "device_start", "to_device", "first_step", "train", "evaluate", "proof")
LOG_SHOWN = 8
PLAIN = ("accuracy", "loss_first", "loss_last", "examples_per_second", "memory_peak", "data_kept",
         "nearest_mean_accuracy", "neighbour_correlation")  # fmt: skip


def read(framework: str, request: Request, python: str, fixes: dict[str, str], heard: Heard) -> SmokeRun:
    """Return what came of a training."""
    result, device = heard.facts.get("result", {}), heard.facts.get("device", {})
    about = _data(request, heard.facts.get("data", {}))
    steps = request.steps
    curves = _curves(result.get("curves", {}))
    plain: dict[str, Any] = {name: result.get(name) for name in PLAIN}
    return SmokeRun(
        framework=framework,
        version=heard.facts.get("about", {}).get("version"),
        python=python,
        asked=request.device,
        device=device.get("device"),
        device_name=device.get("device_name"),
        model=request.model,
        parameters=parameters(request.network),
        recipe=request.recipe,
        changed=request.changed,
        batch_size=steps["batch"],
        images_seen=int(curves["images"][-1]) if curves.get("images") else None,
        validation=_validation(steps),
        data=about,
        seed=request.seed,
        arithmetic_asked=request.arithmetic,
        accuracy_limit=None if about.name == "mnist" and not about.known else request.least,
        seconds=_seconds(result.get("seconds", {}), heard.seconds),
        convolution=_convolution(result.get("convolution", {})),
        fixes_applied=fixes,
        curves=curves,
        folds=tuple(Fold(**{**one, "curves": _curves(one["curves"])}) for one in result.get("folds", ())),
        confusion=tuple(tuple(row) for row in result.get("confusion", ())),
        samples=_samples(result.get("samples")),
        weights_moved=tuple(result.get("weights_moved", ())),
        failure=heard.failure,
        failure_stage=heard.stage if heard.failure is not None else None,
        **plain,
    )


def _validation(steps: dict[str, Any]) -> str | None:
    if steps.get("folds"):
        return f"{steps['folds']} folds"
    wanted = steps.get("validation")
    return f"{wanted} images" if isinstance(wanted, int) else wanted


def _curves(told: dict[str, list[float]]) -> dict[str, tuple[float, ...]]:
    return {name: tuple(round(float(value), 5) for value in values) for name, values in told.items()}


def _samples(told: dict[str, Any] | None) -> Samples | None:
    if told is None:
        return None
    images = tuple(tuple(image) for image in told["images"])
    return Samples(images=images, **{name: tuple(told[name]) for name in ("labels", "predictions", "logits")})


def _data(request: Request, told: dict[str, Any]) -> SmokeData:
    sums = dict(told.get("sha256", {}))
    return SmokeData(
        name="digits" if request.data is None else "mnist",
        path=str(request.data) if request.data is not None else None,
        train=told.get("train"),
        test=told.get("test"),
        sha256=sums,
        known=data.is_mnist(sums) if request.data is not None and sums else None,
    )


def _seconds(told: dict[str, float], total: float) -> Seconds:
    parts = {name: round(told[name], 4) for name in STAGES if name in told}
    imported = round(told["import"], 4) if "import" in told else None
    return Seconds(import_=imported, total=round(total, 4), **parts)


def _errors(told: dict[str, Any]) -> dict[str, Errors]:
    return {name: Errors(**told[name]) for name in PARTS if name in told}


def _convolution(told: dict[str, Any]) -> Convolution:
    if not told:
        return Convolution()
    errors, compiled = _errors(told), told.get("compiled")
    return Convolution(
        gpu_proved=told["gpu_proved"],
        reason=told["reason"],
        backend=told["backend"],
        libraries=tuple(_library(item) for item in told["libraries"]),
        arithmetic=arithmetic_of(tuple(errors.values())),
        operators={part: tuple(names) for part, names in told.get("operators", {}).items()},
        kernels={part: tuple(names) for part, names in told.get("kernels", {}).items()},
        compiled=_compiled(compiled) if compiled is not None else None,
        **errors,
    )


def _compiled(told: dict[str, Any]) -> Compiled:
    errors = _errors(told)
    return Compiled(
        failure=told["failure"],
        custom_calls=tuple(told.get("custom_calls", ())),
        arithmetic=arithmetic_of(tuple(errors.values())) if errors else None,
        **errors,
    )


def _library(item: dict[str, Any]) -> Library:
    number = item["version"]
    text = cudnn_version(number) if number is not None else None
    version = seen(text, "cudnnGetVersion", str(number)) if text else absent("it has no version function")
    return Library(path=item["path"], version=version)
