"""The smoke training: the reference network in each framework, in a child process, judged like any fact."""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gpucheck.facts import Convolution, Errors, Facts, Library, Seconds, SmokeData, SmokeRun, absent, seen
from gpucheck.facts.versions import cudnn_version
from gpucheck.fixes import safe_environment
from gpucheck.smoketest import child, data
from gpucheck.smoketest.arithmetic import arithmetic_of
from gpucheck.smoketest.data import DataError
from gpucheck.smoketest.models import REFERENCE
from gpucheck.smoketest.scratch import scratch_folder

if TYPE_CHECKING:
    from collections.abc import Callable

    Listener = Callable[[str, dict[str, Any]], None]

__all__ = ["DataError", "Request", "RequestError", "choose_frameworks", "train_all"]

ALIASES = {"torch": "torch", "pytorch": "torch", "tf": "tensorflow", "tensorflow": "tensorflow"}
DEVICES = ("auto", "gpu", "cpu")


class RequestError(ValueError):
    """The smoke training that was asked for is not possible; the message says what to write instead."""


@dataclass(frozen=True, kw_only=True)
class Request:
    """What to train.

    Attributes:
        framework: ``torch`` (``pytorch``), ``tf`` (``tensorflow``) or ``all`` that are installed.
        python: Another interpreter, or None.
        device: ``auto`` (the GPU where one is present), ``gpu`` or ``cpu``.
        data: Folder of MNIST's idx files; None for the built-in digits.
        seed: Seed of weights and order, 0 to 2**31 - 1.
        deadline: Seconds that one framework may take.
        fix: Whether the safe cures are applied before the training.

    Raises:
        RequestError: A value is not one of these.
        DataError: The folder does not hold the four files.
    """

    framework: str = "all"
    python: str | None = None
    device: str = "auto"
    data: Path | None = None
    seed: int = 0
    deadline: float = 300.0
    fix: bool = True

    def __post_init__(self) -> None:
        """Check every value before anything is started."""
        if self.framework != "all" and self.framework not in ALIASES:
            raise RequestError(f"--framework {self.framework!r}: torch, tf or all expected")
        if self.device not in DEVICES:
            raise RequestError(f"--device {self.device!r}: auto, gpu or cpu expected")
        if not 0 <= self.seed < 2**31:
            raise RequestError(f"--seed {self.seed}: a number from 0 to 2147483647 expected")
        if self.data is not None:
            data.check_folder(self.data)


def choose_frameworks(request: Request, facts: Facts) -> list[str]:
    """Return the frameworks to train in.

    One that was named and of which only the metadata was found (an editable install) is tried.

    Raises:
        RequestError: One that was named is not installed, or none is.
    """
    where = facts.interpreter.executable.value or "this interpreter"
    installed = [framework.name for framework in facts.frameworks if framework.installed.value]
    if request.framework == "all":
        if not installed:
            raise RequestError(
                f"neither PyTorch nor TensorFlow is installed in {where}; install one, or name another "
                "interpreter with --python"
            )
        return installed
    wanted = ALIASES[request.framework]
    if facts.framework(wanted).installed.value is False:
        raise RequestError(f"{wanted} is not installed in {where}; install it, or name another with --python")
    return [wanted]


def train_all(request: Request, facts: Facts, listen: Listener) -> Facts:
    """Train in each framework, one after the other, and return the facts with what came of it.

    Raises:
        RequestError: See `choose_frameworks`.
        DataError: A data file is damaged.
    """
    runs = [_train(name, request, facts, listen) for name in choose_frameworks(request, facts)]
    return replace(facts, smoke=tuple(runs))


def _train(framework: str, request: Request, facts: Facts, listen: Listener) -> SmokeRun:
    fixes = safe_environment(framework, facts, os.environ) if request.fix else {}
    python = facts.interpreter.executable.value or "python"
    with scratch_folder() as scratch:
        heard = child.train(
            framework,
            python,
            {**_message(request), "scratch": scratch},
            fixes,
            request.deadline,
            lambda event: listen(framework, event),
        )
    if heard.bad_input:
        raise DataError(f"--data {heard.failure}")
    return _run(framework, request, python, fixes, heard)


def _message(request: Request) -> dict[str, Any]:
    recipe = dict(REFERENCE.recipe)
    if request.data is None:
        recipe["examples"] = data.DIGITS_EXAMPLES
    return {
        "data": str(request.data) if request.data is not None else None,
        "digits": data.DIGITS,
        "device": request.device,
        "seed": request.seed,
        "layers": list(REFERENCE.layers),
        "recipe": recipe,
    }


def _run(framework: str, request: Request, python: str, fixes: dict[str, str], heard: child.Heard) -> SmokeRun:
    result, device = heard.facts.get("result", {}), heard.facts.get("device", {})
    about = _data(request, heard.facts.get("data", {}))
    return SmokeRun(
        framework=framework,
        version=heard.facts.get("about", {}).get("version"),
        python=python,
        asked=request.device,
        device=device.get("device"),
        device_name=device.get("device_name"),
        model=REFERENCE.name,
        data=about,
        seed=request.seed,
        accuracy=result.get("accuracy"),
        accuracy_limit=None if about.name == "mnist" and not about.known else data.LIMITS[about.name],
        loss_first=result.get("loss_first"),
        loss_last=result.get("loss_last"),
        examples_per_second=result.get("examples_per_second"),
        seconds=_seconds(result.get("seconds", {}), heard.seconds),
        convolution=_convolution(result.get("convolution", {})),
        fixes_applied=fixes,
        curves={name: tuple(values) for name, values in result.get("curves", {}).items()},
        failure=heard.failure,
        failure_stage=heard.stage if heard.failure is not None else None,
        log=heard.log if heard.failure is not None else (),
    )


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
    names = ("data", "device_start", "first_step", "train", "evaluate", "proof")
    parts = {name: round(told[name], 4) for name in names if name in told}
    imported = round(told["import"], 4) if "import" in told else None
    return Seconds(import_=imported, total=round(total, 4), **parts)


def _convolution(told: dict[str, Any]) -> Convolution:
    if not told:
        return Convolution()
    errors = {name: Errors(**told[name]) for name in ("forward", "grad_input", "grad_weight")}
    return Convolution(
        gpu_proved=told["gpu_proved"],
        reason=told["reason"],
        backend=told["backend"],
        libraries=tuple(_library(item) for item in told["libraries"]),
        arithmetic=arithmetic_of(tuple(errors.values())),
        **errors,
    )


def _library(item: dict[str, Any]) -> Library:
    number = item["version"]
    text = cudnn_version(number) if number is not None else None
    version = seen(text, "cudnnGetVersion", str(number)) if text else absent("it has no version function")
    return Library(path=item["path"], version=version)
