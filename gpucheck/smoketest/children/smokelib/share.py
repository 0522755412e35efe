"""Each rank's share of one batch, and how far an averaged gradient is from that of the whole batch. numpy only."""

from __future__ import annotations

import numpy as np

from smokelib import digits

MOST_EACH, MOST = 32, 2048  # images of a rank, and of the whole batch


def batch(ranks: int, seed: int) -> tuple[np.ndarray, np.ndarray, int]:
    """Return images as float32 around 0, their labels, and how many of them are each rank's: equal shares."""
    each = max(1, min(MOST_EACH, MOST // ranks))
    images, labels = digits.make(each * ranks, seed)
    return ((images.astype(np.float32) - 33.3) / 78.6), labels.astype(np.int64), each


def difference(averaged: list[np.ndarray], whole: list[np.ndarray]) -> float:
    """Return the norm of the difference over the norm of the whole batch's gradient, all parameters together."""
    ours, right = (
        np.concatenate([np.ravel(part).astype(np.float64) for part in one]) for one in (averaged, whole)
    )
    size = float(np.linalg.norm(ours - right) / max(float(np.linalg.norm(right)), 1e-30))
    return size if np.isfinite(size) else 1e30  # JSON carries no NaN
