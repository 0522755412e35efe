"""What a project demands of its machines: requirements such as ``gpu>=4``, judged on facts."""

from __future__ import annotations

import difflib
import operator
import re
from typing import TYPE_CHECKING

from gpucheck.facts import usable_gpus
from gpucheck.findings import CheckResult, Evidence, Finding, Severity, Status
from gpucheck.record import record

if TYPE_CHECKING:
    from collections.abc import Callable

    from gpucheck.facts import Facts

NAMES = ("gpu",)
OPERATORS: dict[str, Callable[[int, int], bool]] = {
    ">=": operator.ge,
    "<=": operator.le,
    "==": operator.eq,
    "!=": operator.ne,
    ">": operator.gt,
    "<": operator.lt,
}


class PolicyError(ValueError):
    """A requirement that cannot be understood; the message says what to write instead."""


@record
class Requirement:
    """A demand on the number of usable GPUs.

    Attributes:
        text: As it was written.
        name: ``gpu``.
        comparison: One of `OPERATORS`.
        number: What it is compared with.
    """

    text: str
    name: str
    comparison: str
    number: int


def parse_requirement(text: str) -> Requirement:
    """Read a requirement such as ``gpu>=4``.

    Raises:
        PolicyError: It is not one. A bare ``gpu`` is what a shell leaves of an unquoted ``gpu>=4``.
    """
    form = re.fullmatch(r"\s*([A-Za-z][A-Za-z-]*)\s*(>=|<=|==|!=|>|<|=)?\s*(.*?)\s*", text)
    if form is None:
        raise PolicyError(f"--require {text!r}: write a name, a comparison and a number, e.g. 'gpu>=1'")
    name, comparison, number = form.groups()
    if name not in NAMES:
        near = difflib.get_close_matches(name, NAMES, n=1, cutoff=0.5)
        hint = f"; did you mean {near[0]!r}?" if near else ""
        raise PolicyError(f"--require {text!r}: unknown name {name!r}{hint} Known: {', '.join(NAMES)}")
    if not comparison and not number:
        raise PolicyError(
            f"--require {text!r}: a comparison is missing; a shell eats an unquoted '>', so quote it: '{name}>=4'"
        )
    if comparison not in OPERATORS or not re.fullmatch(r"\d{1,6}", number):
        raise PolicyError(f"--require {text!r}: a whole number and a comparison are wanted, e.g. '{name}>=4'")
    return Requirement(text=text.strip(), name=name, comparison=comparison, number=int(number))


def judge(requirement: Requirement, facts: Facts) -> CheckResult:
    """Judge one requirement: pass, fail (requirement-unmet) or unknown (requirement-undetermined)."""
    count, source = usable_gpus(facts)
    if count is None:
        return _undetermined(requirement, source)
    met = OPERATORS[requirement.comparison](count, requirement.number)
    reason = f"{count} usable GPUs, {requirement.text} demanded"
    if met:
        return _result(requirement, Status.PASS, reason)
    finding = Finding(
        slug="requirement-unmet",
        severity=Severity.ERROR,
        subject=requirement.text,
        title=f"{requirement.text} is demanded, {count} usable GPUs are here",
        cause="The machine does not have what is demanded of it.",
        evidence=(Evidence(text=f"{count} usable GPUs", source=source),),
    )
    return _result(requirement, Status.FAIL, reason, finding)


def _undetermined(requirement: Requirement, reason: str) -> CheckResult:
    finding = Finding(
        slug="requirement-undetermined",
        severity=Severity.INFO,
        subject=requirement.text,
        title=f"Whether {requirement.text} holds could not be determined",
        cause=reason,
    )
    return _result(requirement, Status.UNKNOWN, reason, finding)


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
