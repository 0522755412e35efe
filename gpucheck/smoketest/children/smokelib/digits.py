"""The built-in digits: drawn from strokes, bent and blurred, the same for the same seed.

They stand in for MNIST where no data is at hand: 28 x 28 grey pixels, ten classes, hard enough that a
network whose convolution is broken falls short. Needs numpy only. About 0.4 s for 9,000 images.
"""

from __future__ import annotations

import numpy as np

SIZE = 28
POINTS = 48  # per image, along its strokes


def arc(x, y, rx, ry, start, end):
    """Return points on an ellipse, angles in degrees, 0 to the right and 90 downwards."""
    angles = np.radians(np.linspace(start, end, 16))
    return np.stack([x + rx * np.cos(angles), y + ry * np.sin(angles)], 1)


def line(*points):
    """Return a polyline."""
    return np.array(points, dtype=float)


# Each digit's ways of writing it; each way is a list of strokes in the unit square, y downwards.
SHAPES = {
    0: [[arc(0.5, 0.5, 0.26, 0.38, -90, 270)], [arc(0.5, 0.5, 0.2, 0.38, -60, 310)]],
    1: [[line((0.5, 0.12), (0.5, 0.88))], [line((0.36, 0.3), (0.54, 0.12), (0.54, 0.88))],
        [line((0.36, 0.28), (0.52, 0.12), (0.52, 0.88)), line((0.34, 0.88), (0.7, 0.88))]],
    2: [[arc(0.5, 0.33, 0.24, 0.21, -170, 40), line((0.68, 0.47), (0.26, 0.87), (0.76, 0.87))],
        [arc(0.48, 0.33, 0.22, 0.21, -160, 50), line((0.62, 0.5), (0.3, 0.8)),
         arc(0.36, 0.81, 0.07, 0.06, 160, 420), line((0.42, 0.84), (0.78, 0.84))]],
    3: [[arc(0.47, 0.31, 0.22, 0.19, -150, 90), arc(0.47, 0.68, 0.25, 0.19, -90, 150)],
        [line((0.28, 0.13), (0.7, 0.13), (0.47, 0.45)), arc(0.46, 0.66, 0.25, 0.21, -90, 150)]],
    4: [[line((0.56, 0.12), (0.24, 0.6), (0.78, 0.6)), line((0.62, 0.36), (0.62, 0.88))],
        [line((0.3, 0.14), (0.27, 0.5), (0.7, 0.5)), line((0.68, 0.14), (0.66, 0.88))]],
    5: [[line((0.72, 0.13), (0.34, 0.13), (0.31, 0.46)), arc(0.47, 0.64, 0.25, 0.23, -130, 140)],
        [line((0.34, 0.15), (0.32, 0.45)), arc(0.46, 0.65, 0.24, 0.22, -125, 145),
         line((0.34, 0.14), (0.74, 0.16))]],
    6: [[arc(0.62, 0.5, 0.34, 0.38, -100, -180), arc(0.5, 0.66, 0.22, 0.21, -180, 180)],
        [line((0.6, 0.12), (0.36, 0.44), (0.29, 0.66)), arc(0.5, 0.67, 0.21, 0.2, -180, 180)]],
    7: [[line((0.25, 0.14), (0.74, 0.14), (0.42, 0.88))],
        [line((0.25, 0.16), (0.74, 0.14), (0.46, 0.88)), line((0.38, 0.5), (0.7, 0.5))]],
    8: [[arc(0.5, 0.31, 0.19, 0.19, -90, 270), arc(0.5, 0.69, 0.23, 0.19, -90, 270)],
        [arc(0.52, 0.3, 0.17, 0.17, 60, 390), arc(0.48, 0.68, 0.21, 0.2, -110, 240)]],
    9: [[arc(0.5, 0.34, 0.21, 0.21, 0, 360), line((0.71, 0.34), (0.66, 0.88))],
        [arc(0.49, 0.34, 0.2, 0.2, 0, 360), arc(0.38, 0.46, 0.31, 0.42, -15, 80)]],
}  # fmt: skip


