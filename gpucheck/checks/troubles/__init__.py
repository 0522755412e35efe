"""The troubles that checks can find: what each means, and what follows from it."""

from __future__ import annotations

from gpucheck.checks.troubles import (
    cards,
    distributed,
    driver,
    environment,
    harmless,
    libraries,
    programs,
    training,
)
from gpucheck.checks.troubles.trouble import Trouble

__all__ = ["TROUBLES", "Trouble"]

TROUBLES: dict[str, Trouble] = {
    slug: trouble
    for part in (driver, cards, environment, libraries, programs, training, distributed, harmless)
    for slug, trouble in part.TROUBLES.items()
}
