"""How many GPUs a program would see."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from gpucheck.facts import Facts


def usable_gpus(facts: Facts) -> tuple[int | None, str]:
    """Return how many GPUs a program would see, and where that was read; or None and the reason.

    CUDA's own count, after the device mask, comes first. Without a driver the answer is 0 where there is no
    card, or nothing installed that could use one.
    """
    driver, gpus = facts.driver, facts.gpus
    answering = [gpu for gpu in gpus.value or () if gpu.status.value == 0]
    if driver.visible_devices.value is not None:
        count = driver.visible_devices.value
        return (min(count, len(answering)) if gpus.known else count), "cuDeviceGetCount"
    if gpus.known:
        if "CUDA_VISIBLE_DEVICES" in (facts.environment.value or {}):
            return None, "CUDA_VISIBLE_DEVICES is set, and CUDA itself did not answer how many it shows"
        return len(answering), gpus.source or "NVML"
    if driver.module_loaded.value is False and not driver.dxg.value:
        if not driver.cuda_library.known:
            return 0, "no NVIDIA kernel module is loaded, and no driver library is installed"
        if facts.pci_cards.known and not any(card.vendor == "10de" for card in facts.pci_cards.value or ()):
            return 0, "no NVIDIA card is on the PCI bus"
    return None, gpus.missing or "the GPUs were not counted"
