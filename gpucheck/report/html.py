"""The Report as one HTML file that needs nothing else: no script, no picture, no font from elsewhere."""

from __future__ import annotations

import re
from html import escape
from typing import TYPE_CHECKING

from gpucheck import __version__
from gpucheck.findings import Severity, Status
from gpucheck.report import html_training, machine, ranks, screen, training
from gpucheck.report.common import headline, teller
from gpucheck.report.html_style import STYLE

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from gpucheck.findings import Finding, Report
    from gpucheck.report.cleaning import Redactor

    Safe = Callable[[str | None], str]

SIGNS = {Severity.ERROR: ("bad", "error"), Severity.WARN: ("warn", "warning"), Severity.INFO: ("info", "info")}
MARKS = {"✓": "good", "✗": "bad", "!": "warn"}
VERDICTS = {"healthy": "good", "problem": "bad", "inconclusive": "warn"}
STATUSES = {Status.PASS: "good", Status.FAIL: "bad", Status.UNKNOWN: "warn", Status.CRASH: "warn"}
# Whoever reads a report that came by mail must not run what it brings, whatever slipped through.
POLICY = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"


def render(report: Report, redactor: Redactor | None) -> str:
    """Return the page."""
    tell = teller(redactor)

    def safe(text: str | None) -> str:
        return escape(tell(text))

    title = safe(headline(report, tell))
    head = (
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">'
        f'<meta http-equiv="Content-Security-Policy" content="{escape(POLICY)}">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>gpucheck: {title}</title><style>{STYLE}</style></head><body><main>"
    )
    return "\n".join([head, *_body(report, title, safe), "</main></body></html>", ""])


def _body(report: Report, title: str, safe: Safe) -> Iterator[str]:
    yield f'<header class="card verdict {escape(report.verdict)}"><h1>{title}</h1>'
    yield f'<p class="soft"><span class="badge {VERDICTS.get(report.verdict, "")}">{escape(report.verdict)}</span>'
    yield f" exit status {report.exit_status} · gpucheck {__version__} · matrix of {safe(report.matrix_date)}</p>"
    yield "</header>"
    shown = [
        finding
        for finding in report.findings
        if finding.slug not in screen.PLAIN and not any(other.leads_to(finding) for other in report.findings)
    ]
    causes = [finding for finding in shown if finding.slug in report.root_causes]
    others = [finding for finding in shown if finding not in causes]
    for name, findings in (("Cause" if len(causes) == 1 else "Causes", causes), ("Also found", others)):
        if findings:
            yield f"<h2>{name}</h2>"
        for finding in findings:
            yield from _finding(report, finding, safe)
    yield from _machine(report, safe)
    yield from _proofs(report, safe)
    yield from _undetermined(report, safe)
    yield from _checks(report, safe)


def _finding(report: Report, finding: Finding, safe: Safe) -> Iterator[str]:
    kind, word = SIGNS[finding.severity]
    yield f'<article class="card {finding.severity.value}">'
    about = f' <span class="soft">{safe(finding.subject)}</span>' if finding.subject else ""
    yield f'<h3><span class="badge {kind}">{word}</span> {safe(finding.title)}</h3>'
    yield f"<p><code>{safe(finding.slug)}</code>{about}</p>"
    yield from _evidence(finding, safe)
    likely = "" if finding.confidence.value == "certain" else f" ({finding.confidence.value})"
    yield f"<dl><dt>Why{likely}</dt><dd>{_prose(finding.cause, safe)}</dd>"
    if finding.instead:
        slugs = ", ".join(f"<code>{safe(slug)}</code>" for slug in finding.instead)
        yield f"<dt>May be instead</dt><dd>{slugs}</dd>"
    if finding.decide:
        yield f"<dt>What decides</dt><dd>{_prose(finding.decide, safe)}</dd>"
    for number, fix in enumerate(finding.fixes):
        where = f' <span class="soft">(on: {safe(", ".join(fix.systems))})</span>' if fix.systems else ""
        lines = screen.commands(finding.slug, fix)
        block = f"<pre>{chr(10).join(map(safe, lines))}</pre>" if lines else ""
        yield f"<dt>{'Or' if number else 'Do'}</dt><dd>{_prose(fix.text, safe)}{where}{block}</dd>"
    for text in finding.vain:
        yield f"<dt>Does not help</dt><dd>{_prose(text, safe)}</dd>"
    followed = [_consequence(other, safe) for other in report.findings if finding.leads_to(other)]
    if followed:
        yield f"<dt>Follows from this</dt><dd>{''.join(dict.fromkeys(followed))}</dd>"
    if finding.source:
        yield f"<dt>Source</dt><dd>{_linked(finding.source, safe)}</dd>"
    yield "</dl></article>"


