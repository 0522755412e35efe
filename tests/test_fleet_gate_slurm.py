"""The gate's scripts as HealthCheckProgram and Prolog of a real Slurm."""

from __future__ import annotations

import shlex
import shutil
import sys
import tempfile
import time
from pathlib import Path

import fleet_slurm
import pytest
from conftest import COMMAND, ROOT, write

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform != "linux", reason="Slurm's daemons need Linux"),
]
SIZE, CAP, INTERVAL = 6, 2, 4
CONF = """\
HealthCheckProgram={folder}/healthcheck.sh
HealthCheckInterval={interval}
Prolog={folder}/prolog.sh
PrologFlags=Alloc
SchedulerParameters=nohold_on_prolog_fail
"""


class Cluster:
    """A Slurm whose nodes all have the gate; `demand` is what it demands of them."""

    def __init__(self, folder: Path, slurm: fleet_slurm.Slurm) -> None:
        self.folder, self.slurm = folder, slurm

    def demand(self, policy: str, options: str = "--act") -> None:
        """Put a policy and options in place; the health checks take it from the next one on."""
        write(self.folder / "policy.toml", policy)
        for name in ("healthcheck.sh", "prolog.sh"):
            text = (ROOT / "ci/slurm" / name).read_text()
            ours = write(self.folder / "gpucheck", f'#!/bin/sh\nexec {shlex.join(COMMAND)} "$@"\n')
            ours.chmod(0o755)
            told = (f'OPTIONS="{options} --cap {CAP} --policy {self.folder}/policy.toml --budget 40s '
                    f'--cache {self.folder}/state-$SLURMD_NODENAME"')  # fmt: skip
            lines = [told if line.startswith("OPTIONS=") else line for line in text.splitlines()]
            script = "\n".join(lines).replace("/opt/gpucheck/bin/gpucheck", str(ours))
            script = script.replace("logger -t gpucheck", f"cat >>{self.folder}/log")
            script = script.replace("-s KILL 20", "-s KILL 50")  # six nodes share two processors
            # slurmd hands the health check no SLURM_CONF, and this cluster's is in no usual place.
            script = script.replace("export PATH\n", f"SLURM_CONF={self.slurm.conf}\nexport PATH SLURM_CONF\n", 1)
            part = write(self.folder / f".{name}", script + "\n")
            part.chmod(0o755)
            part.replace(self.folder / name)

    @property
    def log(self) -> str:
        path = self.folder / "log"
        return path.read_text() if path.exists() else ""

    def reasons(self) -> dict[str, str]:
        """Return the reason of every node that is drained."""
        lines = self.slurm.ask("sinfo", "-h", "-N", "-o", "%N|%T|%E").splitlines()
        return {name: why for name, state, why in (line.split("|", 2) for line in lines) if "drain" in state}

    def until(self, what, patience: float = 120.0) -> None:
        end = time.monotonic() + patience
        while not what():
            assert time.monotonic() < end, f"{self.reasons()}\n{self.log[-3000:]}"
            time.sleep(0.5)

    def rounds(self, number: int) -> None:
        """Let the health check of every node that is not out say something so many times more."""
        nodes = [f"n{node}" for node in range(SIZE) if f"n{node}" not in self.reasons()]
        before = {node: self.log.count(f": {node}: ") for node in nodes}
        self.until(lambda: all(self.log.count(f": {node}: ") >= said + number for node, said in before.items()))


@pytest.fixture
def cluster():
    why = fleet_slurm.why_not()
    if why is not None:
        pytest.skip(f"no Slurm: {why}")
    folder = Path(tempfile.mkdtemp(prefix="gpcg-", dir="/tmp"))
    slurm = fleet_slurm.Slurm(folder, SIZE, CONF.format(folder=folder, interval=INTERVAL))
    made = Cluster(folder, slurm)
    made.demand('[require]\npython = ">=3"\n')
    try:
        with slurm:
            yield made
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def test_a_bad_rule_drains_no_more_than_the_cap_and_is_taken_back(cluster: Cluster) -> None:
    cluster.slurm.ask("scontrol", "update", "NodeName=n5", "State=DRAIN", "Reason=fan broken")
    cluster.demand('[require]\npython = "<3"\n')
    cluster.until(lambda: len(cluster.reasons()) == 1 + CAP)
    cluster.rounds(2)
    reasons = cluster.reasons()
    assert len(reasons) == 1 + CAP
    assert reasons.pop("n5") == "fan broken"
    assert all(text.startswith("gpucheck: requirement-unmet: python<3") for text in reasons.values())
    assert f"the cap of {CAP} is reached" in cluster.log
    cluster.demand('[require]\npython = ">=3"\n')
    cluster.until(lambda: cluster.reasons() == {"n5": "fan broken"})
    assert "gave " in cluster.log


def test_a_policy_with_a_typo_drains_nobody_and_jobs_begin(cluster: Cluster) -> None:
    cluster.demand('[require]\npyhton = "<3"\n')
    cluster.rounds(2)
    assert "policy.toml:2" in cluster.log
    assert "not judged" in cluster.log
    assert cluster.reasons() == {}
    assert cluster.slurm.ask("srun", "-N1", "-w", "n2", "echo", "it ran").strip() == "it ran"
    assert cluster.reasons() == {}


def test_the_prolog_keeps_a_job_from_a_broken_node(cluster: Cluster) -> None:
    # Only the prolog acts, and nobody else has judged yet.
    cluster.demand('[require]\npython = "<3"\n')
    health = cluster.folder / "healthcheck.sh"
    health.write_text("#!/bin/sh\nexit 0\n")
    said = cluster.slurm.ask("srun", "-N1", "-w", "n3", "echo", "it ran")
    assert "it ran" not in said
    cluster.until(lambda: "n3" in cluster.reasons())
    # Slurm drains the node as well, and leaves our reason: so we can take it back.
    assert cluster.reasons()["n3"].startswith("gpucheck: requirement-unmet: python<3")
    cluster.demand('[require]\npython = ">=3"\n')
    cluster.until(lambda: cluster.reasons() == {})
    cluster.slurm.all_idle()
    assert cluster.slurm.ask("srun", "-N1", "-w", "n3", "echo", "it ran").strip() == "it ran"


def test_without_act_it_only_says_so(cluster: Cluster) -> None:
    cluster.demand('[require]\npython = "<3"\n', options="")
    cluster.rounds(1)
    assert "would drain n0: gpucheck: requirement-unmet" in cluster.log
    assert cluster.reasons() == {}
    assert "it ran" in cluster.slurm.ask("srun", "-N1", "-w", "n1", "echo", "it ran")
