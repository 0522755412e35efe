"""GPU product names as people and drivers write them, and the one row that each means."""

from __future__ import annotations

import difflib
import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from gpucheck.matrix.rows import Product

# What a name may carry without becoming another product: maker, brand, MIG profile, form factor, memory.
NOISE = tuple(
    re.compile(pattern)
    for pattern in (
        r"\bmig \d+[cg]\..*$",
        r"\b(nvidia|tesla|geforce)\b",
        r"\bwith max-q design\b|\b(laptop|embedded) gpu\b",
        r"-(sxm\d*|pcie|dgxs|fhhl)\b.*$",
        r"[ -]\d+ ?gb\b( hbm\w+)?",
        r"\bpcie( lc)?\b",
    )
)


def plain(name: str) -> str:
    """Return a product name in the one form by which names are compared."""
    text = re.sub(r"\b(rtx|gtx|gt)(?=\d)", r"\1 ", name.casefold().strip())
    for pattern in NOISE:
        text = pattern.sub("", text)
    return " ".join(text.split()).strip(" -")


def named(rows: Iterable[Product], name: str) -> Product | None:
    """Return the row of a product name, or None when no row or more than one has it."""
    wanted = plain(name)
    found = {row.name: row for row in rows for text in (row.name, *row.aliases) if plain(text) == wanted}
    return next(iter(found.values())) if len(found) == 1 else None


def near(rows: Iterable[Product], name: str) -> tuple[str, ...]:
    """Return up to three names that come near to one that has no row."""
    wanted = plain(name)
    names = {plain(row.name): row.name for row in rows}
    holding = [full for text, full in names.items() if wanted and f" {wanted} " in f" {text} "]
    return tuple(holding[:3]) or tuple(names[text] for text in difflib.get_close_matches(wanted, names, n=3))
