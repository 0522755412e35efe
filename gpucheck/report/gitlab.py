"""The findings as a GitLab Code Quality report (docs.gitlab.com/ci/testing/code_quality/).

GitLab demands a relative path and a line: `gpucheck.report.common.STAND_IN` for what stands in no file.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from gpucheck.findings import Severity
from gpucheck.report.common import STAND_IN, headline, in_repository, numbered, teller, told

if TYPE_CHECKING:
    from gpucheck.findings import Report
    from gpucheck.report.cleaning import Redactor

# "blocker" is left to the reader's own rules: whether work stops is what --fail-on decides.
SEVERITIES = {Severity.ERROR: "critical", Severity.WARN: "minor", Severity.INFO: "info"}


def render(report: Report, redactor: Redactor | None) -> str:
    """Return the document as text."""
    tell = teller(redactor)
    issues = [
        _issue(finding.slug, " — ".join(told(finding, tell)), fingerprint, SEVERITIES[finding.severity],
               in_repository(finding))
        for finding, fingerprint in numbered(report, tell)
    ]  # fmt: skip
    if report.verdict == "inconclusive":
        # An empty list would read as clean.
        issues.append(_issue("inconclusive", headline(report, tell), "gpucheck-inconclusive", "major", STAND_IN))
    return json.dumps(issues, indent=2) + "\n"


def _issue(name: str, description: str, fingerprint: str, severity: str, place: tuple[str, int]) -> dict[str, Any]:
    return {
        "description": description,
        "check_name": name,
        "fingerprint": fingerprint,
        "severity": severity,
        "location": {"path": place[0], "lines": {"begin": place[1]}},
    }
