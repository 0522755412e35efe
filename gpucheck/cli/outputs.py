"""Where reports go: `--format F` to stdout, `--format F=PATH` into a file, several at once."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from gpucheck.record import record

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gpucheck.findings import Report
    from gpucheck.report.cleaning import Redactor

FORMATS = (
    "text", "json", "markdown", "html", "github", "junit", "sarif", "gitlab", "nagios", "npd", "nfd", "prometheus",
)  # fmt: skip
DATED = ("nfd", "prometheus")  # they say when the checks ran
STDOUT = "-"


@record
class Output:
    """One report to be written.

    Attributes:
        form: One of `FORMATS`.
        path: The file; None: stdout.
    """

    form: str
    path: Path | None = None


def read_outputs(texts: Sequence[str] | None) -> tuple[Output, ...]:
    """Read what ``--format`` says, and see that every file can be written before anything is probed.

    Raises:
        typer.BadParameter: A format is not known, two go to stdout, or a file cannot be written.
    """
    outputs = tuple(_read(text) for text in texts or ["text"])
    plain = [one.form for one in outputs if one.path is None]
    if len(plain) > 1:
        raise typer.BadParameter(
            f"--format: {' and '.join(plain)} both go to stdout: give a file, e.g. {plain[1]}=report.{plain[1]}"
        )
    files = [one.path for one in outputs if one.path is not None]
    if len(set(files)) < len(files):
        raise typer.BadParameter("--format: two reports go into one file")
    for path in files:
        from gpucheck.report.files import FileError, check

        try:
            check("format", path)
        except FileError as error:
            raise typer.BadParameter(str(error)) from None
    return outputs


def _read(text: str) -> Output:
    form, _, path = text.partition("=")
    if form not in FORMATS:
        import difflib

        near = difflib.get_close_matches(form, FORMATS, n=1)
        hint = f"; did you mean {near[0]!r}?" if near else ";"
        raise typer.BadParameter(f"--format {text!r}: unknown format{hint} known: {', '.join(FORMATS)}")
    if "=" in text and not path:
        raise typer.BadParameter(f"--format {text!r}: a file is missing after the =")
    return Output(form=form, path=None if path in ("", STDOUT) else Path(path))


def rendered(report: Report, form: str, redactor: Redactor | None, verbosity: int) -> str:
    """Return a report in a format; text as it goes into a file, without colours.

    Args:
        report: The report.
        form: One of `FORMATS`.
        redactor: Takes private names out.
        verbosity: -1, 0 or 1, for text.
    """
    import importlib

    if form == "text":
        import io

        from gpucheck.report import text

        # A file takes UTF-8, whatever the terminal does.
        target = text.console(io.TextIOWrapper(io.BytesIO(), encoding="utf-8"), "never")
        return text.render(report, target, verbosity=verbosity, redactor=redactor)
    module = importlib.import_module(f"gpucheck.report.{'document' if form == 'json' else form}")
    moment = {"now": time.time()} if form in DATED else {}
    made: str = module.render(report, redactor, **moment)
    return made


def write_files(report: Report, outputs: Sequence[Output], redact: bool | None, verbosity: int) -> None:
    """Write every report that goes into a file, each as a whole or not at all.

    Raises:
        typer.BadParameter: There is no room, or the folder has gone.
    """
    files = [(one.form, one.path) for one in outputs if one.path is not None]
    if not files:
        return
    from gpucheck.report.cleaning import Redactor
    from gpucheck.report.files import FileError, write

    for form, path in files:
        wanted = form != "text" if redact is None else redact
        content = rendered(report, form, Redactor() if wanted else None, verbosity)
        try:
            write("format", path, content.encode("utf-8", "backslashreplace"))
        except FileError as error:
            raise typer.BadParameter(str(error)) from None


def last_word(report: Report) -> str | None:
    """Return why a gate is shut, in one line, or None: it is open, or nothing was demanded."""
    from gpucheck.findings import Severity, Status

    demanded = [one for one in report.checks if one.family == "policy"]
    if report.exit_status == 0 or not demanded:
        return None
    for status in (Status.FAIL, Status.UNKNOWN):
        reasons = [one.reason or "" for one in demanded if one.status is status]
        if reasons and (report.exit_status == 1) == (status is Status.FAIL):
            more = f" (and {len(reasons) - 1} more)" if len(reasons) > 1 else ""
            return f"gpucheck: exit {report.exit_status}: {reasons[0]}{more}\n"
    worst = next((one.title for one in report.findings if one.severity is not Severity.INFO), None)
    unsure = next(
        (one.reason for one in report.checks if one.decisive and one.status is Status.UNKNOWN), "unknown"
    )
    return f"gpucheck: exit {report.exit_status}: {worst if report.exit_status == 1 else unsure}\n"


def tell(text: str) -> None:
    """Write a line to stderr, where there is one."""
    if sys.stderr is not None:
        try:
            sys.stderr.write(text)
            sys.stderr.flush()
        except OSError:
            pass
