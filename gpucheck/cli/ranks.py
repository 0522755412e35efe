"""`gpucheck smoke --distributed`: one rank's part; rank 0 alone writes the report."""

from __future__ import annotations

import contextlib
import os
import sys
from typing import TYPE_CHECKING, Any

import typer

from gpucheck.cli.common import Color, write

if TYPE_CHECKING:
    from gpucheck.cli.outputs import Output
    from gpucheck.findings import Report


def take_part(
    *,
    outputs: tuple[Output, ...],
    color: Color,
    redact: bool | None,
    verbosity: int,
    without: dict[str, Any],
    **options: Any,
) -> None:
    """Take this rank's part, and end with its exit status.

    Args:
        outputs: Where rank 0's report goes.
        color: When to use colour.
        redact: Whether to take out names.
        verbosity: As of `write`.
        without: Values of options that have no meaning here.
        **options: As of `gpucheck.proving.distributed`.

    Raises:
        typer.Exit: Always, but for bad usage.
    """
    from gpucheck import proving
    from gpucheck.report.progress import Progress
    from gpucheck.report.text import console

    for name, value in without.items():
        if value:
            raise typer.BadParameter(f"--{name} and --distributed: give only one")
    leads = _leads()
    with contextlib.ExitStack() as last:
        with Progress(console(sys.stderr, color.value)) if leads else contextlib.nullcontext(_nothing) as listen:
            report = proving.distributed(listen=listen, last=last, **options)
        if leads:
            write(report, outputs=outputs, color=color, redact=redact, verbosity=verbosity)
        if report.exit_status:
            _complain(report)
        raise typer.Exit(report.exit_status)


def _leads() -> bool:
    """Whether this is rank 0; what is wrong with the launcher's variables is told later."""
    from gpucheck.smoketest.ranks.launchers import read
    from gpucheck.smoketest.request import RequestError

    try:
        return read(os.environ).rank == 0
    except RequestError:
        return False


def _nothing(_framework: str, _event: dict[str, Any]) -> None:
    """Other ranks share the terminal with rank 0, and show nothing."""


def _complain(report: Report) -> None:
    """Say in one line why this rank failed; the report is rank 0's."""
    from gpucheck.report.cleaning import clean

    runs = report.facts.distributed
    told = next((run.failure for run in runs if run.failure is not None), None)
    finding = next(iter(report.findings), None)
    text = told or (f"{finding.title}: {finding.cause}" if finding is not None else f"{report.verdict}")
    with contextlib.suppress(AttributeError, OSError):
        sys.stderr.write(f"rank {runs[0].rank}: {clean(text)}\n")
        sys.stderr.flush()
