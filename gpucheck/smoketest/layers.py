"""What a network's layers come to: output shapes, and shapes of the parameters."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable

    from gpucheck.smoketest.models import Layer


def described(layers: Iterable[Layer]) -> list[Layer]:
    """Return the layers, each with its ``output`` shape and the shapes of its ``parameters``.

    ``output`` is without the batch: (channels, rows, columns) or (features,). ``parameters`` in torch's layout:
    conv (out, in, kernel, kernel) and, where it has one, a bias; dense (out, in) and a bias; batchnorm scale and
    shift.
    """
    channels, size, flat = 1, 28, False
    found = []
    for layer in layers:
        kind = layer["kind"]
        shapes = _parameters(layer, channels)
        if kind == "conv":
            size = (size + 2 * layer["padding"] - layer["kernel"]) // layer["stride"] + 1
        elif kind in ("max_pool", "avg_pool"):
            size //= layer["size"]
        elif kind == "flatten":
            channels, size, flat = channels * size * size, 1, True
        channels = layer.get("out", channels)
        output = (channels,) if flat else (channels, size, size)
        found.append({**layer, "output": output, "parameters": shapes})
    return found


def _parameters(layer: Layer, channels: int) -> list[tuple[int, ...]]:
    kind = layer["kind"]
    if kind == "conv":
        weight = (layer["out"], channels, layer["kernel"], layer["kernel"])
        return [weight, (layer["out"],)] if layer["bias"] else [weight]
    if kind == "dense":
        return [(layer["out"], channels), (layer["out"],)]
    return [(channels,), (channels,)] if kind == "batchnorm" else []


def count(layer: dict[str, Any]) -> int:
    """Return how many parameters a described layer has."""
    return sum(math.prod(shape) for shape in layer["parameters"])
