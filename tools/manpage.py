"""Writes the manual page from the commands' own help.

``python tools/manpage.py`` writes docs/gpucheck.1; with ``--check`` it only says, by exit status 1, that it is out
of date. Options that several commands share are told once.
"""

from __future__ import annotations

import sys
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

import typer  # noqa: E402

from gpucheck import __version__  # noqa: E402
from gpucheck.cli import PANELS, app  # noqa: E402
from gpucheck.cli.overview import HEADING, paragraphs  # noqa: E402

if TYPE_CHECKING:
    from collections.abc import Iterator

PAGE = ROOT / "docs/gpucheck.1"
SHARED_BY = 4  # an option that as many commands have, in the same words, is told once
SIGNS = {
    "\\": r"\e", "-": r"\-", "'": r"\(aq", "`": r"\(ga", "^": r"\(ha", "~": r"\(ti", '"': r"\(dq",
}  # fmt: skip


def roff(text: str) -> str:
    """Return text that roff shows as it is, also at the start of a line and inside a quoted argument."""
    signs = "".join(SIGNS.get(sign, sign if sign.isascii() else f"\\[u{ord(sign):04X}]") for sign in text)
    return f"\\&{signs}" if signs.startswith(".") else signs


def contexts(context: Any) -> Iterator[Any]:
    """Yield the context of every command below one, a group before its members."""
    for name in context.command.list_commands(context):
        command = context.command.get_command(context, name)
        if command.hidden:
            continue
        inner = type(context)(command, parent=context, info_name=name, **command.context_settings)
        yield inner
        if hasattr(command, "list_commands"):
            yield from contexts(inner)


def records(context: Any, kind: str) -> list[tuple[str, str]]:
    """Return the arguments or options of a command, as its help writes them."""
    params = [param for param in context.command.get_params(context) if param.param_type_name == kind]
    return [record for record in (param.get_help_record(context) for param in params) if record is not None]


def definitions(entries: list[tuple[str, str]]) -> Iterator[str]:
    """Yield what is bold, and below it what it means."""
    for name, meaning in entries:
        yield from (".TP", f'.B "{roff(name)}"', roff(" ".join(meaning.split())))


def section(context: Any, shared: list[tuple[str, str]]) -> Iterator[str]:
    """Yield a command: usage, help, arguments, options, examples."""
    usage = " ".join([context.command_path, *context.command.collect_usage_pieces(context)])
    yield f'.SS "{roff(usage)}"'
    help_text = context.command.help
    for number, text in enumerate(paragraphs(help_text)):
        yield from ([".PP"] if number else [])
        yield roff(text)
    options = records(context, "option")
    yield from definitions(records(context, "argument"))
    yield from definitions([record for record in options if record not in shared])
    also = [record[0] for record in options if record in shared]
    if also:
        yield from (".PP", f"Also, as in COMMON OPTIONS: {roff('; '.join(also))}.")
    _, _, below = help_text.partition(f"\n{HEADING}\n")
    if below:
        lines = below.partition("\n\n")[0].splitlines()
        yield from (".PP", HEADING, ".PP", ".RS 4", ".nf", *(roff(line.strip()) for line in lines), ".fi", ".RE")


def page() -> str:
    """Return the manual page."""
    command: Any = typer.main.get_command(app)
    top = typer.Context(command, info_name="gpucheck", **command.context_settings)
    found = list(contexts(top))
    counts = Counter(record for context in found for record in records(context, "option"))
    shared = [record for record, times in counts.items() if times >= SHARED_BY]
    what = command.help.rstrip(".")
    lines = [
        ".\\\" Written by tools/manpage.py from the commands' own help; do not edit.",
        f'.TH GPUCHECK 1 "" "gpucheck {roff(__version__)}" "User Commands"',
        ".SH NAME",
        roff("gpucheck").removeprefix("\\&") + f" \\- {roff(what[0].lower() + what[1:])}",
        ".SH SYNOPSIS",
        f'.B "{roff(" ".join([top.command_path, *command.collect_usage_pieces(top)]))}"',
        ".SH OPTIONS",
        *definitions(records(top, "option")),
    ]
    for panel, names in PANELS.items():
        lines.append(f'.SH "{roff(panel.upper())}"')
        for context in found:
            if context.command_path.split()[1] in names:
                lines.extend(section(context, shared))
    lines += [".SH COMMON OPTIONS", *definitions(shared)]
    variables = {
        str(param.envvar): param.help
        for context in found
        for param in context.command.get_params(context)
        if getattr(param, "envvar", None)
    }
    lines += [".SH ENVIRONMENT", *definitions(sorted(variables.items()))]
    return "\n".join(lines) + "\n"


def main() -> int:
    """Write or check."""
    text = page()
    if PAGE.exists() and PAGE.read_text(encoding="utf-8") == text:
        return 0
    checking = "--check" in sys.argv
    if not checking:
        PAGE.write_text(text, encoding="utf-8")
    print(f"{'out of date: make man writes it' if checking else 'written'}: {PAGE.relative_to(ROOT)}")
    return int(checking)


if __name__ == "__main__":
    raise SystemExit(main())
