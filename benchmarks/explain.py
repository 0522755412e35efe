"""How fast `gpucheck explain -` reads, and in how much memory: ``python benchmarks/explain.py [MEGABYTES]``.

Four logs are made up: a training's steps, TensorFlow's start-up noise over and over, lines that all differ, and
one line without an end. Each goes through a pipe into a process of its own, with one known message at its end;
beside it `wc` reads the same, so that the ratio says what reading alone costs.
"""

from __future__ import annotations

import os
import random
import subprocess
import sys
import tempfile
import time
from pathlib import Path

MESSAGE = b"\nE cuda_dnn.cc:319] Loaded runtime CuDNN library: 7.1.4 but source was compiled with: 7.6.0.\n"
STEP = b"epoch %d step %d: loss 0.%d, 1234.5 images/s on cuda:0\n"
NOISE = (
    b"2026-11-25 10:00:00.%06d: I tensorflow/core/platform/cpu_feature_guard.cc:142] This TensorFlow binary is "
    b"optimized to use available CPU instructions\n2026-11-25 10:00:01.%06d: W bfc_allocator.cc:243] Allocator "
    b"(GPU_0_bfc) ran out of memory trying to allocate 1.25GiB. The caller indicates that this is not a failure\n"
)
WORDS = [b"loading", b"tensor", b"batch", b"worker", b"cuda", b"file", b"done", b"retry", b"value", b"layer"]
LINE = 76  # bytes of one of them, about
NAMES = ("steps", "start-up noise", "lines that differ", "one line")
EXPLAIN = [sys.executable, "-m", "gpucheck", "explain", "-", "--format", "json"]


def pieces(size: int) -> dict[str, bytes]:
    """Return a piece of each log, to be repeated; of lines that differ the whole, or they would not."""
    rng = random.Random(0)
    differ = (b"%b %x\n" % (b" ".join(rng.choices(WORDS, k=9)), rng.getrandbits(64)) for _ in range(size // LINE))
    return {
        "steps": b"".join(STEP % (n // 100, n, n) for n in range(9999)),
        "start-up noise": b"".join(NOISE % (n, n) for n in range(9999)),
        "lines that differ": b"".join(differ),
        "one line": b"x" * 65536,
    }


def run(command: list[str], log: Path) -> tuple[float, int]:
    """Return the seconds and the most MiB that a command takes to read a log from a pipe."""
    begin = time.monotonic()
    with subprocess.Popen(["cat", log], stdout=subprocess.PIPE) as feeding:
        child = subprocess.Popen(command, stdin=feeding.stdout, stdout=subprocess.DEVNULL)
        assert feeding.stdout is not None
        feeding.stdout.close()
        _, status, usage = os.wait4(child.pid, 0)
    assert status == 0, f"{command} ended with {status}"
    return time.monotonic() - begin, usage.ru_maxrss >> 10


def written(log: Path, piece: str, size: int) -> None:
    """Write a log, by a process of its own: a child's memory begins with that of its parent."""
    code = (
        f"import sys; sys.path.insert(0, {str(Path(__file__).parent)!r}); import explain; "
        f"piece = explain.pieces({size})[{piece!r}]; "
        f"open({str(log)!r}, 'wb').writelines([*[piece] * ({size} // len(piece)), explain.MESSAGE])"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def main(megabytes: int) -> None:
    """Print a row for each log."""
    size = megabytes << 20
    with tempfile.TemporaryDirectory() as folder:
        log = Path(folder, "log")
        log.write_bytes(MESSAGE)
        start = min(run(EXPLAIN, log)[0] for _ in range(3))
        print(f"{megabytes} MB each; start and end alone {start:.2f} s")
        for name in NAMES:
            written(log, name, size)
            (seconds, memory), (plain, _) = run(EXPLAIN, log), run(["wc"], log)
            speed = megabytes / max(seconds - start, 1e-3)
            told = f"{seconds:6.2f} s, {speed:6.1f} MB/s, {seconds / plain:5.1f} times wc, {memory} MiB"
            print(f"{name:20} {told}", flush=True)


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 100)
