"""`gpucheck doctor`: judge this machine, or another one by its report."""

from __future__ import annotations

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


def doctor(
    python: PythonOption = None,
    source: Annotated[
        Optional[Path],  # noqa: UP045 - typer reads it at run time
        typer.Option(
            "--from",
            metavar="FILE",
            help="Judge another machine: gpucheck's JSON, collect_env, nvidia-smi, a log; - is stdin.",
        ),
    ] = None,
    deep: Annotated[
        bool, typer.Option("--deep", help="Also import the frameworks, in child processes, and ask them.")
    ] = False,
    require: RequireOption = None,
    fail_on: FailOnOption = FailOn.ERROR,
    form: FormatOption = Format.TEXT,
    matrix: MatrixOption = None,
    timeout: Annotated[float, typer.Option(min=0.1, help="Seconds that any one probe may take.")] = 30.0,
    redact: RedactOption = None,
    color: ColorOption = Color.AUTO,
    verbose: VerboseOption = False,
    quiet: QuietOption = False,
) -> None:
    """Find the root cause: driver, GPUs, CUDA, cuDNN, frameworks. Read-only, no network.

    Exit status: 0 healthy, 1 a finding at --fail-on or a requirement unmet, 2 bad usage, 3 inconclusive.
    """
    from gpucheck import api

    facts = None
    if source is not None:
        if python is not None:
            raise typer.BadParameter("--from and --python exclude each other")
        if deep:
            raise typer.BadParameter("--from and --deep exclude each other: another machine cannot be asked")
        from gpucheck.cli.reading import content_of

        facts = api.read(content_of(str(source), "--from"), str(source), api.open_matrix(matrix))
    report = api.doctor(
        python,
        facts=facts,
        require=require or [],
        matrix=matrix,
        fail_on=fail_on.value,
        timeout=timeout,
        deep=deep,
    )
    write(report, form=form, color=color, redact=redact, verbosity=int(verbose) - int(quiet))
