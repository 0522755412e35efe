"""`gpucheck fleet run --via ray` on a real Ray of eight nodes in this machine, with the faults of nodes."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import sysconfig
import tempfile
from importlib.util import find_spec
from pathlib import Path

import pytest
from conftest import ROOT, clean_environment
from fleet_faults import Stub, check_run, states, wait_for

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform != "linux", reason="the engines' daemons need Linux"),
]

CLUSTER = """
import json, sys
from ray.cluster_utils import Cluster
head = {"num_cpus": 1, "node_name": "r0", "include_dashboard": False}
cluster = Cluster(initialize_head=True, head_node_args=head)
nodes = {"r0": cluster.head_node}
for number in range(1, int(sys.argv[1])):
    nodes[f"r{number}"] = cluster.add_node(num_cpus=1, node_name=f"r{number}")
pids = {name: node.all_processes["raylet"][0].process.pid for name, node in nodes.items()}
print("READY " + json.dumps({"address": cluster.address, "pids": pids}), flush=True)
sys.stdin.read()
cluster.shutdown()
"""


@pytest.fixture(scope="module")
def ray_python():
    """An interpreter that has Ray, and this gpucheck."""
    if find_spec("ray") is not None:
        yield sys.executable
        return
    folder = Path(tempfile.mkdtemp(prefix="gpcray-", dir="/tmp"))
    try:
        subprocess.run([sys.executable, "-m", "venv", folder], check=True)
        done = subprocess.run(
            [folder / "bin/pip", "install", "--quiet", "ray"], capture_output=True, text=True, check=False
        )
        if done.returncode:
            pytest.skip(f"ray cannot be installed: {done.stderr.strip().splitlines()[-1:]}")
        site = next((folder / "lib").glob("python*/site-packages"))
        (site / "ours.pth").write_text(f"{sysconfig.get_paths()['purelib']}\n{ROOT}\n")
        yield str(folder / "bin/python")
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="module")
def ray_cluster(ray_python: str):
    """Eight Ray nodes on this machine: its address, and the process ids of the nodes' raylets."""
    with tempfile.TemporaryDirectory(prefix="gpcrc-", dir="/tmp") as name:
        log = Path(name, "log")
        with log.open("wb") as output:
            cluster = subprocess.Popen([ray_python, "-c", CLUSTER, "8"], stdin=subprocess.PIPE, stdout=output,
                                       stderr=subprocess.STDOUT, start_new_session=True)  # fmt: skip
        try:
            wait_for(lambda: b"READY " in log.read_bytes() or cluster.poll() is not None, 180)
            if cluster.poll() is not None:
                pytest.skip(f"Ray does not start here: {log.read_text()[-300:]}")
            yield json.loads(log.read_text().partition("READY ")[2].splitlines()[0])
        finally:
            cluster.stdin.close()
            with contextlib.suppress(subprocess.TimeoutExpired):
                cluster.wait(30)
            with contextlib.suppress(ProcessLookupError):
                os.killpg(cluster.pid, signal.SIGKILL)
            cluster.wait()


def by_ray(python: str, cluster: dict, *words: object) -> subprocess.CompletedProcess[str]:
    environment = clean_environment(RAY_ADDRESS=cluster["address"])
    return subprocess.run([python, "-m", "gpucheck", "fleet", "run", "--via", "ray", *map(str, words)],
                          capture_output=True, text=True, env=environment, check=False, timeout=300)  # fmt: skip


@pytest.mark.parametrize(
    "faults",
    [
        {"r1": "hang", "r2": "die", "r4": "deaf", "r5": "half", "r7": "wrong"},
        {"r0": "garbage", "r2": "two", "r3": "full", "r6": "exit"},
    ],
    ids=lambda faults: "-".join(faults.values()),
)
def test_ray_names_the_faults(ray_python: str, ray_cluster: dict, tmp_path: Path, faults: dict[str, str]) -> None:
    stub = Stub(tmp_path, faults)
    ran = by_ray(ray_python, ray_cluster, "-w", "r[0-7]", "--command", stub.path, "--deadline", "6s", "--out",
                 tmp_path / "run")  # fmt: skip
    assert ran.returncode == 3, ran.stdout + ran.stderr
    check_run(tmp_path / "run", [f"r{number}" for number in range(8)], faults)
    assert not stub.left_running(3)


def test_a_frozen_ray_node_hangs_nobody(ray_python: str, ray_cluster: dict, tmp_path: Path) -> None:
    stub, pid = Stub(tmp_path), ray_cluster["pids"]["r3"]
    os.kill(pid, signal.SIGSTOP)
    try:
        ran = by_ray(ray_python, ray_cluster, "-w", "r[2-4],r99", "--command", stub.path, "--deadline", "5s",
                     "--out", tmp_path / "run")  # fmt: skip
    finally:
        os.kill(pid, signal.SIGCONT)
    assert ran.returncode == 3, ran.stdout + ran.stderr
    found = states(tmp_path / "run")
    assert found.pop("r3") in ("timeout", "unreachable")
    assert found == {"r2": "ok", "r4": "ok", "r99": "unreachable"}


def test_no_ray_cluster_is_one_line(ray_python: str, tmp_path: Path) -> None:
    ran = by_ray(ray_python, {"address": "127.0.0.1:1"}, "-w", "r1", "--out", tmp_path / "run")
    assert ran.returncode in (2, 3)
    assert "Traceback" not in ran.stderr + ran.stdout
    assert "Ray" in ran.stderr + ran.stdout
