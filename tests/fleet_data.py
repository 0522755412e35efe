"""Made-up reports of nodes: eight GPUs each, what differs is given. For the fleet's tests and its benchmark."""

from __future__ import annotations

import json
import random
from copy import deepcopy
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from gpucheck.facts import Driver, Facts, Framework, Gpu, Interpreter, System, seen
from gpucheck.fleet.contract import node_report

if TYPE_CHECKING:
    from collections.abc import Iterator

STARTED = 1_764_000_000.0
CHECKS = 45
DRIVER = {"driver version": "535.104.05", "version of the loaded kernel module": "535.104.05"}
FINDING = {
    "slug": "driver-library-mismatch", "severity": "error", "title": "The driver was updated, the old is loaded",
    "cause": "no reboot", "subject": None, "evidence": [{"text": "570 and 580", "source": "/proc"}],
    "fixes": [{"text": "Reboot.", "commands": ["sudo reboot"], "environment": {}, "reinstall": [], "install": [],
               "safety": "advice", "by": [], "systems": []}],
    "confidence": "certain", "source": None, "explains": [], "instead": [], "decide": None, "vain": [],
    "place": None,
}  # fmt: skip


def facts(model: str = "NVIDIA H100 80GB HBM3", count: int = 8) -> Facts:
    """A machine with GPUs of one model."""
    gpus = tuple(
        Gpu(
            index=number,
            status=seen(0, "NVML"),
            name=seen(model, "NVML"),
            uuid=seen(f"GPU-{number}", "NVML"),
            compute_capability=seen("9.0", "NVML"),
            memory_total=seen(80 << 30, "NVML"),
            ecc=seen(True, "NVML"),
        )
        for number in range(count)
    )
    versions = {f"package-{number}": f"1.{number}" for number in range(40)} | {"nvidia-nccl-cu13": "2.28.9"}
    return Facts(
        system=System(kernel=seen("6.8.0-60", "uname"), distribution=seen("ubuntu 24.04", "os-release")),
        interpreter=Interpreter(version=seen("3.12.3", "python")),
        driver=Driver(version=seen("580.95.05", "NVML"), module_version=seen("580.95.05", "/proc")),
        gpus=seen(gpus, "NVML"),
        frameworks=(Framework(name="torch", version=seen("2.13.0", "METADATA")),),
        packages=seen(versions, "METADATA"),
        environment=seen({"NCCL_DEBUG": "WARN"}, "environment"),
    )


def document(machine: Facts | None = None) -> dict[str, Any]:
    """A healthy doctor's JSON document."""
    from gpucheck.facts import to_json

    told = to_json(machine or facts())
    told.pop("smoke")
    check = {"family": "driver", "subject": None, "status": "pass", "reason": "as it should be", "findings": []}
    return {
        "schema_version": 1,
        "tool": {"name": "gpucheck", "version": "0.1.0", "matrix_date": "2026-11-25"},
        "verdict": "healthy",
        "root_causes": [],
        "findings": [],
        "checks": [{"name": f"check-{number}", **check} for number in range(CHECKS)],
        "facts": told,
        "smoke": [],
        "exit_status": 0,
    }


def report(name: str, machine: Facts | None = None, **changed: Any) -> dict[str, Any]:
    """A node's report; ``pool``, ``started``, ``boot_id``, ``numbers`` and ``facts`` change what it says of it."""
    made = node_report(
        document(machine),
        node=name,
        started=changed.pop("started", STARTED),
        seconds=changed.pop("seconds", 0.4),
        environment={"SLURM_JOB_PARTITION": changed.pop("pool", "gpu")},
    )
    made["node"]["facts"] = {**made["node"]["facts"], **changed.pop("facts", {})}
    made["node"].update(changed)
    return made


def failed(made: dict[str, Any]) -> dict[str, Any]:
    """The same, with an error."""
    found = {"verdict": "problem", "exit_status": 1, "root_causes": [FINDING["slug"]],
             "findings": [deepcopy(FINDING)]}  # fmt: skip
    return {**made, **found, "node": made["node"], "complete": made.pop("complete")}


def packed(made: dict[str, Any]) -> bytes:
    """The document as it is sent."""
    made["complete"] = made.pop("complete", True)
    return json.dumps(made, separators=(",", ":")).encode()


def fleet(number: int, width: int = 5) -> Iterator[tuple[str, bytes]]:
    """Many nodes' documents, all alike but for their numbers: made from one, because making is slow."""
    rng = random.Random(number)
    text = packed(
        report("NODE", numbers={"torch training": {"value": 1e9, "unit": "examples/s", "better": "high"}})
    )
    for one in range(1, number + 1):
        name = f"node-{one:0{width}}"
        made = text.replace(b'"NODE"', f'"{name}"'.encode())
        yield name, made.replace(b"1000000000.0", f"{rng.gauss(50_000, 400):.1f}".encode())


def planted(name: str, made: bytes, place: int) -> tuple[bytes, str | None]:
    """Plant an old driver on 1 %, an old NCCL on 0.5 %, a missing GPU on 0.1 %, a slow card on 0.1 %."""
    if place % 100 == 7:
        return changed(made, facts=DRIVER), "driver version"
    if place % 200 == 13:
        return changed(made, facts={"package nvidia-nccl-cu13": "2.26.2"}), "package nvidia-nccl-cu13"
    if place % 1000 == 21:
        return changed(made, facts={"GPU count": "7"}), "GPU count"
    if place % 1000 == 22:
        slow = {"torch training": {"value": 40_000.0, "unit": "examples/s", "better": "high"}}
        return changed(made, numbers=slow), "torch training"
    return made, None


def changed(made: bytes, **of: dict[str, Any]) -> bytes:
    """The same with other facts or numbers."""
    content = json.loads(made)
    for key, value in of.items():
        content["node"][key].update(value)
    return packed(content)


__all__ = ["changed", "document", "facts", "failed", "fleet", "packed", "planted", "replace", "report"]
