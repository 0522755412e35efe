"""Requirements judged on facts, and what a policy changes of other results: severities and ignores."""

from __future__ import annotations

import datetime
from dataclasses import replace
from enum import Enum
from typing import TYPE_CHECKING

from gpucheck.facts import usable_gpus
from gpucheck.findings import CheckResult, Evidence, Finding, Severity, Status
from gpucheck.policy.comparing import met
from gpucheck.policy.readings import Reading, readings
from gpucheck.policy.requirement import OF_THE_GPU, Requirement

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from gpucheck.facts import Facts
    from gpucheck.policy.file import Ignore, Policy

SOON = datetime.timedelta(days=14)


class MissingGpu(str, Enum):
    """What a requirement on GPUs means on a machine without any."""

    FAIL = "fail"
    SKIP = "skip"
    WARN = "warn"


def judged(
    requirements: Iterable[Requirement], facts: Facts, missing: MissingGpu = MissingGpu.FAIL
) -> tuple[CheckResult, ...]:
    """Judge requirements: pass, fail (requirement-unmet), unknown (requirement-undetermined) or skip.

    Args:
        requirements: The demands; each is judged, whatever the others say.
        facts: What was seen.
        missing: What those on GPUs mean where it is certain that there is none.
    """
    count, why = usable_gpus(facts)
    return tuple(_judged(one, facts, missing if count == 0 else MissingGpu.FAIL, why) for one in requirements)


def _judged(requirement: Requirement, facts: Facts, missing: MissingGpu, why: str) -> CheckResult:
    of_gpu = requirement.name in OF_THE_GPU or requirement.name == "gpu-name"
    if missing is MissingGpu.SKIP and of_gpu:
        return _result(requirement, Status.SKIP, f"there is no GPU here ({why}), and the policy says skip")
    judge = {"homogeneous": _homogeneous, "environment": _environment}.get(requirement.name, _compared)
    result = judge(requirement, facts)
    if missing is MissingGpu.WARN and of_gpu and result.status is Status.FAIL:
        findings = tuple(replace(one, severity=Severity.WARN) for one in result.findings)
        return replace(result, findings=findings)
    return result


def _compared(requirement: Requirement, facts: Facts) -> CheckResult:
    found = readings(requirement.name, facts)
    present = [one for one in found if not one.absent]
    if requirement.optional and not present:
        return _result(requirement, Status.SKIP, f"optional, and {found[0].source if found else 'not here'}")
    if not present:
        return _unmet(requirement, found or (Reading(source="there is none", absent=True),))
    answers = [(one, None if one.value is None else met(requirement, one.value)) for one in present]
    wrong = [one for one, answer in answers if answer is False]
    if wrong:
        return _unmet(requirement, wrong)
    unsure = [one for one, answer in answers if answer is None]
    if unsure:
        return _undetermined(requirement, unsure[0])
    return _result(requirement, Status.PASS, f"{_told(present)}: {requirement.text} holds")


def _homogeneous(requirement: Requirement, facts: Facts) -> CheckResult:
    found = readings("homogeneous", facts)
    present = [one for one in found if not one.absent]
    unsure = [one for one in present if one.value is None]
    names = {one.value for one in present}
    if not present:
        return _unmet(requirement, found)
    if len(names - {None}) > 1:
        return _unmet(requirement, present)
    if unsure:
        return _undetermined(requirement, unsure[0])
    return _result(requirement, Status.PASS, f"{len(present)} GPUs, all {present[0].value}")


def _environment(requirement: Requirement, facts: Facts) -> CheckResult:
    """A variable that must have a value, or must not be set at all."""
    variables, name = facts.environment.value, requirement.variable or ""
    if variables is None:
        why = facts.environment.missing or "the environment was not read"
        return _undetermined(requirement, Reading(source=why))
    value = variables.get(name)
    wanted = requirement.comparisons[0][1] if requirement.comparisons else None
    if value == wanted:
        return _result(requirement, Status.PASS, f"{name} is {'not set' if value is None else repr(value)}")
    told = Reading(subject=name, value="not set" if value is None else value, source="environment")
    return _unmet(requirement, (told,))


