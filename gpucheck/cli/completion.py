"""`gpucheck completion`: the script that completes commands, options and findings in a shell."""

from __future__ import annotations

import enum
import os
import re
from typing import Annotated, Any

import typer


class Shell(str, enum.Enum):
    """Shells that can complete."""

    BASH = "bash"
    ZSH = "zsh"
    FISH = "fish"
    POWERSHELL = "powershell"


def completion(
    shell: Annotated[Shell, typer.Argument(metavar="bash|zsh|fish|powershell", help="The shell.")],
) -> None:
    """Print the script that completes commands, options and findings in a shell. It writes nothing.

    Examples:
        eval "$(gpucheck completion bash)"
        gpucheck completion fish > ~/.config/fish/completions/gpucheck.fish
    """
    from typer.completion import get_completion_script  # type: ignore[attr-defined]

    from gpucheck.cli import COMPLETE
    from gpucheck.cli.common import emit

    script = get_completion_script(prog_name="gpucheck", complete_var=COMPLETE, shell=shell.value)
    # Typer's script for PowerShell would also change what the Tab key does in general.
    kept = (line for line in script.splitlines() if not line.startswith(("Import-Module", "Set-PSReadLine")))
    emit("\n".join(kept) + "\n")


def answer(app: typer.Typer) -> int:
    """Tell a shell's script what may follow; nothing at all, rather than an error amid somebody's typing."""
    _prepare()
    _join_values()
    try:
        app(args=[], prog_name="gpucheck")
    except SystemExit as ended:
        return ended.code if isinstance(ended.code, int) else 1
    except Exception:
        if os.environ.get("GPUCHECK_DEBUG"):
            raise
    return 1


def _prepare() -> None:
    """Register typer's classes; the help beside a name stays in one line, and needs no rich.

    Typer lets rich write it, which breaks long lines at 80 columns: fish takes each for a name of its own.
    """
    from typer.completion import completion_init, shell_completion  # type: ignore[attr-defined]

    completion_init()
    for shell, written in {"zsh": _zsh, "fish": _fish, "powershell": _powershell}.items():
        theirs: Any = shell_completion.get_completion_class(shell)
        ours = type(shell, (theirs,), {"format_completion": written})
        shell_completion.add_completion_class(ours, shell)


def _fish(_self: object, item: Any) -> str:
    return f"{item.value}\t{_line(item)}" if item.help else str(item.value)


def _powershell(_self: object, item: Any) -> str:
    return f"{item.value}:::{_line(item) or ' '}"


def _zsh(_self: object, item: Any) -> str:
    """Write name and help in double quotes; all names stand in single quotes that the script evaluates."""
    parts = []
    for text in filter(None, (str(item.value), _line(item))):
        quoted = re.sub(r'["$`\\]', r"\\\g<0>", text).replace(":", r"\\:").replace("'", r"'\''")
        parts.append(f'"{quoted}"')
    return ":".join(parts)


def _line(item: Any) -> str:
    return " ".join((item.help or "").split())


def _join_values() -> None:
    """Bash takes "--format=json" for three words; typer expects two."""
    written, place = os.environ.get("COMP_WORDS", ""), os.environ.get("COMP_CWORD", "")
    if "=" not in written.split(" ") or not place.isdigit():
        return
    split = written.split(" ")
    os.environ["COMP_CWORD"] = str(int(place) - split[: int(place)].count("="))
    os.environ["COMP_WORDS"] = " ".join(word for word in split if word != "=")
