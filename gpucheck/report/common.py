"""What the formats for other programs share: safe text, where a finding stands, what tells it from others."""

from __future__ import annotations

from pathlib import PurePath
from typing import TYPE_CHECKING

from gpucheck.report.cleaning import clean

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from gpucheck.findings import Finding, Report
    from gpucheck.report.cleaning import Redactor

# Where code quality tools look for a trouble that stands in no file: every one of them demands a file and a line.
STAND_IN = ("gpucheck.toml", 1)
MOST_EVIDENCE = 4


def teller(redactor: Redactor | None) -> Callable[[str | None], str]:
    """Return what makes a text from outside fit to be told: redacted, in one line, nothing in it a control."""

    def tell(text: str | None) -> str:
        return clean(redactor.text(text or "") if redactor is not None else text or "")

    return tell


def place_of(finding: Finding) -> tuple[str, int] | None:
    """Return file and line where a finding stands (``FILE:LINE``); None where it stands in no file."""
    if not finding.place:
        return None
    file, _, line = finding.place.rpartition(":")
    if not file or not (line.isascii() and line.isdecimal()):  # "C:\gpucheck.toml" has no line
        return finding.place, 1
    return file, max(1, int(line))


def in_repository(finding: Finding) -> tuple[str, int]:
    """Return a relative path with slashes, and a line.

    Nothing is known here of where the repository lies: of an absolute path only the name is kept, which also
    keeps private folders out of what is uploaded.
    """
    file, line = place_of(finding) or STAND_IN
    path = PurePath(file)
    return (path.name if path.is_absolute() else path.as_posix()), line


def numbered(report: Report, tell: Callable[[str | None], str]) -> Iterator[tuple[Finding, str]]:
    """Yield each finding, errors first, with a fingerprint that is its own and the same in the next run.

    It is made of slug and subject: a version or an amount of memory in it would make an old trouble look new.
    """
    from hashlib import sha256

    times: dict[tuple[str, str], int] = {}
    for finding in sorted(report.findings, key=lambda one: one.severity.rank):
        key = finding.slug, tell(finding.subject)
        times[key] = times.get(key, 0) + 1
        yield finding, sha256("\0".join((*key, str(times[key]))).encode()).hexdigest()[:32]


def told(finding: Finding, tell: Callable[[str | None], str]) -> list[str]:
    """Return a finding in a few lines: what, what was seen, why, and the best way out."""
    about = f" ({tell(finding.subject)})" if finding.subject else ""
    likely = "" if finding.confidence.value == "certain" else f" ({finding.confidence.value})"
    lines = [f"{tell(finding.title)}{about}"]
    if finding.evidence:
        seen = [tell(item.text) for item in finding.evidence]
        more = f"; and {len(seen) - MOST_EVIDENCE} more" if len(seen) > MOST_EVIDENCE else ""
        lines.append(f"Seen: {'; '.join(seen[:MOST_EVIDENCE])}{more}")
    lines.append(f"Why{likely}: {tell(finding.cause)}")
    lines += [f"Do: {tell(fix.text)}" for fix in finding.fixes[:1]]
    return lines


def headline(report: Report, tell: Callable[[str | None], str]) -> str:
    """Return the verdict in one line."""
    from gpucheck.report import screen

    return tell("".join(piece.text for line in screen.headline(report) for piece in line))
