"""What a recipe means in steps: which images each step sees, at which learning rate, and where it is looked at.

Both frameworks see the same images in the same order. numpy only.
"""

from __future__ import annotations

import math

import numpy as np

REPORTS = 20  # points of a curve where the recipe counts images instead of epochs
PAUSES = 100  # how often at most a training tells how far it is


def order(recipe: dict, count: int, seed: int) -> np.ndarray:
    """Return which of ``count`` images each step sees: int64 of shape (steps, batch); whole batches only."""
    rng = np.random.default_rng(seed + 1)
    batch = min(recipe["batch"], count)
    each = count // batch
    steps = each * recipe["epochs"] if "epochs" in recipe else max(1, recipe["examples"] // batch)
    if recipe["sampling"] == "replacement":
        return rng.integers(count, size=(steps, batch))
    used = each * batch if "epochs" in recipe else count  # an epoch is whole batches of images all different
    rounds = -(-steps * batch // used)
    mixed = np.concatenate([rng.permutation(count)[:used] for _ in range(rounds)])
    return mixed[: steps * batch].reshape(steps, batch)


def rates(recipe: dict, steps: int) -> np.ndarray:
    """Return the learning rate of each step: constant, or one cycle, up and down a cosine."""
    if recipe["schedule"] == "constant":
        return np.full(steps, recipe["rate"], np.float32)
    warm = max(1, round(recipe["warm"] * steps))
    up = 0.5 - 0.5 * np.cos(np.pi * np.arange(warm) / warm)
    down = 0.5 + 0.5 * np.cos(np.pi * np.arange(1, steps - warm + 1) / max(1, steps - warm))
    low = recipe["rate"] / recipe["divisor"]
    return np.concatenate([low + (recipe["rate"] - low) * up, recipe["rate"] * down]).astype(np.float32)


def reports(recipe: dict, steps: int) -> list[int]:
    """Return after how many steps a point of the curves is taken: each epoch's end, or evenly spread points."""
    points = recipe.get("epochs", REPORTS)
    return sorted({math.ceil(steps * (number + 1) / points) for number in range(points)})


def pauses(recipe: dict, steps: int) -> list[int]:
    """Return after how many steps the training tells how far it is; every report is among them."""
    grid = {math.ceil(steps * (number + 1) / PAUSES) for number in range(PAUSES)} if steps > 10 * PAUSES else set()
    return sorted({*reports(recipe, steps), *grid} - {0})


def splits(request: dict, count: int) -> list[tuple[np.ndarray, np.ndarray]]:
    """Return, for each training, the places of the images to train on and of those held out.

    Folds are cut from one shuffle with the seed 1, as cnn tutorials have it, so that they are the same for every
    ``--seed``; held-out images of a plain validation are the last ones.
    """
    folds, held = request["folds"], request["validation"]
    if folds:
        parts = np.array_split(np.random.default_rng(1).permutation(count), folds)
        return [(np.sort(np.concatenate([*parts[:n], *parts[n + 1 :]])), np.sort(parts[n])) for n in range(folds)]
    everything = np.arange(count)
    cut = count - held if isinstance(held, int) else count
    return [(everything[:cut], everything[cut:])]
