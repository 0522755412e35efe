"""`gpucheck fix`: cures that last, planned, carried out, verified."""

from __future__ import annotations

import functools
import sys
from typing import TYPE_CHECKING, Annotated, Any, Optional

import typer

from gpucheck.cli.common import Color, ColorOption, MatrixOption, PythonOption, emit
from gpucheck.cli.names import among, findings

if TYPE_CHECKING:
    from collections.abc import Callable

    from gpucheck.fixes.lasting.journal import Journal
    from gpucheck.repair import Done, Repair, Step


def fix(
    slug: Annotated[
        Optional[list[str]],  # noqa: UP045 - typer reads it at run time
        typer.Argument(
            metavar="[SLUG]...", help="Only these findings; all root causes by default.", autocompletion=findings
        ),
    ] = None,
    apply: Annotated[bool, typer.Option("--apply", help="Carry it out; without it, the plan is shown.")] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Answer every question with yes.")] = False,
    to: Annotated[
        Optional[str],  # noqa: UP045
        typer.Option(
            "--to",
            metavar="PLACE",
            help="Settings last in .env, .envrc, conda, jupyter, dockerfile.",
            autocompletion=among(".env", ".envrc", "conda", "jupyter", "dockerfile"),
        ),
    ] = None,
    override: Annotated[bool, typer.Option("--override", help="Replace what you have set yourself, too.")] = False,
    python: PythonOption = None,
    matrix: MatrixOption = None,
    color: ColorOption = Color.AUTO,
) -> None:
    """Show what would cure this machine; --apply carries out what may be.

    The exact commands are shown. Package changes are asked for with the resolver's plan, verified, and rolled back
    if they do not help; what needs root (driver, kernel, reboot) is printed for you. `gpucheck undo` takes back.

    Exit status: 0 shown, or everything carried out and helped; 1 something is left; 2 bad usage or refused.

    Examples:
        gpucheck fix
        gpucheck fix package-files-overwritten --apply
        gpucheck fix --to .envrc --apply
    """
    from gpucheck import repair

    planned = repair.plan(slug or [], python=python, to=to, override=override, matrix=matrix)
    if planned.place is not None and planned.place.path is None:
        _snippet(planned)
        return
    _Screen(color).show_plan(planned, apply=apply)
    if apply:
        raise typer.Exit(_Work(_Screen(color), planned, yes=yes, override=override, matrix=matrix).status())


class _Screen:
    """Where lines go."""

    def __init__(self, color: Color) -> None:
        self.color = color.value

    def show_plan(self, planned: Repair, *, apply: bool) -> None:
        from gpucheck.report import repair as lines

        self.show(lines.lines(planned, carried_out=apply))

    def show(self, content: Any) -> None:
        from gpucheck.report import text

        target = text.console(sys.stdout, self.color)
        emit(lambda: text.typeset(content, target))


class _Work:
    """The steps carried out, one after the other."""

    def __init__(self, screen: _Screen, planned: Repair, *, yes: bool, override: bool, matrix: Any) -> None:
        self.screen, self.planned, self.yes, self.override, self.matrix = screen, planned, yes, override, matrix

    def status(self) -> int:
        """Carry out what may be; 0 when everything has helped."""
        from gpucheck.fixes.lasting.journal import Journal

        journal = Journal()
        with journal.locked():
            pieces: list[tuple[str, Callable[[Journal], bool]]] = [
                (step.slug, functools.partial(self._step, step)) for step in self.planned.steps
            ]
            if self.planned.plan is not None:
                pieces.append(("settings", self._settings))
            helped = [self._guarded(name, piece, journal, alone=len(pieces) == 1) for name, piece in pieces]
        return 0 if all(helped) else 1

    def _guarded(self, name: str, piece: Callable[[Journal], bool], journal: Journal, *, alone: bool) -> bool:
        """One refusal does not keep the other pieces from being done; of a single one it is the answer."""
        from gpucheck import repair

        try:
            return piece(journal)
        except ValueError as error:
            if alone:
                raise
            return self._told(name, repair.Done(helped=False, text=str(error)))

    def _step(self, step: Step, journal: Journal) -> bool:
        from gpucheck import repair

        if step.kind != "packages":
            return self.planned.plan is not None and step.kind == "settings"
        done = repair.change_packages(step, self.planned.report, journal, self._agreed, matrix=self.matrix)
        return self._told(step.slug, done)

    def _settings(self, journal: Journal) -> bool:
        from gpucheck import repair

        if repair.needs_asking(self.planned) and not self._yes("Write these settings?"):
            return self._told(
                "settings", repair.Done(helped=False, text="left as they are, since nobody said yes")
            )
        return self._told("settings", repair.write_settings(self.planned, journal, override=self.override))

    def _agreed(self, planned: Any) -> bool:
        from gpucheck.report import repair as lines

        self.screen.show(lines.resolved(planned))
        agreed = self._yes("Carry this out?")
        if agreed:
            self.screen.show([lines.working()])
        return agreed

    def _yes(self, question: str) -> bool:
        if self.yes:
            return True
        if sys.stdin is None or not sys.stdin.isatty():
            sys.stderr.write(f"gpucheck: {question} Nobody is here to answer; --yes says yes\n")
            return False
        return typer.confirm(question)

    def _told(self, name: str, done: Done) -> bool:
        from gpucheck.report import repair as lines

        self.screen.show([lines.outcome(name, done)])
        return done.helped


def _snippet(planned: Repair) -> None:
    from gpucheck.fixes import shell

    assert planned.plan is not None
    emit(shell.code({change.name: change.after for change in planned.plan.made}, "dockerfile"))
