"""Files that a smoke training leaves on request: pictures (matplotlib) and curves as CSV."""

from __future__ import annotations

import csv
import io
from typing import TYPE_CHECKING

from gpucheck.record import record
from gpucheck.report import files
from gpucheck.report.files import FileError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from gpucheck.facts import SmokeRun

PICTURES = ("plot", "samples", "confusion")
KINDS = (".png", ".svg", ".pdf")


KeepingError = FileError


@record
class Wanted:
    """Which files were asked for.

    Attributes:
        plot: Picture of loss and accuracy over the images seen.
        samples: Picture of test images, true and told labels and the first one's logits.
        confusion: Picture of the confusion matrix.
        csv: The curves, one row for each point.
    """

    plot: Path | None = None
    samples: Path | None = None
    confusion: Path | None = None
    csv: Path | None = None

    def check(self) -> None:
        """See that everything can be written before hours are spent on training.

        Raises:
            KeepingError: A folder is missing or closed, a file's kind is not known, matplotlib is not installed.
        """
        for option, path in self._files():
            files.check(option, path)
            if option in PICTURES:
                self._check_picture(option, path)

    def _check_picture(self, option: str, path: Path) -> None:
        if path.suffix.lower() not in KINDS:
            raise KeepingError(f"--{option} {path}: a name that ends with {', '.join(KINDS)} expected")
        from importlib.util import find_spec

        if find_spec("matplotlib") is None:
            raise KeepingError(
                f"--{option} {path}: drawing needs matplotlib beside gpucheck: python -m pip install matplotlib"
            )

    def keep(self, runs: Sequence[SmokeRun]) -> None:
        """Write the files, each as a whole or not at all.

        Raises:
            KeepingError: A file cannot be written.
        """
        trained = [run for run in runs if run.accuracy is not None]
        for option, path in self._files():
            if not trained:
                continue
            if option == "csv":
                files.write(option, path, table(trained).encode())
            else:
                from gpucheck.report import pictures

                kind = path.suffix.lower()[1:]
                files.write(option, path, getattr(pictures, f"draw_{option}")(trained, kind))

    def _files(self) -> Iterator[tuple[str, Path]]:
        for option in (*PICTURES, "csv"):
            path = getattr(self, option)
            if path is not None:
                yield option, path


def table(runs: Sequence[SmokeRun]) -> str:
    """Return the curves as CSV, one row for each point; cells are empty where there was no validation."""
    names = ("images", "loss", "accuracy", "validation_loss", "validation_accuracy")
    made = io.StringIO()
    writer = csv.writer(made, lineterminator="\n")
    writer.writerow(("framework", "device", "fold", *names))
    for run in runs:
        curves = [fold.curves for fold in run.folds] or [run.curves]
        for number, curve in enumerate(curves):
            for point in range(len(curve.get("images", ()))):
                cells = [curve[name][point] if name in curve else "" for name in names]
                writer.writerow((run.framework, run.device, number + 1 if run.folds else "", *cells))
    return made.getvalue()
