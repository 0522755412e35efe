"""How far the data itself can be told apart without any framework: a control for what does not learn."""

from __future__ import annotations

import numpy as np


def nearest_mean(images: np.ndarray, labels: np.ndarray, tests: np.ndarray, answers: np.ndarray) -> float:
    """Return the share of test images that the nearest mean image of a class tells right.

    About 0.82 on MNIST and on the built-in digits (measured), 0.1 where labels say nothing about images.
    """
    flat: np.ndarray = images.reshape(len(images), -1).astype(np.float32)
    means = np.stack(
        [flat[labels == n].mean(0) if (labels == n).any() else np.full(flat.shape[1], 1e6) for n in range(10)]
    ).astype(np.float32)
    points: np.ndarray = tests.reshape(len(tests), -1).astype(np.float32)
    nearest = ((means**2).sum(1) - 2 * points @ means.T).argmin(1)
    return float((nearest == answers).mean())


def neighbour_correlation(images: np.ndarray) -> float:
    """Return how far a pixel goes with its right neighbour: about 0.8 in images of ink, 0 in noise (measured)."""
    sample: np.ndarray = images[:2000].astype(np.float32)
    left, right = sample[:, :, :-1].ravel(), sample[:, :, 1:].ravel()
    if left.std() == 0 or right.std() == 0:
        return 0.0
    return float(np.corrcoef(left, right)[0, 1])
