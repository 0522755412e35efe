"""`gpucheck undo`: take back what `gpucheck fix --apply` has changed."""

from __future__ import annotations

import sys
from typing import Annotated, Optional

import typer

from gpucheck.cli.common import Color, ColorOption, emit
from gpucheck.cli.names import changes


def undo(
    name: Annotated[
        Optional[str],  # noqa: UP045 - typer reads it at run time
        typer.Argument(metavar="[ID]", help="The change; the last one by default.", autocompletion=changes),
    ] = None,
    show: Annotated[bool, typer.Option("--list", help="Show the journal of changes.")] = False,
    color: ColorOption = Color.AUTO,
) -> None:
    """Take back a change of `gpucheck fix --apply`, byte for byte; refuses if a file was changed since.

    Examples:
        gpucheck undo
        gpucheck undo --list
        gpucheck undo 20261125-101500-041237
    """
    from gpucheck import repair
    from gpucheck.fixes.lasting.journal import Journal
    from gpucheck.report import repair as lines
    from gpucheck.report import text

    journal, target = Journal(), text.console(sys.stdout, color.value)
    if show:
        emit(lambda: text.typeset(lines.journal(journal.entries()), target))
        return
    with journal.locked():
        entry = repair.undo(journal, name)
    emit(lambda: text.typeset([lines.undone(entry)], target))
