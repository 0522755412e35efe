"""Options that several commands share, and how a report leaves the program."""

from __future__ import annotations

import enum
import os
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Optional

import typer

from gpucheck.findings import FailOn

if TYPE_CHECKING:
    from collections.abc import Callable

    from gpucheck.cli.outputs import Output
    from gpucheck.findings import Report
    from gpucheck.report.cleaning import Redactor


class TableFormat(str, enum.Enum):
    """Output formats of tables."""

    TEXT = "text"
    JSON = "json"


class Color(str, enum.Enum):
    """When to use colour."""

    AUTO = "auto"
    ALWAYS = "always"
    NEVER = "never"


# Optional[...] and not "| None": typer reads these at run time.
FormatOption = Annotated[
    Optional[list[str]],  # noqa: UP045
    typer.Option(
        "--format",
        metavar="F[=PATH]",
        help="text, json, markdown, html, github, junit, sarif, gitlab, nagios, npd, nfd or prometheus; "
        "may be repeated, with files.",
    ),
]
TableFormatOption = Annotated[TableFormat, typer.Option("--format", help="Output format.")]
FailOnOption = Annotated[
    FailOn, typer.Option("--fail-on", help="Least severity of a finding that makes the exit status 1.")
]
RequireOption = Annotated[
    Optional[list[str]],  # noqa: UP045
    typer.Option("--require", metavar="EXPR", help="A demand, quoted: 'gpu>=4'. May be repeated."),
]
PythonOption = Annotated[
    Optional[str],  # noqa: UP045
    typer.Option("--python", metavar="PATH", help="Look into another Python interpreter."),
]
MatrixOption = Annotated[
    Optional[Path],  # noqa: UP045
    typer.Option(
        "--matrix", metavar="DIR", envvar="GPUCHECK_MATRIX", help="Lay matrix rows of your own over ours."
    ),
]
RedactOption = Annotated[
    Optional[bool],  # noqa: UP045
    typer.Option("--redact/--no-redact", help="Take out home, user and host name (default: in JSON)."),
]
ColorOption = Annotated[Color, typer.Option("--color", help="Use colour; NO_COLOR is honoured.")]
VerboseOption = Annotated[bool, typer.Option("--verbose", "-v", help="Show every check and its reason.")]
QuietOption = Annotated[bool, typer.Option("--quiet", "-q", help="Show the verdict only.")]


def write(
    report: Report,
    *,
    outputs: tuple[Output, ...],
    color: Color,
    redact: bool | None,
    verbosity: int,
    status: int | None = None,
) -> None:
    """Write a report to stdout and into files, and end with its exit status, or with another one.

    Raises:
        typer.Exit: Always.
        typer.BadParameter: It cannot be written.
    """
    from gpucheck.cli import outputs as places
    from gpucheck.report.cleaning import Redactor

    if status is not None:
        report = replace(report, exit_status=status)
    places.write_files(report, outputs, redact, verbosity)
    shown = next((one for one in outputs if one.path is None), None)
    if shown is not None:
        if sys.stdout is None:
            raise typer.BadParameter("the report cannot be written: there is no stdout")
        wanted = shown.form != "text" if redact is None else redact
        redactor = Redactor() if wanted else None
        _show(report, shown.form, color, redactor, verbosity)
    last = places.last_word(report)
    if last is not None:
        places.tell(last)
    raise typer.Exit(report.exit_status)


def _show(report: Report, form: str, color: Color, redactor: Redactor | None, verbosity: int) -> None:
    from gpucheck.cli.outputs import rendered
    from gpucheck.report.cleaning import for_runner

    in_workflow = "GITHUB_ACTIONS" in os.environ and form in ("text", "markdown")
    if form != "text":
        made = rendered(report, form, redactor, verbosity)
        if form == "github":
            _summarise(report, redactor)
        emit(for_runner(made) if in_workflow else made)
        return
    from gpucheck.report import text

    screen = text.console(sys.stdout, color.value)

    def shown() -> str:
        made = text.render(report, screen, verbosity=verbosity, redactor=redactor)
        return for_runner(made) if in_workflow else made

    emit(shown)


def _summarise(report: Report, redactor: Redactor | None) -> None:
    """Append to the summary of a workflow's step, where its runner has named the file."""
    named = os.environ.get("GITHUB_STEP_SUMMARY")
    if not named:
        return
    from gpucheck.report import github

    try:
        with Path(named).open("a", encoding="utf-8", errors="backslashreplace") as file:
            file.write(github.summary(report, redactor))
    except OSError as error:
        raise typer.BadParameter(f"GITHUB_STEP_SUMMARY {named}: cannot be written: {error.strerror}") from None


def emit(text: str | Callable[[], str]) -> None:
    """Write to stdout; a reader that has gone away does not change the verdict.

    Args:
        text: What to write, or what makes it: rich touches the stream that it renders for.

    Raises:
        typer.BadParameter: There is no room, or no stdout: a report that nobody got is no verdict.
    """
    try:
        sys.stdout.write(text if isinstance(text, str) else text())
        sys.stdout.flush()
    except BrokenPipeError:
        _forget_stdout()
    except OSError as error:
        _forget_stdout()
        raise typer.BadParameter(f"the report cannot be written to stdout: {error.strerror}") from None


def _forget_stdout() -> None:
    """Keep the exit from flushing what is left."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
