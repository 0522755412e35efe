"""`gpucheck matrix`: look into the compatibility matrix, ask it, keep it up to date."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Optional

import typer

from gpucheck.cli.common import (
    Color,
    ColorOption,
    FailOnOption,
    FormatOption,
    MatrixOption,
    QuietOption,
    TableFormat,
    TableFormatOption,
    VerboseOption,
    emit,
    write,
)
from gpucheck.cli.describing import DriverOption, GpuOption, MachineOption, OsOption, VariantOption
from gpucheck.findings import FailOn

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gpucheck.tables import Table

app = typer.Typer(
    add_completion=False,
    help="The compatibility matrix: show it, ask it, refresh it.\n\n"
    "Examples:\n    gpucheck matrix show torch 2.9\n    gpucheck matrix check torch==2.9 --driver 535",
)


def _subjects(incomplete: str) -> list[str]:
    from gpucheck.tables import SUBJECTS

    return [name for name in SUBJECTS if name.startswith(incomplete)]


@app.command()
def show(
    subject: Annotated[
        str, typer.Argument(help="torch, tensorflow, cuda, cudnn or gpus.", autocompletion=_subjects)
    ] = "torch",
    name: Annotated[Optional[str], typer.Argument(help="A release, or part of a product's name.")] = None,  # noqa: UP045
    form: TableFormatOption = TableFormat.TEXT,
    matrix: MatrixOption = None,
    color: ColorOption = Color.AUTO,
) -> None:
    """Show the rows: an overview, or everything about one release or product, with sources.

    Examples:
        gpucheck matrix show tensorflow
        gpucheck matrix show torch 2.9
        gpucheck matrix show gpus "RTX 3090"
    """
    from gpucheck import tables
    from gpucheck.matrix.opening import open_matrix

    rows = open_matrix(matrix)
    found = list(tables.select(rows, subject, name))
    _tables(found, rows.date.isoformat(), form, color)


@app.command()
def info(
    months: Annotated[
        int, typer.Option(min=1, max=1200, help="Name the rows that were checked longer ago than this.")
    ] = 6,
    form: TableFormatOption = TableFormat.TEXT,
    matrix: MatrixOption = None,
    color: ColorOption = Color.AUTO,
) -> None:
    """Show dates, counts, ages and sources of the matrix.

    Examples:
        gpucheck matrix info
        gpucheck matrix info --months 12
    """
    from gpucheck import tables
    from gpucheck.matrix.opening import open_matrix

    rows = open_matrix(matrix)
    _tables(list(tables.inventory(rows, months)), rows.date.isoformat(), form, color)


@app.command()
def check(
    wanted: Annotated[
        Optional[list[str]],  # noqa: UP045 - typer reads it at run time
        typer.Argument(
            metavar="[REQUIREMENT]...", help="What shall be installed, e.g. torch==2.9 tensorflow==2.20."
        ),
    ] = None,
    files: Annotated[
        Optional[list[Path]],  # noqa: UP045
        typer.Option("--requirement", "-r", metavar="FILE", help="requirements.txt, uv.lock or environment.yml."),
    ] = None,
    driver: DriverOption = None,
    gpu: GpuOption = None,
    python: Annotated[
        Optional[str],  # noqa: UP045
        typer.Option("--python", metavar="VERSION", help="Python version, e.g. 3.11."),
    ] = None,
    os: OsOption = None,
    processor: MachineOption = None,
    variant: VariantOption = None,
    fail_on: FailOnOption = FailOn.ERROR,
    form: FormatOption = None,
    matrix: MatrixOption = None,
    color: ColorOption = Color.AUTO,
    verbose: VerboseOption = False,
    quiet: QuietOption = False,
) -> None:
    """Judge versions on a machine that is only described, before anything is installed. No network.

    Exit status: 0 fits, 1 a finding at --fail-on, 2 bad usage, 3 the matrix does not know.

    Examples:
        gpucheck matrix check torch==2.9 --driver 535 --gpu sm_86 --python 3.11
        gpucheck matrix check -r requirements.txt --driver 570.26 --gpu H200
    """
    from gpucheck import api
    from gpucheck.cli.outputs import read_outputs

    outputs = read_outputs(form)
    report = api.matrix_check(
        wanted or (),
        files=files or (),
        driver=driver,
        gpus=gpu or (),
        python=python,
        os=os or "linux",
        processor=processor,
        variant=variant,
        matrix=matrix,
        fail_on=fail_on.value,
    )
    write(report, outputs=outputs, color=color, redact=False, verbosity=int(verbose) - int(quiet))


@app.command()
def refresh(
    only: Annotated[
        Optional[list[str]],  # noqa: UP045
        typer.Argument(metavar="[torch|tensorflow|packages]...", help="What to read again; default: all."),
    ] = None,
    check: Annotated[bool, typer.Option("--check", help="Only say what is new or different (status 1).")] = False,
    target: Annotated[
        Optional[Path],  # noqa: UP045
        typer.Option("--write", metavar="DIR", help="Write the changed files there; use it with --matrix DIR."),
    ] = None,
    every: Annotated[
        bool, typer.Option("--all", help="Read every wheel again, not only new ones and the newest release.")
    ] = False,
    matrix: MatrixOption = None,
) -> None:
    """Read the package index and the wheels' own files again. This opens the network, by range requests.

    Exit status: 0 nothing new, 1 something is new or different, 2 bad usage or the index cannot be read.

    Examples:
        gpucheck matrix refresh --check
        gpucheck matrix refresh torch --write my-matrix
    """
    from gpucheck import api
    from gpucheck.report.progress import Progress
    from gpucheck.report.text import console

    if target is not None and check:
        raise typer.BadParameter("--check and --write exclude each other")
    with Progress(console(sys.stderr, "auto")) as progress:
        changes = api.refresh(only or (), target=target, every=every, matrix=matrix, listen=progress.say)
    emit("".join(f"{line}\n" for line in changes.lines()))
    raise typer.Exit(int(bool(changes.differences) and target is None))


def _tables(found: Sequence[Table], date: str, form: TableFormat, color: Color) -> None:
    from gpucheck.report import grid, text

    if form is TableFormat.JSON:
        emit(grid.document(found, date))
    else:
        emit(grid.render(found, text.console(sys.stdout, color.value)))
