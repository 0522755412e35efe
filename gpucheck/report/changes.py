"""What differs between two machines, and what the memory has to say beside a report, as lines for a person."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from gpucheck.facts import to_json
from gpucheck.report.screen import MARKS, Piece

if TYPE_CHECKING:
    from collections.abc import Iterator

    from gpucheck.findings import Finding, Report
    from gpucheck.memory.diff import Change, Difference
    from gpucheck.remembering import Since
    from gpucheck.report.screen import Line

# Of changes that explain nothing so many are shown beside a report; `gpucheck diff` shows all.
MOST_BESIDE = 5
MOST_PACKAGES = 4


def lines(found: Difference) -> Iterator[Line]:
    """Yield the screen of `gpucheck diff`."""
    for note in found.notes:
        yield (Piece(" ? ", "yellow"), Piece(note))
    if found.same:
        yield (Piece("Same: ", "bold green"), Piece("nothing that lasts has changed"))
        return
    yield _headline(found)
    packages = [_packages(found, word) for word in ("gone", "new")]
    folded = {change.place for changes in packages for change in changes}
    for change in found.changes:
        if change.place not in folded:
            yield _change(change, found)
    for changes, word in zip(packages, ("gone", "new"), strict=True):
        if changes:
            names = ", ".join(f"{one.what.partition(' ')[2]} {one.old or one.new}" for one in changes)
            yield (Piece(" · "), Piece(f"{len(changes)} packages are {word}: {names}"))
    untold = {slug for change in found.changes for slug in (*change.explains, *change.ends)}
    yield from _findings(found.appeared, "new", untold)
    yield from _findings(found.gone, "gone", untold)


def _headline(found: Difference) -> Line:
    number = len(found.changes)
    before, after = found.verdicts
    verdict = f"{before} -> {after}" if before != after else f"{after} as before"
    return (Piece(f"Changed: {number} change{'s' * (number != 1)}, ", "bold"), Piece(verdict))


def _packages(found: Difference, word: str) -> list[Change]:
    """Packages that came or went and explain nothing, where they are too many for a line each."""
    changes = [
        change
        for change in found.changes
        if change.place.startswith("packages.")
        and not (change.explains or change.ends)
        and (change.new is None if word == "gone" else change.old is None)
    ]
    return changes if len(changes) > MOST_PACKAGES else []


def _change(change: Change, found: Difference) -> Line:
    mark, style = ("✓", "green") if change.ends else ("·", "")
    caused = [finding.severity for finding in found.appeared if finding.slug in change.explains]
    if caused:
        mark, style = MARKS[min(caused, key=lambda severity: severity.rank)]
    return (Piece(f" {mark} ", style), Piece(change.sentence))


def _findings(findings: tuple[Finding, ...], word: str, explained: set[str]) -> Iterator[Line]:
    """Findings that no change explains: facts that changed by themselves, or several together."""
    for finding in findings:
        if finding.slug not in explained:
            mark, style = MARKS[finding.severity] if word == "new" else ("✓", "green")
            yield (
                Piece(f" {mark} ", style),
                Piece(f"{word}: {finding.title}"),
                Piece(f"  [{finding.slug}]", "dim"),
            )


def notes(report: Report, since: Since | None) -> Iterator[Line]:
    """Yield what stands beside a report: entries of the baseline that do nothing, and what changed.

    Args:
        report: With its baseline applied, if there is one.
        since: What the history says; None: it was not asked.
    """
    for result in report.checks:
        if result.family == "baseline":
            yield (Piece(" · ", "blue"), Piece(f"baseline: {result.subject} {result.reason}"))
    if since is None:
        return
    for note in since.notes:
        yield (Piece(" ? ", "yellow"), Piece(note))
    if since.difference is not None and since.when is not None and not since.difference.same:
        yield from _since(since.difference, f"{since.when:%Y-%m-%d %H:%M} UTC")


def _since(found: Difference, when: str) -> Iterator[Line]:
    telling = [change for change in found.changes if change.explains or change.ends]
    others = [change for change in found.changes if change not in telling]
    yield (Piece("changed since the last good run ", "bold"), Piece(f"({when}):"))
    for change in (*telling, *others[:MOST_BESIDE]):
        yield _change(change, found)
    if len(others) > MOST_BESIDE:
        yield (Piece(f"   and {len(others) - MOST_BESIDE} more: gpucheck diff shows them", "dim"),)


def document(found: Difference) -> str:
    """Return what differs as JSON."""
    content = {
        "schema_version": 1,
        "same": found.same,
        "verdicts": {"old": found.verdicts[0], "new": found.verdicts[1]},
        "changes": [{**to_json(change), "sentence": change.sentence} for change in found.changes],
        "appeared": [_named(finding) for finding in found.appeared],
        "gone": [_named(finding) for finding in found.gone],
        "notes": list(found.notes),
    }
    return json.dumps(content, indent=2, allow_nan=False) + "\n"


def _named(finding: Finding) -> dict[str, str | None]:
    return {
        "slug": finding.slug,
        "severity": finding.severity.value,
        "subject": finding.subject,
        "title": finding.title,
    }
