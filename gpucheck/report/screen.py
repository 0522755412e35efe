"""What a person reads, as lines of styled pieces: the verdict first, then only what matters."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from gpucheck.findings import Safety, Severity, Status, is_explained
from gpucheck.report import machine

if TYPE_CHECKING:
    from collections.abc import Iterator

    from gpucheck.findings import CheckResult, Finding, Fix, Report

# How `gpucheck.intake` calls what it could not read whole.
READINGS = ("reading", "nvidia-smi -q -x")
MARKS = {Severity.ERROR: ("✗", "red"), Severity.WARN: ("!", "yellow"), Severity.INFO: ("·", "blue")}
PLAIN = {"no-device", "other-vendor-gpu", "torch-not-installed", "tensorflow-not-installed"}


class Piece(NamedTuple):
    """A stretch of text in one style; rich's names of styles, empty for plain."""

    text: str
    style: str = ""


Line = tuple[Piece, ...]


def lines(report: Report, verbosity: int) -> Iterator[Line]:
    """Yield the screen.

    Args:
        report: What to show.
        verbosity: -1 the headline only, 0 the usual, 1 every check with its reason.
    """
    yield from headline(report)
    if verbosity < 0:
        yield from _ending(report)
        return
    for finding in _roots(report):
        yield from _expanded(report, finding)
    if (links := machine.chain(report)) is not None:
        yield (Piece("   Why no GPU is visible: ", "bold"), Piece(links))
    yield from (_styled(line) for line in machine.overview(report))
    yield from ((Piece(f"   {text}", "dim"),) for text in machine.versions(report.facts))
    if report.facts.smoke:
        from gpucheck.report import training

        yield from (_styled(line) for line in training.overview(report))
    if report.facts.distributed:
        from gpucheck.report import ranks

        yield from (_styled(line) for line in ranks.overview(report))
    yield from _others(report)
    yield from _undetermined(report)
    if verbosity > 0:
        yield from _all_checks(report)
    yield from _ending(report)


def _styled(line: tuple[str, str]) -> Line:
    mark, text = line
    style = {"✓": "green", "✗": "red", "!": "yellow", "-": "dim"}.get(mark, "")
    return (Piece(f" {mark or ' '} ", style), Piece(text))


def headline(report: Report) -> Iterator[Line]:
    """Yield the verdict in one line."""
    if report.root_causes and report.verdict == "problem":
        yield (Piece("Problem: ", "bold red"), Piece(", ".join(report.root_causes), "bold"))
    elif report.verdict == "inconclusive":
        yield (Piece("Inconclusive: ", "bold yellow"), Piece(_why_inconclusive(report)))
    elif report.root_causes and report.facts.reports and not machine.told(report.facts):
        yield (Piece("Trouble shown: ", "bold yellow"), Piece(", ".join(report.root_causes), "bold"))
    elif report.facts.reports and not machine.told(report.facts):
        harmless = ", ".join(dict.fromkeys(finding.slug for finding in report.findings))
        yield (
            Piece("No trouble shown: ", "bold green"),
            Piece(f"what is known in the text is harmless: {harmless}"),
        )
    else:
        demanded = [result for result in report.checks if _demands(result)]
        left = sum(result.status is Status.SKIP for result in demanded)
        met = ", and every requirement is met" if len(demanded) > left else ""
        met += f", {left} requirement{'s' * (left > 1)} skipped" if left else ""
        warned = f", with a warning ({', '.join(report.root_causes)})" if report.root_causes else ""
        word = "Fits" if report.facts.described else "Healthy"
        yield (Piece(f"{word}{met}{warned}: ", "bold green"), Piece(machine.readiness(report)))


def _demands(result: CheckResult) -> bool:
    return result.family == "policy"


def _why_inconclusive(report: Report) -> str:
    if report.facts.reports[:1] == ("text",):
        return "nothing in the text is known"
    for result in report.checks:
        if result.decisive and result.status in (Status.UNKNOWN, Status.CRASH):
            subject = f" ({result.subject})" if result.subject else ""
            return f"{result.name}{subject} could not be judged: {result.reason}"
    return "there was nothing to judge"


def _roots(report: Report) -> list[Finding]:
    return [
        finding
        for finding in report.findings
        if finding.slug in report.root_causes and not is_explained(finding, report.findings)
    ]


def _expanded(report: Report, finding: Finding) -> Iterator[Line]:
    mark, style = MARKS[finding.severity]
    yield (Piece(f" {mark} ", style), Piece(finding.title, "bold"), Piece(f"  [{finding.slug}]", "dim"))
    before = None
    for item in finding.evidence:
        source = f"   {item.source}" if item.source and item.source != before else ""
        before = item.source
        yield (Piece(f"     {item.text}"), Piece(source, "dim"))
    likely = "" if finding.confidence.value == "certain" else f" ({finding.confidence.value})"
    yield (Piece(f"   Why{likely}: ", "bold"), Piece(finding.cause))
    if finding.instead:
        yield (Piece("   May be instead: ", "bold"), Piece(", ".join(finding.instead)))
    if finding.decide:
        yield (Piece("   What decides: ", "bold"), Piece(finding.decide))
    for number, fix in enumerate(finding.fixes):
        yield from _fix(finding.slug, fix, "Do: " if number == 0 else "Or: ")
    for text in finding.vain:
        yield (Piece("   Not: ", "bold"), Piece(text))
    followed = [_consequence(other) for other in report.findings if finding.leads_to(other)]
    if followed:
        yield (Piece("   Follows from this: ", "bold"), Piece("; ".join(dict.fromkeys(followed))))
    if finding.source:
        yield (Piece(f"   Source: {finding.source}", "dim"),)


