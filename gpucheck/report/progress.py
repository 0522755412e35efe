"""Progress of the smoke training on stderr: one moving line on a terminal, nothing in a pipe."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from gpucheck.report.cleaning import clean
from gpucheck.report.moving import MovingLine

if TYPE_CHECKING:
    from rich.console import Console

STAGES = {
    "start": "starting",
    "import": "importing",
    "download": "downloading MNIST",
    "download_wait": "waiting for another process that downloads MNIST",
    "data": "preparing the data",
    "device_start": "starting the device",
    "to_device": "bringing the data to the device",
    "first_step": "first step",
    "train": "training",
    "evaluate": "evaluating",
    "proof": "checking convolution against float64",
    "meet": "waiting for the other ranks",
    "barrier": "joining the ranks",
    "all_reduce": "all-reduce",
    "gradients": "comparing gradients",
    "mirrored": "MirroredStrategy",
}
# They take turns while a training goes on: what it has learned stays on the screen.
BETWEEN = ("train", "evaluate")


class Progress(MovingLine):
    """Listens to the trainings' events while it is open as a context."""

    def __init__(self, console: Console) -> None:
        super().__init__(console)
        self.learning = False

    def __call__(self, framework: str, event: dict[str, Any]) -> None:
        """Show one event."""
        if self.status is None:
            return
        if event["event"] == "stage" and not (self.learning and event["name"] in BETWEEN):
            self.learning = False
            self.say(f"{framework}: {STAGES.get(event['name'], event['name'])}")
        elif event["event"] == "progress":
            self.learning = True
            self.say(f"{framework}: {learning(event)}")
        elif event["event"] == "download":
            total = f" of {event['total'] / 1e6:.1f}" if event["total"] else ""
            self.say(f"downloading {event['file']}: {event['done'] / 1e6:.1f}{total} MB")

    def say(self, text: str) -> None:
        """Show one text."""
        from rich.text import Text

        if self.status is not None:
            self.status.update(Text(clean(text)))


def learning(event: dict[str, Any]) -> str:
    """Return how far a training is, and how well it does."""
    fold = f"fold {event['fold'] + 1}, " if event["fold"] else ""
    validated = event.get("validation_accuracy")
    checked = f", validation {validated:.2%}" if validated is not None else ""
    share = event["done"] / event["total"]
    return f"training {fold}{share:.0%}, loss {event['loss']:.4f}, accuracy {event['accuracy']:.2%}{checked}"
