"""Findings that somebody has accepted, in a file of their own: they are shown and do not count.

```toml
[[accepted]]
slug = "tf32-in-use"
subject = "torch"        # left out: whatever it is about
reason = "measured: our networks do not mind"
date = 2026-11-25
until = 2027-03-01       # may be left out
```
"""

from __future__ import annotations

import datetime
import json
from dataclasses import replace
from typing import TYPE_CHECKING

import tomli

from gpucheck.diagnosis import rank, root_causes
from gpucheck.findings import CheckResult, FailOn, Severity, Status, exit_status, verdict
from gpucheck.record import record

if TYPE_CHECKING:
    from collections.abc import Iterable

    from gpucheck.findings import Finding, Report
    from gpucheck.memory.snapshot import Redactor

KEYS = ("slug", "subject", "reason", "date", "until")
# The family of the results that say which entries do nothing.
FAMILY = "baseline"
UNEXPLAINED = "not told"
HEAD = "# Findings that are accepted here: `gpucheck doctor --baseline` shows them, and they do not count.\n"


class BaselineError(ValueError):
    """A baseline that cannot be used; the message names file and entry."""


@record
class Entry:
    """A finding that is accepted.

    Attributes:
        slug: Its name.
        subject: What it is about; None: whatever it is.
        reason: Why it is accepted.
        date: When it was.
        until: The last day on which it still is; None: for good.
    """

    slug: str
    subject: str | None = None
    reason: str
    date: datetime.date
    until: datetime.date | None = None

    def means(self, finding: Finding, redactor: Redactor | None) -> bool:
        """Whether a finding is the accepted one; subjects may name files, which the baseline tells redacted."""
        subject = finding.subject
        if subject is not None and redactor is not None and self.subject != subject:
            subject = redactor.text(subject)
        return self.slug == finding.slug and self.subject in (None, subject)

    def expired(self, today: datetime.date) -> bool:
        """Whether it no longer holds."""
        return self.until is not None and self.until < today


Baseline = tuple[Entry, ...]


def read(text: str, name: str) -> Baseline:
    """Read a baseline.

    Args:
        text: The file's contents.
        name: Its name, for messages.

    Raises:
        BaselineError: It is not TOML, or not of the form of a baseline.
    """
    try:
        content = tomli.loads(text)
    except tomli.TOMLDecodeError as error:
        raise BaselineError(f"{name}: is not valid TOML: {error}") from None
    listed = content.pop("accepted", [])
    if content or not isinstance(listed, list):
        strange = next(iter(content), "accepted")
        raise BaselineError(f"{name}: {strange!r} is not part of a baseline: [[accepted]] tables are expected")
    return tuple(_entry(one, f"{name}: accepted[{number}]") for number, one in enumerate(listed))


def _entry(table: object, place: str) -> Entry:
    if not isinstance(table, dict):
        raise BaselineError(f"{place}: a table is expected")
    unknown = sorted(set(table) - set(KEYS))
    if unknown:
        raise BaselineError(f"{place}: unknown key {unknown[0]!r}; known are {', '.join(KEYS)}")
    for key, kind in (("slug", str), ("reason", str), ("date", datetime.date)):
        value = table.get(key)
        if type(value) is not kind or not value:
            what = "a date such as 2026-11-25" if kind is datetime.date else "a text"
            raise BaselineError(f"{place}: {key!r} must be {what}")
    for key, kind in (("subject", str), ("until", datetime.date)):
        if key in table and type(table[key]) is not kind:
            raise BaselineError(f"{place}: {key!r} must be a {'text' if kind is str else 'date'}")
    return Entry(**table)


def write(baseline: Iterable[Entry]) -> str:
    """Return a baseline as text, in the order of slugs and subjects."""
    tables = []
    for entry in sorted(baseline, key=lambda one: (one.slug, one.subject or "")):
        lines = ["[[accepted]]"]
        for key in KEYS:
            value = getattr(entry, key)
            if value is not None:
                lines.append(f"{key} = {_text(value) if isinstance(value, str) else value.isoformat()}")
        tables.append("\n".join(lines) + "\n")
    return HEAD + "".join(f"\n{table}" for table in tables)


