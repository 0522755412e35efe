"""The Report as Markdown, for bug reports and notebooks: text from outside stays text."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from gpucheck import __version__
from gpucheck.findings import Severity, Status
from gpucheck.report import machine, screen, training
from gpucheck.report.cleaning import clean

if TYPE_CHECKING:
    from collections.abc import Iterator

    from gpucheck.findings import Finding, Report
    from gpucheck.report.cleaning import Redactor

SIGNS = {Severity.ERROR: "❌", Severity.WARN: "⚠️", Severity.INFO: "ℹ️"}
MARKS = {"✓": "✅", "✗": "❌", "!": "⚠️", "-": "➖"}
# CommonMark 2.4 and 6, and what GitHub reads on top: @names and #numbers.
SPECIAL = re.compile(r"([\\`*{}\[\]<>#|~&@$]|(?<![A-Za-z0-9])_|_(?![A-Za-z0-9]))")


def render(report: Report, redactor: Redactor | None) -> str:
    """Return the document as text."""
    text = "\n".join(_lines(report)) + "\n"
    return redactor.text(text) if redactor is not None else text


def _lines(report: Report) -> Iterator[str]:
    yield f"### {words(''.join(piece.text for piece in next(iter(screen.headline(report)))))}"
    yield ""
    yield from _machine(report)
    for finding in report.findings:
        if not any(other.leads_to(finding) for other in report.findings) and finding.slug not in screen.PLAIN:
            yield from _finding(report, finding)
    yield from _undetermined(report)
    yield from _checks(report)
    yield ""
    yield f"gpucheck {__version__}, matrix of {report.matrix_date}, exit status {report.exit_status}"


def _machine(report: Report) -> Iterator[str]:
    for mark, text in (*machine.overview(report), *training.overview(report)):
        yield f"- {MARKS.get(mark, '•')} {words(text)}"
    for text in machine.versions(report.facts):
        yield f"- {words(text)}"
    system, python = report.facts.system, report.facts.interpreter
    parts = [system.os.value, system.machine.value, f"glibc {system.glibc.value}" if system.glibc.known else None]
    parts += [name for name in (system.container.value, system.scheduler.value) if name not in (None, "none")]
    parts.append(f"Python {python.version.value}" if python.version.known else None)
    if any(parts):
        yield f"- {words(', '.join(filter(None, parts)))}"
    if python.executable.value:
        yield f"- {code(python.executable.value)} ({words(python.kind.value or 'kind not known')})"
    if (links := machine.chain(report)) is not None:
        yield f"- why no GPU is visible: {words(links)}"
    yield ""


def _finding(report: Report, finding: Finding) -> Iterator[str]:
    yield f"#### {SIGNS[finding.severity]} {words(finding.title)} ({code(finding.slug)})"
    yield ""
    likely = "" if finding.confidence.value == "certain" else f" ({finding.confidence.value})"
    yield f"**Why{likely}:** {prose(finding.cause)}"
    yield ""
    for item in finding.evidence:
        yield f"- {words(item.text)}" + (f" — {code(item.source)}" if item.source else "")
    yield ""
    if finding.instead:
        yield f"**May be instead:** {', '.join(code(slug) for slug in finding.instead)}"
        yield ""
    if finding.decide:
        yield f"**What decides:** {prose(finding.decide)}"
        yield ""
    for number, fix in enumerate(finding.fixes):
        yield f"**{'Do' if number == 0 else 'Or'}:** {prose(fix.text)}"
        yield from _block(screen.commands(finding.slug, fix))
    for text in finding.vain:
        yield f"**Does not help:** {prose(text)}"
        yield ""
    followed = list(dict.fromkeys(other.title for other in report.findings if finding.leads_to(other)))
    if followed:
        yield f"**Follows from this:** {words('; '.join(followed))}"
        yield ""


def _undetermined(report: Report) -> Iterator[str]:
    unsure = [result for result in report.checks if result.status in (Status.UNKNOWN, Status.CRASH)]
    for subject, reason in dict.fromkeys((result.subject, result.reason) for result in unsure):
        yield f"- ❔ not checked: {words(subject + ': ' if subject else '')}{words(reason or '')}"


def _checks(report: Report) -> Iterator[str]:
    made = [one for one in report.checks if not (report.facts.reports and one.status is Status.SKIP)]
    yield ""
    yield f"<details><summary>{len(made)} checks</summary>"
    yield ""
    yield "| check | about | status | reason |"
    yield "|---|---|---|---|"
    for result in made:
        cells = (f"{result.family}/{result.name}", result.subject or "", result.status.value, result.reason or "")
        yield f"| {' | '.join(words(cell) for cell in cells)} |"
    yield ""
    yield "</details>"


def words(text: str) -> str:
    """Return text in which nothing is Markdown, HTML, a mention or a reference."""
    return SPECIAL.sub(r"\\\1", clean(text))


def prose(text: str) -> str:
    """Return text of ours, with commands between back-quotes; whatever it holds from outside stays text."""
    parts = text.split("`")
    if len(parts) % 2 == 0:
        return words(text)
    return "".join(code(part) if number % 2 else words(part) for number, part in enumerate(parts) if part)


def code(text: str) -> str:
    """Return text as a code span, whatever back-quotes it holds (CommonMark 6.1)."""
    plain = clean(text)
    longest = max((len(run) for run in re.findall(r"`+", plain)), default=0)
    fence, room = "`" * (longest + 1), " " if plain.startswith("`") or plain.endswith("`") else ""
    return f"{fence}{room}{plain}{room}{fence}"


def _block(commands: list[str]) -> Iterator[str]:
    if not commands:
        yield ""
        return
    lines = [clean(command) for command in commands]
    longest = max((len(run) for line in lines for run in re.findall(r"`+", line)), default=0)
    fence = "`" * max(3, longest + 1)
    yield from ("", f"{fence}console", *lines, fence, "")
