"""The program without a screen: what `gpucheck.doctor` and `gpucheck.smoke` do, and the commands call."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gpucheck import policy, probe
from gpucheck.diagnosis import diagnose
from gpucheck.findings import FailOn, Severity
from gpucheck.matrix import Matrix, MatrixError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from gpucheck.checks import Check
    from gpucheck.facts import Facts
    from gpucheck.findings import Report

    Listener = Callable[[str, dict[str, Any]], None]


def doctor(
    python: str | None = None,
    *,
    facts: Facts | None = None,
    require: Sequence[str] = (),
    matrix: Path | None = None,
    fail_on: str = "error",
    timeout: float = probe.DEFAULT_DEADLINE,
) -> Report:
    """Judge this machine, read-only and without network.

    Args:
        python: Another interpreter to look into.
        facts: Facts of another machine, to be judged instead of this one's.
        require: Demands such as ``gpu>=4``.
        matrix: A folder of rows to lay over the shipped matrix.
        fail_on: Least severity that makes the exit status 1: error, warn, info or never.
        timeout: Seconds that any one probe may take.

    Raises:
        ValueError: The interpreter, a requirement or a row of the matrix cannot be used.
    """
    requirements = [policy.parse_requirement(text) for text in require]
    threshold, rows = FailOn(fail_on), _matrix(matrix)
    if facts is None:
        facts = probe.gather(python, deadline=timeout)
    demanded = [policy.judge(requirement, facts) for requirement in requirements]
    return diagnose(facts, rows, fail_on=threshold, demanded=demanded)


def smoke(
    framework: str = "all",
    python: str | None = None,
    *,
    device: str = "auto",
    data: Path | str | None = None,
    seed: int = 0,
    require: Sequence[str] = (),
    matrix: Path | None = None,
    fail_on: str = "error",
    timeout: float = 300.0,
    listen: Listener = lambda _framework, _event: None,
) -> Report:
    """Train the reference network and say whether convolution ran where and as it should.

    Args:
        framework: ``torch``, ``tf`` or ``all`` that are installed.
        python: Another interpreter to train in.
        device: ``auto`` (the GPU where one is present), ``gpu`` or ``cpu``.
        data: Folder with the four MNIST files; None takes the built-in digits.
        seed: Seed of weights and order.
        require: Demands such as ``gpu>=4``.
        matrix: A folder of rows to lay over the shipped matrix.
        fail_on: Least severity that makes the exit status 1.
        timeout: Seconds that one framework may take.
        listen: Called with the framework and each of its events.

    Raises:
        ValueError: An argument or a data file cannot be used.
    """
    from gpucheck.smoketest import Request, train_all

    request = Request(
        framework=framework,
        python=python,
        device=device,
        data=Path(data) if data is not None else None,
        seed=seed,
        deadline=timeout,
    )
    requirements = [policy.parse_requirement(text) for text in require]
    threshold, rows = FailOn(fail_on), _matrix(matrix)
    facts = train_all(request, probe.gather(python), listen)
    demanded = [policy.judge(requirement, facts) for requirement in requirements]
    proof = diagnose(facts, rows, fail_on=threshold, demanded=demanded, select=_of_smoke)
    if any(finding.severity is Severity.ERROR for finding in proof.findings):
        # Only a run that failed asks what is wrong with the machine: a proof is worth more than a doubt.
        trained = {run.framework for run in facts.smoke}
        concerned = tuple(framework for framework in facts.frameworks if framework.name in trained)
        facts = replace(facts, frameworks=concerned)
        return diagnose(facts, rows, fail_on=threshold, demanded=demanded)
    return proof


def _matrix(overlay: Path | None) -> Matrix:
    """Return the matrix; the user's own rows are read as a whole first, so that a bad one is told at once."""
    rows = Matrix(overlay=overlay)
    if overlay is not None:
        from gpucheck.matrix.validate import problems

        found = problems(overlay, overlay=True)
        if found:
            raise MatrixError(f"--matrix {overlay}: {found[0]}")
    return rows


def _of_smoke(check: Check) -> bool:
    return check.family == "smoke" or check.name == "driver-is-real"
