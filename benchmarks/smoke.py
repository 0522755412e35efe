"""How long the whole smoke training takes, as ratios to a bare import: python benchmarks/smoke.py MNIST [RUNS]

MNIST is a folder with the four files. Each measurement is a whole cold process; they take turns, so that a machine
whose speed drifts treats all alike. The smoke training's time is that of `gpucheck smoke`, gpucheck's own start
included, less its proof of convolution, which it measures apart. Medians and ratios are printed, never judged.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import time
from importlib.util import find_spec
from pathlib import Path

PYTHON = sys.executable
SCRIPT = Path(PYTHON).with_name("gpucheck")
GPUCHECK = [str(SCRIPT)] if SCRIPT.exists() else [PYTHON, "-m", "gpucheck"]
QUIET = {"stdin": subprocess.DEVNULL, "stderr": subprocess.DEVNULL, "cwd": os.sep}


def imported(name: str) -> float:
    """Return the seconds of a process that only imports a framework."""
    begin = time.perf_counter()
    subprocess.run(
        [PYTHON, "-W", "ignore", "-c", f"import {name}"], **QUIET, stdout=subprocess.DEVNULL, check=True
    )
    return time.perf_counter() - begin


def trained(name: str, data: str, target: int, seed: int) -> tuple[float, float, dict]:
    """Return the seconds of `gpucheck smoke` without its proof, the accuracy, and where the time went."""
    options = ["--framework", name, "--data", data, "--target", str(target), "--seed", str(seed)]
    begin = time.perf_counter()
    done = subprocess.run(
        [*GPUCHECK, "smoke", *options, "--format", "json"], **QUIET, stdout=subprocess.PIPE, check=False
    )
    total = time.perf_counter() - begin
    (run,) = json.loads(done.stdout)["smoke"]
    if run["accuracy"] is None:
        raise SystemExit(f"{name}: {run['failure']}")
    return total - run["seconds"]["proof"], run["accuracy"], run["seconds"]


def main() -> None:
    """Measure and print."""
    data, runs = str(Path(sys.argv[1]).resolve()), int(sys.argv[2]) if len(sys.argv) > 2 else 5
    for name in ("torch", "tensorflow"):
        if find_spec(name) is None:
            continue
        bare, smoke = [], {98: [], 99: []}
        imported(name)  # what it reads is in the page cache from here on
        for seed in range(runs):
            bare.append(imported(name))
            for target, found in smoke.items():
                found.append(trained(name, data, target, seed))
        floor = statistics.median(bare)
        print(f"{name}: import {floor:.2f} s ({min(bare):.2f} to {max(bare):.2f})")
        for target, found in smoke.items():
            seconds = [one[0] for one in found]
            middle, reached = statistics.median(seconds), [one[1] for one in found]
            print(
                f"  smoke to {target} %, proof apart: {middle:.2f} s ({min(seconds):.2f} to {max(seconds):.2f}), "
                f"{middle / floor:.2f} of the import; accuracy {min(reached):.2%} to {max(reached):.2%}"
            )
            parts = {part: statistics.median([one[2][part] for one in found]) for part in found[0][2]}
            print("    " + ", ".join(f"{part} {value:.2f}" for part, value in parts.items()))


if __name__ == "__main__":
    main()
