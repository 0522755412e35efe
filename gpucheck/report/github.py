"""Findings as GitHub Actions workflow commands, and the Markdown report for a step's summary."""

from __future__ import annotations

from itertools import groupby
from typing import TYPE_CHECKING

from gpucheck.findings import Severity
from gpucheck.report.common import headline, place_of, teller, told

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from gpucheck.findings import Finding, Report
    from gpucheck.report.cleaning import Redactor

COMMANDS = {Severity.ERROR: "error", Severity.WARN: "warning", Severity.INFO: "notice"}
# GitHub shows no more annotations of one kind for a step, and drops the rest without a word.
MOST = 10
# A summary above 1024 KiB is refused as a whole; other steps of the job have their own.
MOST_BYTES = 900 * 1024
CUT = "The report was cut here: GitHub takes no more. The whole of it: `gpucheck doctor --format markdown`."


def render(report: Report, redactor: Redactor | None) -> str:
    """Return one command a line, errors first; nothing for a machine without findings."""
    tell = teller(redactor)
    inconclusive = report.verdict == "inconclusive"
    lines: list[str] = []
    for findings in _kinds(report):
        # The verdict needs one warning of its own.
        most = MOST - (inconclusive and findings[0].severity is Severity.WARN)
        lines.extend(_group(findings, most, tell))
    if inconclusive:
        lines.append(_command("warning", {"title": "gpucheck inconclusive"}, headline(report, tell)))
    return "".join(f"{line}\n" for line in lines)


def _kinds(report: Report) -> Iterator[list[Finding]]:
    ordered = sorted(report.findings, key=lambda finding: finding.severity.rank)
    return (list(group) for _, group in groupby(ordered, key=lambda finding: finding.severity))


def _group(findings: list[Finding], most: int, tell: Callable[[str | None], str]) -> Iterator[str]:
    rest = findings[most:]
    for number, finding in enumerate(findings[:most], 1):
        lines = told(finding, tell)
        if rest and number == most:
            lines.append(f"and {len(rest)} more: {', '.join(dict.fromkeys(one.slug for one in rest))}")
        properties = {"title": f"gpucheck {finding.slug}"}
        place = place_of(finding)
        if place is not None:
            # The runner itself finds out where an absolute path lies in the repository.
            properties.update({"file": tell(place[0]), "line": str(place[1])})
        yield _command(COMMANDS[finding.severity], properties, "\n".join(lines))


def _command(name: str, properties: dict[str, str], message: str) -> str:
    told_properties = ",".join(f"{key}={_property(value)}" for key, value in properties.items())
    return f"::{name} {told_properties}::{_data(message)}"


def _data(text: str) -> str:
    """Escape a message: the rules of actions/toolkit (command.ts) and of the runner (ActionCommand.cs)."""
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")


def summary(report: Report, redactor: Redactor | None) -> str:
    """Return the Markdown report for ``$GITHUB_STEP_SUMMARY``, cut at the end of a line where it is too long."""
    from gpucheck.report import markdown

    text = markdown.render(report, redactor)
    if len(text.encode()) <= MOST_BYTES:
        return text
    kept = text.encode()[: MOST_BYTES - 2 * len(CUT)].decode(errors="ignore").rpartition("\n")[0].splitlines()
    return "\n".join([*kept, *_closing(kept), "", CUT, ""])


def _closing(lines: list[str]) -> Iterator[str]:
    """Yield what ends an open block of code and an open fold, or the note would stand inside."""
    fence = ""
    for line in lines:
        if fence and line == fence:
            fence = ""
        elif not fence and line.startswith("```"):
            fence = "`" * (len(line) - len(line.lstrip("`")))
    if fence:
        yield fence
    if sum(line.startswith("<details>") for line in lines) > lines.count("</details>"):
        yield ""
        yield "</details>"
