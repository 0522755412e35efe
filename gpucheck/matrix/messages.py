"""Rows of messages: what programs print, and the troubles that it shows."""

from __future__ import annotations

from gpucheck.matrix.rows import Row
from gpucheck.record import record

# Conditions that no message fulfils, but what else is known of the machine: ``fact-driver-works``.
FACT = "fact-"


@record
class Cause:
    """One of the causes of a message, and what in the same text tells that it is this one.

    Attributes:
        slug: The trouble.
        beside: Messages, or facts, of which one must be there too.
        before: Messages of which one must stand before it.
        without: Messages of which none may stand in the text.
        confidence: ``certain``, ``likely`` or ``possible``.
        severity: That of the message where None.
    """

    slug: str
    beside: tuple[str, ...] = ()
    before: tuple[str, ...] = ()
    without: tuple[str, ...] = ()
    confidence: str = "certain"
    severity: str | None = None


@record
class Message(Row):
    """A message by which a trouble shows itself in what programs print.

    Attributes:
        name: What the row is called.
        text: Its words, any of these forms, with placeholders for what varies: ``{loaded:version}``.
        example: The message as a program prints it.
        slug: The trouble it shows where none of ``causes`` fits; None where it is only told for its context.
        severity: ``error``, ``warn`` or ``info``.
        confidence: How sure ``slug`` is.
        title: What a finding says, with the placeholders' values: ``cuDNN {loaded}, built with {built}``.
        causes: Other causes, in the order in which they are tried.
        instead: Other troubles that it may be where nothing in the text decides.
        decide: What would decide between them.
        vain: Popular advice that is wrong here, and why.
        since: The release from which on programs print it, where that is known: ``keras 3``.
        until: The last release that printed it, where that is known.
    """

    name: str
    text: tuple[str, ...]
    example: str
    slug: str | None = None
    severity: str = "error"
    confidence: str = "certain"
    title: str | None = None
    causes: tuple[Cause, ...] = ()
    instead: tuple[str, ...] = ()
    decide: str | None = None
    vain: str | None = None
    since: str | None = None
    until: str | None = None


MESSAGE_FILES = (
    "driver", "cards", "containers", "devices", "builds", "libraries", "cudnn", "memory", "programs", "packages",
    "distributed", "code", "harmless", "context",
)  # fmt: skip
