"""What `gpucheck run` and `env` change, as lines for a person."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gpucheck.report.screen import Piece

if TYPE_CHECKING:
    from collections.abc import Iterator

    from gpucheck.fixes import Change
    from gpucheck.launch import Prepared
    from gpucheck.report.screen import Line


def lines(prepared: Prepared) -> Iterator[Line]:
    """Yield the difference, then what the environment cannot do."""
    if not prepared.plan.made:
        yield (Piece("gpucheck: the environment stays as it is", "dim"),)
    else:
        yield (Piece("gpucheck: environment", "bold"),)
    for change in prepared.plan.changes:
        yield from _change(change)
    for note in prepared.plan.notes:
        yield (Piece(" · ", "blue"), Piece(note))
    for slug in prepared.remaining:
        yield (Piece(" ! ", "yellow"), Piece(f"{slug} is still found with this environment"))
    for slug in prepared.curable:
        yield (Piece(" ! ", "yellow"), Piece(f"{slug} is found here; --fix {slug} cures it for this program"))
    for text in prepared.uncured:
        yield (Piece(" ✗ ", "red"), Piece(f"not curable by variables: {text}"))


def _change(change: Change) -> Iterator[Line]:
    if change.kept is not None:
        yield (
            Piece(" = ", "dim"),
            Piece(f"{change.name}={change.before}"),
            Piece(f"   kept: {change.kept}; --override sets {change.after}", "dim"),
        )
        return
    mark, style = ("-", "red") if change.after is None else ("+", "green")
    value = "" if change.after is None else f"={change.after}"
    was = f"   (was {change.before!r})" if change.before is not None else ""
    why = f"   {change.reason}" + (f" [{change.slug}]" if change.slug else "")
    yield (Piece(f" {mark} ", style), Piece(f"{change.name}{value}"), Piece(f"{was}{why}", "dim"))
