"""`gpucheck recommend`: what to install here, or on a machine that is described."""

from __future__ import annotations

import enum
import sys
from typing import Annotated, Optional

import typer

from gpucheck.cli.common import Color, ColorOption, MatrixOption, VerboseOption, emit
from gpucheck.cli.describing import DriverOption, GpuOption, MachineOption, OsOption, VariantOption
from gpucheck.cli.names import among

FRAMEWORKS = among("torch", "tf", "all")


class Form(str, enum.Enum):
    """Output formats."""

    TEXT = "text"
    JSON = "json"
    COMMAND = "command"


def recommend(
    framework: Annotated[
        str, typer.Option("--framework", "-f", help="torch, tf or all.", autocompletion=FRAMEWORKS)
    ] = "all",
    driver: DriverOption = None,
    gpu: GpuOption = None,
    python: Annotated[
        Optional[str],  # noqa: UP045 - typer reads it at run time
        typer.Option("--python", metavar="VERSION", help="Python version; for this machine also an interpreter."),
    ] = None,
    os: OsOption = None,
    processor: MachineOption = None,
    variant: VariantOption = None,
    form: Annotated[
        Form, typer.Option("--format", help="text, json, or command: only what follows `pip install`.")
    ] = Form.TEXT,
    matrix: MatrixOption = None,
    color: ColorOption = Color.AUTO,
    verbose: VerboseOption = False,
) -> None:
    """Say what to install: the newest release that really works here. No network.

    Exit status: 0 something fits for every framework asked for, 1 not for every one, 2 bad usage.

    Examples:
        gpucheck recommend
        gpucheck recommend --framework torch --driver 535 --gpu "RTX 3090"
        python -m pip install $(gpucheck recommend -f torch --format command)
    """
    from gpucheck import api
    from gpucheck.report import advice, text

    answer = api.recommend(
        framework,
        driver=driver,
        gpus=gpu or (),
        python=python,
        os=os,
        processor=processor,
        variant=variant,
        matrix=matrix,
    )
    if form is Form.JSON:
        emit(advice.document(answer))
    elif form is Form.COMMAND:
        line = advice.command(answer)
        emit(f"{line}\n" if line else "")
        raise typer.Exit(0 if line else 1)
    else:
        emit(text.typeset(advice.lines(answer, int(verbose)), text.console(sys.stdout, color.value)))
    raise typer.Exit(answer.exit_status)
