"""The program without a screen: what `gpucheck.doctor` does, and the commands call."""

from __future__ import annotations

import datetime
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from gpucheck import probe
from gpucheck.diagnosis import diagnose
from gpucheck.findings import NOTEBOOK, FailOn
from gpucheck.matrix.opening import open_matrix

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from gpucheck.facts import Diagnostic, Facts
    from gpucheck.findings import CheckResult, Report
    from gpucheck.recommend import Recommendation
    from gpucheck.refresh.run import Changes


def _in_notebook(report: Report) -> str:
    """Notebooks are passed on, so it is redacted."""
    from gpucheck.report import markdown
    from gpucheck.report.cleaning import Redactor

    return markdown.render(report, Redactor())


NOTEBOOK[:] = [_in_notebook]


def doctor(  # noqa: PLR0913 - each is an option of its own
    python: str | None = None,
    *,
    facts: Facts | None = None,
    require: Sequence[str] = (),
    policy: Path | None = None,
    profile: str | None = None,
    on_missing_gpu: str | None = None,
    matrix: Path | None = None,
    fail_on: str | None = None,
    baseline: Path | None = None,
    update_baseline: bool = False,
    diagnostics: Sequence[Path | Diagnostic] = (),
    timeout: float = probe.DEFAULT_DEADLINE,
    deep: bool = False,
) -> Report:
    """Judge this machine, read-only and without network.

    Args:
        python: Another interpreter to look into.
        facts: Facts of another machine, to be judged instead of this one's.
        require: Demands such as ``gpu>=4``.
        policy: A policy file; none is looked for.
        profile: Which of its profiles counts.
        on_missing_gpu: What demands on GPUs mean where there is none: fail, skip or warn.
        matrix: A folder of rows to lay over the shipped matrix.
        fail_on: Least severity that makes the exit status 1: error, warn, info or never; default: the policy's, or
            error.
        baseline: A file of accepted findings, which do not count.
        update_baseline: Whether every error and warning that is here now is written into that file as accepted.
        diagnostics: What `dcgmi diag --json` or NVIDIA Health Validation has said of this machine: files, or what
            was read in them.
        timeout: Seconds that any one probe may take.
        deep: Whether the frameworks themselves are asked, in child processes, and binaries are read.

    Raises:
        ValueError: The interpreter, a requirement, the policy, the baseline or a row of the matrix cannot be used.
    """
    demands = None
    if require or policy is not None or profile is not None or on_missing_gpu is not None:
        from gpucheck.demands import read as read_demands

        demands = read_demands(require, policy, profile, on_missing_gpu)
    if baseline is not None:
        from gpucheck import remembering

        remembering.read_baseline(baseline, update=update_baseline)
    verdicts: tuple[Diagnostic, ...] = ()
    if diagnostics:
        from gpucheck import explaining

        files = [one for one in diagnostics if isinstance(one, Path)]
        ready = [one for one in diagnostics if not isinstance(one, Path)]
        verdicts = (*ready, *explaining.diagnostics(files))
    stated = demands.fail_on if demands is not None else None
    threshold, rows = FailOn(fail_on or stated or "error"), open_matrix(matrix)
    if facts is None:
        facts = probe.gather(python, deadline=timeout, deep=deep)
        facts = demands.with_variables(facts) if demands is not None else facts
    if verdicts:
        facts = replace(facts, diagnostics=(*facts.diagnostics, *verdicts))
    if demands is not None:
        report = demands.report(facts, rows, threshold)
    else:
        report = diagnose(facts, rows, fail_on=threshold)
    if baseline is None:
        return report
    if update_baseline:
        remembering.update_baseline(report, baseline)
    return remembering.apply_baseline(report, baseline, threshold.value)


