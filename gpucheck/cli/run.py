"""`gpucheck run`: start a program in the environment that it needs on this machine."""

from __future__ import annotations

import os
import sys
from typing import Annotated

import typer

from gpucheck.cli.common import Color, ColorOption, MatrixOption, PythonOption, QuietOption
from gpucheck.cli.preparing import DevicesOption, FixOption, ForceOption, GpusOption, OverrideOption

# What follows the command's name is the command's own.
SETTINGS = {"allow_interspersed_args": False}


def run(
    command: Annotated[list[str], typer.Argument(metavar="[--] COMMAND...", help="Program and arguments.")],
    fix: FixOption = None,
    gpus: GpusOption = None,
    devices: DevicesOption = None,
    override: OverrideOption = False,
    force: ForceOption = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only show what would change.")] = False,
    explain: Annotated[
        bool, typer.Option("--explain", help="Stay the parent, and explain a failure from the program's output.")
    ] = False,
    python: PythonOption = None,
    matrix: MatrixOption = None,
    color: ColorOption = Color.AUTO,
    quiet: QuietOption = False,
) -> None:
    """Start a program in the environment that it needs on this machine.

    It gets memory growth, a sound device mask and the cures asked for by --fix. What changes is shown on stderr.

    Exit status: the program's own; 125 if gpucheck fails, 126 if the program cannot be run, 127 if there is none.

    Examples:
        gpucheck run -- python train.py
        gpucheck run --gpus 1 --explain -- python train.py
        gpucheck run --fix ld-library-path-shadowing -- python train.py
    """
    from gpucheck import attended, launch
    from gpucheck.fixes import Options
    from gpucheck.report import environment, text
    from gpucheck.report.cleaning import clean

    file, may = launch.program(command, os.environ)
    if file is None or not may:
        why = (
            f"there is no command {clean(command[0])!r}" if file is None else f"{clean(file)} may not be executed"
        )
        attended.tell(f"gpucheck: run: {why}\n")
        raise typer.Exit(attended.NOT_FOUND if file is None else attended.CANNOT_RUN)
    options = Options(slugs=tuple(fix or ()), gpus=gpus, devices=devices, override=override, force=force)
    python = python or launch.interpreter_of(file, os.environ)
    prepared = launch.prepare(options, python=python, matrix=matrix)
    if dry_run or not quiet:
        attended.tell(lambda: text.typeset(environment.lines(prepared), text.console(sys.stderr, color.value)))
    if dry_run:
        return
    planned = prepared.plan.environment(os.environ)
    if not explain:
        raise typer.Exit(attended.replace(file, command, planned))
    try:
        ended = attended.attend(file, command, planned)
    except OSError as error:
        raise typer.Exit(attended.cannot(command[0], error)) from None
    if ended.status != 0:
        from gpucheck.children import describe_status
        from gpucheck.report import afterwards

        seen = launch.shown_by(ended.said, matrix)
        content = afterwards.lines(describe_status(ended.status), seen, prepared.report)
        attended.tell(lambda: text.typeset(content, text.console(sys.stderr, color.value)))
    raise typer.Exit(attended.end_like(ended.status))
