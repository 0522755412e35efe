"""What was read in a text that somebody pasted: a log, a traceback, an issue."""

from __future__ import annotations

from dataclasses import field

from gpucheck.record import record


@record
class Message:
    """A message that programs are known to print, found in a text.

    Attributes:
        name: Its row in the matrix.
        line: The line that shows it, without time stamps, ranks and the like.
        number: Where that line stands in the text, from 1.
        values: What it says: versions, names of libraries and cards.
    """

    name: str
    line: str
    number: int
    values: dict[str, str] = field(default_factory=dict)