def _consequence(finding: Finding) -> str:
    """What a framework itself met and said must not be folded away."""
    told = finding.slug in ("smoke-failed", "framework-answer-differs")
    return f"{finding.title}: {finding.cause}" if told else finding.title


def _fix(slug: str, fix: Fix, label: str) -> Iterator[Line]:
    where = f"   (on: {', '.join(fix.systems)})" if fix.systems else ""
    yield (Piece(f"   {label} ", "bold"), Piece(fix.text), Piece(where, "dim"))
    for command in commands(slug, fix):
        yield (Piece(f"        {command}", "cyan"),)


def commands(slug: str, fix: Fix) -> list[str]:
    """Return the command lines of a way out: by hand, or what gpucheck does of it."""
    if "run" in fix.by:
        safe = fix.safety is Safety.SAFE
        return [f"gpucheck run {'' if safe else f'--fix {slug} '}-- COMMAND", *_exports(fix)]
    by_us = [f"gpucheck fix {slug} --apply   (asks, verifies, can be undone)"] if "fix" in fix.by else []
    return [*fix.commands, *_exports(fix), *by_us]


def _exports(fix: Fix) -> list[str]:
    if not fix.environment:
        return []
    import shlex

    return [f"export {name}={shlex.quote(value)}" if value else f"unset {name}"
            for name, value in fix.environment.items()]  # fmt: skip


def _others(report: Report) -> Iterator[Line]:
    """Findings that are neither root causes, nor told under one, nor plain from the lines above."""
    roots = _roots(report)
    for finding in report.findings:
        told = finding in roots or any(root.leads_to(finding) for root in roots)
        if not told and finding.slug not in PLAIN:
            mark, style = MARKS[finding.severity]
            yield (Piece(f" {mark} ", style), Piece(finding.title), Piece(f"  [{finding.slug}]", "dim"))


def _undetermined(report: Report) -> Iterator[Line]:
    unsure = [result for result in report.checks if result.status in (Status.UNKNOWN, Status.CRASH)]
    for subject, reason in dict.fromkeys((result.subject, result.reason) for result in unsure):
        about = f" {subject}:" if subject else ""
        yield (Piece(" ? ", "yellow"), Piece(f"not checked:{about} {reason}"))
    for run in report.facts.probes:
        if run.error and run.name in READINGS:
            yield (Piece(" ? ", "yellow"), Piece(run.error))


def _all_checks(report: Report) -> Iterator[Line]:
    yield (Piece("checks", "bold"),)
    for result in report.checks:
        subject = f" {result.subject}" if result.subject else ""
        yield (
            Piece(f"   {result.status.value:8}", "dim"),
            Piece(f"{result.family}/{result.name}{subject}: "),
            Piece(result.reason or "", "dim"),
        )
    for run in report.facts.probes:
        error = f" {run.error}" if run.error else ""
        yield (Piece(f"   probe {run.name}: {run.milliseconds:.0f} ms{error}", "dim"),)


def _ending(report: Report) -> Iterator[Line]:
    yield (Piece(f"   {_looked_at(report)} · matrix of {report.matrix_date}", "dim"),)
    if report.root_causes:
        counts = _counts(report)
        page = f" · gpucheck explain {report.root_causes[0]}"
        yield (Piece(f"exit {report.exit_status}: {counts}{page}", "bold"),)
    elif report.exit_status:
        yield (Piece(f"exit {report.exit_status}: {_counts(report) or 'not everything could be judged'}", "bold"),)
    elif not (report.facts.smoke or report.facts.distributed or report.facts.described or report.facts.reports):
        yield (Piece("   next: ", "dim"), Piece(machine.next_step(report)))


def _looked_at(report: Report) -> str:
    if report.facts.described:
        return "judged by the matrix alone, nothing was installed or tried"
    if report.facts.reports:
        return f"read in the text: {', '.join(report.facts.reports)}"
    python = report.facts.interpreter
    why = python.chosen_by.value or ""
    chosen = f" (from {why})" if why not in ("", "the one that runs gpucheck") else ""
    kind = f", {python.kind.value}" if python.kind.known else ""
    return f"python {python.executable.value or 'not known'}{kind}{chosen}"


def _counts(report: Report) -> str:
    names = {Severity.ERROR: "error", Severity.WARN: "warning"}
    parts = []
    for severity, name in names.items():
        number = sum(finding.severity is severity for finding in report.findings)
        if number:
            parts.append(f"{number} {name}{'s' * (number > 1)}")
    return ", ".join(parts)
