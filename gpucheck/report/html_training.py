"""The smoke trainings in the HTML report: what they say, their curves, and which digits were taken for which."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

from gpucheck.report import curves

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from gpucheck.facts import SmokeRun

NAMES = {"torch": "PyTorch", "tensorflow": "TensorFlow"}


def section(runs: tuple[SmokeRun, ...], safe: Callable[[str | None], str]) -> Iterator[str]:
    """Yield curves and confusion of each run that came to its end.

    Args:
        runs: The trainings.
        safe: Makes a text from outside fit for HTML.
    """
    for run in runs:
        pictures = list(curves.charts(run))
        if not pictures and not run.confusion:
            continue
        device = run.device_name or (run.device or "").upper()
        yield f'<section class="card"><h3>{safe(NAMES.get(run.framework, run.framework))} '
        yield f"{safe(run.version)}, {safe(run.model)}, {safe(device)}</h3>"
        if run.accuracy is not None:
            yield f"<p>{run.accuracy:.2%} of the test images told right"
            yield f" (at least {run.accuracy_limit:.1%} asked).</p>" if run.accuracy_limit is not None else ".</p>"
        for title, picture in pictures:
            yield f'<figure><figcaption>{escape(title)}</figcaption><div class="wide">{picture}</div></figure>'
        if run.confusion:
            yield from _confusion(run.confusion)
        yield "</section>"


def _confusion(rows: tuple[tuple[int, ...], ...]) -> Iterator[str]:
    """Yield how often each true digit was told as which; only mistakes are coloured."""
    most = max(
        (count for true, row in enumerate(rows) for told, count in enumerate(row) if told != true), default=0
    )
    yield "<h4>Digits that were taken for others</h4>"
    yield '<div class="wide"><table class="confusion"><thead><tr><th scope="col">true \\ told</th>'
    yield "".join(f'<th scope="col">{told}</th>' for told in range(len(rows[0]))) + "</tr></thead><tbody>"
    for true, row in enumerate(rows):
        cells = "".join(_cell(true, told, count, most) for told, count in enumerate(row))
        yield f'<tr><th scope="row">{true}</th>{cells}</tr>'
    yield "</tbody></table></div>"


def _cell(true: int, told: int, count: int, most: int) -> str:
    if true == told:
        return f'<td class="right">{count}</td>'
    if not count:
        return '<td class="none">·</td>'
    return f'<td style="background: rgba(var(--wrong), {0.15 + 0.55 * count / most:.2f})">{count}</td>'
