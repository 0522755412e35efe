"""Does the device mask, CUDA_VISIBLE_DEVICES, leave the GPUs visible that it seems to name?"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from gpucheck.checks.reading import evidence, working_gpus
from gpucheck.checks.registry import Said, broken, check, holds, skipped, unknown
from gpucheck.findings import Evidence, Finding, Fix, Safety, Severity
from gpucheck.mask import GIVES_MASKS, GIVES_NONE, ORDER, VARIABLE, Mask, by_indices, read_mask, repaired

if TYPE_CHECKING:
    from collections.abc import Iterator

    from gpucheck.facts import Facts
    from gpucheck.matrix import Matrix


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
    mask = read_mask(text, _uuids(facts))
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
            *((_keep_what_is_here(keep),) if (keep := repaired(text, _uuids(facts))) else ()),
            Fix(text="Unset it, to see all GPUs.", commands=(f"unset {VARIABLE}",),
                environment={VARIABLE: ""}, safety=Safety.ASK, by=("run", "env")),
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
        fixes=(_keep_what_is_here(repaired(text, _uuids(facts))),),
    )


def _keep_what_is_here(entries: tuple[str, ...]) -> Fix:
    order = {ORDER: "PCI_BUS_ID"} if by_indices(entries) else {}
    return Fix(
        text="Name only GPUs that exist, each once.",
        environment={VARIABLE: ",".join(entries), **order},
        safety=Safety.SAFE,
        by=("run", "env", "apply"),
    )


def _uuids(facts: Facts) -> list[str | None]:
    return [gpu.uuid.value for gpu in facts.gpus.value or ()]
