"""One moving line on stderr while something goes on: on a terminal alone, nothing in a pipe."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from types import TracebackType

    from rich.console import Console
    from rich.status import Status

Self = TypeVar("Self", bound="MovingLine")  # typing has its own from Python 3.11 on


class MovingLine:
    """The line, while it is open as a context; what it shows is its heirs' business."""

    def __init__(self, console: Console, first: str = "") -> None:
        self.console, self.first = console, first
        self.status: Status | None = None

    def __enter__(self: Self) -> Self:
        """Begin to show."""
        if self.console.file.isatty():  # colour may be forced into a file, movement never
            self.status = self.console.status(self.first)
            self.status.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Take the line away."""
        if self.status is not None:
            self.status.stop()
