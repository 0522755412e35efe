"""`gpucheck diff`: what changed, and what it explains."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated

import typer

from gpucheck.cli.common import (
    Color,
    ColorOption,
    MatrixOption,
    PythonOption,
    TableFormat,
    TableFormatOption,
    emit,
)

if TYPE_CHECKING:
    from pathlib import Path

    from gpucheck.facts import Facts

NOW = "now"


def diff(
    old: Annotated[str, typer.Argument(metavar="OLD", help="A snapshot, or a report that doctor --from reads.")],
    new: Annotated[str, typer.Argument(metavar="[NEW]", help="Another one, or now: this machine.")] = NOW,
    form: TableFormatOption = TableFormat.TEXT,
    python: PythonOption = None,
    deep: Annotated[
        bool, typer.Option("--deep", help="Ask the frameworks of this machine too, in child processes.")
    ] = False,
    matrix: MatrixOption = None,
    color: ColorOption = Color.AUTO,
) -> None:
    """Say what changed between two machines, or here since a snapshot: first what explains a finding.

    What changes by itself, such as free memory, is left out. Exit status: 0 same, 1 changed, 2 bad input.

    Examples:
        gpucheck diff gpu.snapshot.json
        gpucheck diff yesterday.json today.json
        gpucheck diff works.json broken-collect-env.txt --format json
    """
    if NOW not in (old, new) and (python is not None or deep):
        raise typer.BadParameter("--python and --deep ask this machine: one of the two must be `now`")
    if old == new and old in (NOW, "-"):
        raise typer.BadParameter(f"OLD and NEW are both {old!r}")
    from gpucheck import remembering
    from gpucheck.report import changes, text

    read = [None if name == NOW else _read(name, matrix) for name in (old, new)]
    machines = [facts if facts is not None else _here(python, deep=deep) for facts in read]
    found = remembering.difference(machines[0], machines[1], matrix)
    if form is TableFormat.JSON:
        emit(changes.document(found))
    else:
        target = text.console(sys.stdout, color.value)
        emit(lambda: text.typeset(changes.lines(found), target))
    raise typer.Exit(0 if found.same else 1)


def _read(name: str, matrix: Path | None) -> Facts:
    from gpucheck import remembering
    from gpucheck.cli.reading import content_of

    return remembering.read_machine(content_of(name, "diff"), name, matrix)


def _here(python: str | None, *, deep: bool) -> Facts:
    from gpucheck import probe

    return probe.gather(python, deep=deep)
