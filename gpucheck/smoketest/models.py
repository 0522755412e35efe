"""The reference networks and their recipes, as data; the training scripts build them.

Five are those of public tutorials, as their texts give them; where a text is silent the reading is said here.
`reference` is ours and the default. Only whole batches are trained on, in every recipe.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

Layer = dict[str, Any]
Recipe = dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class Model:
    """A network and how it is trained.

    Attributes:
        name: As ``--model`` takes it.
        summary: One line about it.
        layers: In order; ``kind`` is conv, max_pool, avg_pool, batchnorm, relu, sigmoid, flatten or dense. The
            last layer gives logits: a softmax is part of the loss.
        quick: A recipe that learns at once: a verdict may rest on it.
        original: The recipe of its text; None for our own.
        digits_examples: Images seen by the quick recipe on the built-in digits, where it is not that of MNIST.
        claim: What the text claims to reach, or None.
        limits: Least accuracy that passes, by (recipe, data set); below the worst that was measured on a healthy
            machine, see docs/reference-results.md. A pair that is missing has no known accuracy.
    """

    name: str
    summary: str
    layers: tuple[Layer, ...]
    quick: Recipe
    original: Recipe | None = None
    digits_examples: int | None = None
    claim: str | None = None
    limits: dict[tuple[str, str], float] = field(default_factory=dict)


def conv(out: int, kernel: int, stride: int = 1, padding: int = 0, *, bias: bool = True, start: str) -> Layer:
    """A convolution; ``padding`` zeros on each side."""
    return {"kind": "conv", "out": out, "kernel": kernel, "stride": stride, "padding": padding, "bias": bias,
            "start": start}  # fmt: skip


def dense(out: int, *, start: str) -> Layer:
    """A fully connected layer."""
    return {"kind": "dense", "out": out, "start": start}


BATCHNORM, RELU, SIGMOID, FLATTEN = (
    {"kind": "batchnorm"},
    {"kind": "relu"},
    {"kind": "sigmoid"},
    {"kind": "flatten"},
)
MAX_POOL, AVG_POOL = {"kind": "max_pool", "size": 2}, {"kind": "avg_pool", "size": 2}

# How weights start; smokelib/weights.py draws them.
TORCH, KERAS, HE, XAVIER, NORMAL = (
    "fan_in_uniform",
    "glorot_uniform",
    "he_uniform",
    "xavier_uniform",
    "normal_0.05",
)

PLAIN_PIXELS = {"mean": 0.0, "deviation": 255.0}
OWN_PIXELS = {"mean": 33.3, "deviation": 78.6}


def one_cycle(rate: float, batch: int, examples: int) -> Recipe:
    """Adam under one cycle of the learning rate (Smith, arXiv 1708.07120); ``examples`` are images seen."""
    return {"optimiser": "adam", "betas": (0.7, 0.9), "epsilon": 1e-8, "schedule": "one_cycle", "rate": rate,
            "warm": 0.3, "divisor": 25, "batch": batch, "examples": examples, "loss": "mean",
            "sampling": "shuffle", **OWN_PIXELS}  # fmt: skip


def adam(rate: float, batch: int, epochs: int, **rest: Any) -> Recipe:
    """Adam at a constant rate, with Keras' and TensorFlow's usual moments; ``rest`` changes other keys."""
    plain = {"optimiser": "adam", "betas": (0.9, 0.999), "epsilon": 1e-7, "schedule": "constant", "rate": rate,
             "batch": batch, "epochs": epochs, "loss": "mean", "sampling": "shuffle", **PLAIN_PIXELS}  # fmt: skip
    return {**plain, **rest}


def sgd(rate: float, momentum: float, batch: int, epochs: int, **rest: Any) -> Recipe:
    """Stochastic gradient descent at a constant rate."""
    return {**adam(rate, batch, epochs), "optimiser": "sgd", "momentum": momentum, **rest}


def strided(width: int) -> tuple[Layer, ...]:
    """Our own network. Strided convolutions, not pooling: 1.5 to 3 times faster on a CPU (measured)."""
    return (
        conv(16, 5, 2, bias=False, start=TORCH), BATCHNORM, RELU,
        conv(32, 3, 2, start=TORCH), BATCHNORM, RELU,
        FLATTEN, dense(width, start=TORCH), RELU, dense(10, start=TORCH),
    )  # fmt: skip


REFERENCE = Model(
    name="reference",
    summary="gpucheck's own: strided convolutions, batch normalisation, one-cycle Adam",
    layers=strided(64),
    quick=one_cycle(0.02, 256, 30_000),
    digits_examples=18_000,
    limits={("quick", "digits"): 0.965, ("quick", "mnist"): 0.975},
)

# --target 99: a wider dense layer and two and a half times the images.
REFERENCE_99 = Model(
    name="reference",
    summary=REFERENCE.summary,
    layers=strided(128),
    quick=one_cycle(0.02, 512, 90_000),
    limits={("quick", "mnist"): 0.986},
)

CONV8_SGD = Model(
    name="conv8-sgd",
    summary="one convolution of 8, SGD with momentum, 5-fold cross-validation",
    # Pooling and flattening stand in the text's comments only; without them it does not run.
    layers=(
        conv(8, 3, start=HE), RELU, MAX_POOL, FLATTEN, dense(120, start=HE), RELU, dense(10, start=KERAS),
    ),
    quick=one_cycle(0.01, 256, 60_000),
    original=sgd(0.01, 0.9, 60, 10, folds=5),
    limits={("quick", "digits"): 0.94, ("quick", "mnist"): 0.97},
)  # fmt: skip

LENET5 = Model(
    name="lenet5",
    summary="LeNet-5 with sigmoids and average pooling",
    # The text sets weights only: biases start as PyTorch has them.
    layers=(
        conv(6, 5, padding=2, start=XAVIER), SIGMOID, AVG_POOL,
        conv(16, 5, start=XAVIER), SIGMOID, AVG_POOL,
        FLATTEN, dense(120, start=XAVIER), SIGMOID, dense(84, start=XAVIER), SIGMOID, dense(10, start=XAVIER),
    ),
    quick=one_cycle(0.02, 256, 90_000),
    original=sgd(0.9, 0.0, 256, 10, validation="test"),
    limits={("quick", "digits"): 0.975, ("quick", "mnist"): 0.97},
)  # fmt: skip

CNN_1024 = Model(
    name="cnn-1024",
    summary="two 5 x 5 convolutions and a dense layer of 1,024, batches drawn with replacement",
    layers=(
        conv(32, 5, padding=2, start=KERAS), RELU, MAX_POOL,
        conv(64, 5, padding=2, start=KERAS), RELU, MAX_POOL,
        FLATTEN, dense(1024, start=KERAS), RELU, dense(10, start=KERAS),
    ),
    quick=one_cycle(0.002, 256, 18_000),
    original=adam(1e-3, 50, 5, loss="sum", sampling="replacement"),
    claim="99.15 % test",
    limits={("quick", "digits"): 0.96, ("quick", "mnist"): 0.965},
)  # fmt: skip

CNN_64 = Model(
    name="cnn-64",
    summary="two 3 x 3 convolutions and a dense layer of 64, the test set as validation",
    layers=(
        conv(32, 3, start=KERAS), RELU, MAX_POOL,
        conv(64, 3, start=KERAS), RELU, MAX_POOL,
        FLATTEN, dense(64, start=KERAS), RELU, dense(10, start=KERAS),
    ),
    quick=one_cycle(0.005, 256, 27_000),
    original=adam(1e-3, 32, 10, validation="test"),
    claim="99.05 % test at epoch 10",
    limits={("quick", "digits"): 0.965, ("quick", "mnist"): 0.97},
)  # fmt: skip

CNN_128 = Model(
    name="cnn-128",
    summary="convolutions of 6 and 16, a dense layer of 128, 5,000 images of validation",
    layers=(
        conv(6, 5, padding=2, start=NORMAL), MAX_POOL, RELU,
        conv(16, 5, padding=2, start=NORMAL), MAX_POOL, RELU,
        FLATTEN, dense(128, start=NORMAL), RELU, dense(10, start=NORMAL),
    ),
    quick=one_cycle(0.01, 256, 45_000),
    original=adam(1e-4, 100, 100, epsilon=1e-8, validation=5000),
    claim="99.04 % validation at epoch 50",
    limits={("quick", "digits"): 0.975, ("quick", "mnist"): 0.975},
)  # fmt: skip

MODELS = {model.name: model for model in (REFERENCE, CONV8_SGD, LENET5, CNN_1024, CNN_64, CNN_128)}
