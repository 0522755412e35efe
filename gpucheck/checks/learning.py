"""Did the smoke training learn, and if not, is it the data, the optimiser or the arithmetic?"""

from __future__ import annotations

from typing import TYPE_CHECKING

from gpucheck.checks.reading import FRAMEWORK_NAMES
from gpucheck.checks.registry import Said, broken, check, holds, skipped, unknown
from gpucheck.findings import Evidence, Finding, Fix, Severity

if TYPE_CHECKING:
    from collections.abc import Iterator

    from gpucheck.facts import Facts, SmokeRun
    from gpucheck.matrix import Matrix

# Layers of healthy trainings change by 0.1 and more (measured, every model, 20 seeds).
LEAST_MOVED = 1e-6
# The nearest mean image tells 0.82 of MNIST right, 0.64 of the built-in digits, and 0.09 to 0.11 once labels are
# shuffled. A pixel goes with its neighbour by 0.81 and 0.55; by 0.00 in noise, 0.02 in scrambled pixels
# (measured).
LEAST_TOLD, LEAST_CORRELATION = 0.3, 0.3


@check("data-unchanged", "data-corrupted", decisive=True)
def data_unchanged(facts: Facts, _: Matrix) -> Iterator[Said]:
    """The data is read back from the device as it was sent there, and its images look like images."""
    for run in facts.smoke:
        if run.data_kept is None:
            yield skipped("the training failed before", run.framework)
        elif not run.data_kept:
            yield broken(_lost(run))
        elif _says_nothing(run) and (run.neighbour_correlation or 0) < LEAST_CORRELATION:
            yield broken(_noise(run))
        else:
            yield holds("read back unchanged", run.framework)


def _says_nothing(run: SmokeRun) -> bool:
    return run.nearest_mean_accuracy is not None and run.nearest_mean_accuracy < LEAST_TOLD


def _lost(run: SmokeRun) -> Finding:
    return Finding(
        slug="data-corrupted",
        severity=Severity.ERROR,
        subject=run.framework,
        title=f"The training data was changed on its way to {run.device}",
        cause="Read back from the device it is not what was sent: memory, the bus or the driver does not keep it.",
        evidence=(Evidence(text=f"{run.data.train} images and labels compared", source="gpucheck smoke"),),
        fixes=(
            Fix(text="Look for Xid and ECC errors; then test the card.", commands=("gpucheck doctor -v",)),
            Fix(text="Run again with --device cpu: if that is right, suspect the card."),
        ),
    )


def _noise(run: SmokeRun) -> Finding:
    return Finding(
        slug="data-corrupted",
        severity=Severity.ERROR,
        subject=run.framework,
        title="The images are no pictures: nothing can be learned from them",
        cause="Neighbouring pixels have nothing to do with each other, and without any framework too no digit can "
        "be told from them.",
        evidence=_of_the_data(run),
        fixes=_other_data(run),
    )


@check("labels-fit-images", "labels-shuffled", decisive=True)
def labels_fit_images(facts: Facts, _: Matrix) -> Iterator[Said]:
    """The labels say something about the images, by a classifier without any framework."""
    for run in facts.smoke:
        if run.nearest_mean_accuracy is None:
            yield skipped("the training learned, or failed before", run.framework)
        elif _says_nothing(run) and (run.neighbour_correlation or 0) >= LEAST_CORRELATION:
            yield broken(
                Finding(
                    slug="labels-shuffled",
                    severity=Severity.ERROR,
                    subject=run.framework,
                    title="The labels do not belong to the images",
                    cause="The images are sound, but without any framework too no digit can be told from them by "
                    "these labels.",
                    evidence=_of_the_data(run),
                    fixes=_other_data(run),
                )
            )
        else:
            yield holds(f"the nearest mean tells {run.nearest_mean_accuracy:.0%} right", run.framework)


