"""The verdict as a Nagios plugin says it: one line with numbers, then long text.

The form is that of the Monitoring Plugins guidelines, 2.1 and 2.6.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from gpucheck.facts import usable_gpus
from gpucheck.findings import Severity, Status
from gpucheck.report.common import headline, teller, told

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from gpucheck.findings import Report
    from gpucheck.report.cleaning import Redactor

WORDS = ("OK", "WARNING", "CRITICAL", "UNKNOWN")
# Nagios reads 4 KiB of a plugin's output, and shows the first line in a narrow column.
MOST_BYTES, MOST_SUBJECT = 4000, 300


def status(report: Report) -> int:
    """Return the plugin's exit status: 2 for an error, 3 inconclusive, 1 for a warning, 0 otherwise.

    The order is that of the verdict: a certain error comes before an unknown, and an unknown before a warning.
    """
    severities = {finding.severity for finding in report.findings}
    if Severity.ERROR in severities:
        return 2
    if report.verdict == "inconclusive":
        return 3
    return 1 if Severity.WARN in severities else 0


def render(report: Report, redactor: Redactor | None) -> str:
    """Return the plugin's output."""
    plain = teller(redactor)

    def tell(text: str | None) -> str:
        return plain(text).replace("|", "\\x7c")  # what follows a bar are numbers

    first = f"GPUCHECK {WORDS[status(report)]} - {_subject(report, tell)} | {_numbers(report)}"
    lines, left = [first], MOST_BYTES - len(first.encode())
    long = list(_long(report, tell))
    for number, line in enumerate(long):
        left -= len(line.encode()) + 1
        if left < 0 or (left < 40 and number < len(long) - 1):
            lines.append(f"and {len(long) - number} more lines")
            break
        lines.append(line)
    return "\n".join(lines) + "\n"


def _subject(report: Report, tell: Callable[[str | None], str]) -> str:
    causes = [finding for finding in report.findings if finding.slug in report.root_causes]
    if not causes:
        text = headline(report, tell)
    else:
        more = f" (and {len(causes) - 1} more)" if len(causes) > 1 else ""
        text = f"{causes[0].slug}: {tell(causes[0].title)}{more}"
    return text if len(text) <= MOST_SUBJECT else f"{text[: MOST_SUBJECT - 1]}…"


def _numbers(report: Report) -> str:
    """Return label=value;warning;critical;least: a range of 0 means that more than none is too many."""
    usable, _ = usable_gpus(report.facts)
    count = {one: sum(finding.severity is one for finding in report.findings) for one in Severity}
    unsure = sum(result.status in (Status.UNKNOWN, Status.CRASH) for result in report.checks)
    return (
        f"gpus={'U' if usable is None else usable};;;0 findings={len(report.findings)};;;0 "
        f"errors={count[Severity.ERROR]};;0;0 warnings={count[Severity.WARN]};0;;0 unknown={unsure};;;0"
    )


def _long(report: Report, tell: Callable[[str | None], str]) -> Iterator[str]:
    for finding in sorted(report.findings, key=lambda one: one.severity.rank):
        first, *rest = told(finding, tell)
        yield f"{finding.severity.value} {finding.slug}: {first}"
        yield from rest
    unsure = [result for result in report.checks if result.status in (Status.UNKNOWN, Status.CRASH)]
    for subject, reason in dict.fromkeys((result.subject, result.reason) for result in unsure):
        yield f"not checked: {tell(subject) + ': ' if subject else ''}{tell(reason)}"
