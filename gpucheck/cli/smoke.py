"""`gpucheck smoke`: train the reference network and prove convolution."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Optional

import typer

from gpucheck.cli.common import (
    Color,
    ColorOption,
    FailOnOption,
    Format,
    FormatOption,
    MatrixOption,
    PythonOption,
    QuietOption,
    RedactOption,
    RequireOption,
    VerboseOption,
    write,
)
from gpucheck.findings import FailOn


def smoke(
    framework: Annotated[
        str, typer.Option("--framework", "-f", help="torch, tf, or all that are installed.")
    ] = "all",
    device: Annotated[str, typer.Option(help="auto (the GPU where one is present), gpu or cpu.")] = "auto",
    data: Annotated[
        Optional[Path],  # noqa: UP045 - typer reads it at run time
        typer.Option(metavar="DIR", help="Folder with the four MNIST files; default: the built-in digits."),
    ] = None,
    fix: Annotated[bool, typer.Option("--fix/--no-fix", help="Apply the safe cures before training.")] = True,
    seed: Annotated[int, typer.Option(help="Seed of weights and order.")] = 0,
    python: PythonOption = None,
    require: RequireOption = None,
    fail_on: FailOnOption = FailOn.ERROR,
    form: FormatOption = Format.TEXT,
    matrix: MatrixOption = None,
    timeout: Annotated[float, typer.Option(min=1.0, help="Seconds that one framework may take.")] = 300.0,
    redact: RedactOption = None,
    color: ColorOption = Color.AUTO,
    verbose: VerboseOption = False,
    quiet: QuietOption = False,
) -> None:
    """Train a small CNN on digits and check convolution against float64, on the GPU where one is present.

    Exit status: 0 passed, 1 failed or ran on the CPU although a GPU is present, 2 bad usage, 3 inconclusive.
    """
    from gpucheck import api
    from gpucheck.report.progress import Progress
    from gpucheck.report.text import console

    with Progress(console(sys.stderr, color.value)) as progress:
        report = api.smoke(
            framework,
            python,
            device=device,
            data=data,
            seed=seed,
            require=require or [],
            matrix=matrix,
            fail_on=fail_on.value,
            timeout=timeout,
            fix=fix,
            listen=progress,
        )
    write(report, form=form, color=color, redact=redact, verbosity=int(verbose) - int(quiet))
