"""The verdict as a custom plugin of Kubernetes' node-problem-detector says it: one short line and a status.

Its documentation (docs/custom_plugin_monitor.md) and pkg/custompluginmonitor/plugin/plugin.go, checked 2026-11-29:
status 0 OK, 1 a problem, anything else unknown; stdout is cut at max_output_length bytes, 80 by default.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from gpucheck.findings import Severity, Status
from gpucheck.report.common import headline, teller

if TYPE_CHECKING:
    from collections.abc import Callable

    from gpucheck.findings import Report
    from gpucheck.report.cleaning import Redactor

OK, PROBLEM, UNKNOWN = 0, 1, 2
LONGEST = 80


def status(report: Report) -> int:
    """Return the plugin's status: an error or an unmet demand is a problem, warnings are none."""
    if report.exit_status == 1 or any(finding.severity is Severity.ERROR for finding in report.findings):
        return PROBLEM
    return UNKNOWN if report.exit_status or report.verdict == "inconclusive" else OK


def render(report: Report, redactor: Redactor | None) -> str:
    """Return the line: ASCII, since it is cut by bytes."""
    line = _said(report, teller(redactor)).encode("ascii", "replace").decode()
    return (line if len(line) <= LONGEST else f"{line[: LONGEST - 3]}...") + "\n"


def _said(report: Report, tell: Callable[[str | None], str]) -> str:
    cause = next((one for one in report.findings if one.slug in report.root_causes), None)
    if status(report) == PROBLEM and cause is not None:
        return f"{cause.slug}: {tell(cause.title)}"
    if status(report) == UNKNOWN:
        unsure = (one.reason for one in report.checks if one.status in (Status.UNKNOWN, Status.CRASH))
        return f"unknown: {tell(next(unsure, None)) or 'nothing could be judged'}"
    return headline(report, tell)