def along(strokes):
    """Return POINTS points at equal distances along the strokes, and which points are there."""
    lengths = [np.sqrt((np.diff(stroke, axis=0) ** 2).sum(1)).sum() for stroke in strokes]
    counts = np.maximum(3, np.floor(POINTS * np.array(lengths) / sum(lengths)).astype(int))
    counts[-1] += POINTS - counts.sum()
    points = []
    for stroke, count in zip(strokes, counts):
        steps = np.sqrt((np.diff(stroke, axis=0) ** 2).sum(1))
        position = np.concatenate([[0], np.cumsum(steps)])
        wanted = np.linspace(0, position[-1], count)
        points.append(np.stack([np.interp(wanted, position, stroke[:, axis]) for axis in (0, 1)], 1))
    return np.concatenate(points), sum(lengths)


def bend(points, rng):
    """Turn, slant, scale and shift each image's points, then bend them by smooth waves."""
    count = len(points)

    def spread(width, *shape):
        return rng.uniform(-width, width, (count, *shape))

    angle, slant = spread(0.4), spread(0.5)
    scale = 0.84 + spread(0.16, 2)
    centred = (points - 0.5) * scale[:, None, :]
    x = centred[..., 0] + slant[:, None] * centred[..., 1]
    y = centred[..., 1]
    cos, sin = np.cos(angle)[:, None], np.sin(angle)[:, None]
    turned = np.stack([cos * x - sin * y, sin * x + cos * y], -1)
    waves = turned
    for frequency, size in ((3.0, 0.06), (7.0, 0.035)):
        phase, strength = rng.uniform(0, 6.283, (count, 1, 2)), spread(size, 1, 2)
        waves = waves + strength * np.sin(frequency * turned[..., ::-1] + phase)
    return waves + spread(0.07, 1, 2) + 0.5


def draw(points, weight, rng):
    """Paint points as soft round dots: the sum of dots is a product of two thin matrices per image."""
    count = len(points)
    width = rng.uniform(0.028, 0.055, (count, 1, 1)).astype(np.float32)
    grid = (np.arange(SIZE, dtype=np.float32) + 0.5) / SIZE
    # Below -40 the dot is white anyway, and denormal numbers would make the product ten times slower.
    columns = np.exp(np.maximum(-np.square((grid - points[:, :, None, 0]) / width), -40))
    rows = np.exp(np.maximum(-np.square((grid[:, None] - points[:, None, :, 1]) / width), -40))
    ink = rows @ columns
    # The density of dots along the stroke is divided out, so that thick and thin pens are equally black.
    return 1.0 - np.exp(-ink * (weight[:, None, None] / width) * 0.9)


def make(count, seed):
    """Return ``count`` images and their labels.

    Args:
        count: Number of images.
        seed: Seed of everything that is drawn by chance.

    Returns:
        uint8 images of shape (count, 28, 28) and uint8 labels of shape (count,).
    """
    rng = np.random.default_rng(seed)
    ways = [(digit, *along(way)) for digit, shapes in SHAPES.items() for way in shapes]
    per_digit = [[number for number, way in enumerate(ways) if way[0] == digit] for digit in range(10)]
    labels = rng.integers(0, 10, count)
    chosen = np.array([per_digit[d][int(r * len(per_digit[d]))] for d, r in zip(labels, rng.random(count))])
    outlines = np.stack([way[1] for way in ways])
    lengths = np.array([way[2] for way in ways])
    images = np.empty((count, SIZE, SIZE), np.uint8)
    for begin in range(0, count, 512):  # small enough to stay in the cache
        part = chosen[begin : begin + 512]
        points = bend(outlines[part], rng).astype(np.float32)
        ink = draw(points, (lengths[part] / POINTS).astype(np.float32), rng)
        images[begin : begin + 512] = degrade(ink, rng)
    return images, labels.astype(np.uint8)


def degrade(ink, rng):
    """Add noise, an uneven pen and a few blots, and quantise to bytes."""
    count = len(ink)
    pen = rng.uniform(0.5, 1.0, (count, 1, 1))
    noise = rng.standard_normal(ink.shape, dtype=np.float32) * rng.uniform(0.05, 0.3, (count, 1, 1))
    return (np.clip(ink * pen + noise, 0, 1) * 255).astype(np.uint8)
