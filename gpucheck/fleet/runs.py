"""A pile of reports as it was read: runs with what each node reported, and what is wrong with the rest."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from gpucheck.fleet.contract import pseudonym

if TYPE_CHECKING:
    from gpucheck.fleet.one import Entry


class PileError(ValueError):
    """A pile that cannot be read at all; the message is one line."""


@dataclass(frozen=True)
class Trouble:
    """What is wrong with one thing in a pile.

    Attributes:
        source: The file, or where in a stream.
        what: What it is instead of a report that counts.
        node: Whose report it should have been, where that is known.
    """

    source: str
    what: str
    node: str | None = None


@dataclass
class Run:
    """The reports of one run.

    Attributes:
        label: Its folder's name.
        entries: What each node reported.
        troubles: What is wrong.
        foreign: Files that are no reports and were left alone.
        expected: The nodes that it was meant for, where it says so.
        states: What the launcher says became of a node, and why.
        begun: When the launcher began, ISO form; empty: it does not say.
    """

    label: str = ""
    entries: dict[str, Entry] = field(default_factory=dict)
    troubles: list[Trouble] = field(default_factory=list)
    foreign: int = 0
    expected: tuple[str, ...] | None = None
    states: dict[str, tuple[str, str | None]] = field(default_factory=dict)
    begun: str = ""

    @property
    def started(self) -> str:
        """When it was begun: as the launcher says, else the middle one of its reports: a clock may be wrong."""
        told = sorted(one.started for one in self.entries.values() if one.started)
        return self.begun or (told[len(told) // 2] if told else "")

    def add(self, entry: Entry) -> None:
        """Count a report; of two of one node the later one."""
        other = self.entries.get(entry.name)
        if other is not None:
            first, last = sorted((other, entry), key=lambda one: one.started)
            said = f"one of two reports of {entry.name}; the later one counts ({last.source})"
            self.troubles.append(Trouble(first.source, said, entry.name))
            entry = last
        self.entries[entry.name] = entry

    def add_as(self, entry: Entry, node: str) -> None:
        """Count a report as that of the node for which it came, if it says so itself or hides its name."""
        if entry.name == node:
            self.add(entry)
        elif entry.plain or entry.name == pseudonym(node):
            self.add(replace(entry, name=node))
        else:
            said = f"is the report of {entry.name}, not of {node}"
            self.troubles.append(Trouble(entry.source, said, node))

    def join(self, other: Run) -> None:
        """Count what was found apart from any run as part of this one."""
        for entry in other.entries.values():
            self.add(entry)
        self.troubles += other.troubles
        self.foreign += other.foreign


@dataclass
class Pile:
    """Runs, the latest one last, and of each trouble what to do."""

    runs: list[Run]
    advice: dict[str, tuple[str, str, tuple[str, ...]]]

    @property
    def latest(self) -> Run:
        """The run that is judged."""
        return self.runs[-1]
