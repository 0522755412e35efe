"""The course of a training, the same for both frameworks: folds, epochs, validation, curves, test set. numpy only.

A framework gives a ``trainer`` with four things to do:
    place(images, labels)     bring uint8 arrays to the device
    returned(placed)          read the images and labels back from there
    learner(arrays, placed, order, rates)  a network that starts from these weights and can take steps
and the learner:
    steps(begin, end)         take these steps; return each one's mean loss, and how many images were told right
    logits(placed)            the network's answers, float32 of shape (n, 10)
    weights()                 its parameters, as a list of arrays
"""

from __future__ import annotations

import numpy as np

from smokelib import control, recipe
from smokelib.weights import weights


def take(session, trainer, arrays: tuple) -> dict:
    """Train as the request says, on every fold, and return the result's part about learning."""
    count = len(arrays[0])
    splits = recipe.splits(session.request, count)
    with session.stage("to_device"):
        test = (trainer.place(*arrays[2:]), arrays[3])
    trained = [one(session, trainer, arrays, number, split, test) for number, split in enumerate(splits)]
    result = summary(session, trained)
    least = session.request["least"] or 0.9
    if result["accuracy"] < least:
        result["nearest_mean_accuracy"] = control.nearest_mean(*arrays)
        result["neighbour_correlation"] = control.neighbour_correlation(arrays[0])
    return result


def one(session, trainer, arrays: tuple, number: int, split: tuple, test: tuple) -> dict:
    """Train one network and return what came of it."""
    request, (chosen, held) = session.request, split
    whole = len(chosen) == len(arrays[0])
    images, labels = (arrays[0], arrays[1]) if whole else (arrays[0][chosen], arrays[1][chosen])
    with session.stage("to_device"):
        placed = trainer.place(images, labels)
        back = trainer.returned(placed)
        kept = np.array_equal(back[0], images) and np.array_equal(back[1], labels)
        validation = test if request["validation"] == "test" else None
        if len(held):
            validation = (trainer.place(arrays[0][held], arrays[1][held]), arrays[1][held])
    seed = request["seed"] + number
    order = recipe.order(request["recipe"], len(images), seed)
    first = weights(request["layers"], seed)
    learner = trainer.learner(first, placed, order, recipe.rates(request["recipe"], len(order)))
    if session.events is not None:
        session.events.begin(number, learner)
    history = learn(session, learner, order, number, validation)
    with session.stage("evaluate"):
        logits = learner.logits(test[0])
    return {
        **history,
        "test": measure(logits, test[1]),
        "data_kept": kept,
        "moved": moved(first, learner.weights()),
        "confusion": confusion(logits, test[1]),
        "samples": samples(request, arrays, logits),
    }


def learn(session, learner, order: np.ndarray, number: int, validation: tuple | None) -> dict:
    """Take all steps; return the loss of each and the curves."""
    wanted = session.request["recipe"]
    reports, pauses = recipe.reports(wanted, len(order)), recipe.pauses(wanted, len(order))
    losses: list[float] = []
    right = seen = begin = 0
    curves: dict[str, list[float]] = {"images": [], "loss": [], "accuracy": []}
    for end in sorted({1, *pauses}):
        with session.stage("first_step" if begin == 0 else "train"):
            new, told = learner.steps(begin, end)
        losses += new
        right, seen, begin = right + told, seen + (end - begin) * order.shape[1], end
        event = {
            "fold": number,
            "done": end,
            "total": len(order),
            "loss": finite(new[-1]),
            "accuracy": right / seen,
        }
        if end in reports:
            curves["images"].append(end * order.shape[1])
            curves["loss"].append(finite(float(np.mean(losses[-(seen // order.shape[1]) :]))))
            curves["accuracy"].append(right / seen)
            right = seen = 0
            if validation is not None:
                with session.stage("evaluate"):
                    found = measure(learner.logits(validation[0]), validation[1])
                for name, value in found.items():
                    curves.setdefault(f"validation_{name}", []).append(value)
                event["validation_accuracy"] = found["accuracy"]
            if session.events is not None:
                newest = {name: points[-1] for name, points in curves.items() if name != "images"}
                session.events.point(number, end * order.shape[1], newest)
        session.emit("progress", **event)
    return {"losses": losses, "curves": curves, "batch": order.shape[1]}


def measure(logits: np.ndarray, labels: np.ndarray) -> dict[str, float]:
    """Return mean cross-entropy and the share of images told right."""
    shifted = logits.astype(np.float64) - logits.max(1, keepdims=True)
    loss = np.log(np.exp(shifted).sum(1)) - shifted[np.arange(len(labels)), labels]
    return {"loss": finite(loss.mean()), "accuracy": float((logits.argmax(1) == labels).mean())}


def finite(value: float) -> float:
    """Return the number; a huge one for what JSON cannot carry: a training that diverged."""
    return float(value) if np.isfinite(value) else 1e30


def moved(first: list[list[np.ndarray]], last: list[np.ndarray]) -> list[float]:
    """Return, for each layer with weights, how far they went: norm of the change over norm at the start."""
    flat, found, place = [np.asarray(array, np.float64) for array in last], [], 0
    for own in first:
        for number, array in enumerate(own):
            if number == 0:  # a bias alone says little: it may start at zero
                found.append(finite(np.linalg.norm(flat[place] - array) / max(np.linalg.norm(array), 1e-12)))
            place += 1
    return found


def confusion(logits: np.ndarray, labels: np.ndarray) -> list[list[int]]:
    """Return how often a true digit (row) was told as another (column)."""
    table: np.ndarray = np.zeros((10, 10), np.int64)
    np.add.at(table, (labels, logits.argmax(1)), 1)
    return table.tolist()


def samples(request: dict, arrays: tuple, logits: np.ndarray) -> dict | None:
    """Return the first test images with true and told labels, and the logits of the first; None unless wanted."""
    count = request["samples"]
    if not count:
        return None
    return {
        "images": arrays[2][:count].reshape(-1, 28 * 28).tolist(),
        "labels": arrays[3][:count].tolist(),
        "predictions": logits[:count].argmax(1).tolist(),
        "logits": [round(float(value), 4) for value in logits[0]],
    }


def summary(session, trained: list[dict]) -> dict:
    """Put the folds together: means over them, the first one's curves and samples, all confusions added up."""
    losses = [finite(loss) for loss in trained[0]["losses"]]
    tenth = max(1, len(losses) // 10)
    steps = sum(len(one["losses"]) - 1 for one in trained)
    seconds = session.seconds.get("train", 0.0)
    folds = [
        {
            "accuracy": one["curves"]["validation_accuracy"][-1],
            "test_accuracy": one["test"]["accuracy"],
            "curves": one["curves"],
        }
        for one in trained
        if session.request["folds"]
    ]
    return {
        "accuracy": float(np.mean([one["test"]["accuracy"] for one in trained])),
        "loss_first": float(np.mean(losses[:tenth])),
        "loss_last": float(np.mean(losses[-tenth:])),
        "examples_per_second": steps * trained[0]["batch"] / seconds if steps and seconds else None,
        "curves": trained[0]["curves"],
        "folds": folds,
        "data_kept": all(one["data_kept"] for one in trained),
        "weights_moved": np.min([one["moved"] for one in trained], 0).tolist(),
        "confusion": np.sum([one["confusion"] for one in trained], 0).tolist(),
        "samples": trained[0]["samples"],
    }
