"""Curves of a smoke training as a small SVG picture, drawn by a few lines: nothing needs to be installed."""

from __future__ import annotations

import math
from html import escape
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from gpucheck.facts import SmokeRun

    Curves = Mapping[str, Sequence[float]]
    Points = list[tuple[float, float]]

WIDTH, HEIGHT, LEFT, RIGHT, TOP, BOTTOM = 640, 240, 58, 12, 26, 36
COLORS = 6


def charts(run: SmokeRun) -> Iterator[tuple[str, str]]:
    """Yield a title and a picture for the loss and for the accuracy; none where there is nothing to draw."""
    folds = [fold.curves for fold in run.folds] or [run.curves]
    for name in ("loss", "accuracy"):
        lines = [line for number, curves in enumerate(folds) for line in _lines(curves, name, number, run)]
        if lines:
            yield f"{name} over the training images seen", _chart(name, lines)


def _lines(curves: Curves, name: str, number: int, run: SmokeRun) -> Iterator[tuple[str, str, Points]]:
    """Yield label, class and points of what a training and its validation made."""
    fold = f"fold {number + 1} " if run.folds else ""
    kinds = ((name, "training", ""), (f"validation_{name}", "validation", " checked"))
    for key, label, kind in kinds:
        pairs = zip(curves.get("images", ()), curves.get(key, ()), strict=False)
        points = [(x, y) for x, y in pairs if math.isfinite(x) and math.isfinite(y)]
        if points:
            yield f"{fold}{label}", f"curve c{number % COLORS}{kind}", points


def _chart(name: str, lines: list[tuple[str, str, Points]]) -> str:
    across = _ticks([0.0, *(x for _, _, points in lines for x, _ in points)])
    up = _ticks([y for _, _, points in lines for _, y in points])
    parts = [*_axes(name, across, up), *_legend([(label, kind) for label, kind, _ in lines])]
    for _, kind, points in lines:
        placed = [(_x(x, across), _y(y, up)) for x, y in points]
        if len(placed) == 1:
            parts.append(f'<circle class="{kind}" cx="{placed[0][0]:.1f}" cy="{placed[0][1]:.1f}" r="2"/>')
        else:
            text = " ".join(f"{x:.1f},{y:.1f}" for x, y in placed)
            parts.append(f'<polyline class="{kind}" points="{text}"/>')
    label = escape(f"{name} over the training images seen")
    return f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{label}">{"".join(parts)}</svg>'


def _axes(name: str, across: list[float], up: list[float]) -> Iterator[str]:
    for tick in up:
        y = _y(tick, up)
        yield f'<line class="grid" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y:.1f}" y2="{y:.1f}"/>'
        yield f'<text x="{LEFT - 6}" y="{y + 4:.1f}" text-anchor="end">{_number(tick, name)}</text>'
    for tick in across:
        x = _x(tick, across)
        anchor = "end" if tick == across[-1] else "middle"
        yield f'<text x="{x:.1f}" y="{HEIGHT - BOTTOM + 16}" text-anchor="{anchor}">{tick:,.0f}</text>'
    yield f'<text x="{WIDTH - RIGHT}" y="{HEIGHT - 4}" text-anchor="end">training images seen</text>'


def _legend(entries: list[tuple[str, str]]) -> Iterator[str]:
    """Yield labels in one row; of many folds only as many as fit."""
    x = float(LEFT)
    for label, kind in entries:
        width = 40 + 6.2 * len(label)
        if x + width > WIDTH - RIGHT:
            yield f'<text x="{x:.0f}" y="14">…</text>'
            return
        yield f'<line class="{kind}" x1="{x:.0f}" x2="{x + 22:.0f}" y1="10" y2="10"/>'
        yield f'<text x="{x + 28:.0f}" y="14">{escape(label)}</text>'
        x += width


def _x(value: float, ticks: list[float]) -> float:
    return LEFT + (value - ticks[0]) / (ticks[-1] - ticks[0]) * (WIDTH - LEFT - RIGHT)


def _y(value: float, ticks: list[float]) -> float:
    return HEIGHT - BOTTOM - (value - ticks[0]) / (ticks[-1] - ticks[0]) * (HEIGHT - TOP - BOTTOM)


def _ticks(values: list[float]) -> list[float]:
    """Return round numbers, 3 to 7 of them, from below the least value to above the greatest."""
    least, most = min(values), max(values)
    # Values that are all but one are still drawn on an axis that has a length in floating point.
    span = max(most - least, abs(most) * 1e-6, 1e-9)
    power = 10.0 ** math.floor(math.log10(span / 5))
    step = next(factor * power for factor in (1, 2, 5, 10) if span / (factor * power) <= 5)
    first = math.floor(least / step)
    last = max(first + 1, math.ceil(most / step))
    return [number * step for number in range(first, last + 1)]


def _number(value: float, name: str) -> str:
    return f"{value:.0%}" if name == "accuracy" and math.isclose(value * 100, round(value * 100)) else f"{value:g}"
