"""`gpucheck fleet run`: the doctor and the smoke test on many machines, by an engine that is there already."""

from __future__ import annotations

import os
import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Optional

import typer

from gpucheck import __version__
from gpucheck.cli.common import Color, ColorOption, emit

if TYPE_CHECKING:
    from gpucheck.fleet.launch import Plan
    from gpucheck.fleet.launch.states import End

Text = Optional[str]  # noqa: UP045 - typer reads it at run time
File = Optional[Path]  # noqa: UP045
ENGINE = "Engine"


def run(
    via: Annotated[
        Text, typer.Option(metavar="local|ssh|srun|ray", help="The engine.", rich_help_panel=ENGINE)
    ] = None,
    nodes: Annotated[Text, typer.Option("--nodes", "-w", metavar="RANGE", help="node-[001-064],gpu7")] = None,
    hostfile: Annotated[File, typer.Option(metavar="FILE", help="A name or a range a line.")] = None,
    smoke: Annotated[Text, typer.Option(metavar="torch,tf", help="Also train, in these frameworks.")] = None,
    deadline: Annotated[
        Text, typer.Option(metavar="TIME", help="What one node may take; default: 30s, with --smoke 5m.")
    ] = None,
    fanout: Annotated[
        Optional[int],  # noqa: UP045
        typer.Option(
            min=1, max=4096, help="Nodes at a time (local, ssh, ray); default: 64.", rich_help_panel=ENGINE
        ),
    ] = None,
    command: Annotated[
        Text,
        typer.Option(
            metavar="PATH", help="gpucheck on the nodes; ssh: the one on their PATH.", rich_help_panel=ENGINE
        ),
    ] = None,
    srun_args: Annotated[
        Text, typer.Option(metavar="'ARGS'", help="More arguments for srun.", rich_help_panel=ENGINE)
    ] = None,
    ssh_args: Annotated[
        Text, typer.Option(metavar="'ARGS'", help="More arguments for ssh.", rich_help_panel=ENGINE)
    ] = None,
    diagnostics: Annotated[
        Text,
        typer.Option(metavar="PATH", help="What `dcgmi diag --json` has said on each node, where it is there."),
    ] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Run the nodes that lack a whole report.")] = False,
    out: Annotated[
        File, typer.Option(metavar="DIR", help="The run's folder; default: gpucheck-fleet/TIME.")
    ] = None,
    redact: Annotated[
        Optional[bool],  # noqa: UP045
        typer.Option("--redact/--no-redact", help="Take user, host and node names out of the reports."),
    ] = None,
    color: ColorOption = Color.AUTO,
) -> None:
    """Run the doctor, and the smoke test, on many machines; whoever does not answer is named.

    Exit status: 0 all ok, 1 a node fails, 2 bad usage, 3 a node did not answer, 130 interrupted.

    Examples:
        gpucheck fleet run --via ssh -w 'node-[001-064]'
        gpucheck fleet run --via srun -w 'gpu[1-16]' --srun-args '-p gpu'
        gpucheck fleet run --resume   # the newest run: only who lacks a report
    """
    from gpucheck.fleet import launch
    from gpucheck.fleet.launch import folder as folders
    from gpucheck.fleet.launch.states import exit_status
    from gpucheck.report.fleet_run import FleetProgress
    from gpucheck.report.text import console

    if os.name != "posix":
        raise typer.BadParameter("fleet run needs a POSIX system; gpucheck fleet collect reads reports anywhere")
    path = out or (folders.latest() if resume else folders.default())
    begun = folders.Folder(path).manifest() if resume else None
    plan = _plan(
        via, nodes, hostfile, smoke, deadline, fanout, command, srun_args, ssh_args, diagnostics, redact, begun
    )
    launch.check(plan)
    with folders.Folder(path) as folder:
        if not resume:
            folder.create({"tool": {"name": "gpucheck", "version": __version__}, **plan.manifest()})
        with FleetProgress(console(sys.stderr, color.value), len(plan.nodes)) as progress:

            def watch(what: str | End) -> None:
                if isinstance(what, str):
                    progress.began(what)
                else:
                    progress.ended(what.node, what.state.value, what.reason)

            ends = launch.run(plan, folder, watch)
        folder.summary(_summary(path))
    status = exit_status(ends)
    _show(ends, path, status)
    raise typer.Exit(status)


