"""How long commands take, as ratios measured in one run: python benchmarks/startup.py [RUNS]

Each command is a whole process. The commands take turns, so that a machine whose speed drifts treats all
alike; medians and their ratios are printed, never judged.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import time
from importlib.util import find_spec

PYTHON = sys.executable
GPUCHECK = [PYTHON, "-m", "gpucheck"]
FLOOR = "import typer, rich.console, rich.table"
COMMANDS = {
    "bare interpreter": [PYTHON, "-c", "pass"],
    "typer + rich (the floor)": [PYTHON, "-c", FLOOR],
    "gpucheck doctor": [*GPUCHECK, "doctor"],
    "gpucheck doctor --format json": [*GPUCHECK, "doctor", "--format", "json"],
    "gpucheck --help": [*GPUCHECK, "--help"],
}
WITH_TORCH = {
    "import torch": [PYTHON, "-W", "ignore", "-c", "import torch"],
    "torch.utils.collect_env": [PYTHON, "-W", "ignore", "-m", "torch.utils.collect_env"],
    "gpucheck smoke --framework torch": [*GPUCHECK, "smoke", "--framework", "torch"],
}
WITH_TENSORFLOW = {
    "import tensorflow": [PYTHON, "-c", "import tensorflow"],
    "gpucheck smoke --framework tf": [*GPUCHECK, "smoke", "--framework", "tf"],
}


def seconds(command: list[str]) -> float:
    """Return the wall time of one process; its output is thrown away."""
    begin = time.perf_counter()
    subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=True, cwd=os.sep)
    return time.perf_counter() - begin


def main() -> None:
    """Measure and print."""
    runs = int(sys.argv[1]) if len(sys.argv) > 1 else 5
    commands = dict(COMMANDS)
    commands.update(WITH_TORCH if find_spec("torch") else {})
    commands.update(WITH_TENSORFLOW if find_spec("tensorflow") else {})
    times: dict[str, list[float]] = {name: [] for name in commands}
    for turn in range(runs + 1):  # the first turn warms the caches up
        for name, command in commands.items():
            taken = seconds(command)
            if turn:
                times[name].append(taken)
    floor = statistics.median(times["typer + rich (the floor)"])
    print(f"{runs} runs each, median wall seconds, and their ratio to the floor")
    for name, taken in times.items():
        middle = statistics.median(taken)
        print(f"{name:36} {middle:7.3f}   {middle / floor:6.1f}   ({min(taken):.3f} to {max(taken):.3f})")


if __name__ == "__main__":
    main()
