"""Options that several commands share, and how a report leaves the program."""

from __future__ import annotations

import enum
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Optional

import typer

if TYPE_CHECKING:
    from gpucheck.findings import Report


class Format(str, enum.Enum):
    """Output formats."""

    TEXT = "text"
    JSON = "json"


class Color(str, enum.Enum):
    """When to use colour."""

    AUTO = "auto"
    ALWAYS = "always"
    NEVER = "never"


class Threshold(str, enum.Enum):
    """Least severity that fails."""

    ERROR = "error"
    WARN = "warn"
    INFO = "info"
    NEVER = "never"


# Optional[...] and not "| None": typer reads these at run time.
FormatOption = Annotated[Format, typer.Option("--format", help="Output format; JSON goes alone to stdout.")]
FailOnOption = Annotated[
    Threshold, typer.Option("--fail-on", help="Least severity of a finding that makes the exit status 1.")
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
    form: Format,
    color: Color,
    redact: bool | None,
    verbosity: int,
) -> None:
    """Write a report to stdout and end with its exit status.

    Raises:
        typer.Exit: Always.
    """
    from gpucheck.report.cleaning import Redactor

    wanted = form is not Format.TEXT if redact is None else redact
    redactor = Redactor() if wanted else None
    if form is Format.JSON:
        from gpucheck.report import document

        sys.stdout.write(document.render(report, redactor))
    else:
        from gpucheck.report import text

        text.show(report, text.console(sys.stdout, color.value), verbosity=verbosity, redactor=redactor)
    sys.stdout.flush()
    raise typer.Exit(report.exit_status)
