"""Writes TensorBoard's event files from a PyTorch training: scalars of both sets of images, and the graph."""

from __future__ import annotations

import os

from smokelib.session import BadInput


class EventFiles:
    """Event files in a folder, a sub-folder for training and one for validation, by fold where there are folds."""

    def __init__(self, torch, folder: str, folds: int) -> None:
        try:
            from torch.utils.tensorboard import SummaryWriter
        except ImportError:
            raise BadInput(
                f"--tensorboard {folder}: PyTorch writes event files by the package tensorboard, which its "
                "interpreter does not have: python -m pip install tensorboard"
            ) from None
        self.torch, self.folder, self.folds, self.make = torch, folder, folds, SummaryWriter
        self.writers: dict = {}

    def writer(self, part: str, fold: int):
        """Return the writer of ``training`` or ``validation``."""
        parts = [self.folder, "torch", *([f"fold-{fold + 1}"] if self.folds else []), part]
        path = os.path.join(*parts)
        if path not in self.writers:
            self.writers[path] = self.make(path)
        return self.writers[path]

    def begin(self, fold: int, learner) -> None:
        """Write the network's graph."""
        torch, network = self.torch, learner.network
        weights = network.flat

        class Traced(torch.nn.Module):  # type: ignore[name-defined,misc]
            def __init__(self) -> None:
                super().__init__()
                # A trace takes no other tensor that has a gradient.
                self.weights = torch.nn.Parameter(weights.detach())

            def forward(self, images):
                network.flat = self.weights
                return network(learner.normalise(images), training=False)

        try:
            self.writer("training", fold).add_graph(Traced(), learner.images[:1])
        finally:
            network.flat = weights

    def point(self, fold: int, images: int, values: dict[str, float]) -> None:
        """Write a point of the curves; ``validation_`` names belong to the validation."""
        for name, value in values.items():
            part = "validation" if name.startswith("validation_") else "training"
            self.writer(part, fold).add_scalar(name.removeprefix("validation_"), value, images)
        for writer in self.writers.values():
            writer.flush()
