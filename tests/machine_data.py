"""Machines as data: tests/machines/*.toml into Facts, and what is expected of them."""

from __future__ import annotations

import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from gpucheck.facts import (
    Convolution,
    Driver,
    Errors,
    Fact,
    Facts,
    Framework,
    Gpu,
    Interpreter,
    Library,
    PciCard,
    SmokeData,
    SmokeRun,
    System,
    absent,
    seen,
)

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

FOLDER = Path(__file__).with_name("machines")


@dataclass(frozen=True, kw_only=True)
class Machine:
    """One machine, and the verdict that it deserves."""

    title: str
    facts: Facts
    expect: dict[str, Any]


def fact(value: Any) -> Fact[Any]:
    """``{missing = "why"}`` is a fact without a value."""
    if isinstance(value, dict) and set(value) == {"missing"}:
        return absent(value["missing"], "test")
    return seen(tuple(value) if isinstance(value, list) else value, "test")


def facts_of(table: dict[str, Any]) -> dict[str, Fact[Any]]:
    return {name: fact(value) for name, value in table.items()}


def gpu(index: int, table: dict[str, Any]) -> Gpu:
    return Gpu(index=index, **facts_of({"status": 0, "memory_free": 8 * 2**30, **table}))


def framework(table: dict[str, Any]) -> Framework:
    own = dict(table)
    name, cudnn = own.pop("name"), own.pop("cudnn_loaded", None)
    made = Framework(name=name, **facts_of({"installed": True, **own}))
    if isinstance(cudnn, str):
        library = Library(path="/site/nvidia/cudnn/lib/libcudnn.so.9", version=seen(cudnn, "test"))
        return replace(made, cudnn_loaded=seen(library, library.path))
    return replace(made, cudnn_loaded=fact(cudnn)) if cudnn is not None else made


def smoke(table: dict[str, Any]) -> SmokeRun:
    own = dict(table)
    error = own.pop("error", 3e-7)
    errors = Errors(norm=error, maximum=error)
    arithmetic = own.pop("arithmetic", "fp32") or None
    proved = own.pop("gpu_proved", None)
    convolution = Convolution(
        arithmetic=arithmetic, gpu_proved=proved, backend="mkldnn", forward=errors, grad_input=errors,
        grad_weight=errors,
    )  # fmt: skip
    data = SmokeData(name="digits", train=7000, test=2000)
    if "failure" in own:
        return SmokeRun(**{"data": data, "failure_stage": "train", **own})
    if own.pop("no_limit", False):
        own["accuracy_limit"] = None
    return SmokeRun(
        **{
            "data": data,
            "accuracy": 0.975,
            "accuracy_limit": 0.965,
            "convolution": convolution,
            "device": "cpu",
            **own,
        }
    )


def build(table: dict[str, Any]) -> Facts:
    """Return the facts of a machine; what it does not say is as on a plain Linux machine."""
    system = {"os": "linux", "machine": "x86_64", "wsl": False, "container": "none", "scheduler": "none"}
    driver = {"module_loaded": False, "nouveau_loaded": False, "dxg": False, "device_nodes": []}
    cards = table.get("pci_cards", [])
    gpus = table.get("gpus", {"missing": "no driver is loaded"})
    return Facts(
        system=System(**facts_of({**system, **table.get("system", {})})),
        interpreter=Interpreter(
            **facts_of({"executable": "/venv/bin/python", "version": "3.12.1", **table.get("interpreter", {})})
        ),
        driver=Driver(**facts_of({**driver, **table.get("driver", {})})),
        pci_cards=fact(cards)
        if isinstance(cards, dict)
        else seen(tuple(PciCard(**card) for card in cards), "test"),
        gpus=fact(gpus)
        if isinstance(gpus, dict)
        else seen(tuple(gpu(n, one) for n, one in enumerate(gpus)), "test"),
        frameworks=tuple(framework(one) for one in table.get("frameworks", [])),
        packages=fact(table["packages"]) if "packages" in table else seen({}, "test"),
        environment=seen(table.get("environment", {}), "test"),
        described=table.get("described", False),
        smoke=tuple(smoke(one) for one in table.get("smoke", [])),
    )


def load() -> list[Machine]:
    """Return every machine of every file."""
    machines = []
    for path in sorted(FOLDER.glob("*.toml")):
        content = tomllib.loads(path.read_text(encoding="utf-8"))
        parts = content.get("parts", {})
        for table in content["machine"]:
            merged = {key: value for part in table.get("of", []) for key, value in parts[part].items()}
            facts = build({**merged, **table})
            machines.append(Machine(title=f"{path.stem}: {table['title']}", facts=facts, expect=table["expect"]))
    return machines