def _told(found: Iterable[Reading]) -> str:
    parts = (f"{one.subject + ' ' if one.subject else ''}{one.raw or one.value or one.source}" for one in found)
    return ", ".join(dict.fromkeys(parts))


def _unmet(requirement: Requirement, found: Iterable[Reading]) -> CheckResult:
    what = _told(found)
    finding = Finding(
        slug="requirement-unmet",
        severity=Severity.ERROR,
        subject=requirement.text,
        title=f"{requirement.text} is demanded, and here is: {what}",
        cause="The machine does not have what is demanded of it.",
        evidence=tuple(
            Evidence(
                text=f"{one.subject or requirement.name}: {one.raw or one.value or 'none'}", source=one.source
            )
            for one in found
        ),
        place=requirement.place,
    )
    return _result(requirement, Status.FAIL, finding.title, finding)


def _undetermined(requirement: Requirement, reading: Reading) -> CheckResult:
    subject = f"{reading.subject}: " if reading.subject else ""
    reason = (
        f"{reading.value!r} cannot be compared" if reading.value is not None else reading.source or "not known"
    )
    finding = Finding(
        slug="requirement-undetermined",
        severity=Severity.INFO,
        subject=requirement.text,
        title=f"Whether {requirement.text} holds could not be determined",
        cause=f"{subject}{reason}",
        place=requirement.place,
    )
    return _result(requirement, Status.UNKNOWN, f"{requirement.text}: {subject}{reason}", finding)


def _result(requirement: Requirement, status: Status, reason: str, *findings: Finding) -> CheckResult:
    return CheckResult(
        name="requirement-met",
        family="policy",
        subject=requirement.text,
        status=status,
        reason=reason,
        findings=findings,
        decisive=True,
    )


def adjusted(results: Iterable[CheckResult], policy: Policy, today: datetime.date) -> tuple[CheckResult, ...]:
    """Return results under a policy: its severities and ignores, and findings about ignores.

    Args:
        results: What the checks said.
        policy: The policy.
        today: The day that ignores are compared with, in UTC.
    """
    used: set[int] = set()
    changed = [
        replace(result, findings=tuple(_adjusted(one, policy, today, used) for one in result.findings))
        for result in results
    ]
    return (*changed, *_about_ignores(policy, today, used))


def _adjusted(finding: Finding, policy: Policy, today: datetime.date, used: set[int]) -> Finding:
    if finding.slug in policy.severity:
        finding = replace(finding, severity=policy.severity[finding.slug])
    for number, ignore in enumerate(policy.ignores):
        if ignore.slug == finding.slug and ignore.subject in (None, finding.subject):
            used.add(number)
            if ignore.expires >= today:
                cause = f"Ignored until {ignore.expires} ({ignore.reason}). {finding.cause}"
                return replace(finding, severity=Severity.INFO, cause=cause)
    return finding


def _about_ignores(policy: Policy, today: datetime.date, used: set[int]) -> Iterator[CheckResult]:
    for number, ignore in enumerate(policy.ignores):
        finding = _about(ignore, today, unused=number not in used)
        if finding is not None:
            yield CheckResult(
                name="ignores-current",
                family="policy",
                subject=ignore.slug,
                status=Status.FAIL,
                reason=finding.title,
                findings=(finding,),
            )


def _about(ignore: Ignore, today: datetime.date, *, unused: bool) -> Finding | None:
    over, days = ignore.expires < today, abs((ignore.expires - today).days)
    if over:
        slug, title = "ignore-expired", f"The ignore of {ignore.slug} expired {days} days ago"
    elif unused:
        slug, title = "ignore-unused", f"The ignore of {ignore.slug} fits no finding"
    elif ignore.expires - today <= SOON:
        slug, title = "ignore-expired", f"The ignore of {ignore.slug} expires in {days} days"
    else:
        return None
    return Finding(
        slug=slug,
        severity=Severity.WARN,
        subject=ignore.slug,
        title=title,
        cause=f"It was written with the reason: {ignore.reason}",
        evidence=(Evidence(text=f"slug {ignore.slug}, expires {ignore.expires}", source=ignore.place),),
        place=ignore.place,
    )
