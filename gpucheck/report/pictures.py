"""Pictures of a smoke training: curves, sample images, confusion matrix; drawn without a display."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

from matplotlib.figure import Figure

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from gpucheck.facts import SmokeRun

NAMES = {"torch": "PyTorch", "tensorflow": "TensorFlow"}
COLORS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9")  # Okabe and Ito: for every eye
COLUMNS = 10


def title(run: SmokeRun) -> str:
    """Return what was trained, in one line."""
    device = run.device_name or (run.device or "").upper()
    return f"{NAMES[run.framework]} {run.version}, {run.model}, {device}".replace("$", r"\$")


def draw_plot(runs: Sequence[SmokeRun], kind: str) -> bytes:
    """Draw loss and accuracy over the images seen, a column for each run, a colour for each fold."""
    figure = Figure(figsize=(6.4 * len(runs), 6.4), layout="constrained")
    axes: Any = figure.subplots(2, len(runs), squeeze=False, sharex="col")
    for column, run in enumerate(runs):
        loss, accuracy = axes[0][column], axes[1][column]
        loss.set_title(title(run), fontsize=10)
        folds = [fold.curves for fold in run.folds] or [run.curves]
        for number, curves in enumerate(folds):
            label = f"fold {number + 1} " if run.folds else ""
            _lines(loss, curves, "loss", COLORS[number % len(COLORS)], label)
            _lines(accuracy, curves, "accuracy", COLORS[number % len(COLORS)], label)
        loss.set_ylabel("loss")
        loss.set_yscale("log")
        accuracy.set_ylabel("accuracy")
        accuracy.set_xlabel("training images seen")
        accuracy.xaxis.set_major_formatter(lambda value, _: f"{value:,.0f}")
        if run.accuracy is not None:
            accuracy.axhline(
                run.accuracy, color="0.5", linewidth=0.8, label=f"test set at the end {run.accuracy:.2%}"
            )
        for one in (loss, accuracy):
            one.grid(alpha=0.3)
            one.legend(fontsize=8)
    return _saved(figure, kind)


def _lines(axes: Any, curves: Mapping[str, Sequence[float]], name: str, color: str, label: str) -> None:
    axes.plot(curves["images"], curves[name], color=color, label=f"{label}training")
    checked = curves.get(f"validation_{name}")
    if checked:
        axes.plot(curves["images"], checked, color=color, linestyle="--", marker=".", label=f"{label}validation")


def draw_samples(runs: Sequence[SmokeRun], kind: str) -> bytes:
    """Draw the first test images, with true and told digit, and a bar for each logit of the first one."""
    count = max(len(run.samples.labels) if run.samples else 0 for run in runs)
    lines = -(-count // COLUMNS)
    figure = Figure(figsize=(11, len(runs) * (1.35 * lines + 2.6)), layout="constrained")
    for part, run in zip(figure.subfigures(len(runs), 1, squeeze=False)[:, 0], runs, strict=True):
        part.suptitle(title(run), fontsize=10)
        if run.samples is None:
            continue
        upper, lower = part.subfigures(2, 1, height_ratios=(1.2 * lines, 2))
        axes = upper.subplots(lines, COLUMNS, squeeze=False).ravel()
        for one in axes:
            one.axis("off")
        shown = zip(axes, run.samples.images, run.samples.labels, run.samples.predictions, strict=False)
        for one, image, label, told in shown:
            one.imshow([image[row * 28 : row * 28 + 28] for row in range(28)], cmap="gray_r", vmin=0, vmax=255)
            right = label == told
            one.set_title(
                f"{label}" if right else f"{label}, told {told}", fontsize=9, color="k" if right else "#d55e00"
            )
        _logits(lower.subplots(), run)
    return _saved(figure, kind)


def _logits(axes: Any, run: SmokeRun) -> None:
    assert run.samples is not None
    values = run.samples.logits
    colors = [COLORS[1] if digit == run.samples.labels[0] else COLORS[0] for digit in range(10)]
    bars = axes.bar(range(10), values, color=colors)
    axes.bar_label(bars, [f"{value:.1f}" for value in values], fontsize=8, padding=2)
    axes.margins(y=0.15)
    axes.axhline(0, color="0.3", linewidth=0.8)
    axes.set_xticks(range(10))
    axes.set_xlabel(f"logits of the first image, whose digit is {run.samples.labels[0]}", fontsize=9)


def draw_confusion(runs: Sequence[SmokeRun], kind: str) -> bytes:
    """Draw how often each true digit was told as which; only mistakes are coloured."""
    figure = Figure(figsize=(5.6 * len(runs), 6.1), layout="compressed")
    for axes, run in zip(figure.subplots(1, len(runs), squeeze=False)[0], runs, strict=True):
        wrong = [[0 if a == b else count for b, count in enumerate(row)] for a, row in enumerate(run.confusion)]
        most = max(1, *map(max, wrong))
        axes.imshow(wrong, cmap="Oranges", vmin=0, vmax=most)
        for true, row in enumerate(run.confusion):
            for told, count in enumerate(row):
                if count:
                    color = "w" if true != told and count > 0.6 * most else "k"
                    axes.text(told, true, str(count), ha="center", va="center", fontsize=8, color=color)
        axes.set_xticks(range(10))
        axes.set_yticks(range(10))
        axes.set_xlabel("told")
        axes.set_ylabel("true")
        axes.set_title(title(run), fontsize=10)
    return _saved(figure, kind)


def _saved(figure: Figure, kind: str) -> bytes:
    made = io.BytesIO()
    figure.savefig(made, format=kind, dpi=110)
    return made.getvalue()
