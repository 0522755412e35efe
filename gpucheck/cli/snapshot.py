"""`gpucheck snapshot`: this machine as a text that can be committed and compared."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Optional

import typer

from gpucheck.cli.common import PythonOption, emit


def snapshot(
    output: Annotated[
        Optional[Path],  # noqa: UP045 - typer reads it at run time
        typer.Option("--output", "-o", metavar="FILE", help="Where to write it; stdout by default."),
    ] = None,
    python: PythonOption = None,
    deep: Annotated[
        bool, typer.Option("--deep", help="Also import the frameworks, in child processes, and ask them.")
    ] = False,
    redact: Annotated[
        bool, typer.Option("--redact/--no-redact", help="Take out home, user and host name.")
    ] = True,
    timeout: Annotated[float, typer.Option(min=0.1, help="Seconds that any one probe may take.")] = 30.0,
) -> None:
    """Write down this machine: facts only, without times and what changes by itself, fit to be committed.

    Two snapshots of an unchanged machine are the same, byte for byte; `gpucheck diff` tells two apart and
    `gpucheck doctor --from` judges one. Exit status: 0 written, 2 bad usage.

    Examples:
        gpucheck snapshot -o gpu.snapshot.json
        gpucheck snapshot --python .venv/bin/python --deep > gpu.snapshot.json
    """
    from gpucheck import remembering
    from gpucheck.report import files

    if output is not None:
        files.check("output", output)
    text = remembering.take(python, deep=deep, redact=redact, timeout=timeout)
    if output is None:
        emit(text)
    else:
        files.write("output", output, text.encode())