def _text(value: str) -> str:
    """TOML's basic strings are JSON's, but for DEL."""
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")


def apply(
    report: Report,
    baseline: Baseline,
    *,
    fail_on: FailOn = FailOn.ERROR,
    today: datetime.date,
    redactor: Redactor | None = None,
) -> Report:
    """Return a report in which accepted findings are information, say so, and do not count.

    An entry that matches no finding, or holds no longer, is told by a result of the family `FAMILY`.

    Args:
        report: What was judged.
        baseline: What is accepted.
        fail_on: Least severity that makes the exit status 1.
        today: The day on which entries may have expired.
        redactor: What takes private names out of subjects.
    """
    holding = [entry for entry in baseline if not entry.expired(today)]
    taken = {
        id(one): entry
        for one in _findings(report)
        if (entry := next((entry for entry in holding if entry.means(one, redactor)), None)) is not None
    }

    def seen(finding: Finding) -> Finding:
        entry = taken.get(id(finding))
        return finding if entry is None else _accepted(finding, entry)

    checks = tuple(replace(check, findings=tuple(map(seen, check.findings))) for check in report.checks)
    counted = tuple(_counted(check, taken) for check in report.checks)
    findings = rank([seen(finding) for finding in report.findings])
    idle = [one for entry in baseline if (one := _idle(entry, report, today, redactor)) is not None]
    return replace(
        report,
        verdict=verdict(checks, findings),
        root_causes=root_causes(findings),
        findings=findings,
        checks=(*checks, *idle),
        exit_status=exit_status(counted, fail_on),
    )


def _findings(report: Report) -> list[Finding]:
    return [*report.findings, *(finding for check in report.checks for finding in check.findings)]


def _accepted(finding: Finding, entry: Entry) -> Finding:
    return replace(
        finding,
        severity=Severity.INFO,
        title=f"{finding.title} (accepted: {entry.reason})",
        cause=f"Accepted on {entry.date.isoformat()}: {entry.reason}. {finding.cause}",
    )


def _counted(check: CheckResult, taken: dict[int, Entry]) -> CheckResult:
    """Return a result as the exit status counts it."""
    return replace(check, findings=tuple(finding for finding in check.findings if id(finding) not in taken))


def _idle(entry: Entry, report: Report, today: datetime.date, redactor: Redactor | None) -> CheckResult | None:
    matches = any(entry.means(finding, redactor) for finding in report.findings)
    if matches and not entry.expired(today):
        return None
    about = f" ({entry.subject})" if entry.subject else ""
    if matches:
        reason = f"was accepted until {entry.until} only: it counts again"
    else:
        reason = "is accepted, but is not found here: the entry can be taken out"
    return CheckResult(
        name="accepted-findings-are-there",
        family=FAMILY,
        subject=f"{entry.slug}{about}",
        status=Status.SKIP,
        reason=reason,
    )


def updated(
    report: Report, baseline: Baseline, *, today: datetime.date, redactor: Redactor | None = None
) -> Baseline:
    """Return the baseline that accepts every error and warning of a report, and nothing else.

    Entries that match stay as they are; an expired one is accepted anew, for good.

    Args:
        report: What was judged, without a baseline.
        baseline: What was accepted before.
        today: The date of new entries.
        redactor: What takes private names out of subjects.
    """
    kept: dict[tuple[str, str | None], Entry] = {}
    for finding in report.findings:
        if finding.severity is Severity.INFO:
            continue
        entry = next((one for one in baseline if one.means(finding, redactor)), None)
        if entry is None:
            subject = finding.subject
            if subject is not None and redactor is not None:
                subject = redactor.text(subject)
            entry = Entry(slug=finding.slug, subject=subject, reason=UNEXPLAINED, date=today)
        elif entry.expired(today):
            entry = replace(entry, date=today, until=None)
        kept[entry.slug, entry.subject] = entry
    return tuple(kept.values())
