"""Display and 3D controllers on the PCI bus, read from sysfs. Nothing is touched."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gpucheck.facts import Fact, PciCard, absent, seen

if TYPE_CHECKING:
    from pathlib import Path

# PCI base class 03, display controllers: https://pci-ids.ucw.cz/read/PD/03
DISPLAY_CLASS = "0x03"


def cards(root: Path) -> Fact[tuple[PciCard, ...]]:
    """Return the display controllers of all vendors, by address."""
    bus = root / "sys/bus/pci/devices"
    try:
        folders = sorted(bus.iterdir())
    except OSError as error:
        return absent(f"the PCI bus cannot be read: {error.strerror}", str(bus))
    found = [card for folder in folders if (card := _card(folder)) is not None]
    return seen(tuple(found), str(bus))


def _card(folder: Path) -> PciCard | None:
    if not _text(folder / "class").startswith(DISPLAY_CLASS):
        return None
    driver = folder / "driver"
    return PciCard(
        address=folder.name,
        vendor=_text(folder / "vendor").removeprefix("0x"),
        device=_text(folder / "device").removeprefix("0x"),
        kernel_driver=driver.resolve().name if driver.is_symlink() else None,
    )


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="ascii", errors="replace").strip()
    except OSError:
        return ""
