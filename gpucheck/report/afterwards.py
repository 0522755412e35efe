"""What `gpucheck run --explain` says after a program has failed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gpucheck.report.screen import Piece

if TYPE_CHECKING:
    from collections.abc import Iterator

    from gpucheck.catalogue import Page
    from gpucheck.checks.causes import Shown
    from gpucheck.findings import Report
    from gpucheck.report.screen import Line


def lines(how: str, seen: tuple[tuple[Shown, Page], ...], report: Report) -> Iterator[Line]:
    """Yield how the program ended, and what its output and this machine say of the cause.

    Args:
        how: How it ended, in a phrase.
        seen: The troubles that its output shows, with their pages.
        report: The judgement of this machine.
    """
    yield (Piece("gpucheck: ", "bold"), Piece(f"the program ended: {how}"))
    for shown, page in seen:
        yield (Piece(" ✗ ", "red"), Piece(page.slug, "bold"))
        yield (Piece(f"     {shown.messages[0].line}", "dim"),)
        yield (Piece("   Why: ", "bold"), Piece(page.meaning))
        yield (Piece("   Do:  ", "bold"), Piece(page.remedy))
    for finding in report.findings:
        if finding.slug in report.root_causes:
            yield (Piece(" ! ", "yellow"), Piece(f"found on this machine: {finding.title}  [{finding.slug}]"))
    if not seen and not report.root_causes:
        yield (Piece(" ? ", "yellow"), Piece("its output shows no GPU trouble that gpucheck knows"))
