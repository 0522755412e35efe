"""Options of a gate: the policy, its profile, and exit statuses in another program's style."""

from __future__ import annotations

import contextlib
import enum
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Optional

import typer

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from gpucheck.cli.common import Color
    from gpucheck.findings import Report


class ExitStyle(str, enum.Enum):
    """Whose exit statuses are used."""

    GPUCHECK = "gpucheck"
    NAGIOS = "nagios"
    NPD = "npd"
    SLURM = "slurm"


PANEL = "Gate"
PolicyOption = Annotated[
    Optional[Path],  # noqa: UP045
    typer.Option(
        "--policy",
        metavar="FILE",
        help="The policy; default: the nearest gpucheck.toml, or pyproject.toml with a table tool.gpucheck.",
        rich_help_panel=PANEL,
    ),
]
NoPolicyOption = Annotated[bool, typer.Option("--no-policy", help="Look for no policy.", rich_help_panel=PANEL)]
ProfileOption = Annotated[
    Optional[str],  # noqa: UP045
    typer.Option(
        metavar="NAME", envvar="GPUCHECK_PROFILE", help="A profile of the policy.", rich_help_panel=PANEL
    ),
]
MissingGpuOption = Annotated[
    Optional[str],  # noqa: UP045
    typer.Option(
        "--on-missing-gpu",
        metavar="fail|skip|warn",
        help="What demands on GPUs mean where there is none.",
        rich_help_panel=PANEL,
    ),
]
BaselineOption = Annotated[
    Optional[Path],  # noqa: UP045
    typer.Option(metavar="FILE", help="Accepted findings, which do not count.", rich_help_panel=PANEL),
]
UpdateBaselineOption = Annotated[
    bool,
    typer.Option(
        "--update-baseline", help="Accept all that is found now, in the baseline's file.", rich_help_panel=PANEL
    ),
]
HistoryOption = Annotated[
    bool,
    typer.Option(
        "--history",
        envvar="GPUCHECK_HISTORY",
        help="Remember this run in the user's state folder, and say what changed since the last good one.",
        rich_help_panel=PANEL,
    ),
]
DiagnosticsOption = Annotated[
    Optional[list[Path]],  # noqa: UP045
    typer.Option(
        metavar="FILE",
        help="What `dcgmi diag --json` or NVIDIA Health Validation said of this machine; may be repeated.",
        rich_help_panel=PANEL,
    ),
]
ExitStyleOption = Annotated[
    ExitStyle,
    typer.Option(
        help="nagios: 0 OK, 1 WARNING, 2 CRITICAL, 3 UNKNOWN; npd: 0 OK, 1 a problem, 2 unknown; slurm: 20 the "
        "node is certainly broken, else 0.",
        rich_help_panel=PANEL,
    ),
]
# What bad usage, a wrong policy or a failure of ours end in: never in what shuts another program's gate.
FAILED = {ExitStyle.NAGIOS: 3, ExitStyle.NPD: 2, ExitStyle.SLURM: 0}


def policy_of(path: Path | None, *, no_policy: bool, elsewhere: bool) -> Path | None:
    """Return the policy file that counts, or None.

    Args:
        path: As it was named.
        no_policy: Whether none is wanted.
        elsewhere: Whether another machine is judged: then only a policy that was named counts.

    Raises:
        typer.BadParameter: Both were given.
    """
    if path is not None:
        if no_policy:
            raise typer.BadParameter("--policy and --no-policy exclude each other")
        return path
    if no_policy or elsewhere:
        return None
    folder = _working_folder()
    if folder is None or not any(_is_there(one) for one in (folder, *folder.parents)):
        return None
    from gpucheck.policy import find

    return find(folder)


def _working_folder() -> Path | None:
    try:
        return Path.cwd()
    except OSError:  # it was removed
        return None


def _is_there(folder: Path) -> bool:
    try:
        return (folder / "gpucheck.toml").exists() or (folder / "pyproject.toml").exists()
    except OSError:
        return False


def notes(report: Report, *, history: bool, matrix: Path | None, color: Color, redact: bool | None) -> None:
    """Tell on stderr what the baseline and the history say beside a report.

    Args:
        report: With its baseline applied.
        history: Whether this run is remembered, and compared with the last good one.
        matrix: A folder of rows to lay over the shipped matrix.
        color: When to use colour.
        redact: Whether to take out names.
    """
    from gpucheck import remembering
    from gpucheck.cli.outputs import tell
    from gpucheck.report import changes, text
    from gpucheck.report.cleaning import Redactor

    since = remembering.history(report, matrix) if history else None
    redactor = Redactor() if redact else None
    tell(text.typeset(changes.notes(report, since), text.console(sys.stderr, color.value), redactor))


@contextlib.contextmanager
def end(style: ExitStyle, report: Report) -> Iterator[None]:
    """Turn the exit that comes out of the block into another style's."""
    try:
        yield
    except typer.Exit:
        if style is ExitStyle.GPUCHECK:
            raise
        raise typer.Exit(_status(style, report)) from None


def _status(style: ExitStyle, report: Report) -> int:
    if style is ExitStyle.SLURM:
        from gpucheck.fleet.gate import OPEN, SHUT
        from gpucheck.fleet.gate.decision import drains_node

        return SHUT if any(map(drains_node, report.findings)) else OPEN
    from gpucheck.report import nagios, npd

    return nagios.status(report) if style is ExitStyle.NAGIOS else npd.status(report)


def failed(arguments: Sequence[str]) -> int:
    """Return the exit status of a command line that cannot be carried out.

    `gpucheck run` passes its program's status through, so its own failures are 125, as those of env(1). Where
    another program's gate reads the status, a mistake of ours must not shut it.
    """
    if arguments[:1] == ["run"]:
        return 125
    if arguments[:2] == ["fleet", "gate"]:
        return 0
    words = [*arguments, ""]
    named = [words[n + 1] if word == "--exit-style" else word[13:] for n, word in enumerate(arguments)
             if word == "--exit-style" or word.startswith("--exit-style=")]  # fmt: skip
    return next((FAILED[one] for one in FAILED if named and named[-1] == one.value), 2)
