"""The data sets of the smoke training, as seen from outside: files, checksums, and the least accuracy."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

# Images of the built-in digits, and the seed that draws them: the same for everybody, whatever --seed is.
DIGITS = {"train": 7000, "test": 2000, "seed": 20261122}

FILES = (
    "train-images-idx3-ubyte",
    "train-labels-idx1-ubyte",
    "t10k-images-idx3-ubyte",
    "t10k-labels-idx1-ubyte",
)
# SHA-256 of the unpacked files; the .gz differ by their time stamps. Checked 2026-11-22 against the files of
# github.com/fgnt/mnist (three of them) and against the PNGs of github.com/rasbt/mnist-pngs (all four).
MNIST_SHA256 = {
    "train-images-idx3-ubyte": "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
    "train-labels-idx1-ubyte": "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
    "t10k-images-idx3-ubyte": "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
    "t10k-labels-idx1-ubyte": "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
}


class DataError(ValueError):
    """The data set that was named cannot be used; the message says which file and why."""


def check_folder(folder: Path) -> None:
    """Look whether a folder holds the four files; their content is the child's to judge.

    Raises:
        DataError: The folder or a file is missing.
    """
    if not folder.is_dir():
        raise DataError(f"--data {folder}: is not a folder")
    missing = [name for name in FILES if not any((folder / (name + end)).is_file() for end in ("", ".gz"))]
    if missing:
        raise DataError(f"--data {folder}: {missing[0]} is missing, plain or with .gz")


def is_mnist(sums: dict[str, str]) -> bool:
    """Whether these are the well-known MNIST files."""
    return sums == MNIST_SHA256