def _of_the_data(run: SmokeRun) -> tuple[Evidence, ...]:
    known = {True: "the well-known MNIST files", False: "not the well-known MNIST files", None: run.data.name}
    return (
        Evidence(
            text=f"the nearest mean image of a class tells {run.nearest_mean_accuracy or 0:.1%} right "
            "(82 % on MNIST, 64 % on the built-in digits, 10 % by chance)",
            source="numpy alone",
        ),
        Evidence(
            text=f"correlation of neighbouring pixels {run.neighbour_correlation or 0:.2f}", source="numpy alone"
        ),
        Evidence(text=known[run.data.known], source=run.data.path or "built in"),
    )


def _other_data(run: SmokeRun) -> tuple[Fix, ...]:
    if run.data.path is None:
        return (Fix(text="Compare numpy on this machine with another: the built-in digits are made by it."),)
    return (Fix(text="Take the data from its source again.", commands=("gpucheck smoke --data mnist",)),)


@check("weights-updated", "weights-not-updated", decisive=True)
def weights_updated(facts: Facts, _: Matrix) -> Iterator[Said]:
    """Training has changed the weights of every layer."""
    for run in facts.smoke:
        if not run.weights_moved:
            yield skipped("the training failed before", run.framework)
        elif min(run.weights_moved) >= LEAST_MOVED:
            yield holds(f"each layer by {min(run.weights_moved):.0%} or more", run.framework)
        else:
            yield broken(_frozen(run))


def _frozen(run: SmokeRun) -> Finding:
    still = [number + 1 for number, moved in enumerate(run.weights_moved) if moved < LEAST_MOVED]
    every = len(still) == len(run.weights_moved)
    layers = "no layer's" if every else f"not those of layer{'s' if len(still) > 1 else ''} {_list(still)}"
    return Finding(
        slug="weights-not-updated",
        severity=Severity.ERROR,
        subject=run.framework,
        title=f"{FRAMEWORK_NAMES[run.framework]} trained, and its weights did not change: {layers}"
        if every
        else f"{FRAMEWORK_NAMES[run.framework]} trained some weights, and {layers}",
        cause="The optimiser's steps had no effect." if every else "Their gradient is lost on the way.",
        evidence=(
            Evidence(
                text="change of each layer's weights: " + ", ".join(f"{moved:.2g}" for moved in run.weights_moved),
                source="training",
            ),
        ),
        fixes=(Fix(text="Run again with --device cpu: if that is right, suspect the card or its libraries."),),
    )


def _list(numbers: list[int]) -> str:
    return ", ".join(map(str, numbers))


@check("smoke-learned", "training-does-not-learn", decisive=True)
def smoke_learned(facts: Facts, _: Matrix) -> Iterator[Said]:
    """The training reaches the accuracy that every healthy machine reaches."""
    for run in facts.smoke:
        if run.failure is not None:
            yield skipped("the training failed before", run.framework)
        elif run.accuracy is None:
            yield unknown("the child reported no accuracy", run.framework)
        elif run.accuracy_limit is None:
            yield unknown(_why_no_limit(run), run.framework)
        elif run.accuracy >= run.accuracy_limit:
            yield holds(f"accuracy {run.accuracy:.2%}, at least {run.accuracy_limit:.2%} asked", run.framework)
        else:
            yield broken(_did_not_learn(run))


def _why_no_limit(run: SmokeRun) -> str:
    if run.data.name == "mnist" and not run.data.known:
        return "the data is not the well-known MNIST: no accuracy is known to expect"
    changed = f" with {', '.join(run.changed)}" if run.changed else ""
    return f"no accuracy is known to expect of {run.model}'s {run.recipe} recipe{changed} on {run.data.name}"


def _did_not_learn(run: SmokeRun) -> Finding:
    losses = f"loss from {run.loss_first} to {run.loss_last}"
    return Finding(
        slug="training-does-not-learn",
        severity=Severity.ERROR,
        subject=run.framework,
        title=f"{FRAMEWORK_NAMES[run.framework]} reached {run.accuracy or 0:.2%}, less than "
        f"the {run.accuracy_limit or 0:.2%} of every healthy machine",
        cause="The training finished but did not learn as it should.",
        evidence=(
            Evidence(text=losses, source="training"),
            Evidence(text=f"seed {run.seed}", source="training"),
        ),
        fixes=(
            Fix(text="Run it again with another --seed.", commands=(f"gpucheck smoke --seed {run.seed + 1}",)),
        ),
    )
