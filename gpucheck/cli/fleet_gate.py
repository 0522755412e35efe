"""`gpucheck fleet gate`: whether a node may take jobs, as Slurm's HealthCheckProgram and Prolog ask it."""

from __future__ import annotations

import enum
import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Optional

import typer

from gpucheck import __version__
from gpucheck.cli.common import MatrixOption, RequireOption
from gpucheck.cli.gating import DiagnosticsOption, ProfileOption

if TYPE_CHECKING:
    from gpucheck.findings import Report


class Place(str, enum.Enum):
    """Who asks."""

    HEALTH = "slurm-health"
    PROLOG = "slurm-prolog"


def gate(
    place: Annotated[Place, typer.Argument(help="Who asks.", show_default=False)],
    act: Annotated[
        bool, typer.Option("--act", help="Drain the node, and resume what gpucheck drained; else only say so.")
    ] = False,
    policy: Annotated[
        Optional[Path],  # noqa: UP045
        typer.Option(metavar="FILE", help="What every node must meet; none is looked for."),
    ] = None,
    profile: ProfileOption = None,
    require: RequireOption = None,
    diagnostics: DiagnosticsOption = None,
    cap: Annotated[
        str, typer.Option(metavar="N|N%", help="Nodes that may be drained by gpucheck at a time.")
    ] = "5%",
    max_age: Annotated[
        str, typer.Option(metavar="TIME", help="How long the prolog believes the last health check.")
    ] = "10m",
    budget: Annotated[str, typer.Option(metavar="TIME", help="What judging may take.")] = "2s",
    patience: Annotated[str, typer.Option(metavar="TIME", help="What Slurm's controller may take.")] = "10s",
    cache: Annotated[
        Optional[Path],  # noqa: UP045 - typer reads it at run time
        typer.Option(metavar="DIR", help="Where the last decision is kept; default: the user's state folder."),
    ] = None,
    node: Annotated[
        Optional[str],  # noqa: UP045
        typer.Option(metavar="NAME", help="The node in Slurm; default: SLURMD_NODENAME, else the host's name."),
    ] = None,
    matrix: MatrixOption = None,
) -> None:
    """Keep jobs from a node that is certainly broken; for Slurm's HealthCheckProgram and Prolog.

    Exit status: 20 slurm-prolog, the job must not begin here; 0 otherwise, also for a wrong policy or option, an
    unknown fact or a failure of gpucheck: these are logged on stderr, and drain nobody.

    Examples:
        gpucheck fleet gate slurm-health   # says what it would do
        gpucheck fleet gate slurm-health --act --cap 3 --policy /etc/gpucheck.toml
        gpucheck fleet gate slurm-prolog --act --max-age 15m
    """
    from gpucheck import api, explaining
    from gpucheck.fleet import gate as gates
    from gpucheck.fleet.gate import kept
    from gpucheck.fleet.gate.controller import read_cap
    from gpucheck.fleet.launch.agent import own_name
    from gpucheck.fleet.launch.job import read_duration

    if not hasattr(os, "fork"):
        raise typer.BadParameter("fleet gate needs a POSIX system")
    order = gates.Order(
        node=node or own_name(),
        act=act,
        cap=read_cap(cap),
        budget=read_duration("--budget", budget),
        patience=_patience(patience),
        max_age=read_duration("--max-age", max_age),
    )

    verdicts = explaining.diagnostics(diagnostics or (), lenient=True)

    def judge() -> Report:
        return api.doctor(
            require=require or [], policy=policy, profile=profile, matrix=matrix, diagnostics=verdicts,
            timeout=order.budget * gates.PROBE_SHARE,
        )  # fmt: skip

    parts = (__version__, profile or "", str(matrix), *(require or ()), *_policy(policy), *map(str, verdicts))
    store = kept.Store(cache or _state_folder(), kept.key(parts))
    enter = gates.health if place is Place.HEALTH else gates.prolog
    raise typer.Exit(enter(order, judge, store, lambda text: _log(order.node, text)))


def _patience(text: str) -> float:
    from gpucheck.fleet.gate.controller import LEAST
    from gpucheck.fleet.launch.job import read_duration

    seconds = read_duration("--patience", text)
    if seconds < LEAST:
        raise typer.BadParameter(f"--patience {text!r}: at least {LEAST:g}s; draining takes several questions")
    return seconds


def _policy(path: Path | None) -> list[str]:
    """Return the texts that a policy is made of; what is wrong with them is told when they are used."""
    from gpucheck.policy import PolicyError, files

    if path is None:
        return []
    try:
        return [one.read_text(encoding="utf-8", errors="replace") for one in files(path)]
    except (PolicyError, OSError):
        return [str(path)]


def _state_folder() -> Path:
    from gpucheck.fixes.lasting.journal import state_folder

    return state_folder() / "gate"


def _log(node: str, text: str) -> None:
    from gpucheck.cli.outputs import tell
    from gpucheck.report.cleaning import clean

    tell(f"gpucheck: {clean(node)}: {clean(text)}\n")
