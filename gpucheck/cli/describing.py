"""Options that describe a machine in words."""

from __future__ import annotations

from typing import Annotated, Optional

import typer

DriverOption = Annotated[
    Optional[str],  # noqa: UP045 - typer reads these at run time
    typer.Option("--driver", metavar="VERSION", help="Driver version (535.129.03) or its branch (535)."),
]
GpuOption = Annotated[
    Optional[list[str]],  # noqa: UP045
    typer.Option(
        "--gpu", metavar="NAME", help='GPU by name ("RTX 3090") or compute capability (sm_86). Repeatable.'
    ),
]
OsOption = Annotated[
    Optional[str],  # noqa: UP045
    typer.Option("--os", metavar="SYSTEM", help="linux, windows, wsl or macos."),
]
MachineOption = Annotated[
    Optional[str],  # noqa: UP045
    typer.Option("--machine", metavar="CPU", help="x86_64 or aarch64."),
]
VariantOption = Annotated[
    Optional[str],  # noqa: UP045
    typer.Option("--cuda-variant", metavar="LABEL", help="Only this CUDA variant of torch, e.g. cu126; or cpu."),
]
