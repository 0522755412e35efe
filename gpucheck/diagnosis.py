"""Facts and matrix into a Report: runs the checks under one guard each and ranks the root causes."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from gpucheck.checks import Check, Said, all_checks
from gpucheck.facts.fact import NOT_LOOKED_AT
from gpucheck.findings import (
    FRAMEWORKS,
    CheckResult,
    FailOn,
    Finding,
    Report,
    Severity,
    Status,
    exit_status,
    is_explained,
    may_concern,
    verdict,
)
from gpucheck.matrix import MatrixError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from gpucheck.facts import Facts
    from gpucheck.matrix import Matrix

BY_WORDS = ("no-known-trouble-shown", "no-known-message")


def diagnose(
    facts: Facts,
    matrix: Matrix,
    *,
    fail_on: FailOn = FailOn.ERROR,
    demanded: Iterable[CheckResult] = (),
    adjust: Callable[[list[CheckResult]], list[CheckResult]] = lambda results: results,
    select: Callable[[Check], bool] = lambda _: True,
) -> Report:
    """Judge facts.

    A machine that is only described is judged by the matrix's rows alone, and there every check decides: what
    the rows do not know must not look like a yes.

    Args:
        facts: What was seen.
        matrix: What is known of compatibility.
        fail_on: Least severity that makes the exit status 1.
        demanded: Results of requirements, judged by `gpucheck.policy`.
        adjust: What a policy makes of all results: other severities, ignored findings.
        select: Which checks to run; all by default.

    Raises:
        MatrixError: A row of the matrix that a check asked for is malformed.
    """
    facts = replace(
        facts,
        frameworks=tuple(one for one in facts.frameworks if one.name in FRAMEWORKS),
        smoke=tuple(run for run in facts.smoke if run.framework in FRAMEWORKS),
        distributed=tuple(run for run in facts.distributed if run.framework in FRAMEWORKS),
    )
    chosen = [check for check in all_checks() if select(check) and (check.by_rows or not facts.described)]
    results = [result for check in chosen for result in run_check(check, facts, matrix)]
    if facts.described:
        results = [replace(result, decisive=True) for result in results]
    if facts.reports:
        results = [_not_shown(result) for result in results]
    results = adjust([*results, *demanded])
    findings = rank(_told_once(results))
    checks = tuple(results)
    return Report(
        verdict=verdict(checks, findings),
        root_causes=root_causes(findings),
        findings=findings,
        checks=checks,
        facts=facts,
        exit_status=exit_status(checks, fail_on),
        matrix_date=matrix.date.isoformat(),
    )


def _not_shown(result: CheckResult) -> CheckResult:
    """What a report has no place for is not asked of it; what it tried to find out and could not stays unknown."""
    reason = result.reason or ""
    if result.status is Status.UNKNOWN and any(words in reason for words in (NOT_LOOKED_AT, "not in this report")):
        return replace(result, status=Status.SKIP)
    return result


def _told_once(results: list[CheckResult]) -> list[Finding]:
    """Return all findings; one that facts show and a program's own words too is told once."""
    kept: list[Finding] = []
    for result in results:
        for finding in result.findings:
            same = [n for n, one in enumerate(kept) if one.slug == finding.slug and _of_one(one, finding)]
            if result.name in BY_WORDS and same:
                first = kept[same[0]]
                kept[same[0]] = replace(first, evidence=(*first.evidence, *finding.evidence))
            else:
                kept.append(finding)
    return kept


def _of_one(first: Finding, second: Finding) -> bool:
    """A text does not say of which framework or card its messages speak."""
    return first.subject == second.subject or second.subject is None


def run_check(check: Check, facts: Facts, matrix: Matrix) -> list[CheckResult]:
    """Run one check; whatever it raises becomes the status ``crash``."""
    try:
        said = list(check.judge(facts, matrix))
    except MatrixError:
        raise
    except Exception as error:  # noqa: BLE001 - one guard per check: a crash is a status
        return [_result(check, Status.CRASH, f"{type(error).__name__}: {error}")]
    return [_from_said(check, one) for one in said] or [_result(check, Status.SKIP, "nothing here to look at")]


def _result(check: Check, status: Status, reason: str) -> CheckResult:
    return CheckResult(name=check.name, family=check.family, status=status, reason=reason, decisive=check.decisive)


def _from_said(check: Check, said: Said) -> CheckResult:
    return replace(
        _result(check, said.status, said.reason), subject=said.subject, findings=said.findings
    )  # fmt: skip


def rank(findings: list[Finding]) -> tuple[Finding, ...]:
    """Order findings, root causes first, and note in each which of the others follow from it.

    The checks run in the order of the causes, so among equals the earlier finding is the likelier cause.
    """
    linked = [replace(finding, explains=_explained_by(finding, findings)) for finding in findings]
    return tuple(sorted(linked, key=lambda finding: (is_explained(finding, linked), finding.severity.rank)))


def _explained_by(cause: Finding, findings: list[Finding]) -> tuple[str, ...]:
    if len(findings) < 2:
        return ()
    from gpucheck.checks.troubles import TROUBLES

    trouble = TROUBLES.get(cause.slug)
    present = {other.slug for other in findings if may_concern(cause.subject, other.subject)}
    return tuple(slug for slug in trouble.follows if slug in present) if trouble is not None else ()


def root_causes(findings: tuple[Finding, ...]) -> tuple[str, ...]:
    """Return the slugs of errors and warnings that no other finding explains, each once, in order."""
    roots = [
        finding.slug
        for finding in findings
        if finding.severity is not Severity.INFO and not is_explained(finding, findings)
    ]
    return tuple(dict.fromkeys(roots))
