"""The environment that a program gets here: probed, judged, planned, and looked at again before it is used."""

from __future__ import annotations

import os
import re
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

from gpucheck import fixes, probe
from gpucheck.diagnosis import diagnose
from gpucheck.findings import Severity
from gpucheck.matrix.opening import open_matrix
from gpucheck.record import record

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from gpucheck.catalogue import Page
    from gpucheck.checks.causes import Shown
    from gpucheck.facts import Facts
    from gpucheck.findings import Finding, Report

PYTHON_NAME = re.compile(r"(python|pypy)[\d.]*(\.exe)?$")
OF_THE_MASK = ("visible-devices-hides-gpu", "visible-devices-truncated")


class LaunchError(ValueError):
    """The program cannot be started as asked; the message says why."""


@record
class Prepared:
    """A plan, and what it rests on.

    Attributes:
        plan: What changes.
        report: The judgement of this machine without the changes.
        uncured: Errors that no environment cures here, as ``slug: title``.
        curable: Slugs that ``--fix`` would cure here.
        remaining: Slugs that were asked for and are still found with the changes.
    """

    plan: fixes.Plan
    report: Report
    uncured: tuple[str, ...]
    curable: tuple[str, ...]
    remaining: tuple[str, ...]


def prepare(
    options: fixes.Options,
    *,
    python: str | None = None,
    environ: Mapping[str, str] | None = None,
    matrix: Path | None = None,
    timeout: float = probe.DEFAULT_DEADLINE,
) -> Prepared:
    """Work out the environment for a program, and ask the driver whether it then sees what was asked for.

    Args:
        options: What the user asked for.
        python: The interpreter that the program runs in; by default the one that the doctor would look at.
        environ: The environment without us; this process's by default.
        matrix: A folder of rows to lay over the shipped matrix.
        timeout: Seconds that any one probe may take.

    Raises:
        ValueError: An option names something that is not here or cannot be done; the message says what.
    """
    environ = os.environ if environ is None else environ
    known_slugs(options.slugs)
    rows, facts = open_matrix(matrix), probe.gather(python, deadline=timeout, environ=environ)
    report = diagnose(facts, rows)
    made = fixes.plan(facts, report.findings, environ, options)
    if made.refusal is not None:
        raise LaunchError(made.refusal)
    remaining: tuple[str, ...] = ()
    left = report.findings
    if made.visible is not None or options.slugs:
        again = probe.gather(python, deadline=timeout, environ=made.environment(environ))
        _verify(made, again)
        left = diagnose(again, rows).findings
        remaining = tuple(slug for slug in options.slugs if slug in {finding.slug for finding in left})
    curable = tuple(slug for slug in fixes.environment.curable(left) if slug not in options.slugs)
    return Prepared(
        plan=made,
        report=report,
        uncured=tuple(_uncured(left, made, (*curable, *remaining))),
        curable=tuple(slug for slug in curable if slug not in OF_THE_MASK),
        remaining=remaining,
    )


def known_slugs(slugs: Sequence[str]) -> None:
    """Refuse the name of a finding that does not exist.

    Raises:
        ValueError: There is no such finding; the message names the nearest.
    """
    from gpucheck import catalogue

    for slug in slugs:
        catalogue.page(slug)


def _verify(made: fixes.Plan, again: Facts) -> None:
    seen = again.driver.visible_devices
    if made.visible is None or seen.value == made.visible:
        return
    if seen.value is None:
        raise LaunchError(f"whether the GPUs asked for are visible could not be verified: {seen.missing}")
    raise LaunchError(f"{made.visible} GPUs were asked for, and with that device mask CUDA sees {seen.value}")


def _uncured(findings: tuple[Finding, ...], made: fixes.Plan, curable: tuple[str, ...]) -> list[str]:
    cured = {change.slug for change in made.made}
    return [
        f"{finding.slug}: {finding.title}"
        for finding in findings
        if finding.severity is Severity.ERROR and finding.slug not in cured and finding.slug not in curable
    ]


def shown_by(output: str, matrix: Path | None = None) -> tuple[tuple[Shown, Page], ...]:
    """Return the troubles that a program's output shows, the surest first, each with its page.

    Args:
        output: What it wrote.
        matrix: A folder of rows to lay over the shipped matrix.
    """
    from gpucheck import catalogue, messages
    from gpucheck.checks.causes import shown

    rows = open_matrix(matrix).messages()
    found = shown(messages.recognise(output, rows), rows)
    return tuple((one, catalogue.page(one.slug)) for one in found if one.severity is not Severity.INFO)


def program(command: Sequence[str], environ: Mapping[str, str]) -> tuple[str | None, bool]:
    """Return the file that a command starts, as execvp(3) finds it, and whether it may be executed.

    Args:
        command: The command.
        environ: Its environment.

    Returns:
        None as the file where there is none.
    """
    path = environ.get("PATH", os.defpath)
    file = shutil.which(command[0], path=path)
    if file is not None:
        return file, True
    if os.sep in command[0]:
        return (command[0], False) if Path(command[0]).exists() else (None, False)
    return shutil.which(command[0], mode=os.F_OK, path=path), False


def interpreter_of(file: str, environ: Mapping[str, str]) -> str | None:
    """Return the Python that a program runs in: itself, or what its first lines name; None when it is no Python's.

    Args:
        file: The program.
        environ: Its environment.
    """
    if PYTHON_NAME.match(Path(file).name):
        return file
    try:
        with Path(file).open("rb") as opened:
            first, second = (opened.readline(512).decode("utf-8", "replace") for _ in range(2))
    except OSError:
        return None
    if not first.startswith("#!"):
        return None
    words = first[2:].split()
    if words and Path(words[0]).name == "env":
        named = [word for word in words[1:] if not word.startswith("-") and "=" not in word]
        found = shutil.which(named[0], path=environ.get("PATH")) if named else None
        words = [found] if found else []
    # pip's form for paths that are long or have spaces (distlib)
    elif quoted := re.match(r"""'{3}exec' "?([^"]+?)"? "\$0" """, second):
        words = [quoted.group(1)]
    return words[0] if words and PYTHON_NAME.match(Path(words[0]).name) and Path(words[0]).exists() else None
