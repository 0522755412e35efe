"""Display and 3D controllers, and NVSwitch bridges, on the PCI bus, read from sysfs. Nothing is touched."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING

from gpucheck.facts import Fact, PciCard, absent, seen
from gpucheck.probe.files import read

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

# PCI base class 03, display controllers, and 0680, other bridges: https://pci-ids.ucw.cz/read/PD/
DISPLAY_CLASS, OTHER_BRIDGE = "0x03", "0x0680"
NVIDIA = "10de"
DATABASES = ("usr/share/misc/pci.ids", "usr/share/hwdata/pci.ids")


def scan(root: Path) -> tuple[Fact[tuple[PciCard, ...]], Fact[int]]:
    """Return the display controllers of all vendors, by address, and the number of NVSwitch bridges.

    NVIDIA's driver takes a bridge of its vendor and class 0680 for an NVSwitch (linux_nvswitch.c of the open
    kernel modules).
    """
    bus = root / "sys/bus/pci/devices"
    try:
        folders = sorted(bus.iterdir())
    except OSError as error:
        missing = absent(f"the PCI bus cannot be read: {error.strerror}", str(bus))
        return missing, missing
    kinds = [(folder, _text(folder / "class")) for folder in folders]
    cards = tuple(_card(folder) for folder, kind in kinds if kind.startswith(DISPLAY_CLASS))
    bridges = [folder for folder, kind in kinds if kind.startswith(OTHER_BRIDGE)]
    switches = sum(_text(folder / "vendor") == f"0x{NVIDIA}" for folder in bridges)
    return seen(cards, str(bus)), seen(switches, str(bus))


def _card(folder: Path) -> PciCard:
    driver = folder / "driver"
    return PciCard(
        address=folder.name,
        vendor=_text(folder / "vendor").removeprefix("0x"),
        device=_text(folder / "device").removeprefix("0x"),
        kernel_driver=driver.resolve().name if driver.is_symlink() else None,
    )


def named(cards: Iterable[PciCard], root: Path) -> tuple[PciCard, ...]:
    """Return the cards with NVIDIA's chip and product names, where this system has the PCI ID database."""
    text = next((found for path in DATABASES if (found := _text(root / path))), "")
    vendor = re.search(rf"^{NVIDIA}  .*\n((?:[\t#].*\n?)+)", text, re.MULTILINE)
    section = vendor.group(1) if vendor else ""
    return tuple(replace(card, name=_name(section, card)) for card in cards)


def _name(section: str, card: PciCard) -> str | None:
    if card.vendor != NVIDIA or not re.fullmatch(r"[0-9a-f]{4}", card.device):
        return None
    found = re.search(rf"^\t{card.device}  (.+)$", section, re.MULTILINE)
    return found.group(1).strip() if found else None


def _text(path: Path) -> str:
    return (read(path) or "").strip("\n ")
