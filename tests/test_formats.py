"""Formats for test pages and monitoring, each by a reader that people use; and what holds for all formats."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from xml.etree import ElementTree

import pytest
from format_data import ALL, HOSTILE, crowded
from format_readers import commands, read
from hypothesis import given
from hypothesis import strategies as st

from gpucheck.findings import Report, Severity, Status
from gpucheck.report import github, gitlab, html, junit, nagios, prometheus, sarif
from gpucheck.report.cleaning import Redactor, clean

NOW = 1_764_000_000.25
every_report = pytest.mark.parametrize("one", ALL.values(), ids=list(ALL))
# Jenkins' xunit plugin, junit-10.xsd: attributes of each element, and what it may hold.
JUNIT = {
    "testsuites": ({"name", "time", "tests", "failures", "errors"}, {"testsuite"}),
    "testsuite": ({"name", "tests", "failures", "errors", "skipped", "time"}, {"properties", "testcase"}),
    "properties": (set(), {"property"}),
    "property": ({"name", "value"}, set()),
    "testcase": ({"name", "classname", "time"}, {"skipped", "error", "failure", "system-out"}),
    "failure": ({"type", "message"}, set()),
    "error": ({"type", "message"}, set()),
    "skipped": ({"type", "message"}, set()),
    "system-out": (set(), set()),
}


@every_report
def test_junit_is_what_its_readers_expect(one: Report) -> None:
    junitparser = pytest.importorskip("junitparser")
    text = junit.render(one, None)
    root = ElementTree.fromstring(text.encode())
    for element in root.iter():
        attributes, children = JUNIT[element.tag]
        assert set(element.attrib) <= attributes
        assert {child.tag for child in element} <= children
    read = junitparser.JUnitXml.fromstring(text.encode())
    cases = [case for suite in read for case in suite]
    assert len(cases) == len(one.checks) == read.tests
    assert len({(case.classname, case.name) for case in cases}) == len(cases)
    results = [type(case.result[0]).__name__ if case.result else "" for case in cases]
    assert results.count("Failure") == read.failures
    assert results.count("Error") == read.errors
    failed = {check.family for check in one.checks for f in check.findings if f.severity is Severity.ERROR}
    assert {case.classname for case in cases if case.result and case.result[0]._tag == "failure"} >= {
        f"gpucheck.{family}" for family in failed
    }
    if one.exit_status == 0:
        assert read.failures == read.errors == 0
    for suite in read:
        assert {item.name: item.value for item in suite.properties()}["gpucheck.verdict"] == one.verdict


def test_junit_passes_a_warning_and_tells_it() -> None:
    one = crowded(1, Severity.WARN)
    text = junit.render(one, None)
    assert 'failures="0"' in text
    assert "<system-out>gpu-lost: GPU 0 is lost (GPU 0)" in text


@pytest.mark.parametrize(
    ("status", "decisive", "tag"),
    [
        (Status.UNKNOWN, True, "error"),
        (Status.UNKNOWN, False, "skipped"),
        (Status.CRASH, False, "error"),
        (Status.SKIP, True, "skipped"),
    ],
)
def test_junit_never_passes_what_was_not_judged(status: Status, decisive: bool, tag: str) -> None:
    one = crowded(1, Severity.WARN)
    check = replace(one.checks[0], status=status, decisive=decisive, findings=(), reason="no way in")
    case = ElementTree.fromstring(junit.render(replace(one, checks=(check,)), None)).find(".//testcase/*")
    assert case is not None
    assert case.tag == tag
    assert case.get("message") in ("no way in", "not judged: no way in")


@every_report
def test_nagios_keeps_to_its_guidelines(one: Report) -> None:
    text = nagios.render(one, None)
    first, *rest = text.splitlines()
    assert len(text.encode()) <= 4096
    assert text.count("|") == 1
    words, _, numbers = first.partition(" | ")
    assert words.startswith(f"GPUCHECK {nagios.WORDS[nagios.status(one)]} - ")
    for number in numbers.split(" "):
        assert re.fullmatch(r"[a-z]+=(\d+|U);\d*;\d*;0", number)
    assert rest or not one.findings
    assert nagios.status(one) in ({2} if one.verdict == "problem" else {3, 2} if one.exit_status else {0, 1, 3})


def test_the_status_of_the_plugin() -> None:
    healthy = crowded(0, Severity.WARN)
    assert nagios.status(replace(healthy, verdict="healthy")) == 0
    warned = replace(crowded(2, Severity.WARN), verdict="healthy")
    assert nagios.status(warned) == 1
    assert nagios.status(replace(warned, verdict="inconclusive")) == 3
    assert nagios.status(replace(crowded(2, Severity.ERROR), verdict="inconclusive")) == 2
    assert nagios.render(crowded(25, Severity.ERROR), None).splitlines()[0].startswith(
        "GPUCHECK CRITICAL - gpu-lost: GPU 0 is lost (and 24 more) | "
    )  # fmt: skip
    many = nagios.render(crowded(900, Severity.ERROR), None).splitlines()
    assert re.fullmatch(r"and \d+ more lines", many[-1])


@every_report
def test_prometheus_reads_the_metrics(one: Report) -> None:
    parser = pytest.importorskip("prometheus_client.parser")
    text = prometheus.render(one, None, NOW)
    families = list(parser.text_string_to_metric_families(text))
    names = [family.name for family in families]
    assert len(set(names)) == len(names)
    assert all(family.type == "gauge" and family.documentation for family in families)
    seen = [(sample.name, tuple(sorted(sample.labels.items()))) for f in families for sample in f.samples]
    assert len(set(seen)) == len(seen)
    values = {family.name: family.samples for family in families}
    assert [sample.value for sample in values["gpucheck_last_run_timestamp_seconds"]] == [NOW]
    assert [sample.value for sample in values["gpucheck_exit_status"]] == [one.exit_status]
    counts = {sample.labels["severity"]: sample.value for sample in values["gpucheck_findings"]}
    assert sum(counts.values()) == len(one.findings)
    wrong = {sample.labels["name"] for sample in values["gpucheck_check_status"] if sample.value == 0}
    assert wrong == {check.name for check in one.checks if check.status is Status.FAIL}
    assert values["gpucheck_info"][0].labels["verdict"] == one.verdict


@pytest.mark.parametrize("module", [github, junit, sarif, gitlab, nagios], ids=lambda module: module.__name__)
def test_private_names_are_taken_out(module) -> None:
    one = crowded(1, Severity.ERROR)
    finding = replace(one.findings[0], title="/home/ida/x on box17", subject="box17", place="/home/ida/gpu.toml:3")
    check = replace(one.checks[0], findings=(finding,), reason="/home/ida/x", subject="box17")
    one = replace(one, findings=(finding,), checks=(check,))
    redactor = Redactor("/home/ida", "ida", "box17")
    assert "box17" in module.render(one, None)
    text = module.render(one, redactor)
    assert "box17" not in text
    assert "ida" not in text
    assert "gpu.toml" in text or module in (junit, nagios)


def test_a_label_is_read_back_as_it_was() -> None:
    parser = pytest.importorskip("prometheus_client.parser")
    text = prometheus.render(ALL["hostile"], None, NOW)
    families = {family.name: family.samples for family in parser.text_string_to_metric_families(text)}
    assert families["gpucheck_info"][0].labels["driver"] == clean(HOSTILE)
    # Four results of one check about one subject are one sample, the worst.
    assert [sample.value for sample in families["gpucheck_check_status"]] == [0]
    assert [sample.value for sample in families["gpucheck_check_unknown"]] == [1]


@given(st.text(max_size=60))
def test_no_text_breaks_out_of_a_format(text: str) -> None:
    one = crowded(1, Severity.ERROR)
    finding = replace(
        one.findings[0], title=text or "x", cause=text, subject=text or None, place=f"{text}x:7", source=text
    )
    check = replace(one.checks[0], findings=(finding,), subject=text, reason=text)
    one = replace(one, findings=(finding,), checks=(check,))
    ((kind, values, _),) = commands(github.render(one, None))
    assert (kind, values["title"], values["line"]) == ("error", "gpucheck gpu-lost", "7")
    case = ElementTree.fromstring(junit.render(one, None).encode()).find(".//failure")
    assert case is not None
    assert case.get("type") == "gpu-lost"
    assert len(json.loads(sarif.render(one, None))["runs"][0]["results"]) == 1
    assert len(json.loads(gitlab.render(one, None))) == 1
    assert nagios.render(one, None).count("|") == 1
    assert read(html.render(one, None)).words
    parser = pytest.importorskip("prometheus_client.parser")
    (sample, *_), *_ = (
        family.samples for family in parser.text_string_to_metric_families(prometheus.render(one, None, NOW))
    )
    assert set(sample.labels) == {"name", "family", "subject"}
