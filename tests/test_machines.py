"""Facts in, verdict out: every machine in tests/machines/."""

from __future__ import annotations

import pytest
from machine_data import Machine, load

from gpucheck.checks import all_checks
from gpucheck.checks.troubles import TROUBLES
from gpucheck.diagnosis import diagnose
from gpucheck.findings import FailOn, Report, Safety, Severity
from gpucheck.matrix import Matrix

MACHINES = load()


@pytest.fixture(scope="module")
def matrix() -> Matrix:
    return Matrix()


def judged(machine: Machine, matrix: Matrix) -> Report:
    return diagnose(machine.facts, matrix, fail_on=FailOn.ERROR)


@pytest.mark.parametrize("machine", MACHINES, ids=lambda machine: machine.title)
def test_the_verdict(machine: Machine, matrix: Matrix) -> None:
    report, expect = judged(machine, matrix), machine.expect
    found = [finding.slug for finding in report.findings]
    if "findings" in expect:
        assert sorted(set(found)) == sorted(expect["findings"])
    assert list(report.root_causes) == expect.get("root_causes", [])
    for name, status in expect.get("checks", {}).items():
        assert status in {result.status.value for result in report.checks if result.name == name}, name
    if "exit" in expect:
        assert report.exit_status == expect["exit"]
    elif expect.get("root_causes"):
        assert report.exit_status == 1
    if "verdict" in expect:
        assert report.verdict == expect["verdict"]


@pytest.mark.parametrize("machine", MACHINES, ids=lambda machine: machine.title)
def test_no_check_crashes_and_everything_is_explained(machine: Machine, matrix: Matrix) -> None:
    for result in judged(machine, matrix).checks:
        assert result.status.value != "crash", result.reason
        assert result.reason
        assert bool(result.findings) == (result.status.value == "fail")


def test_findings_come_with_evidence_and_a_way_out(matrix: Matrix) -> None:
    for machine in MACHINES:
        for finding in judged(machine, matrix).findings:
            assert finding.title
            assert finding.cause
            if finding.severity is Severity.ERROR and finding.slug not in ("smoke-failed", "smoke-not-started"):
                assert finding.evidence, finding.slug
                assert finding.fixes, finding.slug


def test_ways_out_say_what_carries_them_out(matrix: Matrix) -> None:
    seen = set()
    for machine in MACHINES:
        for finding in judged(machine, matrix).findings:
            for fix in finding.fixes:
                seen.add((bool(fix.environment), bool(fix.install or fix.reinstall), fix.by))
                if fix.environment:
                    assert {"run", "env"} <= set(fix.by), finding.slug
                elif fix.install or fix.reinstall:
                    assert fix.safety is Safety.ASK
                    assert fix.by == (() if machine.facts.described else ("fix",)), finding.slug
                    assert fix.commands
                else:
                    assert fix.by == (), finding.slug
                assert set(fix.systems) <= {
                    "linux", "wsl", "windows", "macos", "container", "kubernetes", "cluster", "notebook",
                }  # fmt: skip
            older = [number for number, fix in enumerate(finding.fixes) if "older release" in fix.text]
            assert all(number == len(finding.fixes) - 1 or number in older for number in older), finding.slug
    assert {(True, False, ("run", "env", "fix")), (False, True, ("fix",)), (False, False, ())} <= seen


def test_the_machines_cover_every_finding_and_every_check(matrix: Matrix) -> None:
    reports = [judged(machine, matrix) for machine in MACHINES]
    found = {finding.slug for report in reports for finding in report.findings}
    of_policies = {"requirement-unmet", "requirement-undetermined", "ignore-expired", "ignore-unused"}
    assert set(TROUBLES) - found == of_policies
    statuses = {(result.name, result.status.value) for report in reports for result in report.checks}
    for check in all_checks():
        assert (check.name, "pass") in statuses, check.name
        assert (check.name, "fail") in statuses, check.name
        assert {(check.name, "skip"), (check.name, "unknown")} & statuses, check.name


def test_checks_declare_the_slugs_that_they_yield(matrix: Matrix) -> None:
    declared = {check.name: set(check.slugs) for check in all_checks()}
    for machine in MACHINES:
        for result in judged(machine, matrix).checks:
            assert {finding.slug for finding in result.findings} <= declared[result.name]
