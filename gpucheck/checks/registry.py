"""What a check is, and the list of them in the order in which they run."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gpucheck.findings import Finding, Status
from gpucheck.record import record

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from gpucheck.facts import Fact, Facts, Framework
    from gpucheck.matrix import Matrix

    Judge = Callable[[Facts, Matrix], Iterator["Said"]]


@record
class Said:
    """What a check says of one subject; the runner adds the check's name and family."""

    status: Status
    reason: str
    subject: str | None = None
    findings: tuple[Finding, ...] = ()


@record
class Check:
    """A statement that should hold.

    Attributes:
        name: The statement, as a slug.
        family: The module that holds it.
        slugs: The findings that it can yield.
        decisive: Whether ``unknown`` here makes the whole verdict inconclusive.
        by_rows: Whether it judges versions by the matrix's rows, so that a machine which is only described
            can be judged too.
        judge: The function.
    """

    name: str
    family: str
    slugs: tuple[str, ...]
    decisive: bool
    judge: Judge
    by_rows: bool = False

    @property
    def summary(self) -> str:
        """First line of the function's docstring."""
        return (self.judge.__doc__ or "").strip().splitlines()[0]


REGISTRY: dict[str, Check] = {}


def check(name: str, *slugs: str, decisive: bool = False, by_rows: bool = False) -> Callable[[Judge], Judge]:
    """Register a function as the check ``name``.

    Raises:
        ValueError: The name is taken, or the function has no docstring.
    """

    def register(judge: Judge) -> Judge:
        if name in REGISTRY:
            raise ValueError(f"the check {name!r} is there twice")
        if not judge.__doc__:
            raise ValueError(f"the check {name!r} has no docstring")
        family = judge.__module__.rpartition(".")[2]
        REGISTRY[name] = Check(
            name=name, family=family, slugs=slugs, decisive=decisive, by_rows=by_rows, judge=judge
        )
        return judge

    return register


def holds(reason: str, subject: str | None = None) -> Said:
    """The statement holds."""
    return Said(status=Status.PASS, reason=reason, subject=subject)


def skipped(reason: str, subject: str | None = None) -> Said:
    """The statement does not apply here."""
    return Said(status=Status.SKIP, reason=reason, subject=subject)


def unknown(reason: str, subject: str | None = None) -> Said:
    """Whether the statement holds could not be determined."""
    return Said(status=Status.UNKNOWN, reason=reason, subject=subject)


def not_cuda(framework: Framework) -> Said | None:
    """Say why a question about a CUDA build does not arise for a framework; None when it does."""
    if not framework.build.known:
        return unknown(framework.build.missing or "the build is not known", framework.name)
    return skipped("not a CUDA build", framework.name) if framework.build.value != "cuda" else None


def untold(fact: Fact[object], subject: str | None = None) -> Said:
    """A question that a fact without a value leaves open: skipped where the card has no such thing.

    NVML answers Not Supported for that, and an older library Function Not Found.
    """
    reason = fact.missing or "not told"
    lacking = any(words in reason.lower() for words in ("not supported", "function not found", "not in this"))
    return skipped(reason, subject) if lacking else unknown(reason, subject)


def broken(finding: Finding) -> Said:
    """The statement does not hold."""
    return Said(status=Status.FAIL, reason=finding.title, subject=finding.subject, findings=(finding,))
