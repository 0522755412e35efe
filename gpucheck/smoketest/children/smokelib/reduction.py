"""What an all-reduce is given and must return, and how fast it was. numpy only."""

from __future__ import annotations

import statistics
import time

import numpy as np

KIB, MIB = 1 << 10, 1 << 20
PERIOD = 97  # a prime: no part of a message looks like its neighbour
ROUNDS = 5


def sizes(gpu: bool) -> list[int]:
    """Return the sizes of the messages, in bytes."""
    return [KIB, MIB, 16 * MIB, *([256 * MIB] if gpu else [])]


def period(rank: int) -> np.ndarray:
    """Return the numbers of a rank, which repeat."""
    return ((np.arange(PERIOD) + 7 * rank) % PERIOD).astype(np.float32)


def given(rank: int, size: int) -> np.ndarray:
    """Return what a rank gives: small whole numbers; float32 holds the sums of up to 170,000 ranks exactly."""
    return np.resize(period(rank), size // 4)


def expected(ranks: int, size: int) -> np.ndarray:
    """Return the sum over all ranks."""
    return np.resize(np.sum([period(rank) for rank in range(ranks)], axis=0, dtype=np.float32), size // 4)


def measure(place, reduce, fetch, wait, *, rank: int, ranks: int, gpu: bool) -> list[dict]:
    """All-reduce messages of every size; the framework gives the four things to do.

    Args:
        place: Brings an array to the device.
        reduce: Returns the sum over all ranks of what ``place`` returned; it may write into it.
        fetch: Reads an array back.
        wait: Returns once what ``reduce`` returned is there.
        rank: This rank.
        ranks: The world size.
        gpu: Whether the large message is sent too.

    Returns:
        For each size ``bytes``, the median ``seconds`` of a round, and whether the sum was ``exact`` each time.
    """
    found = []
    for size in sizes(gpu):
        own, right = given(rank, size), expected(ranks, size)
        exact = bool(np.array_equal(fetch(reduce(place(own))), right))  # unmeasured: connections are made here
        seconds = []
        for _ in range(ROUNDS):
            message = place(own)
            begin = time.perf_counter()
            summed = reduce(message)
            wait(summed)
            seconds.append(time.perf_counter() - begin)
            exact = exact and bool(np.array_equal(fetch(summed), right))
        found.append({"bytes": size, "seconds": statistics.median(seconds), "exact": exact})
    return found
