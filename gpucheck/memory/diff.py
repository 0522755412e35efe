"""What differs between two machines, or one machine at two times; first what a check knows the meaning of."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gpucheck.diagnosis import diagnose
from gpucheck.memory.clauses import clause
from gpucheck.memory.pairs import differing
from gpucheck.memory.snapshot import steady
from gpucheck.record import record

if TYPE_CHECKING:
    from collections.abc import Iterable

    from gpucheck.facts import Facts
    from gpucheck.findings import Finding, Report
    from gpucheck.matrix import Matrix
    from gpucheck.memory.pairs import Pair
    from gpucheck.memory.snapshot import Redactor
    from gpucheck.memory.spots import Spot

Name = tuple[str, str | None]
# Of more changes than these nobody wants to know each one's meaning; a group's is still told.
MOST_TRIED = 150
# What only follows from another change, and from which: there its meaning is told.
FOLLOWS = {
    "driver.driver_cuda": ("driver.version",),
    "driver.nvml_status": ("driver.library_version", "driver.module_version"),
}


@record
class Change:
    """One value that is not as it was.

    Attributes:
        place: Where it stands, e.g. ``torch.cudnn_loaded``.
        what: The same for people.
        old: What it was; None: it was not there.
        new: What it is; None: it is gone.
        explains: Slugs of the findings that appeared by it.
        ends: Slugs of the findings that went away by it.
        why: What makes it a trouble, where that is known.
    """

    place: str
    what: str
    old: str | None = None
    new: str | None = None
    explains: tuple[str, ...] = ()
    ends: tuple[str, ...] = ()
    why: str | None = None

    @property
    def sentence(self) -> str:
        """The change in one line."""
        text = self._changed() + (f", {self.why}" if self.why else "")
        if self.explains:
            text += f": explains {', '.join(self.explains)}"
        if self.ends:
            text += f"{';' if self.explains else ':'} explains why {', '.join(self.ends)} is gone"
        return text

    def _changed(self) -> str:
        if self.place.startswith("environment.") and self.old is None:
            return f"{self.what} is set to {self.new}"
        if self.new is None:
            return f"{self.what}{f' {self.old}' if self.old else ''} is gone"
        if self.old is None:
            return f"{self.what}{f' {self.new}' if self.new else ''} is new"
        return f"{self.what} {self.old} -> {self.new}"


@record
class Difference:
    """What differs between two machines.

    Attributes:
        changes: Those that explain a finding first.
        appeared: Findings of the new one alone.
        gone: Findings of the old one alone.
        verdicts: The old one's and the new one's verdict.
        notes: What could not be read whole.
    """

    changes: tuple[Change, ...] = ()
    appeared: tuple[Finding, ...] = ()
    gone: tuple[Finding, ...] = ()
    verdicts: tuple[str, str] = ("", "")
    notes: tuple[str, ...] = ()

    @property
    def same(self) -> bool:
        """Whether nothing that endures has changed."""
        return not (self.changes or self.appeared or self.gone)


def compare(old: Facts, new: Facts, matrix: Matrix, redactor: Redactor | None = None) -> Difference:
    """Compare two machines.

    A change explains a finding when the finding goes away with the old value put back, or comes with the new value
    put into the old machine: the checks themselves are asked.

    Args:
        old: The one.
        new: The other.
        matrix: What judges both.
        redactor: Takes private names out of both, so that a redacted snapshot can be compared with its machine.

    Raises:
        MatrixError: A row that a check asked for is malformed.
    """
    return _Comparison(steady(old, redactor), steady(new, redactor), matrix).difference()


class _Comparison:
    """Two machines that are being compared."""

    def __init__(self, old: Facts, new: Facts, matrix: Matrix) -> None:
        self.old, self.new, self.matrix = old, new, matrix
        self.names = self._names(old), self._names(new)

    def difference(self) -> Difference:
        before, after = diagnose(self.old, self.matrix), diagnose(self.new, self.matrix)
        pairs = list(differing(self.old, self.new))
        appeared, gone = _only(after, before), _only(before, after)
        came, went = set(map(_name, appeared)), set(map(_name, gone))
        by = self._meanings(pairs, came | went) if came or went else {}
        changes = []
        for pair in pairs:
            meant = by.get(pair.spot.place, set())
            changes.append(self._change(pair, _slugs(appeared, meant), _slugs(gone, meant)))
        changes.sort(key=lambda one: (not one.explains, not one.ends))
        return Difference(
            changes=tuple(changes), appeared=appeared, gone=gone, verdicts=(before.verdict, after.verdict)
        )

    def _meanings(self, pairs: list[Pair], findings: set[Name]) -> dict[str, set[Name]]:
        """Return for each place the findings that came or went by its change.

        What takes several changes of a group together is told at the first of them.
        """
        tried = {pair.spot.place: self._effect([pair]) for pair in pairs[:MOST_TRIED]}
        meant: dict[str, set[Name]] = {}
        for name in findings:
            for place in _best(name, tried):
                meant.setdefault(place, set()).add(name)
        left = findings - {name for names in meant.values() for name in names}
        for group in dict.fromkeys(pair.group for pair in pairs) if left else ():
            members = [pair for pair in pairs if pair.group == group]
            _, together = self._effect(members)
            meant.setdefault(members[0].spot.place, set()).update(together & left)
        for place, sources in FOLLOWS.items():
            source = next((one for one in sources if one in tried), None)
            if place in meant and source is not None:
                meant.setdefault(source, set()).update(meant.pop(place))
        return meant

    def _effect(self, pairs: list[Pair]) -> tuple[set[Name], set[Name]]:
        """Return the findings that come or go by these changes: surely, and at least in one direction.

        Surely: they do when the old values are put back as well as when the new ones are put into the old machine.
        """
        put_back, put_in = self.new, self.old
        for pair in pairs:
            put_back = _put(put_back, pair.spot, pair.old)
            put_in = _put(put_in, pair.old or pair.spot, pair.new)
        back, ahead = self._names(put_back) ^ self.names[1], self._names(put_in) ^ self.names[0]
        return back & ahead, back | ahead

    def _names(self, facts: Facts) -> set[Name]:
        return {_name(one) for one in diagnose(facts, self.matrix).findings}

    def _change(self, pair: Pair, explains: tuple[str, ...], ends: tuple[str, ...]) -> Change:
        old, new = pair.texts()
        what, why = clause(pair.spot.place, explains, self.new)
        return Change(
            place=pair.spot.place,
            what=what or pair.spot.what,
            old=old,
            new=new,
            explains=explains,
            ends=ends,
            why=why,
        )


def _best(name: Name, tried: dict[str, tuple[set[Name], set[Name]]]) -> list[str]:
    """Return the places whose change a finding is laid to: the surest, of these those of its own subject."""
    sure = [place for place, (both, _) in tried.items() if name in both]
    found = sure or [place for place, (_, either) in tried.items() if name in either]
    subject = (name[1] or "").partition(" ")[0]
    return [place for place in found if place.partition(".")[0] == subject] or found


def _put(facts: Facts, where: Spot, value: Spot | None) -> Facts:
    return where.put(facts, value.value if value is not None else None)


def _only(report: Report, other: Report) -> tuple[Finding, ...]:
    names = {_name(one) for one in other.findings}
    return tuple(one for one in report.findings if _name(one) not in names)


def _name(finding: Finding) -> Name:
    return finding.slug, finding.subject


def _slugs(findings: Iterable[Finding], names: set[Name]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(one.slug for one in findings if _name(one) in names))
