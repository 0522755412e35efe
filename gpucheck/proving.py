"""The proof without a screen: what `gpucheck.smoke` does, and `gpucheck smoke` calls."""

from __future__ import annotations

import contextlib
import os
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gpucheck import probe
from gpucheck.api import read_requirements
from gpucheck.diagnosis import diagnose
from gpucheck.facts import Observation
from gpucheck.findings import FailOn, Severity
from gpucheck.matrix.opening import open_matrix

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from gpucheck.checks import Check
    from gpucheck.facts import Facts
    from gpucheck.findings import CheckResult, Report
    from gpucheck.matrix import Matrix
    from gpucheck.smoketest import Recogniser, Request

    Listener = Callable[[str, dict[str, Any]], None]


def smoke(
    framework: str = "all",
    python: str | None = None,
    *,
    data: Path | str | None = None,
    require: Sequence[str] = (),
    matrix: Path | None = None,
    fail_on: str = "error",
    listen: Listener = lambda _framework, _event: None,
    **options: Any,
) -> Report:
    """Train a reference network and say whether convolution ran where and as it should.

    Args:
        framework: ``torch``, ``tf`` or ``all`` that are installed.
        python: Another interpreter to train in.
        data: Folder with the four MNIST files, or ``mnist`` to download them; None takes the built-in digits.
        require: Demands such as ``gpu>=4``.
        matrix: A folder of rows to lay over the shipped matrix.
        fail_on: Least severity that makes the exit status 1.
        listen: Called with the framework and each of its events.
        **options: Any other attribute of `gpucheck.smoketest.Request`: ``device="gpu"``, ``model="cnn-64"``...

    Raises:
        ValueError: An argument or a data file cannot be used.
        TypeError: There is no such option.
    """
    from gpucheck.smoketest import MissingError, Request, train_all

    folder = Path(data) if data is not None and data != "mnist" else None
    wanted = Request(framework=framework, python=python, data=folder, download=data == "mnist", **options)
    requirements = read_requirements(require)
    threshold, rows = FailOn(fail_on), open_matrix(matrix)
    wanted = downloaded(wanted, listen) if wanted.download else wanted
    try:
        facts = train_all(wanted, probe.gather(python), listen, recogniser(rows))
    except MissingError as error:
        raise MissingError(f"{error}, or install what suits this machine: {_install(framework, python)}") from None
    demanded = [judge(facts) for judge in requirements]
    return _judged(facts, rows, threshold, demanded, {run.framework for run in facts.smoke})


def distributed(
    framework: str = "all",
    python: str | None = None,
    *,
    require: Sequence[str] = (),
    matrix: Path | None = None,
    fail_on: str = "error",
    listen: Listener = lambda _framework, _event: None,
    last: contextlib.ExitStack | None = None,
    environ: Mapping[str, str] | None = None,
    **options: Any,
) -> Report:
    """Take one rank's part in a distributed run; torchrun, srun or mpirun calls this once for each rank.

    Rank 0 leads, and its report tells of all ranks; that of another rank tells of its own part.

    Args:
        framework: ``torch``, ``tf`` or ``all`` that are installed, one after the other.
        python: Another interpreter to run in.
        require: Demands such as ``gpu>=4``.
        matrix: A folder of rows to lay over the shipped matrix.
        fail_on: Least severity that makes the exit status 1.
        listen: Called with the framework and each event of this rank's script.
        last: Where the connections to the other ranks are closed; by default before this returns. A launcher
            ends every rank once one has ended with an error: who has something to tell closes it after that.
        environ: Variables of the launcher; None for this process's.
        **options: ``device``, ``seed``, ``fix`` and ``deadline`` of `gpucheck.smoketest.Request`.

    Raises:
        ValueError: An argument cannot be used, or no launcher started this process.
        TypeError: There is no such option.
    """
    from gpucheck.smoketest import Request, ranks
    from gpucheck.smoketest.ranks import launchers

    wanted = Request(framework=framework, python=python, **options)
    ranks.check(wanted)
    launch = launchers.read(os.environ if environ is None else environ)
    requirements = read_requirements(require)
    threshold, rows = FailOn(fail_on), open_matrix(matrix)
    with contextlib.ExitStack() as own:
        facts = ranks.run_all(wanted, probe.gather(python), launch, listen, last or own)
    demanded = [judge(facts) for judge in requirements]
    return _judged(facts, rows, threshold, demanded, {run.framework for run in facts.distributed})


def _judged(
    facts: Facts, rows: Matrix, threshold: FailOn, demanded: Sequence[CheckResult], tried: set[str]
) -> Report:
    proof = diagnose(facts, rows, fail_on=threshold, demanded=demanded, select=_of_smoke)
    if any(finding.severity is Severity.ERROR for finding in proof.findings):
        # Only a run that failed asks what is wrong with the machine: a proof is worth more than a doubt.
        concerned = tuple(framework for framework in facts.frameworks if framework.name in tried)
        facts = replace(facts, frameworks=concerned)
        return diagnose(facts, rows, fail_on=threshold, demanded=demanded)
    return proof


def downloaded(wanted: Request, listen: Listener) -> Request:
    """Return the request with MNIST's files, downloaded into the user's cache where they are not there yet.

    Raises:
        ValueError: The files could not be downloaded.
    """
    from gpucheck.smoketest.download import fetch_mnist

    return replace(wanted, data=fetch_mnist(lambda event: listen("mnist", event)), download=False)


def _install(framework: str, python: str | None) -> str:
    """Return the command that `gpucheck recommend` gives for this machine; its own name where it knows none."""
    from gpucheck.api import recommend
    from gpucheck.recommend import commands

    answer = recommend(framework, python=python)
    chosen = next((one.choice for one in answer.advice if one.choice is not None), None)
    return commands.pip([chosen], python or "python") if chosen is not None else "gpucheck recommend -v"


def recogniser(rows: Matrix) -> Recogniser:
    """Return a function that finds the troubles which an output shows by the messages of the matrix."""
    from gpucheck import messages
    from gpucheck.checks.causes import shown

    def recognise(output: str) -> tuple[Observation, ...]:
        known = rows.messages()
        return tuple(
            Observation(slug=one.slug, line=message.line, source="the training's output")
            for one in shown(messages.recognise(output, known), known)
            if one.severity is Severity.ERROR
            for message in one.messages[:1]
        )

    return recognise


def _of_smoke(check: Check) -> bool:
    return check.family in ("smoke", "convolution", "learning", "distributed") or check.name == "driver-is-real"
