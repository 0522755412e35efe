"""What is to be changed in an environment, and why; nothing here changes anything."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gpucheck.findings import Safety
from gpucheck.record import record

if TYPE_CHECKING:
    from collections.abc import Mapping


class PlanError(ValueError):
    """What was asked for cannot be done here; the message says why and what to write instead."""


@record
class Options:
    """What the user asked for.

    Attributes:
        slugs: Findings whose ``ask`` cures are wanted too.
        gpus: How many GPUs, the freest ones.
        devices: Which GPUs: indices of nvidia-smi, UUIDs, a MIG device, or ``none``.
        override: Whether variables that the user has set may be replaced.
        force: Whether a mask that a scheduler has set may be.
    """

    slugs: tuple[str, ...] = ()
    gpus: int | None = None
    devices: str | None = None
    override: bool = False
    force: bool = False


@record
class Change:
    """One variable.

    Attributes:
        name: The variable.
        before: Its value now; None: it is not set.
        after: Its value for the program; None: it is taken out.
        reason: Why, in a few words.
        slug: The finding that this cures, or None.
        safety: The class of the cure.
        framework: The one framework that it concerns, or None.
        kept: Why it stays as it is although a cure wants another value; None when it changes.
    """

    name: str
    before: str | None
    after: str | None
    reason: str
    slug: str | None = None
    safety: Safety = Safety.SAFE
    framework: str | None = None
    kept: str | None = None


@record
class Plan:
    """The environment for one program.

    Attributes:
        changes: What changes, and what a cure wanted to change and was kept.
        notes: What the environment cannot do, one sentence each.
        visible: How many GPUs the program must see; None when nobody asked for a number.
        refusal: Why a program should not be started at all in this environment, or None.
    """

    changes: tuple[Change, ...] = ()
    notes: tuple[str, ...] = ()
    visible: int | None = None
    refusal: str | None = None

    @property
    def made(self) -> tuple[Change, ...]:
        """The changes that change something."""
        return tuple(change for change in self.changes if change.kept is None)

    def environment(self, environ: Mapping[str, str]) -> dict[str, str]:
        """Return the whole environment for the program."""
        changed = {change.name: change.after for change in self.made}
        kept = {name: value for name, value in environ.items() if name not in changed}
        return {**kept, **{name: value for name, value in changed.items() if value is not None}}
