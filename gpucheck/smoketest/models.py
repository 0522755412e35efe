"""The reference networks as data: layers and recipe. The training scripts build them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

Layer = dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class Model:
    """A network and how it is trained.

    Attributes:
        layers: In order; ``kind`` is conv, batchnorm, relu, flatten or dense.
        recipe: batch and examples in images, rate (peak of a one-cycle schedule), betas of Adam, warm (share
            of the steps on the way up), divisor (peak over first rate), mean and deviation of the pixels,
            0 to 255.
    """

    name: str
    layers: tuple[Layer, ...]
    recipe: dict[str, Any]


def conv(out: int, kernel: int, stride: int, *, bias: bool) -> Layer:
    """A convolution without padding."""
    return {"kind": "conv", "out": out, "kernel": kernel, "stride": stride, "bias": bias}


def dense(out: int) -> Layer:
    """A fully connected layer."""
    return {"kind": "dense", "out": out}


BATCHNORM, RELU, FLATTEN = {"kind": "batchnorm"}, {"kind": "relu"}, {"kind": "flatten"}

# Strided convolutions instead of pooling: 1.5 to 3 times faster per example on a CPU (measured).
REFERENCE = Model(
    name="reference",
    layers=(
        conv(16, 5, 2, bias=False),
        BATCHNORM,
        RELU,
        conv(32, 3, 2, bias=True),
        BATCHNORM,
        RELU,
        FLATTEN,
        dense(64),
        RELU,
        dense(10),
    ),
    recipe={
        "batch": 256,
        "examples": 36_000,
        "rate": 0.02,
        "betas": (0.7, 0.9),
        "warm": 0.3,
        "divisor": 25,
        "mean": 33.3,
        "deviation": 78.6,
    },
)
