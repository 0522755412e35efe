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
import time

MESSAGE = b"\nE cuda_dnn.cc:319] Loaded runtime CuDNN library: 7.1.4 but source was compiled with: 7.6.0.\n"
STEP = b"epoch %d step %d: loss 0.%d, 1234.5 images/s on cuda:0\n"
NOISE = (
    b"2026-11-25 10:00:00.%06d: I tensorflow/core/platform/cpu_feature_guard.cc:142] This TensorFlow binary is "
    b"optimized to use available CPU instructions\n2026-11-25 10:00:01.%06d: W bfc_allocator.cc:243] Allocator "
    b"(GPU_0_bfc) ran out of memory trying to allocate 1.25GiB. The caller indicates that this is not a failure\n"
)
WORDS = [b"loading", b"tensor", b"batch", b"worker", b"cuda", b"file", b"done", b"retry", b"value", b"layer"]
EXPLAIN = [sys.executable, "-m", "gpucheck", "explain", "-", "--format", "json"]


def pieces() -> dict[str, bytes]:
    """Return a piece of each log, to be repeated."""
    rng = random.Random(0)
    differ = (b"%b %x\n" % (b" ".join(rng.choices(WORDS, k=9)), rng.getrandbits(64)) for _ in range(99999))
    return {
        "steps": b"".join(STEP % (n // 100, n, n) for n in range(9999)),
        "start-up noise": b"".join(NOISE % (n, n) for n in range(9999)),
        "lines that differ": b"".join(differ),
        "one line": b"x" * 65536,
    }


def run(command: list[str], piece: bytes, size: int) -> tuple[float, int]:
    """Return the seconds and the most MiB that a command takes to read a log from a pipe."""
    begin = time.monotonic()
    child = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL)
    assert child.stdin is not None
    for _ in range(size // len(piece)):
        child.stdin.write(piece)
    child.stdin.write(MESSAGE)
    child.stdin.close()
    _, status, usage = os.wait4(child.pid, 0)
    assert status == 0, f"{command} ended with {status}"
    return time.monotonic() - begin, usage.ru_maxrss >> 10


def main(megabytes: int) -> None:
    """Print a row for each log."""
    size = megabytes << 20
    start = min(run(EXPLAIN, b"\n", 1)[0] for _ in range(3))
    print(f"{megabytes} MB each; start and end alone {start:.2f} s")
    for name, piece in pieces().items():
        (seconds, memory), (plain, _) = run(EXPLAIN, piece, size), run(["wc"], piece, size)
        speed = megabytes / max(seconds - start, 1e-3)
        print(f"{name:20} {seconds:6.2f} s, {speed:6.1f} MB/s, {seconds / plain:5.1f} times wc, {memory} MiB")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 100)
