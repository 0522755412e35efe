"""Writes TensorBoard's event files from a TensorFlow training: scalars of both sets of images, and the graph."""

from __future__ import annotations

import os


class EventFiles:
    """Event files in a folder, a sub-folder for training and one for validation, by fold where there are folds."""

    def __init__(self, tf, folder: str, folds: int) -> None:
        self.tf, self.folder, self.folds = tf, folder, folds
        self.writers: dict = {}

    def writer(self, part: str, fold: int):
        """Return the writer of ``training`` or ``validation``."""
        parts = [self.folder, "tensorflow", *([f"fold-{fold + 1}"] if self.folds else []), part]
        path = os.path.join(*parts)
        if path not in self.writers:
            self.writers[path] = self.tf.summary.create_file_writer(path)
        return self.writers[path]

    def begin(self, fold: int, learner) -> None:
        """Write the network's graph."""
        with self.writer("training", fold).as_default():
            self.tf.summary.graph(learner.answer.get_concrete_function(learner.placed[0][:1]).graph)

    def point(self, fold: int, images: int, values: dict[str, float]) -> None:
        """Write a point of the curves; ``validation_`` names belong to the validation."""
        with self.tf.device("/CPU:0"):  # event files have no kernel on a GPU
            for name, value in values.items():
                part = "validation" if name.startswith("validation_") else "training"
                with self.writer(part, fold).as_default():
                    self.tf.summary.scalar(name.removeprefix("validation_"), value, step=images)
            for writer in self.writers.values():
                writer.flush()