def matrix_check(
    wanted: Sequence[str],
    *,
    files: Sequence[Path] = (),
    driver: str | None = None,
    gpus: Sequence[str] = (),
    python: str | None = None,
    os: str = "linux",
    processor: str | None = None,
    variant: str | None = None,
    matrix: Path | None = None,
    fail_on: str = "error",
) -> Report:
    """Judge a machine and packages that are only described, before anything is installed.

    Args:
        wanted: Requirements such as ``torch==2.9``.
        files: requirements.txt, uv.lock or environment.yml to read more from.
        driver: Driver version, or its branch.
        gpus: Product names or compute capabilities.
        python: Python version.
        os: linux, windows, wsl or macos.
        processor: x86_64 or aarch64.
        variant: CUDA variant of torch, e.g. ``cu126``.
        matrix: A folder of rows to lay over the shipped matrix.
        fail_on: Least severity that makes the exit status 1.

    Raises:
        ValueError: Something of the description cannot be understood.
    """
    from gpucheck import describe
    from gpucheck.describe.files import read
    from gpucheck.describe.machine import variant as read_variant

    rows, threshold = open_matrix(matrix), FailOn(fail_on)
    asked = [describe.parse(text) for text in wanted] + [one for file in files for one in read(file)]
    if variant is not None:
        label = read_variant(variant)
        asked = [
            replace(one, variant=label) if isinstance(one, describe.Wanted) and one.framework == "torch" else one
            for one in asked
        ]
    python = python or describe.python_of(asked)
    machine = describe.machine(rows, driver=driver, gpus=gpus, python=python, os=os, processor=processor)
    return diagnose(describe.installed_into(machine, rows, asked), rows, fail_on=threshold)


def recommend(
    framework: str = "all",
    *,
    driver: str | None = None,
    gpus: Sequence[str] = (),
    python: str | None = None,
    os: str | None = None,
    processor: str | None = None,
    variant: str | None = None,
    matrix: Path | None = None,
) -> Recommendation:
    """Say what to install here, or on a machine that is described by any of the arguments.

    Args:
        framework: ``torch``, ``tf`` or ``all``.
        driver: Driver version, or its branch.
        gpus: Product names or compute capabilities.
        python: A Python version; for this machine also the path of an interpreter.
        os: linux, windows, wsl or macos.
        processor: x86_64 or aarch64.
        variant: Only this CUDA variant of torch, e.g. ``cu126``.
        matrix: A folder of rows to lay over the shipped matrix.

    Raises:
        ValueError: Something of the description cannot be understood.
    """
    from gpucheck import describe
    from gpucheck.describe.machine import variant as read_variant
    from gpucheck.recommend import recommendation

    rows = open_matrix(matrix)
    if driver is None and not gpus and os is None and processor is None:
        machine = describe.reduced(_this_machine(python))
    else:
        machine = describe.machine(
            rows, driver=driver, gpus=gpus, python=python, os=os or "linux", processor=processor
        )
    label = read_variant(variant) if variant is not None else None
    return recommendation(rows, machine, framework, label)


def _this_machine(python: str | None) -> Facts:
    from gpucheck.describe.machine import DescriptionError, python_version, said

    try:
        version = python_version(python) if python is not None else None
    except DescriptionError:
        return probe.gather(python)
    facts = probe.gather()
    if version is None:
        return facts
    return replace(facts, interpreter=replace(facts.interpreter, version=said(version)))


def refresh(
    only: Sequence[str] = (),
    *,
    target: Path | None = None,
    every: bool = False,
    matrix: Path | None = None,
    listen: Callable[[str], None] = lambda _: None,
) -> Changes:
    """Compare the matrix with the package index, over the network; with ``target`` write what changed.

    Args:
        only: ``torch``, ``tensorflow``, ``packages``; empty for all.
        target: Folder for the files that changed, to be laid over the matrix.
        every: Whether every wheel is read again, not only new ones and the newest release.
        matrix: A folder of rows to lay over the shipped matrix.
        listen: Called with what is being read.

    Raises:
        ValueError: The index cannot be read, or a file not be written.
    """
    from gpucheck.refresh import run

    today = datetime.datetime.now(tz=datetime.timezone.utc).date()
    return run.refresh(open_matrix(matrix), only, today, target=target, every=every, listen=listen)


def read_requirements(texts: Sequence[str]) -> list[Callable[[Facts], CheckResult]]:
    """Read demands before anything is probed, so that a wrong one is told at once."""
    if not texts:
        return []
    from gpucheck import policy

    wanted = [policy.parse_requirement(text) for text in texts]
    return [lambda facts, one=one: policy.judged([one], facts)[0] for one in wanted]  # type: ignore[misc]
