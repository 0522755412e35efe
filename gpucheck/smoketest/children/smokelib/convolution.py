"""Convolution in float64 by numpy: the reference that a framework's numbers are held against."""

from __future__ import annotations

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

# (batch, channels in, size, channels out, kernel, stride, padding): the reference network's first layer,
# a 3 x 3 of the usual kind, and a deeper one.
CASES = [(4, 1, 28, 16, 5, 2, 0), (4, 8, 14, 16, 3, 1, 1), (2, 32, 9, 64, 3, 1, 1)]


def problem(case: tuple, seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return input, weight and output gradient of a case, float32, NCHW and OIHW."""
    batch, channels, size, out, kernel, stride, padding = case
    rng = np.random.default_rng(seed)
    side = (size + 2 * padding - kernel) // stride + 1
    x = rng.standard_normal((batch, channels, size, size)).astype(np.float32)
    w = rng.standard_normal((out, channels, kernel, kernel)) / np.sqrt(channels * kernel**2)
    g = rng.standard_normal((batch, out, side, side)).astype(np.float32)
    return x, w.astype(np.float32), g


def reference(case: tuple, x, w, g) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return output, input gradient and weight gradient in float64."""
    _, _, size, _, kernel, stride, padding = case
    x, w, g = (np.asarray(array, np.float64) for array in (x, w, g))
    padded = np.pad(x, ((0, 0), (0, 0), (padding, padding), (padding, padding)))
    windows = sliding_window_view(padded, (kernel, kernel), axis=(2, 3))[:, :, ::stride, ::stride]
    y = np.einsum("nchwij,ocij->nohw", windows, w, optimize=True)
    dw = np.einsum("nchwij,nohw->ocij", windows, g, optimize=True)
    dx = np.zeros_like(padded)
    spread = np.einsum("nohw,ocij->nchwij", g, w, optimize=True)
    side = g.shape[2]
    for i in range(kernel):
        for j in range(kernel):
            rows, columns = slice(i, i + stride * side, stride), slice(j, j + stride * side, stride)
            dx[:, :, rows, columns] += spread[..., i, j]
    return y, dx[:, :, padding : padding + size, padding : padding + size], dw


def measure(convolve, seed: int) -> dict:
    """Return the worst errors over all cases of a framework's ``convolve(case, x, w, g)``.

    ``norm``: Euclidean norm of the difference over that of the reference; ``maximum``: largest difference
    over the largest value. One wrong element hides in the first and shows in the second.
    """
    worst = {name: {"norm": 0.0, "maximum": 0.0} for name in ("forward", "grad_input", "grad_weight")}
    for number, case in enumerate(CASES):
        inputs = problem(case, seed + number)
        for name, want, have in zip(worst, reference(case, *inputs), convolve(case, *inputs)):
            difference = np.asarray(have, np.float64) - want
            norm = np.linalg.norm(difference) / np.linalg.norm(want)
            maximum = np.abs(difference).max() / np.abs(want).max()
            for kind, value in (("norm", norm), ("maximum", maximum)):
                finite = float(value) if np.isfinite(value) else 1e30  # a NaN must not lose against a number
                worst[name][kind] = max(worst[name][kind], finite)
    return worst
