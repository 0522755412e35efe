"""What a program calls on itself: `gpucheck.apply` and `gpucheck.visible_devices`."""

from __future__ import annotations

import operator
import os
from typing import TYPE_CHECKING, Any

from gpucheck.fixes.inprocess import Outcome, Result, TooLateError, cure
from gpucheck.mask import VARIABLE, Mask, read_mask
from gpucheck.record import record

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gpucheck.facts import Facts

__all__ = ["Applied", "Outcome", "Result", "TooLateError", "apply", "visible_devices"]


@record
class Applied:
    """What `apply` did; printed, one line a cure.

    Attributes:
        results: One a cure.
    """

    results: tuple[Result, ...]

    def __str__(self) -> str:
        return "\n".join(map(str, self.results))

    def of(self, outcome: str) -> tuple[Result, ...]:
        """Return the results that ended so: ``applied``, ``already``, ``too-late`` or ``skipped``."""
        return tuple(result for result in self.results if result.outcome is Outcome(outcome))


def apply(
    memory_growth: bool = True,
    visible: str | int | Sequence[str | int] | None = None,
    strict: bool = False,
    *,
    force: bool = False,
) -> Applied:
    """Apply the safe cures to this program, best at its very top, before or after the frameworks are imported.

    Memory growth is switched on for every GPU, so that it cannot differ; a memory limit that is set already is
    left, and told. A device mask is checked against the driver in a child process first.

    Args:
        memory_growth: Whether TensorFlow takes memory as it needs it.
        visible: GPUs that the program may see: indices of nvidia-smi, UUIDs, one MIG device, or ``none``.
        strict: Raise when a cure comes too late.
        force: Replace a mask that a scheduler has set.

    Raises:
        ValueError: A GPU of ``visible`` is not here, or a scheduler's mask would be replaced.
        TooLateError: With ``strict`` alone.
    """
    mask, note = (None, None) if visible is None else _checked(visible, force=force)
    done = Applied(results=cure(memory_growth=memory_growth, mask=mask, note=note))
    if strict and done.of("too-late"):
        raise TooLateError("; ".join(map(str, done.of("too-late"))))
    return done


def visible_devices(value: str | None = None) -> Mask:
    """Return a device mask as the driver reads it: which GPUs stay visible, and why entries are dropped.

    Args:
        value: The mask; by default that of this process. Where it has none, all GPUs are visible.
    """
    if value is not None and not isinstance(value, str):
        raise TypeError(f"a mask is a text, not {value!r}")
    uuids = [gpu.uuid.value for gpu in _listed().gpus.value or ()]
    value = os.environ.get(VARIABLE) if value is None else value
    if value is None:
        everything = tuple(range(len(uuids)))
        return Mask(visible=everything, entries=tuple(map(str, everything)))
    return read_mask(value, uuids)


def _checked(visible: str | int | Sequence[str | int], *, force: bool) -> tuple[str, str | None]:
    """Return the mask, and a note where the driver could not be asked whether these GPUs are here."""
    from gpucheck.fixes import devices

    text = _as_list(visible)
    if text != devices.HIDE_ALL:
        devices.well_formed(text, "visible")
    facts = _listed()
    if facts.gpus.value is None and text != devices.HIDE_ALL:
        return ",".join(text.replace(" ", "").split(",")), f"not checked against the driver: {facts.gpus.missing}"
    entries = devices.named(facts, os.environ, text, "visible")
    devices.leave_to_scheduler(facts, os.environ, entries, "visible", force=force)
    return ",".join(entries), None


def _as_list(visible: Any) -> str:
    """Return what was given as a list of entries; numbers are whatever counts as one (NumPy's too).

    Raises:
        PlanError: It is something else.
    """
    from gpucheck.fixes import PlanError

    if isinstance(visible, str):
        return visible
    try:
        if hasattr(visible, "__index__"):
            return _entry(visible)
        if isinstance(visible, (bytes, bytearray)):
            raise TypeError
        return ",".join(map(_entry, visible))
    except TypeError:
        raise PlanError(f"visible={visible!r}: indices, UUIDs or 'none' are wanted") from None


def _entry(one: Any) -> str:
    if isinstance(one, bool):
        raise TypeError
    return one if isinstance(one, str) else str(operator.index(one))


def _listed() -> Facts:
    from gpucheck import probe

    return probe.gather()
