"""`gpucheck fleet run --via srun` where Slurm constrains devices: GPUs are asked for; a node without is a skip."""

from __future__ import annotations

import json
import shutil
import sys
import tempfile
from pathlib import Path

import fleet_slurm
import pytest
from machine_data import build

from gpucheck.cli import run
from gpucheck.diagnosis import diagnose
from gpucheck.findings import FailOn
from gpucheck.fleet.contract import encoded, node_report, write_report
from gpucheck.matrix import Matrix
from gpucheck.report.document import document

DRIVER = {
    "module_loaded": True, "nvml_library": "/l/nvml", "cuda_library": "/l/cuda", "nvml_status": 0,
    "version": "580.159.03", "driver_cuda": "13.0",
}  # fmt: skip
CARDS = [{"address": "0000:18:00.0", "vendor": "10de", "device": "2335", "kernel_driver": "nvidia"}]
H200 = {"name": "NVIDIA H200", "pci_address": "00000000:18:00.0", "compute_capability": "9.0"}


@pytest.fixture(scope="module")
def slurm():
    why = fleet_slurm.why_not()
    if why is not None:
        pytest.skip(f"no Slurm: {why}")
    folder = Path(tempfile.mkdtemp(prefix="gpcs-", dir="/tmp"))
    try:
        with fleet_slurm.Slurm(folder, 3, gpus=2) as cluster:
            yield cluster
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="Slurm's daemons need Linux")
@pytest.mark.parametrize(("more", "given"), [([], "2"), (["--srun-args", "--gres=gpu:1"], "1")])
def test_all_gpus_of_a_node_are_asked_for(gpucheck, slurm, tmp_path: Path, more: list[str], given: str) -> None:
    ran = gpucheck("fleet", "run", "--via", "srun", "-w", "n[0-2]", *more, "--out", tmp_path / "run",
                   env=slurm.environment)  # fmt: skip
    assert ran.status == 0, ran.out + ran.err
    for number in range(3):
        facts = json.loads((tmp_path / f"run/nodes/n{number}.json").read_text())["facts"]
        assert facts["environment"]["value"]["SLURM_GPUS_ON_NODE"] == given


def report(node: str, gpus: list[dict]) -> bytes:
    """What a node with a card hands in from a Slurm job that was given these GPUs."""
    driver = {**DRIVER, "cuinit_status": 0 if gpus else 100, "visible_devices": len(gpus)}
    facts = build({"driver": driver, "pci_cards": CARDS, "gpus": gpus, "system": {"scheduler": "slurm"}})
    content = document(diagnose(facts, Matrix(), fail_on=FailOn.ERROR))
    environment = {"SLURM_JOB_ID": "7", "SLURM_JOB_PARTITION": "gpu"}
    return encoded(node_report(content, node=node, started=1e9, seconds=1.0, environment=environment))


def test_a_node_on_which_no_gpu_was_given_is_a_skip_and_no_fault(tmp_path: Path, capsys) -> None:
    for number in range(4):
        write_report(tmp_path, f"n{number}", report(f"n{number}", [H200] if number else []))
    assert run(["fleet", "collect", str(tmp_path), "--format", "json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert {one["node"]: one["outcome"] for one in told["nodes"]} == {"n0": "skip", "n1": "ok", "n2": "ok",
                                                                      "n3": "ok"}  # fmt: skip
    assert told["drift"] == []
