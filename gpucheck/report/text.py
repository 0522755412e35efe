"""The screen on a terminal or in a pipe, by rich; nothing from outside is read as markup."""

from __future__ import annotations

from typing import IO, TYPE_CHECKING

from rich.console import Console
from rich.padding import Padding
from rich.text import Text

from gpucheck.report.cleaning import clean
from gpucheck.report.screen import lines

if TYPE_CHECKING:
    from collections.abc import Iterable

    from gpucheck.findings import Report
    from gpucheck.report.cleaning import Redactor
    from gpucheck.report.screen import Line

ASCII = {"✓": "+", "✗": "x", "·": "-", "…": "..."}
COLOR = {"always": True, "never": False}


def console(file: IO[str], color: str) -> Console:
    """Return a console that honours --color and NO_COLOR, and shows text as it is.

    Args:
        file: Where to write.
        color: ``auto``, ``always`` or ``never``.
    """
    forced = COLOR.get(color)
    return Console(
        file=file,
        markup=False,
        highlight=False,
        emoji=False,
        force_terminal=True if forced else None,
        no_color=forced is False or None,
        color_system=None if forced is False else "auto",
    )


def render(report: Report, target: Console, *, verbosity: int = 0, redactor: Redactor | None = None) -> str:
    """Return the screen for a console. Nothing is written yet."""
    return typeset(lines(report, verbosity), target, redactor)


def typeset(content: Iterable[Line], target: Console, redactor: Redactor | None = None) -> str:
    """Return lines for a console; in a pipe none is wrapped."""
    plain = not _takes_unicode(target)
    with target.capture() as captured:
        for line in content:
            text = Text()
            for piece in line:
                words = clean(redactor.text(piece.text) if redactor is not None else piece.text)
                text.append(_to_ascii(words) if plain else words, piece.style or None)
            if target.is_terminal:
                target.print(_hanging(text))
            else:
                target.print(text, soft_wrap=True)
    return captured.get()


def _hanging(text: Text) -> Padding:
    """Keep what wraps under its first line's indentation."""
    indent = len(text.plain) - len(text.plain.lstrip())
    return Padding(text[indent:], (0, 0, 0, indent), expand=False)


def _takes_unicode(target: Console) -> bool:
    return "utf" in (target.encoding or "").lower()


def _to_ascii(text: str) -> str:
    for sign, replacement in ASCII.items():
        text = text.replace(sign, replacement)
    return text.encode("ascii", "backslashreplace").decode("ascii")
