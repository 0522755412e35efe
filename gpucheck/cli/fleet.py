"""`gpucheck fleet`: one verdict on many machines."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated, Optional

import typer

from gpucheck.cli.common import (
    Color,
    ColorOption,
    QuietOption,
    TableFormat,
    TableFormatOption,
    VerboseOption,
    emit,
)
from gpucheck.cli.fleet_gate import gate
from gpucheck.cli.fleet_node import node
from gpucheck.cli.fleet_run import run

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gpucheck.cli.outputs import Output
    from gpucheck.fleet.one import Entry
    from gpucheck.fleet.runs import Pile
    from gpucheck.fleet.summary import FleetReport

HELP = """One verdict on many machines: who fails, who differs, who is missing, who is slow.

Examples:
    gpucheck fleet run --via srun -w 'node-[001-064]' --out runs/today
    gpucheck fleet collect runs/today --expect 'node-[001-064]'
    gpucheck fleet diff runs/yesterday runs/today
"""
app = typer.Typer(help=HELP, add_completion=False)
FORMATS = ("text", "json", "markdown", "html", "junit")
Text = Optional[str]  # noqa: UP045 - typer reads it at run time
Texts = Optional[list[str]]  # noqa: UP045

app.command("run")(run)
app.command("gate")(gate)
app.command("node", hidden=True)(node)


@app.command("collect")
def collect(
    sources: Annotated[
        list[str],
        typer.Argument(
            metavar="DIR|FILES|-", help="Folders of runs, reports, or a stream on stdin.", show_default=False
        ),
    ],
    expect: Annotated[
        Text, typer.Option(metavar="FILE|RANGE", help="Nodes that must have reported: node-[001-064].")
    ] = None,
    golden: Annotated[Text, typer.Option(metavar="FILE", help="A node's report that others must be like.")] = None,
    require: Annotated[
        Texts,
        typer.Option(
            metavar="EXPR", help="A demand on each node, 'gpu>=8', or on all: complete, uniform. May be repeated."
        ),
    ] = None,
    forms: Annotated[
        Texts,
        typer.Option("--format", metavar="F[=PATH]", help="text, json, markdown, html or junit; may be repeated."),
    ] = None,
    color: ColorOption = Color.AUTO,
    verbose: VerboseOption = False,
    quiet: QuietOption = False,
) -> None:
    """Judge any pile of reports: a run's folder, files of CI jobs, a stream; of several runs the latest.

    Exit status: 0 all are well, 1 a node fails, differs from the golden one or misses a demand, 2 there is nothing
    to judge, 3 a node is missing or could not be judged (with --require complete: 1).

    Examples:
        gpucheck fleet collect runs/today --expect nodes.txt
        gpucheck fleet collect artifacts/ --format html=fleet.html
        gpucheck fleet collect runs/ --golden good.json --require complete
    """
    from gpucheck.fleet import nodes, summary
    from gpucheck.policy import parse_requirement

    outputs = _outputs(forms)
    demands = [text for text in require or () if text in summary.DEMANDS]
    requirements = [parse_requirement(text) for text in require or () if text not in summary.DEMANDS]
    expected = nodes.read_nodes(expect) if expect is not None else None
    like = _golden(golden) if golden is not None else None
    pile = _pile(sources, summary.judge_of(requirements))
    fleet = summary.collect(pile, expected, like, demands)
    _write(fleet, outputs, color, 1 if verbose else -1 if quiet else 0)
    raise typer.Exit(fleet.exit_status)


def _outputs(forms: Sequence[str] | None) -> tuple[Output, ...]:
    from gpucheck.cli.outputs import read_outputs

    outputs = read_outputs(forms)
    for one in outputs:
        if one.form not in FORMATS:
            raise typer.BadParameter(f"--format {one.form}: a fleet is told as {', '.join(FORMATS)}")
    return outputs


def _pile(sources: Sequence[str], judge: object) -> Pile:
    from gpucheck.fleet.pile import read_pile

    if sources.count("-") > 1:
        raise typer.BadParameter("- is given twice: there is one stdin")
    stdin = sys.stdin.buffer if sys.stdin is not None and "-" in sources else None
    return read_pile(sources, stdin=stdin, judge=judge)  # type: ignore[arg-type]


def _golden(name: str) -> Entry:
    from pathlib import Path

    from gpucheck.fleet.one import DamagedError, Reader

    try:
        return Reader().read(Path(name).read_bytes(), name, Path(name).stem)
    except DamagedError as error:
        raise typer.BadParameter(f"--golden {name}: {error}") from None
    except (OSError, ValueError) as error:
        raise typer.BadParameter(f"--golden {name}: cannot be read: {getattr(error, 'strerror', error)}") from None


def _write(fleet: FleetReport, outputs: Sequence[Output], color: Color, verbosity: int) -> None:
    from gpucheck.report import files, text
    from gpucheck.report.fleet import lines

    for one in outputs:
        if one.path is not None:
            content = _rendered(fleet, one.form, verbosity)
            files.write("format", one.path, content.encode("utf-8", "backslashreplace"))
    shown = next((one.form for one in outputs if one.path is None), None)
    if shown == "text":
        target = text.console(sys.stdout, color.value)
        emit(lambda: text.typeset(lines(fleet, verbosity), target))
    elif shown is not None:
        emit(_rendered(fleet, shown, verbosity))


def _rendered(fleet: FleetReport, form: str, verbosity: int) -> str:
    from gpucheck.report import fleet as screen
    from gpucheck.report import fleet_files, fleet_html
    from gpucheck.report.cleaning import clean

    if form == "text":
        told = ("".join(piece.text for piece in line) for line in screen.lines(fleet, verbosity))
        return "".join(f"{clean(line)}\n" for line in told)
    makers = {"json": screen.render, "markdown": fleet_files.markdown, "junit": fleet_files.junit}
    return makers.get(form, fleet_html.render)(fleet)


@app.command("diff")
def diff(
    old: Annotated[str, typer.Argument(metavar="RUN1", help="The folder of a run, or a file with reports.")],
    new: Annotated[str, typer.Argument(metavar="RUN2", help="A later one.")],
    form: TableFormatOption = TableFormat.TEXT,
    color: ColorOption = Color.AUTO,
) -> None:
    """Say what changed between two runs: one line for all nodes on which the same did.

    Exit status: 0 same, 1 changed, 2 bad input.

    Examples:
        gpucheck fleet diff runs/yesterday runs/today
        gpucheck fleet diff runs/yesterday runs/today --format json
    """
    from gpucheck.fleet.changes import compare
    from gpucheck.fleet.outcomes import outcomes
    from gpucheck.report import fleet_changes, text

    if "-" in (old, new):
        raise typer.BadParameter("two runs are compared, and stdin is none")
    runs = [_pile([name], None).latest for name in (old, new)]
    for name, run_ in zip((old, new), runs, strict=True):
        if not run_.entries and not run_.expected:
            raise typer.BadParameter(f"{name}: there is no report in it")
    one, other = ((run_.entries, outcomes(run_, run_.expected)) for run_ in runs)
    found = compare(one, other, (runs[0].label or old, runs[1].label or new))
    if form is TableFormat.JSON:
        emit(fleet_changes.render(found))
    else:
        target = text.console(sys.stdout, color.value)
        emit(lambda: text.typeset(fleet_changes.lines(found), target))
    raise typer.Exit(0 if not found.changes else 1)
