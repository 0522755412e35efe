"""`gpucheck explain`: a finding by its name, or the cause of a pasted text."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Optional

import typer

from gpucheck.cli.common import (
    Color,
    ColorOption,
    FormatOption,
    MatrixOption,
    QuietOption,
    RedactOption,
    VerboseOption,
    emit,
    write,
)
from gpucheck.cli.names import findings

NOT_RECOGNISED = 3


def explain(
    what: Annotated[
        Optional[str],  # noqa: UP045
        typer.Argument(
            metavar="[SLUG | FILE | -]",
            help="A finding's name, a file, or - for stdin. None: the list.",
            autocompletion=findings,
        ),
    ] = None,
    text: Annotated[
        Optional[str],  # noqa: UP045
        typer.Option("--text", metavar="TEXT", help="The text itself instead of a file."),
    ] = None,
    here: Annotated[
        bool, typer.Option("--here", help="The text comes from this machine: what is found here takes part.")
    ] = False,
    form: FormatOption = None,
    matrix: MatrixOption = None,
    redact: RedactOption = None,
    color: ColorOption = Color.AUTO,
    verbose: VerboseOption = False,
    quiet: QuietOption = False,
) -> None:
    """Name the true cause of a log, or tell what a finding means.

    A log, a traceback, another machine's report, or several mixed.

    Exit status: 0 explained, 3 nothing in it is known, 2 bad input.

    Examples:
        python train.py 2>&1 | gpucheck explain -
        gpucheck explain --text "Failed to get convolution algorithm"
        gpucheck explain cudnn-version-mismatch
    """
    if text is not None and what is not None:
        raise typer.BadParameter("--text and a file or a finding exclude each other")
    if text is None and (what is None or _is_slug(what)):
        if here:
            raise typer.BadParameter(
                "--here needs a text: a file, - or --text; for this machine alone: gpucheck doctor"
            )
        _page(what, matrix)
        return
    from gpucheck import explaining
    from gpucheck.cli.outputs import read_outputs
    from gpucheck.cli.reading import content_of

    outputs = read_outputs(form)
    content = text if text is not None else content_of(what or "-", "explain")
    name = "--text" if text is not None else "stdin" if what == "-" else str(what)
    report = explaining.explain(content, name=name, here=here, matrix=matrix)
    known = explaining.is_explained(report)
    write(
        report,
        outputs=outputs,
        color=color,
        redact=redact,
        verbosity=int(verbose) - int(quiet),
        status=0 if known else NOT_RECOGNISED,
    )


def _is_slug(what: str) -> bool:
    """Whether a word is meant as a finding's name: no such file is there, and it looks like none."""
    return what != "-" and not Path(what).exists() and not any(sign in what for sign in "/\\.")


def _page(slug: str | None, matrix: Path | None) -> None:
    from gpucheck import catalogue, explaining
    from gpucheck.report import trouble

    if slug is None:
        emit("".join(f"{name}\n" for name in catalogue.slugs()))
    else:
        emit(trouble.text(catalogue.page(slug, explaining.examples(matrix))))
