"""Does the device mask, CUDA_VISIBLE_DEVICES, leave the GPUs visible that it seems to name?"""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING

from gpucheck.checks.reading import evidence, working_gpus
from gpucheck.checks.registry import Said, broken, check, holds, skipped, unknown
from gpucheck.findings import Evidence, Finding, Fix, Safety, Severity
from gpucheck.record import record

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from gpucheck.facts import Facts
    from gpucheck.matrix import Matrix

VARIABLE = "CUDA_VISIBLE_DEVICES"
# Schedulers that write the mask themselves, and how they write that a job has no GPU.
GIVES_MASKS = ("slurm", "pbs", "lsf", "sge", "htcondor", "oar", "ray")
GIVES_NONE = ("", "-1", "NoDevFiles")


@record
class Mask:
    """A device mask as the driver reads it.

    Attributes:
        visible: Indices of the GPUs that stay visible, in their new order; None when a MIG instance is
            named, which cannot be told from the list of GPUs.
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
    entries = tuple(part.strip() for part in text.split(",")) if text.strip() else ()
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


def _by_index(entry: str, count: int) -> tuple[int | None, str]:
    leading = re.match(r"[+-]?\d+", entry)
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


@check("device-mask-shows-gpus", "visible-devices-hides-gpu", "visible-devices-truncated")
def device_mask_shows_gpus(facts: Facts, _: Matrix) -> Iterator[Said]:
    """The device mask leaves visible what it names.

    A false alarm where a scheduler gave this job no GPU: under one it is skipped.
    """
    variables, gpus = facts.environment.value, working_gpus(facts)
    if variables is None:
        yield unknown(facts.environment.missing or "the environment was not read")
        return
    text = variables.get(VARIABLE)
    if text is None:
        yield holds(f"{VARIABLE} is not set: all GPUs are visible")
        return
    if not gpus:
        yield skipped("the driver lists no GPU")
        return
    mask = read_mask(text, [gpu.uuid.value for gpu in facts.gpus.value or ()])
    scheduler = facts.system.scheduler.value
    if mask.visible is None:
        yield _mig(facts, text, mask)
    elif text.strip() in GIVES_NONE and scheduler in GIVES_MASKS:
        yield skipped(f"{scheduler} gave this job no GPU")
    elif not mask.visible:
        yield broken(_hides_all(facts, text, mask))
    elif mask.cut:
        yield broken(_truncated(facts, text, mask))
    else:
        yield holds(f"{len(mask.visible)} of {len(gpus)} GPUs are visible")


def _mig(facts: Facts, text: str, mask: Mask) -> Said:
    """A MIG device named by UUID exists; the older form, with numbers of instances, is taken as it is."""
    told = [gpu.mig_devices.value for gpu in working_gpus(facts)]
    known = [uuid for uuids in told for uuid in uuids or ()]
    first = mask.entries[0]
    if "/" in first or any(uuid.startswith(first) for uuid in known):
        return holds("a MIG device is named; CUDA shows one at most")
    if any(uuids is None for uuids in told):
        return unknown("the MIG devices are not told")
    return broken(_hides_all(facts, text, replace(mask, visible=(), cut=f"there is no MIG device {first}")))


def _shown(facts: Facts, text: str) -> tuple[Evidence, ...]:
    return (
        Evidence(text=f"{VARIABLE}={text!r}", source="environment"),
        Evidence(text=f"NVML lists {len(facts.gpus.value or ())} GPUs", source=facts.gpus.source),
        evidence("devices that CUDA counts:", facts.driver.visible_devices),
    )


def _hides_all(facts: Facts, text: str, mask: Mask) -> Finding:
    return Finding(
        slug="visible-devices-hides-gpu",
        severity=Severity.ERROR,
        title=f"{VARIABLE}={text!r} hides every GPU",
        cause=f"CUDA sees no device: {mask.cut}." if mask.cut else "An empty list means: no device.",
        evidence=_shown(facts, text),
        fixes=(
            Fix(text="Unset it, to see all GPUs.", commands=(f"unset {VARIABLE}",), safety=Safety.SAFE),
        ),
    )  # fmt: skip


def _truncated(facts: Facts, text: str, mask: Mask) -> Finding:
    visible = mask.visible or ()
    return Finding(
        slug="visible-devices-truncated",
        severity=Severity.WARN,
        title=f"{VARIABLE} names {len(mask.entries)} GPUs, CUDA sees {len(visible)}",
        cause=f"The list ends at its first invalid entry: {mask.cut}.",
        evidence=_shown(facts, text),
        fixes=(
            Fix(
                text="Name only GPUs that exist.",
                environment={VARIABLE: ",".join(map(str, visible)), "CUDA_DEVICE_ORDER": "PCI_BUS_ID"},
                safety=Safety.ASK,
            ),
        ),
    )
