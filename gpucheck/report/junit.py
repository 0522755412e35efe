"""Every check as a test case in JUnit's XML, for the test pages of GitLab, Jenkins and others.

``--fail-on`` is not known here: a finding that is an error makes its check fail; a warning passes and stands in
the output. What could not be judged is never a pass: it is an error where the verdict hangs on it, as the exit
status does, and else skipped with "not judged", or a healthy machine whose kernel log is closed to us would turn
every pipeline red.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from gpucheck import __version__
from gpucheck.findings import Severity, Status
from gpucheck.report.common import teller, told

if TYPE_CHECKING:
    from collections.abc import Callable
    from xml.etree.ElementTree import Element

    from gpucheck.findings import CheckResult, Report
    from gpucheck.report.cleaning import Redactor

KINDS = ("failure", "error", "skipped")
# XML 1.0, production 2: these two are no characters; the controls are written out already.
FORBIDDEN = re.compile("[\ufffe\uffff]")


def render(report: Report, redactor: Redactor | None) -> str:
    """Return the document as text."""
    from xml.etree.ElementTree import Element, SubElement, indent, tostring

    plain = teller(redactor)

    def tell(text: str | None) -> str:
        return FORBIDDEN.sub(lambda found: f"\\u{ord(found.group()):04x}", plain(text))

    root = Element("testsuites", name="gpucheck")
    names: set[tuple[str, str]] = set()
    for family in dict.fromkeys(result.family for result in report.checks):
        suite = SubElement(root, "testsuite", name=f"gpucheck.{family}")
        _properties(report, SubElement(suite, "properties"))
        for result in report.checks:
            if result.family == family:
                _case(result, suite, _unique(result, names, tell), tell)
        _count(suite, suite.findall("testcase"))
    # Jenkins' schema has no count of skipped ones here.
    _count(root, root.findall("testsuite/testcase"))
    del root.attrib["skipped"]
    indent(root)
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{tostring(root, encoding="unicode")}\n'


def _properties(report: Report, parent: Element) -> None:
    from xml.etree.ElementTree import SubElement

    values = {
        "gpucheck.version": __version__,
        "gpucheck.matrix_date": report.matrix_date,
        "gpucheck.verdict": report.verdict,
        "gpucheck.exit_status": str(report.exit_status),
    }
    for name, value in values.items():
        SubElement(parent, "property", name=name, value=value)


def _unique(result: CheckResult, names: set[tuple[str, str]], tell: Callable[[str | None], str]) -> str:
    """Return a name that no other case has: readers keep one of two that are called alike."""
    plain = name = f"{result.name} [{tell(result.subject)}]" if result.subject else result.name
    number = 1
    while (result.family, name) in names:
        number += 1
        name = f"{plain} ({number})"
    names.add((result.family, name))
    return name


def _case(result: CheckResult, suite: Element, name: str, tell: Callable[[str | None], str]) -> None:
    from xml.etree.ElementTree import SubElement

    case = SubElement(suite, "testcase", name=name, classname=f"gpucheck.{result.family}", time="0")
    told_of = [line for finding in result.findings for line in _lines(finding.slug, told(finding, tell))]
    kind = _kind(result)
    if kind == "skipped":
        why = "" if result.status is Status.SKIP else "not judged: "
        SubElement(case, kind, message=f"{why}{tell(result.reason)}", type=result.status.value)
    elif kind is not None:
        errors = [finding for finding in result.findings if finding.severity is Severity.ERROR]
        title = "; ".join(tell(finding.title) for finding in errors) or tell(result.reason)
        types = " ".join(dict.fromkeys(finding.slug for finding in errors)) or result.status.value
        SubElement(case, kind, message=title, type=types).text = "\n".join(told_of) or tell(result.reason)
    elif told_of:
        SubElement(case, "system-out").text = "\n".join(told_of)


def _kind(result: CheckResult) -> str | None:
    if result.status is Status.SKIP:
        return "skipped"
    if result.status in (Status.UNKNOWN, Status.CRASH):
        return "error" if result.decisive or result.status is Status.CRASH else "skipped"
    wrong = any(finding.severity is Severity.ERROR for finding in result.findings)
    unsaid = result.status is Status.FAIL and not result.findings
    return "failure" if wrong or unsaid else None


def _lines(slug: str, lines: list[str]) -> list[str]:
    return [f"{slug}: {lines[0]}", *lines[1:]]


def _count(parent: Element, cases: list[Element]) -> None:
    parent.set("tests", str(len(cases)))
    for kind in KINDS:
        plural = kind if kind == "skipped" else f"{kind}s"
        parent.set(plural, str(sum(case.find(kind) is not None for case in cases)))
    parent.set("time", "0")
