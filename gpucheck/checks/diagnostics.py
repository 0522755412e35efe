"""What do other tools, which stress the hardware, say of it?"""

from __future__ import annotations

from typing import TYPE_CHECKING

from gpucheck.checks.registry import Said, broken, check, holds, skipped, unknown
from gpucheck.findings import Confidence, Evidence, Finding, Fix, Severity

if TYPE_CHECKING:
    from collections.abc import Iterator

    from gpucheck.facts import Diagnostic, DiagnosticTest, Facts
    from gpucheck.matrix import Matrix

ERRORS = "https://github.com/NVIDIA/DCGM/blob/master/dcgmlib/dcgm_errors.h"
CITATION = f"NVIDIA DCGM, dcgm_errors.h, {ERRORS}, checked 2026-11-29"
# By DCGM's own definitions a card to isolate cannot run work, and one to reset must be drained first.
OUT = ("isolate", "reset")
MILD = ("configure", "monitor")
WAYS = {
    "isolate": "Take the card out of use and have it tested; DCGM says that it cannot run work.",
    "reset": "Reset the GPU when nothing uses it, or reboot.",
    "triage": "Find out more before it is used: `dcgmi diag -r 3`, and nvidia-bug-report.sh for the maker.",
    "configure": "Change the setting that the test names, and run it again.",
    "monitor": "It can go on working; look at it again.",
}
LATER = "Run the tool again on the machine as it is now."


@check("hardware-diagnostics-passed", "hardware-diagnostic-failed")
def hardware_diagnostics_passed(facts: Facts, _: Matrix) -> Iterator[Said]:
    """No verdict of `dcgmi diag` or NVIDIA Health Validation that was handed in speaks against the hardware.

    A verdict of before this boot, or under another driver, says nothing of now.
    """
    if not facts.diagnostics:
        yield skipped("no verdict of another tool was handed in (--diagnostics FILE)")
    for one in facts.diagnostics:
        outdated = one.error or one.stale or _other_driver(one, facts)
        if outdated is not None:
            yield unknown(f"{one.source}: {outdated}", one.tool)
            continue
        yield from _judged(one)


def _other_driver(one: Diagnostic, facts: Facts) -> str | None:
    now = facts.driver.version.value or facts.driver.module_version.value
    if one.driver is None or now is None or one.driver == now:
        return None
    return f"made under driver {one.driver}, now it is {now}"


def _judged(one: Diagnostic) -> Iterator[Said]:
    bad = [test for test in one.tests if test.status in ("fail", "warn")]
    for subject in dict.fromkeys(test.subject for test in bad):
        yield broken(_finding(one, subject, [test for test in bad if test.subject == subject]))
    for test in one.tests:
        if test.status == "unknown":
            yield unknown(f"{test.name}: {test.text or 'its status is not told'}", test.subject or one.tool)
    if bad:
        return
    if one.passed:
        yield holds(f"{one.passed} tests passed ({one.source})", one.tool)
    elif all(test.status == "skip" for test in one.tests):
        yield unknown(f"{one.source}: all its tests were skipped", one.tool)


def _finding(one: Diagnostic, subject: str | None, bad: list[DiagnosticTest]) -> Finding:
    actions = [test.action for test in bad if test.status == "fail"]
    grave = [action for action in actions if action not in MILD]
    wanted = next((action for action in (*OUT, "triage", *MILD) if action in [t.action for t in bad]), None)
    names = ", ".join(dict.fromkeys(test.name for test in bad))
    version = f" {one.version}" if one.version else ""
    whose = f" on {subject}" if subject else ""
    return Finding(
        slug="hardware-diagnostic-failed",
        severity=Severity.ERROR if grave else Severity.WARN,
        subject=subject or one.tool,
        title=f"{one.tool} speaks against the hardware{whose}: {names[:80]}",
        cause=f"{one.tool} has tested it, and it did not pass.",
        evidence=tuple(
            Evidence(text=f"{test.name}: {test.text or test.status}", source=f"{one.tool}{version}, {one.source}")
            for test in bad[:8]
        ),
        fixes=(Fix(text=WAYS.get(wanted or "", WAYS["triage"])), Fix(text=LATER)),
        confidence=Confidence.CERTAIN if any(action in OUT for action in actions) else Confidence.LIKELY,
        source=CITATION if wanted else None,
    )
