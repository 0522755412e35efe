"""What a smoke training is asked to do: checked before anything is started, and as the script reads it."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gpucheck.smoketest import data
from gpucheck.smoketest.layers import count, described
from gpucheck.smoketest.models import MODELS, REFERENCE_99, Model

ALIASES = {"torch": "torch", "pytorch": "torch", "tf": "tensorflow", "tensorflow": "tensorflow"}
CHOICES = {
    "device": ("auto", "gpu", "cpu"),
    "recipe": ("quick", "original"),
    "arithmetic": ("default", "fp32"),
    "target": (98, 99),
}
QUICK_DEADLINE, ORIGINAL_DEADLINE = 300.0, 14_400.0


class RequestError(ValueError):
    """The smoke training that was asked for is not possible; the message says what to write instead."""


class MissingError(RequestError):
    """What should be trained in is not installed."""


@dataclass(frozen=True, kw_only=True)
class Request:
    """What to train.

    Attributes:
        framework: ``torch`` (``pytorch``), ``tf`` (``tensorflow``) or ``all`` that are installed.
        python: Another interpreter, or None.
        device: ``auto`` (the GPU where one is present), ``gpu`` or ``cpu``.
        all_gpus: Whether each visible GPU is trained on, one after the other.
        model: One of `MODELS`.
        recipe: ``quick``, or ``original``: that of the model's text.
        target: Accuracy in percent that the quick recipe of ``reference`` aims at: 98 or 99.
        data: Folder of MNIST's idx files; None for the built-in digits.
        download: Whether MNIST is to be downloaded, and ``data`` is still to come.
        epochs: Passes over the training images instead of the recipe's.
        batch_size: Images in a step instead of the recipe's.
        folds: Number of parts of a cross-validation; 1 for none; None for the recipe's.
        validation: ``test``, or how many training images to hold out; None for the recipe's.
        seed: Seed of weights and order, 0 to 2**31 - 1.
        arithmetic: ``default`` or ``fp32``: then TF32 is switched off, and found to be off.
        compiled: Whether convolution is also proved in compiled code (torch.compile, XLA).
        samples: How many test images to bring back with the answers, at most 100.
        tensorboard: Folder for TensorBoard's event files, or None.
        deadline: Seconds that one training may take; None for the recipe's usual.
        fix: Whether the safe cures are applied before the training.

    Raises:
        RequestError: A value is not one of these.
        DataError: The folder does not hold the four files.
    """

    framework: str = "all"
    python: str | None = None
    device: str = "auto"
    all_gpus: bool = False
    model: str = "reference"
    recipe: str = "quick"
    target: int = 98
    data: Path | None = None
    download: bool = False
    epochs: int | None = None
    batch_size: int | None = None
    folds: int | None = None
    validation: str | None = None
    seed: int = 0
    arithmetic: str = "default"
    compiled: bool = False
    samples: int = 0
    tensorboard: Path | None = None
    deadline: float | None = None
    fix: bool = True

    def __post_init__(self) -> None:
        """Check every value before anything is started."""
        if self.framework != "all" and self.framework not in ALIASES:
            raise RequestError(f"--framework {self.framework!r}: torch, tf or all expected")
        if self.model not in MODELS:
            raise RequestError(f"--model {self.model!r}: {_or(MODELS)} expected; --list-models shows them")
        for name, choices in CHOICES.items():
            if getattr(self, name) not in choices:
                raise RequestError(f"--{name} {getattr(self, name)!r}: {_or(choices)} expected")
        self._check_numbers()
        self._check_together()
        if self.data is not None:
            data.check_folder(self.data)

    def _check_numbers(self) -> None:
        _between("seed", self.seed, 0, 2**31 - 1)
        _between("epochs", self.epochs, 1, 10_000)
        _between("batch-size", self.batch_size, 1, 10_000)
        _between("folds", self.folds, 1, 100)
        if self.validation is not None and self.validation != "test":
            if not self.validation.isdecimal():
                raise RequestError(f"--validation {self.validation!r}: a number of images, or test, expected")
            most = 50_000 if self.real else data.DIGITS["train"] // 2
            _between("validation", int(self.validation), 1, most)
        if self.deadline is not None and not (math.isfinite(self.deadline) and self.deadline > 0):
            raise RequestError(f"--timeout {self.deadline}: seconds, more than 0, expected")

    def _check_together(self) -> None:
        if self.recipe == "original" and MODELS[self.model].original is None:
            raise RequestError(f"--recipe original: the model {self.model} is ours and has the quick recipe only")
        if self.target == 99 and (self.model != "reference" or self.recipe != "quick"):
            raise RequestError("--target 99: is known for the quick recipe of the model reference only")
        if self.target == 99 and not self.real:
            raise RequestError("--target 99: needs the real MNIST, --data mnist or --data DIR")
        if self.validation is not None and (self.folds or 1) > 1:
            raise RequestError("--folds and --validation: each fold is validated on its own part; give only one")
        if self.tensorboard is not None and (
            (self.tensorboard.exists() and not self.tensorboard.is_dir()) or not self.tensorboard.parent.is_dir()
        ):
            raise RequestError(f"--tensorboard {self.tensorboard}: a folder, or a name in one, expected")
        _between("samples", self.samples, 0, 100)
        if self.all_gpus and self.device == "cpu":
            raise RequestError("--all-gpus and --device cpu: give only one")

    @property
    def real(self) -> bool:
        """Whether MNIST is trained on, not the built-in digits."""
        return self.data is not None or self.download

    @property
    def network(self) -> Model:
        """The model that is trained."""
        return REFERENCE_99 if self.target == 99 else MODELS[self.model]

    @property
    def seconds(self) -> float:
        """Seconds that one training may take."""
        usual = ORIGINAL_DEADLINE if self.recipe == "original" else QUICK_DEADLINE
        return usual if self.deadline is None else self.deadline

    @property
    def steps(self) -> dict[str, Any]:
        """The recipe with what the user changed, folds and validation among its keys."""
        model = self.network
        made = dict(model.quick if self.recipe == "quick" else model.original or {})
        if self.data is None and self.recipe == "quick":
            made["examples"] = model.digits_examples or made["examples"]
        if self.epochs is not None:
            made.pop("examples", None)
            made["epochs"] = self.epochs
        if self.batch_size is not None:
            made["batch"] = self.batch_size
        if self.folds is not None:
            made["folds"] = self.folds if self.folds > 1 else 0
            made.pop("validation", None)
        if self.validation is not None:
            made.update(folds=0, validation=self.validation if self.validation == "test" else int(self.validation))
        if self.data is None and isinstance(made.get("validation"), int):
            made["validation"] = min(made["validation"], data.DIGITS["train"] // 2)
        return made

    @property
    def changed(self) -> tuple[str, ...]:
        """What the user changed in the recipe."""
        given = {"epochs": self.epochs, "batch size": self.batch_size, "folds": self.folds,
                 "validation": self.validation}  # fmt: skip
        return tuple(f"{name} {value}" for name, value in given.items() if value is not None)

    @property
    def least(self) -> float | None:
        """The least accuracy that passes; None where none is known.

        Folds and a validation take away few images, and the limits leave room for that (measured).
        """
        if self.epochs is not None or self.batch_size is not None:
            return None
        about = "digits" if self.data is None else "mnist"
        return self.network.limits.get((self.recipe, about))

    def message(self, gpu: int) -> dict[str, Any]:
        """Return what the training script reads from stdin."""
        steps = self.steps
        folds, validation = steps.pop("folds", 0), steps.pop("validation", None)
        return {
            "data": str(self.data) if self.data is not None else None,
            "digits": data.DIGITS,
            "device": self.device,
            "gpu": gpu,
            "seed": self.seed,
            "layers": described(self.network.layers),
            "recipe": steps,
            "folds": folds,
            "validation": validation,
            "least": self.least,
            "arithmetic": self.arithmetic,
            "compiled": self.compiled,
            "samples": self.samples,
            "tensorboard": str(self.tensorboard) if self.tensorboard is not None else None,
        }


def parameters(model: Model) -> int:
    """Return how many parameters a model has."""
    return sum(map(count, described(model.layers)))


def _or(choices: Any) -> str:
    *first, last = map(str, choices)
    return f"{', '.join(first)} or {last}"


def _between(option: str, value: int | None, least: int, most: int) -> None:
    if value is not None and not least <= value <= most:
        raise RequestError(f"--{option} {value}: a number from {least} to {most} expected")
