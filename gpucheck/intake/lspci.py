"""The output of `lspci`, with numbers (`-nn`) and drivers (`-k`) where they were asked for."""

from __future__ import annotations

import re

from gpucheck.facts import Facts, PciCard, seen

SOURCE = "lspci -nn"
# pciutils: slot, class with its number, maker and product with theirs.
CARD = re.compile(
    r"[ \t]*((?:[0-9a-f]{4}:)?[0-9a-f]{2}:[0-9a-f]{2}\.[0-7])[ \t]+"
    r"(?:VGA compatible controller|3D controller|Display controller)[ \t]*(?:\[03[0-9a-f]{2}\])?:[ \t]*"
    r"(.{1,200}?)[ \t]*\[([0-9a-f]{4}):([0-9a-f]{4})\]"
)
DRIVER = re.compile(r"[ \t]+Kernel driver in use:[ \t]*(\S{1,40})")


def read(text: str) -> Facts | None:
    """Return the cards that such a list anywhere in a text shows, or None where there is none with numbers."""
    cards: list[PciCard] = []
    last = False
    for line in text.split("\n"):
        found = CARD.match(line)
        if found is not None:
            address, name, vendor, device = found.groups()
            address = address if address.count(":") == 2 else f"0000:{address}"
            cards.append(PciCard(address=address, vendor=vendor, device=device, name=name))
            last = True
        elif last and (driver := DRIVER.match(line)) is not None:
            card = cards[-1]
            cards[-1] = PciCard(address=card.address, vendor=card.vendor, device=card.device, name=card.name,
                                kernel_driver=driver[1])  # fmt: skip
        elif not line.startswith((" ", "\t")):
            last = False
    return Facts(pci_cards=seen(tuple(cards), SOURCE)) if cards else None
