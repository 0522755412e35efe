"""The command line: one file a command; each parses, calls, renders and exits."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import sys
from importlib import import_module
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from gpucheck import __version__

# The panels of --help, and the commands in their order. A module of this package each, with a function or an app
# of the command's name, whose docstring ends with one to three examples.
PANELS = {
    "Diagnose": ("doctor", "explain", "smoke"),
    "Cure": ("run", "env", "fix", "undo"),
    "Compatibility": ("recommend", "matrix"),
    "Memory": ("snapshot", "diff"),
    "Gate": ("policy",),
    "Fleet": ("fleet",),
    "Shell": ("completion",),
}
COMMANDS = {name: panel for panel, names in PANELS.items() for name in names}

_WRAPPED = re.compile(r"(?<=\S)\n(?=\S)")  # a line end inside a paragraph; examples are indented


class Commands(TyperGroup):
    """The commands; only the one that is called is loaded."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        self.commands: Any = dict.fromkeys(COMMANDS)  # the names, for "Did you mean"

    def list_commands(self, ctx: Any) -> list[str]:  # noqa: ARG002 - the signature is typer's
        """Return the names of all commands."""
        return list(COMMANDS)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:  # noqa: ARG002
        """Return a command, or None."""
        if cmd_name not in COMMANDS:
            return None
        module = import_module(f"gpucheck.cli.{cmd_name}")
        group = getattr(module, "app", None)
        if group is None:
            group = typer.Typer(add_completion=False)
            settings = getattr(module, "SETTINGS", None)
            group.command(cmd_name, context_settings=settings)(getattr(module, cmd_name))
        command: Any = typer.main.get_command(group)
        command.name, command.rich_help_panel = cmd_name, COMMANDS[cmd_name]
        command.no_args_is_help = False  # "Missing command" is one line on stderr, as all bad usage
        for part in (command, *getattr(command, "commands", {}).values()):
            part.help = _WRAPPED.sub(" ", part.help or "")
        return command


app = typer.Typer(
    cls=Commands,
    name="gpucheck",
    help="Find the root cause of a broken GPU deep-learning environment, and prove a working one.",
    add_completion=False,  # `gpucheck completion` prints the scripts; no option writes into a shell's files
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

COMPLETE = "_GPUCHECK_COMPLETE"  # set by the shells' completion scripts
INTERRUPTED = 130  # 128 + SIGINT, as shells have it
# typer.BadParameter's ancestor that carries every error of usage; typer keeps click inside itself.
UsageError: Any = typer.BadParameter.__mro__[2]


def _version(wanted: bool) -> None:
    if wanted:
        sys.stdout.write(f"gpucheck {__version__}\n")
        raise typer.Exit


@app.callback(invoke_without_command=True)
def _top(
    context: typer.Context,
    version: Annotated[  # noqa: ARG001 - its callback has ended the program
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version.")
    ] = False,
) -> None:
    """Find the root cause of a broken GPU deep-learning environment, and prove a working one."""
    if context.invoked_subcommand is None:
        from gpucheck.cli import overview
        from gpucheck.cli.common import emit

        emit(overview.text(context))


def main() -> None:
    """Run the program; whatever goes wrong ends in one line and an exit status that says what it was."""
    for name in ("SIGTERM", "SIGHUP"):  # schedulers and CI end a job so; its children must end with it
        # What nohup has told us to ignore stays ignored, and so it reaches the program that `run` becomes.
        if hasattr(signal, name) and signal.getsignal(getattr(signal, name)) is signal.SIG_DFL:
            signal.signal(getattr(signal, name), _terminate)
    sys.exit(run(sys.argv[1:]))


def _terminate(number: int, _frame: object) -> None:
    raise SystemExit(128 + number)


def run(arguments: list[str]) -> int:
    """Run one command line and return the exit status: 2 (`gating.failed`) for bad input, 130 interrupted."""
    if os.environ.get(COMPLETE):
        from gpucheck.cli.completion import answer

        return answer(app)
    try:
        status = app(args=arguments, prog_name="gpucheck", standalone_mode=False)
        if status == INTERRUPTED and arguments[:1] != ["run"]:  # typer turns Ctrl-C into this status itself
            sys.stderr.write("interrupted\n")
        return status if isinstance(status, int) else 0
    except UsageError as error:
        from gpucheck.cli.near import words

        return _complain(words(error, arguments), arguments, _hint(error))
    except (typer.Abort, KeyboardInterrupt):
        sys.stderr.write("interrupted\n")
        return INTERRUPTED
    except Exception as error:
        if isinstance(error, ValueError) and type(error).__module__.startswith("gpucheck."):
            return _complain(str(error), arguments)
        if os.environ.get("GPUCHECK_DEBUG"):
            raise
        place = "set GPUCHECK_DEBUG=1 for the traceback, and please report it"
        return _complain(f"internal error: {type(error).__name__}: {error} ({place})", arguments)


def _hint(error: Any) -> str:
    context = getattr(error, "ctx", None)
    return f" (see: {context.command_path} --help)" if context is not None else ""


def _complain(text: str, arguments: list[str], hint: str = "") -> int:
    from gpucheck.cli.gating import failed
    from gpucheck.report.cleaning import clean

    with contextlib.suppress(AttributeError, OSError):  # without stderr, or room there, the status says it
        sys.stderr.write(f"gpucheck: {clean(text.replace(chr(10), ' '))}{hint}\n")
    return failed(arguments)
