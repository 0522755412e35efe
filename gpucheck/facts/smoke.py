"""What a smoke training brought to light."""

from __future__ import annotations

from dataclasses import field

from gpucheck.facts.software import Library
from gpucheck.record import record


@record
class Errors:
    """How far a convolution is from the float64 reference.

    Attributes:
        norm: Euclidean norm of the difference over that of the reference.
        maximum: Largest absolute difference over the largest absolute reference value.
    """

    norm: float
    maximum: float


@record
class Convolution:
    """What the smoke run saw of convolution.

    Attributes:
        gpu_proved: Whether it is proved to have run on a GPU through cuDNN; None: no GPU was asked,
            or the proof could not be read (then ``reason`` says so).
        reason: Why ``gpu_proved`` is False or None.
        backend: ``cudnn``, ``mkldnn``, ``native``... as the framework names its choice.
        libraries: cuDNN files mapped into the process.
        arithmetic: ``fp32``, ``tf32`` or ``bf16``, read off the errors; None when they fit none.
        forward: Error of the output.
        grad_input: Error of the gradient with regard to the input.
        grad_weight: Error of the gradient with regard to the weights.
    """

    gpu_proved: bool | None = None
    reason: str | None = None
    backend: str | None = None
    libraries: tuple[Library, ...] = ()
    arithmetic: str | None = None
    forward: Errors | None = None
    grad_input: Errors | None = None
    grad_weight: Errors | None = None


@record
class Seconds:
    """Where the time of a smoke run went, in seconds of wall time.

    Attributes:
        import_: Importing the framework.
        data: Reading or making the data and bringing it to the device.
        device_start: First operation on the device.
        first_step: First training step (plans, graph tracing).
        train: The remaining training steps.
        evaluate: Accuracy on the test set.
        proof: Convolution against the reference, and the backend.
        total: The whole child process, start and end included.
    """

    import_: float | None = None
    data: float | None = None
    device_start: float | None = None
    first_step: float | None = None
    train: float | None = None
    evaluate: float | None = None
    proof: float | None = None
    total: float | None = None


@record
class SmokeData:
    """The data set of a smoke run.

    Attributes:
        name: ``digits`` (built in) or ``mnist``.
        path: Folder of the idx files; None for the built-in digits.
        train: Number of training images.
        test: Number of test images.
        sha256: SHA-256 of the unpacked bytes, by file name; empty for the built-in digits.
        known: Whether every file is one of the well-known MNIST files; None for the built-in digits.
    """

    name: str
    path: str | None = None
    train: int | None = None
    test: int | None = None
    sha256: dict[str, str] = field(default_factory=dict)
    known: bool | None = None


@record
class SmokeRun:
    """One smoke training, as its child process reported it.

    Attributes:
        framework: ``torch`` or ``tensorflow``.
        version: Version of the imported framework.
        python: Interpreter that ran it.
        asked: ``auto``, ``gpu`` or ``cpu``.
        device: Where it really ran, e.g. ``cpu`` or ``cuda:0``; None if it never got there.
        device_name: Product name of that device.
        model: Name of the reference model.
        data: The data set.
        seed: Seed of weights and order.
        accuracy: Share of the test images told right, 0 to 1.
        accuracy_limit: The least accuracy that passes.
        loss_first: Mean training loss over the first tenth of the steps.
        loss_last: The same over the last tenth.
        examples_per_second: Training examples per second, first step apart.
        seconds: Where the time went.
        convolution: What was seen of convolution.
        fixes_applied: Environment variables that were set for the child.
        curves: Training loss per reported step.
        failure: Why there is no result, or None.
        failure_stage: Stage in which it failed: ``start``, ``import``, ``data``, ``device``, ``train``...
        log: Last lines that the child printed, where it failed.
    """

    framework: str
    version: str | None = None
    python: str | None = None
    asked: str = "auto"
    device: str | None = None
    device_name: str | None = None
    model: str = "reference"
    data: SmokeData
    seed: int = 0
    accuracy: float | None = None
    accuracy_limit: float | None = None
    loss_first: float | None = None
    loss_last: float | None = None
    examples_per_second: float | None = None
    seconds: Seconds = field(default_factory=Seconds)
    convolution: Convolution = field(default_factory=Convolution)
    fixes_applied: dict[str, str] = field(default_factory=dict)
    curves: dict[str, tuple[float, ...]] = field(default_factory=dict)
    failure: str | None = None
    failure_stage: str | None = None
    log: tuple[str, ...] = ()
