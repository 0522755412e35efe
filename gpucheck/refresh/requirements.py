"""Requires-Dist lines into what is really required on one platform."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gpucheck.matrix.requirements import Need, holds, parse

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence


def required(lines: Iterable[str], platform: str, pythons: Sequence[str], extra: str = "") -> tuple[str, ...]:
    """Return the requirements that hold on a platform, without markers that say no more there.

    Args:
        lines: Requires-Dist values.
        platform: As in the matrix.
        pythons: Python versions that matter; a marker stays where they differ.
        extra: The requirements that this extra adds, instead of those that always hold.
    """
    wanted = (need for need in map(parse, lines) if need is not None)
    return tuple(sorted({text for need in wanted if (text := _reduced(need, platform, pythons, extra))}))


def _reduced(need: Need, platform: str, pythons: Sequence[str], extra: str) -> str | None:
    if extra and any(holds(need.marker, platform, python) for python in pythons):
        return None
    answers = {holds(need.marker, platform, python, extra) for python in pythons}
    if True not in answers:
        return None
    return need.text if answers == {True} else f"{need.text}; {need.marker}"
