"""A network's first weights. numpy only.

Both frameworks start from the same weights.
"""

from __future__ import annotations

import math

import numpy as np


def weights(layers: list[dict], seed: int) -> list[list[np.ndarray]]:
    """Return each layer's first weights, float32, in torch's layout; an empty list for layers without any.

    Each layer says the shapes of its ``parameters``.
    """
    rng = np.random.default_rng(seed)
    made = []
    for layer in layers:
        shapes = layer["parameters"]
        if layer["kind"] == "batchnorm":
            made.append([np.ones(shapes[0], np.float32), np.zeros(shapes[1], np.float32)])
        elif shapes:
            made.append(draw(rng, layer["start"], shapes))
        else:
            made.append([])
    return made


def draw(rng, start: str, shapes: list[tuple]) -> list[np.ndarray]:
    """Draw a weight and, if it has one, a bias, as the named initialiser does.

    fan_in_uniform is PyTorch's default for both, xavier_uniform with PyTorch's bias; glorot_uniform (the same
    bound under its Keras name) and he_uniform have biases of zero; normal_0.05 is cut off at two deviations,
    with biases of 0.05.
    """
    shape = shapes[0]
    area = math.prod(shape[2:])
    fan_in, fan_out = shape[1] * area, shape[0] * area
    if start == "normal_0.05":
        made = [truncated(rng, shape) * 0.05, *(np.full(bias, 0.05) for bias in shapes[1:])]
        return [array.astype(np.float32) for array in made]
    glorot = math.sqrt(6 / (fan_in + fan_out))
    bounds = {"fan_in_uniform": 1 / math.sqrt(fan_in), "he_uniform": math.sqrt(6 / fan_in)}
    bound = bounds.get(start, glorot)
    bias = 1 / math.sqrt(fan_in) if start in ("fan_in_uniform", "xavier_uniform") else 0.0
    limits = [bound, *(bias for _ in shapes[1:])]
    return [rng.uniform(-most, most, each).astype(np.float32) for most, each in zip(limits, shapes)]


def truncated(rng, shape: tuple) -> np.ndarray:
    """Draw a standard normal that is drawn again wherever it lies beyond two deviations."""
    array = rng.standard_normal(shape)
    while (far := np.abs(array) > 2).any():
        array[far] = rng.standard_normal(int(far.sum()))
    return array
