"""Exit statuses and their precedence, requirements, root causes, and crashes that are statuses."""

from __future__ import annotations

import itertools
from dataclasses import replace

import pytest
from machine_data import build, load

from gpucheck import diagnosis, policy
from gpucheck.checks import Check
from gpucheck.facts import usable_gpus
from gpucheck.findings import CheckResult, FailOn, Finding, Severity, Status, exit_status, verdict
from gpucheck.matrix import Matrix


def result(status: Status, *severities: Severity, decisive: bool = False) -> CheckResult:
    findings = tuple(Finding(slug="gpu-lost", severity=one, title="t", cause="c") for one in severities)
    return CheckResult(name="n", family="f", status=status, findings=findings, decisive=decisive)


ERROR = result(Status.FAIL, Severity.ERROR)
WARN = result(Status.FAIL, Severity.WARN)
INFO = result(Status.FAIL, Severity.INFO)
PASS, SKIP = result(Status.PASS), result(Status.SKIP)
UNKNOWN, CRASH = result(Status.UNKNOWN, decisive=True), result(Status.CRASH, decisive=True)
MINOR = result(Status.UNKNOWN)


@pytest.mark.parametrize(
    ("checks", "fail_on", "status"),
    [
        ((PASS,), FailOn.ERROR, 0),
        ((PASS, INFO), FailOn.ERROR, 0),
        ((PASS, WARN), FailOn.ERROR, 0),
        ((PASS, WARN), FailOn.WARN, 1),
        ((PASS, INFO), FailOn.INFO, 1),
        ((PASS, ERROR), FailOn.NEVER, 0),
        ((PASS, ERROR), FailOn.ERROR, 1),
        ((PASS, UNKNOWN), FailOn.ERROR, 3),
        ((PASS, CRASH), FailOn.ERROR, 3),
        ((PASS, MINOR), FailOn.ERROR, 0),
        ((ERROR, UNKNOWN), FailOn.ERROR, 1),
        ((SKIP,), FailOn.ERROR, 3),
        ((), FailOn.ERROR, 3),
    ],
)
def test_exit_status(checks: tuple[CheckResult, ...], fail_on: FailOn, status: int) -> None:
    for order in itertools.permutations(checks):
        assert exit_status(order, fail_on) == status


def test_no_judged_check_is_never_healthy() -> None:
    assert verdict((), ()) == "inconclusive"
    assert verdict((SKIP, MINOR), ()) == "inconclusive"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("gpu", "quote it: 'gpu>=4'"),
        ("gpus>=4", "unknown name 'gpus'; did you mean 'gpu'?"),
        ("frobnicate>=1", "unknown name 'frobnicate'"),
        ("gpu>=", "a whole number"),
        ("gpu=4", "a whole number and a comparison"),
        ("gpu>=x", "a whole number"),
        ("gpu>=1.5", "a whole number"),
        ("gpu>=-1", "a whole number"),
        ("", "write a name"),
        (">=4", "write a name"),
    ],
)
def test_a_wrong_requirement_is_told_how_to_write_it(text: str, words: str) -> None:
    with pytest.raises(policy.PolicyError) as error:
        policy.parse_requirement(text)
    assert words in str(error.value)


TWO = next(machine.facts for machine in load() if machine.title.startswith("cards: both cards"))
NONE = build({})


@pytest.mark.parametrize(
    ("text", "status"),
    [
        ("gpu>=2", 0),
        ("gpu >= 2", 0),
        ("gpu==2", 0),
        ("gpu<3", 0),
        ("gpu>=3", 1),
        ("gpu!=2", 1),
        ("gpu>2", 1),
        ("gpu<=1", 1),
    ],
)
def test_requirements_on_two_gpus(text: str, status: int) -> None:
    demanded = [policy.judged([policy.parse_requirement(text)], TWO)[0]]
    report = diagnosis.diagnose(TWO, Matrix(), demanded=demanded)
    assert report.exit_status == status
    assert report.root_causes == (("requirement-unmet",) if status else ())


def test_a_machine_without_a_card_meets_no_demand_for_one() -> None:
    demanded = [policy.judged([policy.parse_requirement("gpu>=1")], NONE)[0]]
    assert diagnosis.diagnose(NONE, Matrix(), demanded=demanded).exit_status == 1
    assert diagnosis.diagnose(NONE, Matrix()).exit_status == 0


def test_a_demand_that_cannot_be_determined_is_3_not_0() -> None:
    facts = build(
        {"driver": {"module_loaded": True, "cuda_library": "/l/libcuda.so.1"}, "gpus": {"missing": "timed out"}}
    )
    result = policy.judged([policy.parse_requirement("gpu>=1")], facts)[0]
    assert result.status is Status.UNKNOWN
    assert result.findings[0].slug == "requirement-undetermined"
    assert exit_status((PASS, result), FailOn.ERROR) == 3


def test_a_hidden_gpu_is_not_usable() -> None:
    masked = replace(TWO, driver=replace(TWO.driver, visible_devices=replace(TWO.driver.visible_devices, value=0)))
    assert usable_gpus(masked)[0] == 0


def test_a_crash_of_a_check_is_a_status() -> None:
    def broken(facts, matrix):
        """Break."""
        raise ZeroDivisionError("oh")
        yield

    check = Check(name="x", family="driver", slugs=(), decisive=True, judge=broken)
    (said,) = diagnosis.run_check(check, NONE, Matrix())
    assert said.status is Status.CRASH
    assert said.reason == "ZeroDivisionError: oh"
    assert exit_status((PASS, said), FailOn.ERROR) == 3


def finding(slug: str, severity: Severity = Severity.ERROR, subject: str | None = None) -> Finding:
    return Finding(slug=slug, severity=severity, title=slug, cause="c", subject=subject)


def test_consequences_are_folded_under_their_cause() -> None:
    ranked = diagnosis.rank(
        [finding("gpu-missing"), finding("cuinit-unknown-error"), finding("driver-library-mismatch")]
    )
    assert ranked[0].slug == "driver-library-mismatch"
    assert set(ranked[0].explains) == {"gpu-missing", "cuinit-unknown-error"}
    assert diagnosis.root_causes(ranked) == ("driver-library-mismatch",)


def test_one_frameworks_trouble_explains_nothing_of_the_other() -> None:
    ranked = diagnosis.rank(
        [finding("cudnn-missing", subject="torch"), finding("smoke-failed", subject="torch"),
         finding("smoke-failed", subject="tensorflow")]
    )  # fmt: skip
    assert diagnosis.root_causes(ranked) == ("cudnn-missing", "smoke-failed")


def test_information_is_never_a_root_cause() -> None:
    ranked = diagnosis.rank([finding("no-device", Severity.INFO), finding("requirement-unmet")])
    assert diagnosis.root_causes(ranked) == ("requirement-unmet",)
