"""Reads the text of ``nvidia-smi -q``, also a part of it (``-d``) and also without its indentation."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from gpucheck.facts import absent, seen
from gpucheck.intake import smi
from gpucheck.intake.smi import NOT_HERE, PCI_ADDRESS, Running

if TYPE_CHECKING:
    from gpucheck.facts import Fact, Facts, Gpu, System

SOURCE = "nvidia-smi -q"
_GPU = re.compile(rf"\bGPU ({PCI_ADDRESS})$")
_HEAD = re.compile(r"(?:^|[:>|)\]] )((?:KMD|Driver|CUDA UMD|CUDA) Version|Attached GPUs|Timestamp)$")
# Sections and keys, in lower case, of the fields of `smi.FIELDS`; of several that of newer drivers first.
CELLS = {
    "name": (("", "product name"),),
    "uuid": (("", "gpu uuid"),),
    "memory_total": (("fb memory usage", "total"), ("memory usage", "total")),
    "memory_free": (("fb memory usage", "free"), ("memory usage", "free")),
    "mig": (("mig mode", "current"),),
    "ecc": (("ecc mode", "current"),),
    "remap_pending": (("remapped rows", "pending"), ("", "remapped rows")),
    "remap_failed": (("remapped rows", "remapping failure occurred"), ("", "remapped rows")),
    "retirement_pending": (("retired pages", "pending page blacklist"), ("retired pages", "pending")),
    "persistence": (("", "persistence mode"),),
    "compute_mode": (("", "compute mode"),),
    "fabric_state": (("fabric", "state"), ("", "fabric")),
    "vbios": (("", "vbios version"),),
    "temperature": (("temperature", "gpu current temp"),),
}
UNCORRECTED = (
    ("volatile", "sram uncorrectable"),
    ("volatile", "sram uncorrectable parity"),
    ("volatile", "sram uncorrectable sec-ded"),
    ("volatile", "dram uncorrectable"),
    ("volatile double bit", "total"),
)
REASONS = ("clocks event reasons", "clocks throttle reasons")
# Keys that stand beside sections and belong to none; the first that follow the MIG devices end these.
OUTSIDE = {key for places in CELLS.values() for section, key in places if not section}
AFTER_MIG = ("accounting mode", "serial number", "gpu uuid")


@dataclass
class Card:
    """The part of one GPU: texts by section and key in lower case, and its processes."""

    cells: dict[tuple[str, str], str] = field(default_factory=dict)
    address: str | None = None
    running: list[dict[str, str]] | None = None
    divided: bool | None = None

    def first(self, *places: tuple[str, str]) -> str | None:
        """Return the text at the first place that there is."""
        return next((self.cells[place] for place in places if place in self.cells), None)


@dataclass
class Log:
    """One output: its head and its GPUs."""

    head: dict[str, str] = field(default_factory=dict)
    cards: list[Card] = field(default_factory=list)


def read(text: str) -> Facts | None:
    """Read the output anywhere in a text; of several the last that shows a GPU. None where there is none."""
    logs = [log for log in _logs(text) if log.cards or {"driver version", "attached gpus"} <= log.head.keys()]
    if not logs:
        return None
    log = next((one for one in reversed(logs) if one.cards), logs[-1])
    gpus = smi.with_unreachable([_gpu(index, card) for index, card in enumerate(log.cards)], text, SOURCE)
    attached = log.head.get("attached gpus", "")
    return smi.report(
        SOURCE,
        seen(gpus, SOURCE) if gpus or attached == "0" else absent(NOT_HERE),
        _driver(log.head),
        system=_system(log.cards),
    )


def _logs(text: str) -> list[Log]:
    logs = [Log()]
    reader = _Reader(Card())
    for raw in text.split("\n"):
        # A chat's prefix stands before the indentation; without a prefix nothing does.
        before, colon, value = raw.partition(" : ")
        key = before.rstrip().rpartition("   ")[2].strip()
        head = _HEAD.search(key) if colon else None
        opening = _GPU.search(raw.rstrip()) if not colon else None
        if head is not None:
            if logs[-1].cards:
                logs.append(Log())
                reader = _Reader(Card())
            logs[-1].head.setdefault(head.group(1).lower(), value.strip())
        elif opening is not None:
            reader = _Reader(Card(address=opening.group(1)))
            logs[-1].cards.append(reader.card)
        elif key and logs[-1].cards:
            reader.take(key.rpartition(": ")[2].lower(), value.strip() if colon else None)
    for log in logs:
        # Other logs end lines with a GPU's address too.
        log.cards = [card for card in log.cards if card.cells or card.running is not None]
    return logs


class _Reader:
    """Takes the lines of one GPU; the section is the last line that had no value."""

    def __init__(self, card: Card) -> None:
        self.card = card
        self.section, self.scale, self.in_mig = "", "", False

    def take(self, key: str, value: str | None) -> None:
        """Take a line: a section's name, or a key and its value."""
        if value is None:
            self._open(key)
        elif key in ("mig device", "mig devices"):
            self.card.divided = False if value.lower() == "none" else self.card.divided
        elif self.section == "processes" and self.card.running is not None:
            self._process(key, value)
        elif key == "processes":
            self.card.running = []
            self.card.cells.setdefault(("", key), value)
        else:
            self._cell(key, value)

    def _open(self, key: str) -> None:
        if key == "mig device":
            self.in_mig = self.card.divided = True
        elif key == "processes":
            self.card.running = []
        if key in ("volatile", "aggregate"):
            self.scale = key
        self.section = f"{self.scale} {key}" if key in ("single bit", "double bit") else key

    def _cell(self, key: str, value: str) -> None:
        self.in_mig = self.in_mig and key not in AFTER_MIG
        place = ("" if key in OUTSIDE else self.section, key)
        if not self.in_mig and place in WANTED:
            self.card.cells.setdefault(place, value)

    def _process(self, key: str, value: str) -> None:
        running = self.card.running
        if running is not None and key == "process id":
            running.append({})
        if running:
            running[-1].setdefault(key, value)


