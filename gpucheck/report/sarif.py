"""The findings as SARIF 2.1.0 (OASIS, errata 01), for code scanning pages.

GitHub refuses a whole file in which one result has no physical location ("expected a physical location"). So a
finding that stands in no file gets `gpucheck.report.common.STAND_IN` beside the logical location that is true.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

from gpucheck import __version__
from gpucheck.findings import Severity, Status
from gpucheck.report.common import in_repository, numbered, teller, told

if TYPE_CHECKING:
    from collections.abc import Callable

    from gpucheck.findings import Finding, Report
    from gpucheck.report.cleaning import Redactor

SCHEMA = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
LEVELS = {Severity.ERROR: "error", Severity.WARN: "warning", Severity.INFO: "note"}
# The key says how a fingerprint was made: other ways get other keys (SARIF 3.27.17).
FINGERPRINT = "slugAndSubject/v1"


def render(report: Report, redactor: Redactor | None) -> str:
    """Return the document as text."""
    tell = teller(redactor)
    slugs = list(dict.fromkeys(finding.slug for finding in report.findings))
    titles = {finding.slug: finding.title for finding in reversed(report.findings)}
    driver = {
        "name": "gpucheck",
        "version": __version__,
        "rules": [_rule(slug, titles[slug], tell) for slug in slugs],
    }
    run = {
        "tool": {"driver": driver},
        "invocations": [_invocation(report, tell)],
        "results": [
            _result(report, finding, slugs.index(finding.slug), fingerprint, tell)
            for finding, fingerprint in numbered(report, tell)
        ],
        "columnKind": "unicodeCodePoints",
        "properties": {
            "verdict": report.verdict,
            "rootCauses": list(report.root_causes),
            "exitStatus": report.exit_status,
            "matrixDate": report.matrix_date,
        },
    }
    return json.dumps({"$schema": SCHEMA, "version": "2.1.0", "runs": [run]}, indent=2) + "\n"


def _rule(slug: str, title: str, tell: Callable[[str | None], str]) -> dict[str, Any]:
    from gpucheck.catalogue import UnknownSlug, page

    try:
        known = page(slug)
    except UnknownSlug:  # it comes from a newer gpucheck's report
        return {"id": slug, "shortDescription": _message(tell(title))}
    return {
        "id": slug,
        "shortDescription": _message(known.meaning),
        "fullDescription": _message(known.why or known.meaning),
        "help": {
            "text": f"{known.meaning}\n\nWhat cures it: {known.remedy}",
            "markdown": f"{known.meaning}\n\n**What cures it:** {known.remedy}",
        },
        "properties": {"tags": [known.group]},
    }


def _result(
    report: Report, finding: Finding, index: int, fingerprint: str, tell: Callable[[str | None], str]
) -> dict[str, Any]:
    from urllib.parse import quote

    file, line = in_repository(finding)
    return {
        "ruleId": finding.slug,
        "ruleIndex": index,
        "level": LEVELS[finding.severity],
        "message": _message("\n".join(told(finding, tell))),
        "locations": [
            {
                "physicalLocation": {
                    "artifactLocation": {"uri": quote(tell(file))},
                    "region": {"startLine": line},
                },
                "logicalLocations": [{"name": tell(finding.subject) or "machine", "kind": "resource"}],
            }
        ],
        "partialFingerprints": {FINGERPRINT: fingerprint},
        "properties": {
            "confidence": finding.confidence.value,
            "rootCause": finding.slug in report.root_causes,
        },
    }


def _invocation(report: Report, tell: Callable[[str | None], str]) -> dict[str, Any]:
    """What could not be judged is told here; results are findings only."""
    unsure = [result for result in report.checks if result.status in (Status.UNKNOWN, Status.CRASH)]
    return {
        "executionSuccessful": report.verdict != "inconclusive"
        and all(result.status is not Status.CRASH for result in unsure),
        "exitCode": report.exit_status,
        "toolExecutionNotifications": [
            {
                "descriptor": {"id": f"{result.family}/{result.name}"},
                "level": "error" if result.status is Status.CRASH else "warning",
                "message": _message(
                    f"not checked: {tell(result.subject) + ': ' if result.subject else ''}{tell(result.reason)}"
                ),
            }
            for result in unsure
        ],
    }


def _message(text: str) -> dict[str, str]:
    """Return a message in which nothing is a placeholder or a link (SARIF 3.11.5, 3.11.6)."""
    if re.search(r"\{\d+\}", text):
        text = text.replace("{", "{{").replace("}", "}}")
    if "](" in text:
        text = re.sub(r"([\\\[\]])", r"\\\1", text)
    return {"text": text}
