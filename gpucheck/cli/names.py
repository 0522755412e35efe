"""Names that a shell completes; called while somebody types, so each loads only what it must."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable


def among(*names: str) -> Callable[[str], list[str]]:
    """Return a completer that knows these names."""

    def complete(incomplete: str) -> list[str]:
        return [name for name in names if name.startswith(incomplete)]

    return complete


def findings(incomplete: str) -> list[str]:
    """Complete the slug of a finding."""
    from gpucheck.checks.troubles import TROUBLES

    return [slug for slug in TROUBLES if slug.startswith(incomplete)]


def changes(incomplete: str) -> list[str]:
    """Complete the name of a change that `gpucheck undo` can take back, the last one first."""
    from gpucheck.fixes.lasting.entry import UNDONE
    from gpucheck.fixes.lasting.journal import Journal

    names = [entry.id for entry in Journal().entries() if entry.state != UNDONE]
    return [name for name in reversed(names) if name.startswith(incomplete)]


def models(incomplete: str) -> list[str]:
    """Complete the name of a network."""
    from gpucheck.smoketest.models import MODELS

    return [name for name in MODELS if name.startswith(incomplete)]
