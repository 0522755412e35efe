"""`gpucheck env`: the same environment as code for a shell or lines for a file."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from gpucheck.cli.common import Color, ColorOption, MatrixOption, PythonOption, QuietOption, emit
from gpucheck.cli.preparing import DevicesOption, FixOption, ForceOption, GpusOption, OverrideOption


def _forms(incomplete: str) -> list[str]:
    from gpucheck.fixes import shell as shells

    return [name for name in ("auto", *shells.SHELLS, *shells.FILES) if name.startswith(incomplete)]


def env(
    shell: Annotated[
        str,
        typer.Option(
            "--shell",
            metavar="FORM",
            help="auto, sh, bash, zsh, fish, powershell, cmd, dotenv, json, github, conda, dockerfile, jupyter.",
            autocompletion=_forms,
        ),
    ] = "auto",
    unset: Annotated[
        bool, typer.Option("--unset", help="Restore what an earlier `gpucheck env` changed.")
    ] = False,
    fix: FixOption = None,
    gpus: GpusOption = None,
    devices: DevicesOption = None,
    override: OverrideOption = False,
    force: ForceOption = False,
    python: PythonOption = None,
    matrix: MatrixOption = None,
    color: ColorOption = Color.AUTO,
    quiet: QuietOption = False,
) -> None:
    """Print the code that sets up this shell, as `run` sets up a program.

    Stdout carries code only, and nothing at all after a failure; what changes is told on stderr.

    Examples:
        eval "$(gpucheck env --gpus 1)"   # and back: eval "$(gpucheck env --unset)"
        gpucheck env --shell fish | source
        gpucheck env --shell github >> "$GITHUB_ENV"
    """
    from gpucheck.fixes import Options
    from gpucheck.fixes import shell as shells

    form = _parent_shell() if shell == "auto" else shell
    if form not in (*shells.SHELLS, *shells.FILES):
        raise typer.BadParameter(f"--shell {shell!r}: {', '.join((*shells.SHELLS, *shells.FILES))} expected")
    if unset:
        if form not in shells.SHELLS:
            raise typer.BadParameter(f"--unset restores a shell; {form} is none")
        if fix or gpus is not None or devices is not None:
            raise typer.BadParameter("--unset goes with no other choice")
        emit(shells.code(shells.restoring(os.environ), form))
        return
    from gpucheck import attended, launch
    from gpucheck.report import environment, text

    options = Options(slugs=tuple(fix or ()), gpus=gpus, devices=devices, override=override, force=force)
    # Worked out anew from what was there before an earlier `gpucheck env`; what only that one has set goes.
    before = shells.restoring(os.environ)
    fresh = {name: value for name, value in {**os.environ, **before}.items() if value is not None}
    prepared = launch.prepare(options, python=python, environ=fresh if before else None, matrix=matrix)
    values = {change.name: change.after for change in prepared.plan.made}
    if form in shells.SHELLS:
        values = {**before, **shells.remembering(values, fresh)}
    code = shells.code(values, form)
    if not quiet:
        attended.tell(lambda: text.typeset(environment.lines(prepared), text.console(sys.stderr, color.value)))
    emit(code)


def _parent_shell() -> str:
    """The shell that has called us, by its process's name; $SHELL names only the one for logging in."""
    if os.name == "nt":
        return "powershell"
    try:
        name = Path(f"/proc/{os.getppid()}/comm").read_text(encoding="utf-8", errors="replace").strip()
    except OSError:
        return "sh"
    return {"bash": "bash", "zsh": "zsh", "fish": "fish", "pwsh": "powershell"}.get(name.lstrip("-"), "sh")
