"""The one error of this room, and the nearest name for a wrong one."""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable


class PolicyError(ValueError):
    """A requirement or a policy that cannot be understood; the message says where and what to write instead."""


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """Return a hint that names the nearest known word, and all of them."""
    words = sorted(known)
    near = difflib.get_close_matches(name, words, n=1, cutoff=0.5)
    hint = f"; did you mean {near[0]!r}?" if near else ";"
    return f"{hint} known: {', '.join(words)}"