def _evidence(finding: Finding, safe: Safe) -> Iterator[str]:
    if finding.evidence:
        yield '<div class="wide"><table><thead><tr><th>Seen</th><th>Where</th></tr></thead><tbody>'
        for item in finding.evidence:
            source = f"<code>{safe(item.source)}</code>" if item.source else ""
            yield f"<tr><td>{safe(item.text)}</td><td>{source}</td></tr>"
        yield "</tbody></table></div>"


def _consequence(finding: Finding, safe: Safe) -> str:
    rows = "".join(f"<li>{safe(item.text)}</li>" for item in finding.evidence)
    seen = f"<ul>{rows}</ul>" if rows else ""
    head = f"{safe(finding.title)} <code>{safe(finding.slug)}</code>"
    return f"<details><summary>{head}</summary><p>{_prose(finding.cause, safe)}</p>{seen}</details>"


def _machine(report: Report, safe: Safe) -> Iterator[str]:
    lines = [*machine.overview(report), *(("", text) for text in machine.versions(report.facts))]
    system, python = report.facts.system, report.facts.interpreter
    parts = [system.os.value, system.machine.value, f"glibc {system.glibc.value}" if system.glibc.known else None]
    parts += [name for name in (system.container.value, system.scheduler.value) if name not in (None, "none")]
    parts.append(f"Python {python.version.value}" if python.version.known else None)
    lines += [("", ", ".join(filter(None, parts)))] if any(parts) else []
    if python.executable.value:
        lines.append(("", f"{python.executable.value} ({python.kind.value or 'kind not known'})"))
    if (links := machine.chain(report)) is not None:
        lines.append(("", f"why no GPU is visible: {links}"))
    yield from _listed("Machine", lines, safe)


def _listed(title: str, lines: list[tuple[str, str]], safe: Safe) -> Iterator[str]:
    if lines:
        yield f'<h2>{title}</h2><div class="card"><ul class="plain">'
        for mark, text in lines:
            yield f'<li><span class="mark {MARKS.get(mark, "")}">{mark or "·"}</span>{_prose(text, safe)}</li>'
        yield "</ul></div>"


def _undetermined(report: Report, safe: Safe) -> Iterator[str]:
    unsure = [result for result in report.checks if result.status in (Status.UNKNOWN, Status.CRASH)]
    names: dict[tuple[str | None, str | None], list[str]] = {}
    for result in unsure:
        names.setdefault((result.subject, result.reason), []).append(result.name)
    lines = [
        ("?", f"{', '.join(dict.fromkeys(of))}{f' ({subject})' if subject else ''}: {reason}")
        for (subject, reason), of in names.items()
    ]
    yield from _listed("Not checked", lines, safe)


def _proofs(report: Report, safe: Safe) -> Iterator[str]:
    yield from _listed("Smoke training", list(training.overview(report)), safe)
    yield from html_training.section(report.facts.smoke, safe)
    yield from _listed("Distributed run", list(ranks.overview(report)), safe)


def _checks(report: Report, safe: Safe) -> Iterator[str]:
    made = [one for one in report.checks if not (report.facts.reports and one.status is Status.SKIP)]
    count = f"{len(made)} check{'s' * (len(made) != 1)}"
    yield f'<h2>Checks</h2><details class="card"><summary>{count}</summary><div class="wide"><table>'
    yield "<thead><tr><th>Check</th><th>About</th><th>Status</th><th>Reason</th></tr></thead><tbody>"
    for result in made:
        badge = f'<span class="badge {STATUSES.get(result.status, "")}">{result.status.value}</span>'
        yield (
            f'<tr><td class="name">{safe(result.family)}/{safe(result.name)}</td>'
            f'<td class="about">{safe(result.subject)}</td><td>{badge}</td>'
            f'<td class="reason">{_prose(result.reason or "", safe)}</td></tr>'
        )
    yield "</tbody></table></div></details>"


def _prose(text: str, safe: Safe) -> str:
    """Return text of ours, with commands between back-quotes."""
    parts = text.split("`")
    if len(parts) % 2 == 0:
        return safe(text)
    return "".join(f"<code>{safe(part)}</code>" if number % 2 else safe(part) for number, part in enumerate(parts))


def _linked(text: str, safe: Safe) -> str:
    """Return the source of a row with its address as a link; no other kind of address becomes one."""
    parts = re.split(r"(https?://[^\s<>\"']+)", text)
    return "".join(
        f'<a href="{safe(part)}" rel="noopener noreferrer">{safe(part)}</a>' if number % 2 else safe(part)
        for number, part in enumerate(parts)
    )
