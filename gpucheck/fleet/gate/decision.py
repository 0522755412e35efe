"""What a node's report means to its scheduler: the node is taken out, or given back, or left as it is.

Only an error that is certain and lies in the node itself takes it out, or a demand of its policy that is not met.
What could not be told takes nothing out and gives nothing back.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from gpucheck.checks import REGISTRY
from gpucheck.findings import Confidence, Severity, Status
from gpucheck.record import record

if TYPE_CHECKING:
    from collections.abc import Iterable

    from gpucheck.findings import CheckResult, Finding, Report

UNMET, POLICY = "requirement-unmet", "policy"
# Troubles of the node, whoever computes on it; those of an environment are their owner's.
OF_THE_NODE = (
    "driver-missing", "driver-library-mismatch", "kernel-module-not-loaded", "nouveau-loaded",
    "secure-boot-module-signature", "gpu-unsupported-by-driver", "gpu-missing", "gpu-lost", "uncorrectable-ecc",
    "hardware-diagnostic-failed", UNMET,
)  # fmt: skip
UNSURE = (Status.UNKNOWN, Status.CRASH)


@record
class Decision:
    """What follows for the node.

    Attributes:
        drains: Slug and title of every finding that takes it out.
        sound: Slugs that would, and certainly are not here: who was taken out for these alone is given back.
        unsure: What could not be told about the node, one line each.
    """

    drains: tuple[tuple[str, str], ...] = ()
    sound: tuple[str, ...] = ()
    unsure: tuple[str, ...] = ()


def decide(report: Report) -> Decision:
    """Return what follows from a report."""
    drains = {finding.slug: finding.title for finding in report.findings if drains_node(finding)}
    unsure = [
        f"{result.name}: {result.reason}"
        for result in report.checks
        if result.status in UNSURE and set(_slugs(result)) & set(OF_THE_NODE)
    ]
    return Decision(
        drains=tuple(drains.items()),
        sound=tuple(slug for slug in OF_THE_NODE if slug not in drains and _sound(slug, report.checks)),
        unsure=tuple(dict.fromkeys(unsure)),
    )


def drains_node(finding: Finding) -> bool:
    """Whether a finding takes its node out."""
    return (
        finding.slug in OF_THE_NODE
        and finding.severity is Severity.ERROR
        and finding.confidence is Confidence.CERTAIN
    )


def _sound(slug: str, checks: Iterable[CheckResult]) -> bool:
    """Whether every check that could tell of a trouble has looked for it, and found none that counts."""
    results = [result for result in checks if slug in _slugs(result)]
    counted = [
        result.status is Status.PASS
        or (result.status is Status.FAIL and not any(_counts(one, slug) for one in result.findings))
        for result in results
        if result.status is not Status.SKIP
    ]
    # Of demands that a policy no longer makes there is none left to be met.
    return all(counted) and (bool(counted) or slug == UNMET)


def _counts(finding: Finding, slug: str) -> bool:
    return finding.slug == slug and finding.severity is Severity.ERROR


def _slugs(result: CheckResult) -> tuple[str, ...]:
    if result.family == POLICY:
        return (UNMET,)
    return REGISTRY[result.name].slugs if result.name in REGISTRY else ()


def to_json(decision: Decision) -> dict[str, Any]:
    """Return a decision as it is kept."""
    return {
        "drains": [list(pair) for pair in decision.drains],
        "sound": list(decision.sound),
        "unsure": list(decision.unsure),
    }


def from_json(content: dict[str, Any]) -> Decision:
    """Return a decision that was kept.

    Raises:
        ValueError: It is none.
    """
    try:
        return Decision(
            drains=tuple((str(slug), str(title)) for slug, title in content["drains"]),
            sound=tuple(map(str, content["sound"])),
            unsure=tuple(map(str, content["unsure"])),
        )
    except (KeyError, TypeError) as error:
        raise ValueError(f"no decision: {error}") from None