def _plan(
    via: str | None,
    nodes: str | None,
    hostfile: Path | None,
    smoke: str | None,
    deadline: str | None,
    fanout: int | None,
    command: str | None,
    srun_args: str | None,
    ssh_args: str | None,
    diagnostics: str | None,
    redact: bool | None,
    begun: dict[str, object] | None,
) -> Plan:
    """Read the options; a run that goes on has its own, and takes no others."""
    from gpucheck.fleet import launch
    from gpucheck.fleet.launch import job

    expected = _nodes(nodes, hostfile)
    if begun is not None:
        plan = launch.from_manifest(begun)
        given = {"--smoke": smoke, "--deadline": deadline, "--command": command, "--srun-args": srun_args,
                 "--ssh-args": ssh_args, "--diagnostics": diagnostics, "--fanout": fanout,
                 "--redact": redact}  # fmt: skip
        other = [name for name, value in given.items() if value is not None]
        if via not in (None, plan.via):
            other.append("--via")
        if expected and expected != plan.nodes:
            other.append("-w" if nodes else "--hostfile")
        if other:
            raise typer.BadParameter(f"--resume goes on as the run was begun; leave {', '.join(other)} out")
        return plan
    if via is None or via not in launch.ENGINES:
        told = f"--via {via!r}: not known; " if via is not None else "--via is missing: "
        raise typer.BadParameter(f"{told}one of {', '.join(launch.ENGINES)}")
    if not expected:
        raise typer.BadParameter("which nodes? give -w 'node-[001-064]' or --hostfile FILE")
    for name, value, engine in (("--srun-args", srun_args, "srun"), ("--ssh-args", ssh_args, "ssh")):
        if value is not None and via != engine:
            raise typer.BadParameter(f"{name} has no meaning with --via {via}")
    frameworks = job.read_smoke(smoke)
    usual = job.SMOKE_DEADLINE if frameworks else job.DEFAULT_DEADLINE
    default = ("gpucheck",) if via == "ssh" else job.own_command()
    work = job.Job(
        command=job.read_command(command) if command is not None else default,
        smoke=frameworks,
        deadline=job.read_duration("--deadline", deadline) if deadline is not None else usual,
        fanout=fanout if fanout is not None else job.FANOUT,
        redact=bool(redact),
        diagnostics=diagnostics,
    )
    return launch.Plan(via=via, nodes=expected, job=work, arguments=_words(srun_args or ssh_args or ""))


def _nodes(text: str | None, hostfile: Path | None) -> tuple[str, ...]:
    from gpucheck.fleet.nodes import expand, read_hostfile

    if text is not None and hostfile is not None:
        raise typer.BadParameter("-w and --hostfile: give only one")
    found = expand(text) if text is not None else read_hostfile(hostfile) if hostfile is not None else []
    for name in found:
        if name.startswith("-"):
            raise typer.BadParameter(f"{name!r} is no name of a node")
    return tuple(dict.fromkeys(found))


def _words(text: str) -> tuple[str, ...]:
    try:
        return tuple(shlex.split(text))
    except ValueError as error:
        raise typer.BadParameter(f"{text!r}: {error}") from None


def _summary(path: Path) -> str:
    """Return what the reports say together, as the collector tells it."""
    from gpucheck.fleet import pile, summary
    from gpucheck.report import fleet

    return fleet.render(summary.collect(pile.read_pile([str(path)]), None, None, []))


def _show(ends: dict[str, End], path: Path, status: int) -> None:
    from gpucheck.fleet.nodes import shown
    from gpucheck.report.fleet_run import lines

    told = {node: (end.state.value, end.reason) for node, end in ends.items()}
    text = [*lines(told, shown), f" reports: {path}/nodes"]
    if any(end.report is not None for end in ends.values()):
        text.append(f" next: gpucheck fleet collect {shlex.quote(str(path))}")
    if status == 3:
        text.append(f" who did not answer, once more: gpucheck fleet run --resume --out {shlex.quote(str(path))}")
    emit("\n".join(text) + "\n")
