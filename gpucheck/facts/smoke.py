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
class Compiled:
    """A convolution that the framework's compiler has made: torch.compile, XLA.

    Attributes:
        failure: Why it could not be compiled or run, or None.
        custom_calls: Library calls in XLA's optimised program, e.g. ``__cudnn$convForward``.
        arithmetic: As of `Convolution`.
        forward: Error of the output.
        grad_input: Error of the gradient with regard to the input.
        grad_weight: Error of the gradient with regard to the weights.
    """

    failure: str | None = None
    custom_calls: tuple[str, ...] = ()
    arithmetic: str | None = None
    forward: Errors | None = None
    grad_input: Errors | None = None
    grad_weight: Errors | None = None


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
        operators: Convolution operators in the profile, by part: forward, grad_input, grad_weight.
        kernels: GPU kernels in the profile, by part.
        compiled: The same in compiled code; None when it was not asked for.
    """

    gpu_proved: bool | None = None
    reason: str | None = None
    backend: str | None = None
    libraries: tuple[Library, ...] = ()
    arithmetic: str | None = None
    forward: Errors | None = None
    grad_input: Errors | None = None
    grad_weight: Errors | None = None
    operators: dict[str, tuple[str, ...]] = field(default_factory=dict)
    kernels: dict[str, tuple[str, ...]] = field(default_factory=dict)
    compiled: Compiled | None = None


@record
class Seconds:
    """Where the time of a smoke run went, in seconds of wall time.

    Attributes:
        import_: Importing the framework.
        data: Reading or making the data, as far as it was waited for: it happens beside the import.
        device_start: First operation on the device.
        to_device: Bringing the data to the device, and reading it back once.
        first_step: First training step (plans, graph tracing).
        train: The remaining training steps.
        evaluate: Accuracy on the test set, and on validation images.
        proof: Convolution against the reference, and the backend.
        total: The whole child process, from its start until it was gone.
    """

    import_: float | None = None
    data: float | None = None
    device_start: float | None = None
    to_device: float | None = None
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
class Fold:
    """One training of a cross-validation.

    Attributes:
        accuracy: Share of the held-out images told right, 0 to 1.
        test_accuracy: The same of the test images.
        curves: As of `SmokeRun`.
    """

    accuracy: float
    test_accuracy: float
    curves: dict[str, tuple[float, ...]] = field(default_factory=dict)


@record
class Samples:
    """The first test images and what the network made of them.

    Attributes:
        images: Pixels 0 to 255, 784 for each image, row by row.
        labels: True digits.
        predictions: Told digits.
        logits: The ten logits of the first image.
    """

    images: tuple[tuple[int, ...], ...]
    labels: tuple[int, ...]
    predictions: tuple[int, ...]
    logits: tuple[float, ...]


@record
class Observation:
    """A trouble that shows in an output by known words.

    Attributes:
        slug: The trouble.
        line: The line that shows it.
        source: Where the line stands, e.g. ``the training's output``.
    """

    slug: str
    line: str
    source: str


@record
class Retry:
    """The same training again under one cure, to find out what was wrong.

    Attributes:
        cure: ``memory-growth`` or ``own-libraries``.
        environment: Variables that were set for it.
        passed: Whether it came to its end with right convolutions.
        failure: Why not, or None.
    """

    cure: str
    environment: dict[str, str]
    passed: bool
    failure: str | None = None


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
        parameters: Number of its parameters.
        recipe: ``quick`` or ``original``.
        changed: What differs from that recipe, e.g. ``epochs 3``.
        batch_size: Images in each step.
        images_seen: Images that each network was trained on, repeated ones counted.
        validation: What the network was looked at with between: ``test``, ``5000 images``, ``5 folds``, or None.
        data: The data set.
        seed: Seed of weights and order.
        arithmetic_asked: ``default`` (the framework's) or ``fp32``.
        accuracy: Share of the test images told right, 0 to 1; with folds the mean over their networks.
        accuracy_limit: The least accuracy that passes.
        loss_first: Mean training loss over the first tenth of the steps.
        loss_last: The same over the last tenth.
        examples_per_second: Training examples per second, first step apart.
        seconds: Where the time went.
        convolution: What was seen of convolution.
        fixes_applied: Environment variables that were set for the child.
        memory_peak: Bytes that the framework took on the GPU at most; None on a CPU.
        curves: ``images`` seen, and there ``loss`` and ``accuracy`` of training since the point before,
            ``validation_loss`` and ``validation_accuracy`` where there is a validation. Of the first fold.
        folds: Each training of a cross-validation.
        confusion: How often a true digit (row) was told as another (column), over all folds.
        samples: Test images to look at; None unless asked for.
        weights_moved: For each layer with weights, norm of their change over norm at the start.
        data_kept: Whether the data was still the same when it was read back from the device.
        nearest_mean_accuracy: What the nearest mean image of each class tells right, without any framework; only
            measured where the training stayed below its limit.
        neighbour_correlation: Correlation of a pixel with its right neighbour; likewise.
        failure: Why there is no result, or None.
        failure_stage: Stage in which it failed: ``start``, ``import``, ``data``, ``device``, ``train``...
        log: Last lines that the child printed, where it failed.
        observations: Known troubles that show in all that it printed.
        retries: The same again under a cure.
    """

    framework: str
    version: str | None = None
    python: str | None = None
    asked: str = "auto"
    device: str | None = None
    device_name: str | None = None
    model: str = "reference"
    parameters: int | None = None
    recipe: str = "quick"
    changed: tuple[str, ...] = ()
    batch_size: int | None = None
    images_seen: int | None = None
    validation: str | None = None
    data: SmokeData
    seed: int = 0
    arithmetic_asked: str = "default"
    accuracy: float | None = None
    accuracy_limit: float | None = None
    loss_first: float | None = None
    loss_last: float | None = None
    examples_per_second: float | None = None
    seconds: Seconds = field(default_factory=Seconds)
    convolution: Convolution = field(default_factory=Convolution)
    fixes_applied: dict[str, str] = field(default_factory=dict)
    memory_peak: int | None = None
    curves: dict[str, tuple[float, ...]] = field(default_factory=dict)
    folds: tuple[Fold, ...] = ()
    confusion: tuple[tuple[int, ...], ...] = ()
    samples: Samples | None = None
    weights_moved: tuple[float, ...] = ()
    data_kept: bool | None = None
    nearest_mean_accuracy: float | None = None
    neighbour_correlation: float | None = None
    failure: str | None = None
    failure_stage: str | None = None
    log: tuple[str, ...] = ()
    observations: tuple[Observation, ...] = ()
    retries: tuple[Retry, ...] = ()
