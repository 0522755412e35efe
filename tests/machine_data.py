"""Machines as data: tests/machines/*.toml into Facts, and what is expected of them."""

from __future__ import annotations

import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from gpucheck import explaining
from gpucheck.facts import (
    AllReduce,
    Answer,
    Compiled,
    Convolution,
    Dependency,
    DeviceNode,
    DistributedRun,
    Driver,
    Errors,
    Fact,
    Facts,
    Framework,
    Gpu,
    GpuProcess,
    Interpreter,
    Library,
    Observation,
    OtherInterpreter,
    PackageFile,
    PciCard,
    Rank,
    Retry,
    SmokeData,
    SmokeRun,
    System,
    absent,
    seen,
)
from gpucheck.facts.arithmetic import arithmetic_of
from gpucheck.intake.diagnostics import diagnostics
from gpucheck.matrix import Matrix

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


def made(kind: Any, value: Any) -> Fact[Any]:
    """A list of tables into a fact of records."""
    return fact(value) if isinstance(value, dict) else seen(tuple(kind(**one) for one in value), "test")


def gpu(index: int, table: dict[str, Any]) -> Gpu:
    own = dict(table)
    processes = made(GpuProcess, own.pop("processes", []))
    found = Gpu(index=index, **facts_of({"status": 0, "memory_free": 8 * 2**30, **own}))
    return replace(found, processes=processes)


def library(text: str) -> Library:
    """``/path/libx.so.1 12.4.1``: a file and its version; without one the version is not known."""
    path, _, version = text.partition(" ")
    return Library(path=path, version=seen(version, path) if version else absent("not known", path))


def dependency(table: dict[str, str]) -> Dependency:
    """``{soname, taken = "FILE VERSION", shipped = "FILE VERSION"}``; taken left out: not found."""
    missing = absent(
        f"{table['soname']} is in none of the folders that the loader searches", "the loader's folders"
    )
    taken = seen(library(table["taken"]), table["taken"].split(" ")[0]) if "taken" in table else missing
    return Dependency(
        soname=table["soname"], taken=taken, shipped=library(table["shipped"]) if "shipped" in table else None
    )


def node(text: str) -> DeviceNode:
    """``/dev/nvidia0 crw-rw---- video``: one that this user may not use, unless it ends in rw-."""
    path, mode, group = text.split(" ")
    return DeviceNode(path=path, mode=mode, group=group, usable=mode.endswith("rw-"))


def framework(table: dict[str, Any]) -> Framework:
    own = dict(table)
    name, cudnn = own.pop("name"), own.pop("cudnn_loaded", None)
    special: dict[str, Fact[Any]] = {}
    if "libraries" in own:
        listed = own.pop("libraries")
        special["libraries"] = (
            fact(listed) if isinstance(listed, dict) else seen(tuple(map(dependency, listed)), "/site/lib.so")
        )
    if "cudnn_parts" in own:
        special["cudnn_parts"] = seen(tuple(map(library, own.pop("cudnn_parts"))), "test")
    if "answer" in own:
        answer = own.pop("answer")
        lists = {key: tuple(value) for key, value in answer.items() if isinstance(value, list)}
        special["answer"] = (
            fact(answer) if set(answer) == {"missing"} else seen(Answer(**{**answer, **lists}), "test")
        )
    if isinstance(cudnn, str):
        loaded = library(cudnn if " " in cudnn else f"/site/nvidia/cudnn/lib/libcudnn.so.9 {cudnn}")
        special["cudnn_loaded"] = seen(loaded, loaded.path)
    elif cudnn is not None:
        special["cudnn_loaded"] = fact(cudnn)
    return replace(Framework(name=name, **facts_of({"installed": True, **own})), **special)


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
    own["observations"] = tuple(
        Observation(slug=slug, line=slug, source="test") for slug in own.get("observations", [])
    )
    if "weights_moved" in own:
        own["weights_moved"] = tuple(own["weights_moved"])
    own["retries"] = tuple(Retry(environment={"A": "b"}, **one) for one in own.get("retries", []))
    if "failure" in own:
        return SmokeRun(**{"data": data, "failure_stage": "train", **own})
    if "compiled_error" in own:
        worse = Errors(norm=own["compiled_error"], maximum=own["compiled_error"])
        made = Compiled(forward=worse, grad_input=worse, grad_weight=worse, arithmetic=arithmetic_of((worse,)))
        convolution = replace(convolution, compiled=made)
        del own["compiled_error"]
    if own.pop("no_limit", False):
        own["accuracy_limit"] = None
    return SmokeRun(
        **{
            "data": data,
            "accuracy": 0.975,
            "accuracy_limit": 0.965,
            "convolution": convolution,
            "device": "cpu",
            "data_kept": True,
            "weights_moved": (0.2, 0.3),
            **own,
        }
    )


