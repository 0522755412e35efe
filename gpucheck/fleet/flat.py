"""A machine's facts as one level of names and texts, comparable over thousands of nodes, and its numbers."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

from gpucheck.memory import words
from gpucheck.memory.spots import said, spots

if TYPE_CHECKING:
    from collections.abc import Iterable

    from gpucheck.facts import Facts, Gpu

MODEL, COUNT = "GPU model", "GPU count"
# Of one machine alone, whatever its peers have; and what is told of all GPUs together.
NOT_COMPARED = ("pci.", "gpus", "driver.device_nodes", "interpreter.others", "package_files")
GPU_FIELDS = (
    "memory_total", "compute_capability", "mig", "ecc", "persistence", "compute_mode", "fabric_state", "vbios",
)  # fmt: skip
LARGE = 1e12  # beyond, a number is nonsense, and short
LONGEST = 300  # of a text; longer ones (arch lists, search paths) are cut and still differ by their beginning


def flat(facts: Facts) -> dict[str, str]:
    """Return the facts that are known, by what people call them: ``driver version``, ``package numpy``..."""
    found: dict[str, str] = {}
    for spot in spots(facts, {gpu.index: str(gpu.index) for gpu in facts.gpus.value or ()}):
        field = spot.place.rpartition(".")[2]
        value = spot.value
        if spot.place.startswith(NOT_COMPARED) or value is None or not getattr(value, "known", True):
            continue
        name = f"environment {spot.what}" if spot.place.startswith("environment.") else spot.what
        found[name] = said(value, field)[:LONGEST]
    return {**found, **_gpus(facts)}


def _gpus(facts: Facts) -> dict[str, str]:
    if not facts.gpus.known:
        return {}
    gpus: tuple[Gpu, ...] = facts.gpus.value or ()
    told = {MODEL: _folded(gpu.name.value or "not known" for gpu in gpus), COUNT: str(len(gpus))}
    for field in GPU_FIELDS:
        values = [said(getattr(gpu, field), field) for gpu in gpus if getattr(gpu, field).known]
        if values:
            told[f"GPU {words.GPU[field]}"] = _folded(values)
    return told


def _folded(values: Iterable[str]) -> str:
    """Return what all have in common, or each with its number."""
    counts = Counter(values)
    if len(counts) <= 1:
        return next(iter(counts), "none")
    return ", ".join(f"{number} x {value}" for value, number in sorted(counts.items()))


def numbers(document: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Return what was measured: name -> value, unit and which way is better."""
    found: dict[str, dict[str, Any]] = {}
    for run in document.get("smoke") or ():
        name, seconds = run["framework"], run.get("seconds") or {}
        _put(found, f"{name} training", run.get("examples_per_second"), "examples/s", "high")
        _put(found, f"{name} start of the device", seconds.get("device_start"), "s", "low")
        _put(found, f"{name} import", seconds.get("import"), "s", "low")
    for run in (document.get("facts") or {}).get("distributed") or ():
        for one in run.get("all_reduce") or ():
            name = f"all-reduce of {one['bytes'] / 1e6:g} MB"
            bandwidth = one.get("bus_bandwidth")
            _put(found, name, bandwidth and round(bandwidth / 1e9, 4), "GB/s", "high")
    return found


def _put(found: dict[str, dict[str, Any]], name: str, value: float | None, unit: str, better: str) -> None:
    if value is not None:
        found[name] = {"value": value, "unit": unit, "better": better}


def figure(value: float) -> str:
    """Return a measured number with four digits, large ones in full."""
    return f"{value:,.0f}" if 1000 <= abs(value) < LARGE else f"{value:.4g}"
