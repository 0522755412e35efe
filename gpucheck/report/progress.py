"""Progress of the smoke training on stderr: one moving line on a terminal, nothing in a pipe."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from gpucheck.report.cleaning import clean

if TYPE_CHECKING:
    from types import TracebackType

    from rich.console import Console
    from rich.status import Status

STAGES = {
    "start": "starting",
    "import": "importing",
    "data": "preparing the data",
    "device_start": "starting the device",
    "first_step": "first step",
    "train": "training",
    "evaluate": "evaluating",
    "proof": "checking convolution against float64",
}


class Progress:
    """Listens to the trainings' events while it is open as a context."""

    def __init__(self, console: Console) -> None:
        self.console = console
        self.status: Status | None = None

    def __enter__(self) -> Progress:
        """Begin to show."""
        if self.console.file.isatty():  # colour may be forced into a file, movement never
            self.status = self.console.status("")
            self.status.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Take the line away."""
        if self.status is not None:
            self.status.stop()

    def __call__(self, framework: str, event: dict[str, Any]) -> None:
        """Show one event."""
        if self.status is None:
            return
        if event["event"] == "stage":
            self.say(f"{framework}: {STAGES.get(event['name'], event['name'])}")
        elif event["event"] == "progress":
            self.say(f"{framework}: training {event['done'] / event['total']:.0%}")

    def say(self, text: str) -> None:
        """Show one text."""
        from rich.text import Text

        if self.status is not None:
            self.status.update(Text(clean(text)))