def distributed(table: dict[str, Any]) -> DistributedRun:
    """A run of two ranks that passes, but for what the table says; ``late`` is when each rank arrived."""
    own = {"framework": "torch", "launcher": "torchrun", "backend": "gloo", "device": "cpu", "rank": 0, **table}
    late = own.pop("late", [0.0, 0.1])
    wrong = tuple(own.pop("wrong_ranks", []))
    reduced = AllReduce(bytes=1024, seconds=1e-3, algorithm_bandwidth=1e6, bus_bandwidth=1e6, exact=not wrong,
                        wrong_ranks=wrong)  # fmt: skip
    ranks = tuple(Rank(rank=n, host="node", late=one, stage="gradients") for n, one in enumerate(late))
    measured = "failure" not in own and not own.pop("unmeasured", False)
    for name in ("absent", "blamed"):
        own[name] = tuple(own.get(name, ()))
    return DistributedRun(
        **{
            "size": len(late),
            "ranks": ranks,
            "all_reduce": (reduced,) if measured else (),
            "gradient_error": 2e-7 if measured else None,
            "failure_stage": "barrier" if "failure" in own else None,
            **own,
        }
    )


def build(table: dict[str, Any]) -> Facts:
    """Return the facts of a machine; what it does not say is as on a plain Linux machine."""
    system = {"os": "linux", "machine": "x86_64", "wsl": False, "container": "none", "scheduler": "none"}
    system.update(
        {"cpu_flags": ["avx", "avx2"], "shared_memory": 2**33, "cache_free": 2**36, "kernel": "6.8.0-45"}
    )
    driver = {"module_loaded": False, "nouveau_loaded": False, "dxg": False}
    given = dict(table.get("driver", {}))
    nodes = seen(tuple(map(node, given.pop("device_nodes", []))), "/dev")
    python = {
        "executable": "/venv/bin/python",
        "version": "3.12.1",
        "shadowing": [],
        **table.get("interpreter", {}),
    }
    found = python.pop("others", [])
    if isinstance(found, list):
        found = [{**one, "frameworks": tuple(one["frameworks"])} for one in found]
    others = made(OtherInterpreter, found)
    changed = [{**one, "owners": tuple(one["owners"]), "recorded": tuple(one["recorded"])}
               for one in table.get("package_files", [])]  # fmt: skip
    cards = table.get("pci_cards", [])
    gpus = table.get("gpus", {"missing": "no driver is loaded"})
    return Facts(
        system=System(**facts_of({**system, **table.get("system", {})})),
        interpreter=replace(Interpreter(**facts_of(python)), others=others),
        driver=replace(Driver(**facts_of({**driver, **given})), device_nodes=nodes),
        pci_cards=fact(cards)
        if isinstance(cards, dict)
        else seen(tuple(PciCard(**card) for card in cards), "test"),
        gpus=fact(gpus)
        if isinstance(gpus, dict)
        else seen(tuple(gpu(n, one) for n, one in enumerate(gpus)), "test"),
        frameworks=tuple(framework(one) for one in table.get("frameworks", [])),
        packages=fact(table["packages"]) if "packages" in table else seen({}, "test"),
        package_files=made(PackageFile, changed) if "package_files" in table else absent("not looked at"),
        environment=seen(table.get("environment", {}), "test"),
        described=table.get("described", False),
        smoke=tuple(smoke(one) for one in table.get("smoke", [])),
        distributed=tuple(distributed(one) for one in table.get("distributed", [])),
        diagnostics=tuple(
            replace(one, **table.get("of_diagnostics", {}))
            for one in diagnostics(table.get("diagnostics", ""), "dcgm.json")
        ),
    )


def pasted(text: str) -> Facts:
    """What a text shows, by the readers that `gpucheck explain` uses."""
    return explaining.read(text, "the text", Matrix())


def load() -> list[Machine]:
    """Return every machine of every file."""
    machines = []
    for path in sorted(FOLDER.glob("*.toml")):
        content = tomllib.loads(path.read_text(encoding="utf-8"))
        parts = content.get("parts", {})
        for table in content["machine"]:
            merged = {key: value for part in table.get("of", []) for key, value in parts[part].items()}
            facts = pasted(table["text"]) if "text" in table else build({**merged, **table})
            machines.append(Machine(title=f"{path.stem}: {table['title']}", facts=facts, expect=table["expect"]))
    return machines
