"""Pasted texts without a screen: what `gpucheck.explain` does, and the commands call."""

from __future__ import annotations

import os
import stat
import time
from dataclasses import replace
from typing import TYPE_CHECKING

from gpucheck.diagnosis import diagnose
from gpucheck.facts import Diagnostic
from gpucheck.findings import FailOn
from gpucheck.matrix.opening import open_matrix

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from gpucheck.facts import Facts
    from gpucheck.findings import Report
    from gpucheck.matrix import Matrix
    from gpucheck.messages import Excerpt


MOST_DIAGNOSTICS = 16 * 2**20  # bytes
CLOCK_SLACK = 60.0  # seconds by which a clock may have been set since the boot


class DiagnosticsError(ValueError):
    """A file with another tool's verdict that cannot be used; the message says why."""


def explain(
    text: str | bytes | Excerpt,
    *,
    name: str = "the text",
    here: bool = False,
    matrix: Path | None = None,
    fail_on: str = "error",
) -> Report:
    """Name the cause of what a pasted text shows: a log, a traceback, another machine's report, or several mixed.

    Args:
        text: The text, or its bytes in any encoding.
        name: What it is called in messages.
        here: Whether it was printed on this machine, so that this machine's facts take part.
        matrix: A folder of rows to lay over the shipped matrix.
        fail_on: Least severity that makes the report's exit status 1.

    Raises:
        ValueError: It is empty, no text, or a damaged report of ours.
    """
    rows, threshold = open_matrix(matrix), FailOn(fail_on)
    facts = read(text, name, rows)
    if here:
        from gpucheck import probe
        from gpucheck.intake import joined

        facts = joined([facts, probe.gather()])
    return diagnose(facts, rows, fail_on=threshold)


def is_explained(report: Report) -> bool:
    """Whether the text of a report held anything that is known: a trouble, a harmless line, a machine's report."""
    from gpucheck.checks.told import REPORTS

    return bool(report.findings) or bool(REPORTS & set(report.facts.reports))


def examples(matrix: Path | None = None) -> dict[str, tuple[str, ...]]:
    """Return what programs print, by the slug of the trouble that it shows."""
    found: dict[str, tuple[str, ...]] = {}
    for row in open_matrix(matrix).messages():
        if row.slug is not None:
            found[row.slug] = (*found.get(row.slug, ()), row.example)
    return found


def diagnostics(paths: Sequence[Path], *, lenient: bool = False) -> tuple[Diagnostic, ...]:
    """Return what other tools say of this machine's hardware, from the files that they wrote.

    Args:
        paths: The files.
        lenient: A file that is not there yet is none, and one that cannot be used a verdict that says nothing: for
            those who judge a node again and again, while the tools write.

    Raises:
        DiagnosticsError: A file cannot be read, or holds no such verdict.
    """
    found: list[Diagnostic] = []
    for path in paths:
        try:
            found += _verdicts(path)
        except DiagnosticsError as error:
            if not lenient:
                raise
            if not isinstance(error.__cause__, FileNotFoundError):
                found.append(Diagnostic(tool="diagnostics", source=path.name, error=str(error)))
    return tuple(found)


def _verdicts(path: Path) -> list[Diagnostic]:
    from gpucheck.intake.diagnostics import diagnostics as verdicts
    from gpucheck.messages import NotText, decode

    try:
        with open(path, "rb", opener=_at_once) as file:
            about = os.fstat(file.fileno())
            if not stat.S_ISREG(about.st_mode):
                raise DiagnosticsError(f"--diagnostics {path}: is no plain file")
            text = decode(file.read(MOST_DIAGNOSTICS))
    except (OSError, NotText) as error:
        why = getattr(error, "strerror", None) or error
        raise DiagnosticsError(f"--diagnostics {path}: cannot be read: {why}") from error
    found = list(verdicts(text, path.name))
    if not found:
        what = "holds no verdict of `dcgmi diag --json` or NVIDIA Health Validation"
        raise DiagnosticsError(f"--diagnostics {path}: {what}")
    old = about.st_mtime < time.time() - time.monotonic() - CLOCK_SLACK
    return [replace(one, stale="it is older than this boot") for one in found] if old else found


def _at_once(path: str, flags: int) -> int:
    """Open without waiting for the other end of a pipe."""
    return os.open(path, flags | getattr(os, "O_NONBLOCK", 0))


def read(text: str | bytes | Excerpt, name: str, rows: Matrix) -> Facts:
    """Return what a text or a file shows of a machine.

    Raises:
        ValueError: It is empty, no text, or a damaged report of ours.
    """
    from gpucheck import intake
    from gpucheck.describe.completing import completed

    reader = intake.read_text if isinstance(text, str) else intake.read
    return completed(reader(text, name, rows.messages()), rows)  # type: ignore[arg-type]