WANTED = {
    *(place for places in CELLS.values() for place in places),
    *UNCORRECTED,
    *((section, label) for section in REASONS for label in smi.CLOCK_REASONS),
    *(("", section) for section in REASONS),
    ("driver model", "current"),
}
OUTSIDE |= set(REASONS)


def _driver(head: dict[str, str]) -> dict[str, Fact[Any]]:
    """610 and later name other labels and keep the old ones with a note."""
    return {
        "version": smi.fact(head.get("kmd version", head.get("driver version")), SOURCE, smi.version),
        "driver_cuda": smi.fact(head.get("cuda umd version", head.get("cuda version")), SOURCE, smi.version),
    }


def _system(cards: list[Card]) -> System:
    models = (card for card in cards if card.first(("driver model", "current")) in smi.WINDOWS_DRIVER_MODELS)
    card = next(models, Card())
    programs = [one.get("name", "") for each in cards for one in each.running or ()]
    return smi.system(
        SOURCE, card.first(("driver model", "current")), card.first(("", "persistence mode")), programs
    )


def _gpu(index: int, card: Card) -> Gpu:
    cells = {name: card.first(*places) for name, places in CELLS.items()}
    reasons = {
        label: card.first(*((section, label) for section in REASONS), *(("", section) for section in REASONS))
        for label in smi.CLOCK_REASONS
    }
    counts = [card.cells.get(place) for place in UNCORRECTED]
    devices = {"mig_devices": seen((), SOURCE)} if card.divided is False else {}
    return smi.gpu(
        index,
        {**cells, "pci_address": card.address},
        SOURCE,
        _running(card),
        ecc_uncorrected=smi.ecc_total(counts, SOURCE),
        throttle=smi.throttle(reasons, SOURCE),
        **devices,
    )


def _running(card: Card) -> list[Running] | Fact[Any] | None:
    said = card.cells.get(("", "processes"), "None")
    if card.running is None or said != "None":
        return smi.fact(said, SOURCE, lambda _: None) if said != "None" else None
    return [
        Running(
            pid=int(one["process id"]),
            kind=one.get("type", ""),
            name=one.get("name", ""),
            memory=smi.size(one.get("used gpu memory", "")),
        )
        for one in card.running
        if re.fullmatch(r"\d{1,10}", one.get("process id", ""))
    ]
