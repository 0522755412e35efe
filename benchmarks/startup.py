"""How long commands take, as ratios measured in one run: python benchmarks/startup.py [RUNS] [--peers FOLDER]

Each command is a whole process. The commands take turns, so that a machine whose speed drifts treats all
alike; medians and their ratios are printed, never judged. On a terminal (of a pty) the doctor draws with rich as
a person sees it; in a pipe its text is plain. FOLDER is the bin folder of an environment with other tools:

    python -m venv peers && peers/bin/pip install cuda-doctor nvitop
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import time
from importlib.util import find_spec
from pathlib import Path

PYTHON = sys.executable
SCRIPT = Path(PYTHON).with_name("gpucheck")  # what people start; -m costs runpy on top
GPUCHECK = [str(SCRIPT)] if SCRIPT.exists() else [PYTHON, "-m", "gpucheck"]
ON_TERMINAL = [PYTHON, "-c", "import pty, sys; sys.exit(pty.spawn(sys.argv[1:]) >> 8)"]
FLOOR = "import typer, rich.console, rich.table"
COMMANDS = {
    "bare interpreter": [PYTHON, "-c", "pass"],
    "typer + rich (the floor)": [PYTHON, "-c", FLOOR],
    "gpucheck doctor": [*GPUCHECK, "doctor"],
    "gpucheck doctor, on a terminal": [*ON_TERMINAL, *GPUCHECK, "doctor"],
    "the floor, on a terminal": [*ON_TERMINAL, PYTHON, "-c", FLOOR],
    "gpucheck doctor --format json": [*GPUCHECK, "doctor", "--format", "json"],
    "gpucheck run -q -- true": [*GPUCHECK, "run", "-q", "--", "true"],
    "gpucheck --help": [*GPUCHECK, "--help"],
}
WITH_TORCH = {
    "import torch": [PYTHON, "-W", "ignore", "-c", "import torch"],
    "torch.utils.collect_env": [PYTHON, "-W", "ignore", "-m", "torch.utils.collect_env"],
}
WITH_TENSORFLOW = {
    "import tensorflow": [PYTHON, "-c", "import tensorflow"],
}


# Of other tools only what they do without a framework; their status is theirs.
PEERS = {"cuda-doctor": ["cuda-doctor"], "nvitop -1": ["nvitop", "-1"]}


def seconds(command: list[str]) -> float:
    """Return the wall time of one process; its output is thrown away."""
    begin = time.perf_counter()
    quiet = {"stdin": subprocess.DEVNULL, "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    subprocess.run(command, **quiet, check=False, cwd=os.sep)
    return time.perf_counter() - begin


def main() -> None:
    """Measure and print."""
    arguments = sys.argv[1:]
    folder = Path(arguments.pop(arguments.index("--peers") + 1)) if "--peers" in arguments else None
    runs = int(arguments[0]) if arguments and arguments[0].isdigit() else 5
    commands = dict(COMMANDS)
    if folder is not None:
        commands.update({name: [str(folder / words[0]), *words[1:]] for name, words in PEERS.items()})
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
