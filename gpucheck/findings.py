"""What the checks say: results, findings, the Report, and the exit status that follows from it.

Imports nothing of ours.
"""

from __future__ import annotations

from dataclasses import field
from enum import Enum
from typing import TYPE_CHECKING, Any

from gpucheck.record import record

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable


class Severity(str, Enum):
    """How bad a finding is."""

    ERROR = "error"
    WARN = "warn"
    INFO = "info"

    @property
    def rank(self) -> int:
        """0 for an error, 1 for a warning, 2 for information."""
        return list(Severity).index(self)


class Status(str, Enum):
    """How a check ended; skip and unknown are never pass."""

    PASS = "pass"  # noqa: S105 - the vocabulary of the report
    FAIL = "fail"
    SKIP = "skip"
    UNKNOWN = "unknown"
    CRASH = "crash"


class FailOn(str, Enum):
    """The least severity of a finding that makes the exit status 1."""

    ERROR = "error"
    WARN = "warn"
    INFO = "info"
    NEVER = "never"

    def reached_by(self, severity: Severity) -> bool:
        """Whether a finding of that severity counts."""
        return self is not FailOn.NEVER and severity.rank <= Severity(self.value).rank


class Safety(str, Enum):
    """Who may carry out a fix: anybody, after a question, or only a person by hand."""

    SAFE = "safe"
    ASK = "ask"
    ADVICE = "advice"


class Confidence(str, Enum):
    """How sure a finding is of its cause."""

    CERTAIN = "certain"
    LIKELY = "likely"
    POSSIBLE = "possible"


@record
class Evidence:
    """One fact that a finding rests on, and where it was read."""

    text: str
    source: str | None = None


@record
class Fix:
    """One way out.

    Attributes:
        text: What to do, in a sentence.
        commands: Shell commands that do it.
        environment: Environment variables that do it; an empty string means: unset it.
        reinstall: Requirements that are installed again although they are met, alone.
        install: Requirements that are installed with what they require.
        safety: Who may carry it out.
        by: Commands of gpucheck that carry it out (``run``, ``env``, ``apply``, ``fix``); empty: only a person.
        systems: Where it holds (``linux``, ``wsl``, ``windows``...); empty: wherever the finding does.
    """

    text: str
    commands: tuple[str, ...] = ()
    environment: dict[str, str] = field(default_factory=dict)
    reinstall: tuple[str, ...] = ()
    install: tuple[str, ...] = ()
    safety: Safety = Safety.ADVICE
    by: tuple[str, ...] = ()
    systems: tuple[str, ...] = ()


@record
class Finding:
    """A trouble that a check found.

    Attributes:
        slug: Its name, never changed or reused.
        severity: How bad it is here.
        subject: Which GPU, framework or file; None when it is the machine.
        title: One line.
        cause: Why it is so.
        evidence: The facts it rests on.
        fixes: Ways out, the best first.
        confidence: How sure the cause is.
        source: Title and URL of the matrix row that decided, or None.
        explains: Slugs of the findings in this report that follow from this one.
        instead: Slugs of the troubles that it may be as well, where nothing decides.
        decide: What would decide between them.
        vain: Popular advice that does not help here, and why.
        place: Where in a policy file the demand stands, ``gpucheck.toml:12``.
    """

    slug: str
    severity: Severity
    title: str
    cause: str
    subject: str | None = None
    evidence: tuple[Evidence, ...] = ()
    fixes: tuple[Fix, ...] = ()
    confidence: Confidence = Confidence.CERTAIN
    source: str | None = None
    explains: tuple[str, ...] = ()
    instead: tuple[str, ...] = ()
    decide: str | None = None
    vain: tuple[str, ...] = ()
    place: str | None = None

    def leads_to(self, other: Finding) -> bool:
        """Whether another finding of the same report follows from this one."""
        return other.slug in self.explains and may_concern(self.subject, other.subject)


FRAMEWORKS = ("torch", "tensorflow")


def may_concern(subject: str | None, other: str | None) -> bool:
    """Whether a trouble with one subject can be the cause of one with another.

    What is wrong with one framework explains nothing about the other one.
    """
    ours, theirs = ((text or "").split(" ")[0] for text in (subject, other))
    return ours == theirs or ours not in FRAMEWORKS or theirs not in FRAMEWORKS


def is_explained(finding: Finding, findings: Iterable[Finding]) -> bool:
    """Whether an error or a warning among ``findings`` leads to it.

    Information is never a cause, and a warning never that of an error.
    """
    return any(
        other.severity is not Severity.INFO
        and other.severity.rank <= finding.severity.rank
        and other.leads_to(finding)
        for other in findings
    )


@record
class CheckResult:
    """What one check said of one subject.

    Attributes:
        name: The check, as a statement that should hold.
        family: The module it belongs to.
        subject: What it looked at; None when it is the machine.
        status: How it ended.
        reason: What was compared, or why it was skipped or could not be determined.
        findings: The findings it yields; their slugs stand in the report.
        decisive: Whether ``unknown`` here makes the whole verdict inconclusive.
    """

    name: str
    family: str
    status: Status
    subject: str | None = None
    reason: str | None = None
    findings: tuple[Finding, ...] = ()
    decisive: bool = False


@record
class Report:
    """The verdict on one machine.

    Attributes:
        verdict: ``healthy``, ``problem`` or ``inconclusive``.
        root_causes: Slugs of the errors and warnings that nothing else explains, most probable first.
        findings: All findings, root causes first.
        checks: Every check's result.
        facts: The `gpucheck.facts.Facts` they rest on.
        exit_status: See `exit_status`.
        matrix_date: Date of the matrix that judged, ISO form.
    """

    verdict: str
    root_causes: tuple[str, ...]
    findings: tuple[Finding, ...]
    checks: tuple[CheckResult, ...]
    facts: Any
    exit_status: int
    matrix_date: str

    def _repr_markdown_(self) -> str:
        """What a notebook shows; results know no formats, `gpucheck.api` gives the renderer."""
        return NOTEBOOK[0](self) if NOTEBOOK else repr(self)


NOTEBOOK: list[Callable[[Report], str]] = []


def exit_status(checks: tuple[CheckResult, ...], fail_on: FailOn) -> int:
    """Return the exit status: 1 before 3 before 0 (2 means that nothing was judged).

    1: a finding at the threshold, or a requirement unmet whatever the threshold. 3: no check could be
    judged, or one that decides is unknown.
    """
    findings = [finding for check in checks for finding in check.findings]
    unmet = any(
        check.family == "policy" and any(finding.severity is Severity.ERROR for finding in check.findings)
        for check in checks
    )
    if unmet or any(fail_on.reached_by(finding.severity) for finding in findings):
        return 1
    return 3 if inconclusive(checks) else 0


def inconclusive(checks: tuple[CheckResult, ...]) -> bool:
    """Whether nothing was judged, or a check that decides could not be."""
    judged = any(check.status in (Status.PASS, Status.FAIL) for check in checks)
    undecided = any(check.decisive and check.status in (Status.UNKNOWN, Status.CRASH) for check in checks)
    return undecided or not judged


def verdict(checks: tuple[CheckResult, ...], findings: tuple[Finding, ...]) -> str:
    """Return the verdict in one word; a certain failure comes before an unknown."""
    if any(finding.severity is Severity.ERROR for finding in findings):
        return "problem"
    return "inconclusive" if inconclusive(checks) else "healthy"
