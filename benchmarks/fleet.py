"""How fast `gpucheck fleet collect` reads, and in how much memory: ``python benchmarks/fleet.py [MOST]``.

Made-up reports of eight-GPU nodes, 100 to MOST (default 10,000), each in a file of its own as a run has them. Each
row is made in processes of their own: one that only reads the files and calls `json.loads`, one that collects. The
promise: collecting takes at most 3 times the processor time (other programs do not count), and its memory grows by
a few kB a node. What is planted (an old driver on 1 %, and rarer things) must be told, and nothing else.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]
PLAIN = (
    "import json, pathlib, sys\n"
    "for path in sorted((pathlib.Path(sys.argv[1]) / 'nodes').iterdir()): json.loads(path.read_bytes())"
)
COLLECT = [sys.executable, "-m", "gpucheck", "fleet", "collect"]
PROMISE = 3.0


def written(folder: Path, number: int) -> tuple[int, dict[str, set[str]]]:
    """Write a run, and return its bytes and what was planted where."""
    from fleet_data import fleet, planted

    nodes = folder / "nodes"
    nodes.mkdir(parents=True)
    size, odd = 0, {}
    for place, (name, made) in enumerate(fleet(number, 6)):
        content, what = planted(name, made, place)
        (nodes / f"{name}.json").write_bytes(content)
        size += len(content)
        if what is not None:
            odd.setdefault(what, set()).add(name)
    return size, odd


def run(command: list[str], out: Path) -> tuple[float, int]:
    """Return the seconds of processor time, and the most MiB, that a command takes."""
    with out.open("wb") as file:
        child = subprocess.Popen(command, stdout=file, cwd=ROOT)
        _, status, usage = os.wait4(child.pid, 0)
    assert os.waitstatus_to_exitcode(status) in (0, 1), f"{command} ended with {status}"
    return usage.ru_utime + usage.ru_stime, usage.ru_maxrss >> 10


def found(out: Path) -> dict[str, set[str]]:
    """Return what was told, as `written` does."""
    told = json.loads(out.read_bytes())
    odd: dict[str, set[str]] = {}
    for one in told["drift"]:
        odd.setdefault(one["fact"], set()).update(one["nodes"])
    for one in told["outliers"]:
        odd.setdefault(one["number"], set()).add(one["node"])
    return odd


def main(most: int) -> None:
    """Print a row for each number of nodes, and whether the promises hold."""
    sizes = [number for number in (100, 300, 1_000, 3_000, 10_000, 30_000, 100_000) if number <= most]
    good, before = True, (0, 0)
    print(
        f"{'nodes':>7} {'MB':>7} {'json.loads':>11} {'collect':>9} {'ratio':>6} {'us/node':>8} {'MiB':>6} kB/node"
    )
    for number in sizes:
        with tempfile.TemporaryDirectory() as name:
            folder, out = Path(name) / "run", Path(name) / "out.json"
            size, odd = written(folder, number)
            plain = min(run([sys.executable, "-c", PLAIN, str(folder)], out)[0] for _ in range(2))
            times = [run([*COLLECT, str(folder), "--format", "json"], out) for _ in range(2)]
            seconds, memory = min(times)
            right = found(out) == odd
        each = (memory - before[1]) * 1024 / (number - before[0]) if before[0] else 0.0
        before = number, memory
        # Both have their interpreter's start in them; ours also our own imports.
        ratio = seconds / plain
        good &= right and (number < 3_000 or ratio <= PROMISE)
        print(
            f"{number:7,} {size / 1e6:7.1f} {plain:9.2f} s {seconds:7.2f} s {ratio:6.2f} "
            f"{seconds / number * 1e6:8.0f} {memory:6} {each:7.1f}  planted drift {'found' if right else 'WRONG'}",
            flush=True,
        )
    print("all promises hold" if good else "NOT as promised")
    sys.exit(0 if good else 1)


if __name__ == "__main__":
    main(int(sys.argv[1].replace(",", "")) if len(sys.argv) > 1 else 10_000)
