"""Reports for the tests of the output formats: every machine, a hostile one, one full of findings, a training."""

from __future__ import annotations

import math
from dataclasses import replace

from machine_data import load

from gpucheck.diagnosis import diagnose
from gpucheck.facts import Fold, Gpu, seen
from gpucheck.findings import CheckResult, Evidence, Finding, Fix, Report, Severity, Status
from gpucheck.matrix import Matrix

MATRIX = Matrix()
REPORTS = {machine.title: diagnose(machine.facts, MATRIX) for machine in load()}
# What breaks out of HTML, XML, a workflow command (of both kinds), JSON, a metric, a plugin's line and a terminal.
HOSTILE = (
    "<script>alert(1)</script>|::error::%0A\" ]]>' &amp; ##[error]x\n::warning::y\r\\n\x00\x1b[31m\ud800\uffff{0}"
    "[a](javascript:x)`<!--"
)


def report(title: str) -> Report:
    """Return the report of the one machine that has these words in its title."""
    (found,) = (one for name, one in REPORTS.items() if title in name)
    return found


def broken() -> Report:
    """A report in which every text from outside is hostile."""
    plain = report("an updated driver before the reboot")
    finding = Finding(
        slug="policy-violated",
        severity=Severity.ERROR,
        title=HOSTILE,
        cause=HOSTILE,
        subject=HOSTILE,
        evidence=(Evidence(text=HOSTILE, source=HOSTILE),),
        fixes=(Fix(text=HOSTILE, commands=(HOSTILE,), environment={"A": HOSTILE}, systems=(HOSTILE,)),),
        source=HOSTILE,
        vain=(HOSTILE,),
        decide=HOSTILE,
        place=f"{HOSTILE}:12",
    )
    checks = tuple(
        CheckResult(
            name="all",
            family="policy",
            subject=HOSTILE,
            status=status,
            reason=HOSTILE,
            findings=(finding,) if status is Status.FAIL else (),
            decisive=True,
        )
        for status in Status
    )
    facts = plain.facts
    cards = (Gpu(index=0, name=seen(HOSTILE, HOSTILE), status=seen(0, HOSTILE)),)
    facts = replace(
        facts,
        gpus=seen(cards, HOSTILE),
        driver=replace(facts.driver, version=seen(HOSTILE, HOSTILE), driver_cuda=seen(HOSTILE, HOSTILE)),
        system=replace(facts.system, container=seen(HOSTILE, HOSTILE)),
        interpreter=replace(facts.interpreter, executable=seen(HOSTILE, HOSTILE)),
        smoke=trained().facts.smoke[:1],
    )
    facts = replace(facts, smoke=(replace(facts.smoke[0], device_name=HOSTILE, version=HOSTILE),))
    return replace(plain, findings=(finding,), root_causes=("policy-violated",), checks=checks, facts=facts)


def crowded(count: int, severity: Severity) -> Report:
    """A report with many findings of one severity, each with a place and a subject of its own."""
    plain = report("an updated driver before the reboot")
    findings = tuple(
        Finding(
            slug="gpu-lost",
            severity=severity,
            subject=f"GPU {number}",
            title=f"GPU {number} is lost",
            cause="It fell off the bus.",
            place=f"gpucheck.toml:{number + 1}",
        )
        for number in range(count)
    )
    checks = tuple(
        CheckResult(name="gpus-answer", family="cards", status=Status.FAIL, findings=(one,)) for one in findings
    )
    return replace(plain, findings=findings, root_causes=("gpu-lost",), checks=checks)


def curves(points: int, shift: float = 0.0) -> dict[str, tuple[float, ...]]:
    """Curves as a training makes them."""
    loss = tuple(2.3 * math.exp(-n / 6) + shift for n in range(points))
    right = tuple(0.98 - 0.88 * math.exp(-n / 5) - shift for n in range(points))
    return {
        "images": tuple(500.0 * (n + 1) for n in range(points)),
        "loss": loss,
        "accuracy": right,
        "validation_loss": tuple(value + 0.05 for value in loss),
        "validation_accuracy": tuple(value - 0.03 for value in right),
    }


def trained() -> Report:
    """A report with two trainings that have curves, one of them by folds."""
    plain = next(one for one in REPORTS.values() if any(run.accuracy for run in one.facts.smoke))
    confusion = tuple(tuple(97 if a == b else (a + b) % 4 // 2 for b in range(10)) for a in range(10))
    run = replace(
        plain.facts.smoke[0],
        framework="torch",
        version="2.13.0",
        device_name="NVIDIA H200",
        curves=curves(30),
        confusion=confusion,
    )
    folds = tuple(Fold(accuracy=0.97, test_accuracy=0.96, curves=curves(20, 0.01 * n)) for n in range(5))
    other = replace(run, framework="tensorflow", version="2.21.0", folds=folds)
    return diagnose(replace(plain.facts, smoke=(run, other)), MATRIX)


SPECIAL = {
    "hostile": broken,
    "crowded with errors": lambda: crowded(25, Severity.ERROR),
    "crowded with warnings": lambda: replace(crowded(25, Severity.WARN), verdict="inconclusive"),
    "trained": trained,
}
ALL = {**REPORTS, **{name: make() for name, make in SPECIAL.items()}}
