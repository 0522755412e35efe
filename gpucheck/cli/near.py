"""The words of a usage error, with what was probably meant."""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence


def words(error: Any, arguments: Sequence[str]) -> str:
    """Return an error's message in one line, which ends with the nearest name where there is one.

    Args:
        error: Typer's usage error.
        arguments: The command line.
    """
    message = " ".join(error.format_message().split())
    if message == "Missing command." and error.ctx is not None:
        *names, last = error.ctx.command.list_commands(error.ctx)
        return f"Missing command: {', '.join(names)} or {last}" if names else f"Missing command: {last}"
    wrong = getattr(error, "option_name", None)
    if wrong is None or not hasattr(error, "possibilities"):
        return message
    near = _nearest(wrong, error, arguments)
    return f"{error.message}. Did you mean {near!r}?" if near else str(error.message)


def _nearest(wrong: str, error: Any, arguments: Sequence[str]) -> str | None:
    if error.possibilities:
        return str(error.possibilities[0])
    if error.ctx is None or wrong.startswith("--"):
        return None
    # "-format" was read as "-f": one hyphen is missing.
    options = [name for param in error.ctx.command.params for name in (*param.opts, *param.secondary_opts)]
    for argument in arguments:
        if argument.startswith(wrong) and len(argument) > 2:
            close = difflib.get_close_matches(f"-{argument}".partition("=")[0], options, n=1)
            return close[0] if close else None
    return None
