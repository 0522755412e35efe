"""Options that `run` and `env` share."""

from __future__ import annotations

from typing import Annotated, Optional

import typer

from gpucheck.cli.names import findings

FixOption = Annotated[
    Optional[list[str]],  # noqa: UP045 - typer reads it at run time
    typer.Option(
        "--fix",
        metavar="SLUG",
        help="Also cure this finding, if an environment can. May be repeated.",
        autocompletion=findings,
    ),
]
GpusOption = Annotated[
    Optional[int],  # noqa: UP045
    typer.Option("--gpus", metavar="N", help="So many GPUs, the freest ones."),
]
DevicesOption = Annotated[
    Optional[str],  # noqa: UP045
    typer.Option("--devices", metavar="LIST", help="These GPUs: 0,2 or GPU-... or MIG-... or none."),
]
OverrideOption = Annotated[bool, typer.Option("--override", help="Replace what you have set yourself, too.")]
ForceOption = Annotated[bool, typer.Option("--force", help="Replace the device mask of a scheduler, too.")]
