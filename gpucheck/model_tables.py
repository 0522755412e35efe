"""The reference networks as tables: what `gpucheck smoke --list-models` shows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from gpucheck.smoketest.layers import count, described
from gpucheck.smoketest.models import MODELS
from gpucheck.smoketest.request import parameters
from gpucheck.tables import Table

if TYPE_CHECKING:
    from collections.abc import Iterator


def model_tables() -> Iterator[Table]:
    """Yield a table of the reference networks, and one of each network's layers."""
    every = tuple(
        (model.name, f"{parameters(model):,}", "quick, original" if model.original else "quick",
         model.claim or "", model.summary) for model in MODELS.values()
    )  # fmt: skip
    yield Table("Models", ("name", "parameters", "recipes", "its text claims", "what it is"), every)
    for model in MODELS.values():
        rows = tuple(
            (_layer(layer), " x ".join(map(str, layer["output"])), f"{count(layer):,}" if count(layer) else "")
            for layer in described(model.layers)
        )
        yield Table(model.name, ("layer", "output", "parameters"), rows)


def _layer(layer: dict[str, Any]) -> str:
    kind = layer["kind"].replace("_", " ")
    if kind == "conv":
        stride = f" stride {layer['stride']}" if layer["stride"] > 1 else ""
        padding = f" padding {layer['padding']}" if layer["padding"] else ""
        return f"conv {layer['out']}@{layer['kernel']}x{layer['kernel']}{stride}{padding}"
    return f"{kind} {layer['out']}" if kind == "dense" else f"{kind} {layer['size']}" if "pool" in kind else kind
