"""What `gpucheck` alone shows: the commands that most people need; and the parts of a command's help."""

from __future__ import annotations

from typing import Any

COMMON = ("doctor", "explain", "smoke", "fix", "run", "recommend")
HEADING = "Examples:"


def text(context: Any) -> str:
    """Return the screen: a line and an example of each command, from its own help."""
    lines = [context.command.help, ""]
    for name in COMMON:
        help_text = context.command.get_command(context, name).help
        example = next(iter(examples(help_text)), f"gpucheck {name}")
        lines += [f"  {name:<10} {summary(help_text)}", f"  {'':<10} $ {example}"]
    return "\n".join([*lines, "", "gpucheck --help lists all", ""])


def summary(help_text: str) -> str:
    """Return the first sentence of a command's help."""
    return " ".join(help_text.partition("\n\n")[0].split()).partition(". ")[0].rstrip(".") + "."


def examples(help_text: str) -> list[str]:
    """Return the command lines below "Examples:" in a command's help, without their comments."""
    below = help_text.partition(f"\n{HEADING}\n")[2].partition("\n\n")[0]
    return [line.partition("  #")[0].strip() for line in below.splitlines()]


def paragraphs(help_text: str) -> list[str]:
    """Return what a command's help says before its examples."""
    before = help_text.partition(f"\n{HEADING}\n")[0]
    return [" ".join(part.split()) for part in before.split("\n\n") if part.strip()]
