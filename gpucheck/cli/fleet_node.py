"""`gpucheck fleet node`: what `gpucheck fleet run` starts on each node; hidden, nobody types it."""

from __future__ import annotations

import dataclasses
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Optional

import typer

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from gpucheck.facts import Diagnostic, Facts, SmokeRun

Text = Optional[str]  # noqa: UP045 - typer reads it at run time


def node(
    name: Annotated[Text, typer.Option(help="The node's name; default: Slurm's, else the host's.")] = None,
    out: Annotated[
        Optional[Path],  # noqa: UP045
        typer.Option(metavar="DIR", help="The run's folder, where it is shared."),
    ] = None,
    token: Annotated[
        Text, typer.Option(help="Proves that the folder is the run's own; else framed lines.")
    ] = None,
    framed: Annotated[bool, typer.Option("--framed", help="Send framed lines on stdout.")] = False,
    lifeline: Annotated[bool, typer.Option("--lifeline", help="End when stdin ends.")] = False,
    smoke: Annotated[Text, typer.Option(metavar="torch,tf", help="Also train.")] = None,
    diagnostics: Annotated[
        Optional[Path],  # noqa: UP045
        typer.Option(metavar="FILE", help="What `dcgmi diag --json` has said here, where it is there."),
    ] = None,
    deadline: Annotated[str, typer.Option(metavar="TIME", help="After that everything here is killed.")] = "30s",
    redact: Annotated[bool, typer.Option("--redact", help="Take names out of the report.")] = False,
) -> None:
    """Report this node: doctor, and smoke where asked; killed at the deadline with all that it started.

    Examples:
        gpucheck fleet node --framed
        gpucheck fleet node --out /shared/run --deadline 30s
    """
    from gpucheck import explaining
    from gpucheck.fleet.launch import agent, job

    if framed and out is not None and token is None:
        raise typer.BadParameter("--framed and --out: give only one")
    seconds, frameworks = job.read_duration("--deadline", deadline), job.read_smoke(smoke)
    called = name or agent.own_name()
    verdicts = explaining.diagnostics([diagnostics] if diagnostics is not None else [], lenient=True)

    def work(hand_over: Callable[[bytes], None]) -> None:
        _report(called, seconds, frameworks, verdicts, hand_over, redact=redact)

    way = agent.Way(folder=out, token=token, lifeline=lifeline)
    raise typer.Exit(agent.serve(work, called, seconds, way, redact=redact))


def _report(
    name: str,
    deadline: float,
    frameworks: tuple[str, ...],
    diagnostics: Sequence[Diagnostic],
    hand_over: Callable[[bytes], None],
    *,
    redact: bool,
) -> None:
    """Hand over the doctor's report, and then that with the trainings."""
    from gpucheck import api
    from gpucheck.fleet.contract import encoded, node_report
    from gpucheck.fleet.launch.job import PROBE_SHARE
    from gpucheck.report.cleaning import Redactor
    from gpucheck.report.document import document

    started, begin = time.time(), time.monotonic()

    def made(report: Any) -> bytes:
        content = document(report)
        if redact:
            content = Redactor().document(content)
        seconds = time.monotonic() - begin
        return encoded(node_report(content, node=name, started=started, seconds=seconds, redact=redact))

    probes = min(deadline, 30.0) * PROBE_SHARE
    report = api.doctor(timeout=probes, diagnostics=diagnostics)
    hand_over(made(report))
    if frameworks:
        try:
            facts = _trained(report.facts, frameworks, (deadline - probes) * PROBE_SHARE / len(frameworks))
        except ValueError as error:
            told = {"state": "fail", "reason": f"smoke: {error}", "node": {"name": name}}
            hand_over(encoded(told))
            return
        hand_over(made(api.doctor(facts=facts)))


def _trained(facts: Facts, frameworks: tuple[str, ...], deadline: float) -> Facts:
    from gpucheck.matrix.opening import open_matrix
    from gpucheck.proving import recogniser
    from gpucheck.smoketest import Request, train_all

    recognise = recogniser(open_matrix())
    runs: list[SmokeRun] = []
    for framework in frameworks:
        wanted = Request(framework=framework, deadline=deadline)
        runs += train_all(wanted, facts, lambda _framework, _event: None, recognise).smoke
    return dataclasses.replace(facts, smoke=tuple(runs))
