"""How long `gpucheck fleet run --via srun` takes beside srun: ``python benchmarks/launch.py [NODES] [TURNS]``.

A real Slurm on this machine (apt-get install slurmctld slurmd slurm-client; as root), of 50 nodes by default, set
up and taken down here. In turns: srun alone, running the command that every node runs (which puts its report into
a file of the node's own), and `gpucheck fleet run`, which runs the same, and gathers, judges and keeps what comes.
The promise: at most 1.3 times as long. Once with the real doctor, and once with a stand-in that only sends a small
report, so that the launchers are compared. All nodes share this machine's processors: the times say nothing of a
cluster.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]
GPUCHECK = Path(sys.executable).with_name("gpucheck")
PROMISE = 1.3
SRUN = ("--export=NONE", "--chdir=/", "--mpi=none", "--cpu-bind=none")


def timed(command: list[str], environment: dict[str, str]) -> float:
    """Return the seconds that a command takes from start to end."""
    begin = time.perf_counter()
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    seconds = time.perf_counter() - begin
    assert done.returncode in (0, 1), done.stderr[-2000:]
    return seconds


def compare(what: str, command: Path, nodes: int, turns: int, environment: dict[str, str]) -> bool:
    """Print a row, and return whether the promise holds."""
    bare, ours = [], []
    for _ in range(turns):
        with tempfile.TemporaryDirectory() as name:
            agent = [str(command), "fleet", "node", "--out", name, "--deadline", "60s"]
            bare.append(timed(["srun", f"-N{nodes}", f"-n{nodes}", *SRUN, *agent], environment))
            words = ["fleet", "run", "--via", "srun", "-w", f"n[0-{nodes - 1}]", "--command", str(command)]
            run = [str(GPUCHECK), *words, "--deadline", "60s", "--out", f"{name}/run"]
            ours.append(timed(run, environment))
    ratio = median(b / a for a, b in zip(bare, ours, strict=True))
    print(f"{what:24} srun {median(bare):6.2f} s  fleet run {median(ours):6.2f} s  ratio {ratio:.2f}", flush=True)
    return ratio <= PROMISE


def main(nodes: int, turns: int) -> None:
    """Print both rows."""
    import fleet_slurm
    from fleet_faults import Stub

    why = fleet_slurm.why_not()
    if why is not None:
        sys.exit(f"no Slurm: {why}")
    folder = Path(tempfile.mkdtemp(prefix="gpcb-", dir="/tmp"))
    try:
        with fleet_slurm.Slurm(folder, nodes) as slurm:
            environment = {**os.environ, **slurm.environment}
            good = compare(f"doctor on {nodes} nodes", GPUCHECK, nodes, turns, environment)
            good &= compare(f"a stand-in on {nodes}", Stub(folder).path, nodes, turns, environment)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    print("the promise holds" if good else "NOT as promised")
    sys.exit(0 if good else 1)


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 50, int(sys.argv[2]) if len(sys.argv) > 2 else 5)
