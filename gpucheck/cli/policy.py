"""`gpucheck policy`: write a first policy, and read one."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Optional

import typer

from gpucheck.cli.common import Color, ColorOption, PythonOption, emit
from gpucheck.cli.gating import ProfileOption, policy_of

if TYPE_CHECKING:
    from gpucheck.policy import Policy
    from gpucheck.tables import Table

HELP = """What a project demands of its machines.

Examples:
    gpucheck policy init
    gpucheck policy check --profile ci
"""
app = typer.Typer(help=HELP, add_completion=False)
NAME = Path("gpucheck.toml")


@app.command("init")
def init(
    output: Annotated[
        Path, typer.Option("--output", "-o", metavar="FILE", help="Where it goes; - is stdout.")
    ] = NAME,
    python: PythonOption = None,
    source: Annotated[
        Optional[Path],  # noqa: UP045
        typer.Option(
            "--from", metavar="FILE", help="Another machine's report instead of this machine; - is stdin."
        ),
    ] = None,
) -> None:
    """Write a first policy from what this machine has today; a file that is there is never replaced.

    Examples:
        gpucheck policy init
        gpucheck policy init -o - --from report.json
    """
    from gpucheck import explaining, probe
    from gpucheck.policy.writing import first_policy

    to_file = str(output) != "-"
    if to_file:
        _check_free(output)
    if source is not None:
        from gpucheck.cli.reading import content_of
        from gpucheck.matrix.opening import open_matrix

        facts = explaining.read(content_of(str(source), "--from"), str(source), open_matrix())
    else:
        facts = probe.gather(python)
    text = first_policy(facts)
    if not to_file:
        emit(text)
        return
    from gpucheck.report import files

    files.write("output", output, text.encode())
    emit(f"written: {output}; gpucheck doctor judges it from now on\n")


def _check_free(output: Path) -> None:
    from gpucheck.report import files

    if output.exists():
        raise typer.BadParameter(f"--output {output}: is there already; name another file, or - for stdout")
    files.check("output", output)


@app.command("check")
def check(
    path: Annotated[
        Optional[Path],  # noqa: UP045
        typer.Argument(metavar="FILE", help="The policy; default: the nearest."),
    ] = None,
    profile: ProfileOption = None,
    color: ColorOption = Color.AUTO,
) -> None:
    """Read a policy and show what it demands; nothing is probed.

    Exit status: 0 it can be used, 2 not: file, line, key and reason are named.

    Examples:
        gpucheck policy check
        gpucheck policy check gpucheck.toml --profile ci
    """
    from gpucheck import policy
    from gpucheck.checks.troubles import TROUBLES
    from gpucheck.report import grid
    from gpucheck.report.text import console

    found = policy_of(path, no_policy=False, elsewhere=False)
    if found is None:
        raise typer.BadParameter("there is no gpucheck.toml, and no [tool.gpucheck], here or above")
    read = policy.load(found, profile, frozenset(TROUBLES))
    emit(lambda: grid.render(_tables(read), console(sys.stdout, color.value)))


def _tables(read: Policy) -> list[Table]:
    from gpucheck.tables import Table

    demands = tuple((one.text, one.place or "") for one in read.requirements)
    settings = (
        ("fail-on", read.fail_on or "as the command says"),
        ("on-missing-gpu", read.on_missing_gpu or "as the command says"),
        *((f"severity of {slug}", level.value) for slug, level in read.severity.items()),
    )
    ignores = tuple(
        (one.slug, one.subject or "any", one.expires.isoformat(), one.reason, one.place or "")
        for one in read.ignores
    )
    tables = [
        Table("Demands", ("demand", "where"), demands),
        Table("Settings", ("what", "value"), settings),
    ]
    if ignores:
        tables.append(Table("Ignores", ("finding", "subject", "until", "reason", "where"), ignores))
    return tables
