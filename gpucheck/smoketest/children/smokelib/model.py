"""The reference network as numbers: first weights, order of the examples, learning rate. numpy only.

Both frameworks start from the same weights and see the same examples in the same order.
"""

from __future__ import annotations

import math

import numpy as np


def weights(layers: list[dict], seed: int) -> list[list[np.ndarray]]:
    """Return each layer's weights, float32, in torch's layout, uniform within 1 / sqrt(fan-in).

    conv: (out, in, kernel, kernel) and, where it has one, a bias (out,); dense: (out, in) and a bias;
    batchnorm: scale and shift; the other layers none.
    """
    rng = np.random.default_rng(seed)
    channels, size, made = 1, 28, []
    for layer in layers:
        own: list[np.ndarray] = []
        if layer["kind"] == "conv":
            shape = (layer["out"], channels, layer["kernel"], layer["kernel"])
            own = uniform(rng, shape, channels * layer["kernel"] ** 2, layer["bias"])
            size = (size - layer["kernel"]) // layer["stride"] + 1
            channels = layer["out"]
        elif layer["kind"] == "batchnorm":
            own = [np.ones(channels, np.float32), np.zeros(channels, np.float32)]
        elif layer["kind"] == "flatten":
            channels, size = channels * size * size, 1
        elif layer["kind"] == "dense":
            own = uniform(rng, (layer["out"], channels), channels, True)
            channels = layer["out"]
        made.append(own)
    return made


def uniform(rng, shape: tuple, fan_in: int, bias: bool) -> list[np.ndarray]:
    """Return a weight and, if wanted, a bias."""
    bound = 1 / math.sqrt(fan_in)
    shapes = [shape, shape[:1]] if bias else [shape]
    return [rng.uniform(-bound, bound, each).astype(np.float32) for each in shapes]


def order(recipe: dict, count: int, seed: int) -> np.ndarray:
    """Return which examples each step sees: int64 of shape (steps, batch); whole batches only."""
    rng = np.random.default_rng(seed + 1)
    steps = max(1, recipe["examples"] // recipe["batch"])
    rounds = -(-steps * recipe["batch"] // count)
    mixed = np.concatenate([rng.permutation(count) for _ in range(rounds)])
    return mixed[: steps * recipe["batch"]].reshape(steps, recipe["batch"])


def rates(recipe: dict, steps: int) -> np.ndarray:
    """Return the learning rate of each step: one cycle, up and down a cosine (Smith, arXiv 1708.07120)."""
    warm = max(1, round(recipe["warm"] * steps))
    up = 0.5 - 0.5 * np.cos(np.pi * np.arange(warm) / warm)
    down = 0.5 + 0.5 * np.cos(np.pi * np.arange(1, steps - warm + 1) / max(1, steps - warm))
    low = recipe["rate"] / recipe["divisor"]
    return np.concatenate([low + (recipe["rate"] - low) * up, recipe["rate"] * down]).astype(np.float32)


def summary(losses: list[float]) -> dict:
    """Return the mean loss of the first and of the last tenth, and a curve of at most 50 points."""
    tenth = max(1, len(losses) // 10)
    stride = max(1, len(losses) // 50)
    return {
        "loss_first": float(np.mean(losses[:tenth])),
        "loss_last": float(np.mean(losses[-tenth:])),
        "curves": {"loss": [round(float(value), 5) for value in losses[::stride]]},
    }
