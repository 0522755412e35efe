"""The Report as one JSON document; its schema is docs/schema/report.schema.json."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from gpucheck import __version__
from gpucheck.facts import to_json

if TYPE_CHECKING:
    from gpucheck.findings import CheckResult, Report
    from gpucheck.report.cleaning import Redactor

SCHEMA_VERSION = 1


def document(report: Report) -> dict[str, Any]:
    """Return the document as Python values; every object carries all its keys, null when empty."""
    facts = to_json(report.facts)
    smoke = facts.pop("smoke")
    return {
        "schema_version": SCHEMA_VERSION,
        "tool": {"name": "gpucheck", "version": __version__, "matrix_date": report.matrix_date},
        "verdict": report.verdict,
        "root_causes": list(report.root_causes),
        "findings": [to_json(finding) for finding in report.findings],
        "checks": [_check(result) for result in report.checks],
        "facts": facts,
        "smoke": smoke,
        "exit_status": report.exit_status,
    }


def _check(result: CheckResult) -> dict[str, Any]:
    return {
        "name": result.name,
        "family": result.family,
        "subject": result.subject,
        "status": result.status.value,
        "reason": result.reason,
        "findings": [finding.slug for finding in result.findings],
    }


def render(report: Report, redactor: Redactor | None) -> str:
    """Return the document as text."""
    content = document(report)
    if redactor is not None:
        content = redactor.document(content)
    return json.dumps(content, indent=2, allow_nan=False) + "\n"
