"""The device mask, CUDA_VISIBLE_DEVICES, as the driver reads it. Imports nothing of ours."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from gpucheck.record import record

if TYPE_CHECKING:
    from collections.abc import Sequence

VARIABLE = "CUDA_VISIBLE_DEVICES"
ORDER = "CUDA_DEVICE_ORDER"  # FASTEST_FIRST unless it is set; NVML and nvidia-smi count by PCI_BUS_ID
# Schedulers that write the mask themselves, and how they write that a job has no GPU.
GIVES_MASKS = ("slurm", "pbs", "lsf", "sge", "htcondor", "oar", "ray")
GIVES_NONE = ("", "-1", "NoDevFiles")


@record
class Mask:
    """A device mask as the driver reads it.

    Attributes:
        visible: Indices of the GPUs that stay visible, in their new order; None when a MIG device is named,
            which cannot be told from the list of GPUs.
        entries: The entries as they were written.
        cut: Why entries were dropped, or None.
    """

    visible: tuple[int, ...] | None
    entries: tuple[str, ...]
    cut: str | None = None


def read_mask(text: str, uuids: Sequence[str | None]) -> Mask:
    """Read a device mask by the driver's rules.

    The list ends at its first invalid entry; a duplicate empties it; indices and UUIDs do not mix; a UUID
    may be shortened while it stays unique. Source: CUDA programming guide, "CUDA Environment Variables",
    and torch 2.13.0's own reading of it, `torch.cuda._parse_visible_devices`.

    Args:
        text: Value of CUDA_VISIBLE_DEVICES.
        uuids: UUID of every GPU, in the driver's order; None where it is not known.
    """
    entries = _entries(text)
    if entries and entries[0].startswith("MIG-"):
        return Mask(visible=None, entries=entries)
    by_uuid = bool(entries) and entries[0].startswith("GPU-")
    visible: list[int] = []
    for entry in entries:
        index, problem = _by_uuid(entry, uuids) if by_uuid else _by_index(entry, len(uuids))
        if index is None:
            return Mask(visible=tuple(visible), entries=entries, cut=problem)
        if index in visible:
            return Mask(visible=(), entries=entries, cut=f"{entry!r} names a GPU twice, which empties the list")
        visible.append(index)
    return Mask(visible=tuple(visible), entries=entries)


def repaired(text: str, uuids: Sequence[str | None]) -> tuple[str, ...]:
    """Return the entries of a mask that name a GPU, each GPU once, in one kind; empty when none does.

    Unlike the driver it goes on after an invalid entry: what was asked for and is here stays. Where indices and
    UUIDs are mixed, all become indices.
    """
    found: dict[int, str] = {}
    for entry in _entries(text):
        index, _ = _by_uuid(entry, uuids) if entry.startswith("GPU-") else _by_index(entry, len(uuids))
        if index is not None:
            found.setdefault(index, entry)
    kinds = {entry.startswith("GPU-") for entry in found.values()}
    return tuple(found.values()) if kinds == {True} else tuple(map(str, found))


def by_indices(entries: Sequence[str]) -> bool:
    """Whether a mask names GPUs by their indices, whose meaning depends on CUDA_DEVICE_ORDER."""
    return bool(entries) and entries[0][:1].isdigit()


def _entries(text: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in text.split(",")) if text.strip() else ()


def _by_index(entry: str, count: int) -> tuple[int | None, str]:
    leading = re.match(r"[+-]?[0-9]+", entry)
    if leading is None:
        return None, f"{entry!r} is not an index"
    index = int(leading.group())
    return (index, "") if 0 <= index < count else (None, f"there is no GPU {index}")


def _by_uuid(entry: str, uuids: Sequence[str | None]) -> tuple[int | None, str]:
    if not entry.startswith("GPU-"):
        return None, f"{entry!r} is not a UUID like the entries before it"
    found = [index for index, uuid in enumerate(uuids) if uuid is not None and uuid.startswith(entry)]
    if len(found) == 1:
        return found[0], ""
    return None, f"{entry!r} fits {'no GPU' if not found else f'{len(found)} GPUs'}"
