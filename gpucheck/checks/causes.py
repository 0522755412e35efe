"""From known messages to their causes: one message may have several, and what else stands in the text decides."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gpucheck.findings import Confidence, Severity
from gpucheck.record import record

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from gpucheck.facts import Message
    from gpucheck.matrix import Message as Row
    from gpucheck.matrix.messages import Cause


@record
class Shown:
    """A trouble that messages show.

    Attributes:
        slug: The trouble.
        severity: How bad it is.
        confidence: How sure it is.
        row: The row of the message that shows it best.
        messages: The lines that show it, those that decided among them.
        decided: Whether something else in the text told that it is this cause.
    """

    slug: str
    severity: Severity
    confidence: Confidence
    row: Row
    messages: tuple[Message, ...]
    decided: bool = False

    @property
    def weight(self) -> tuple[int, int]:
        """Least for what is worst and surest."""
        return self.severity.rank, list(Confidence).index(self.confidence)


def shown(messages: Sequence[Message], rows: Iterable[Row]) -> tuple[Shown, ...]:
    """Return the troubles that messages show, the surest first, each once.

    Args:
        messages: What was found in a text, in its order.
        rows: The matrix's rows of messages.
    """
    known = {row.name: row for row in rows}
    there = {message.name: message for message in reversed(messages)}
    found: dict[str, Shown] = {}
    for message in messages:
        row = known.get(message.name)
        one = _of(message, row, there) if row is not None else None
        if one is None:
            continue
        other = found.get(one.slug)
        found[one.slug] = one if other is None else _together(other, one)
    return tuple(sorted(found.values(), key=lambda one: (one.weight, one.messages[0].number)))


def _of(message: Message, row: Row, there: dict[str, Message]) -> Shown | None:
    for cause in row.causes:
        deciding = _fits(cause, message, there)
        if deciding is not None:
            return Shown(
                slug=cause.slug,
                severity=Severity(cause.severity or row.severity),
                confidence=Confidence(cause.confidence),
                row=row,
                messages=(message, *deciding),
                decided=True,
            )
    if row.slug is None:
        return None
    return Shown(
        slug=row.slug,
        severity=Severity(row.severity),
        confidence=Confidence(row.confidence),
        row=row,
        messages=(message,),
    )


def _fits(cause: Cause, message: Message, there: dict[str, Message]) -> tuple[Message, ...] | None:
    """Return the messages by which a cause is told; None where it does not fit."""
    if any(name in there for name in cause.without):
        return None
    beside = [there[name] for name in cause.beside if name in there]
    before = [there[name] for name in cause.before if name in there and there[name].number <= message.number]
    if (cause.beside and not beside) or (cause.before and not before):
        return None
    return (*beside[:1], *before[:1])


def _together(first: Shown, second: Shown) -> Shown:
    best, other = (second, first) if second.weight < first.weight else (first, second)
    lines = {(one.number, one.line): one for one in (*best.messages, *other.messages)}
    return Shown(
        slug=best.slug,
        severity=best.severity,
        confidence=best.confidence,
        row=best.row,
        messages=tuple(lines.values()),
        decided=best.decided or other.decided,
    )
