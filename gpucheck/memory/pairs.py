"""Two machines side by side: the places where they differ, as far as both were looked at."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gpucheck.findings import FRAMEWORKS
from gpucheck.memory.spots import path, said, same, spots, told
from gpucheck.record import record

if TYPE_CHECKING:
    from collections.abc import Iterator

    from gpucheck.facts import Facts, Gpu
    from gpucheck.memory.spots import Spot


@record
class Pair:
    """A place and what stands there on both machines.

    Attributes:
        old: On the old one; None: nothing does.
        new: On the new one; at least one of the two is there.
    """

    old: Spot | None
    new: Spot | None

    @property
    def spot(self) -> Spot:
        """The one that is there, the new one first."""
        found = self.new or self.old
        assert found is not None
        return found

    @property
    def group(self) -> str:
        """What changes together: ``driver``, ``torch``, ``gpus``..."""
        return self.spot.place.partition(".")[0]

    @property
    def whole(self) -> bool:
        """Whether it is a thing whose values are compared one by one."""
        return self.spot.thing and not isinstance(self.spot.value, str)

    @property
    def one_sided(self) -> bool:
        """Whether it is new or gone."""
        return self.old is None or self.new is None

    def texts(self) -> tuple[str | None, str | None]:
        """Return a value as it was and as it is; None: not there. Of a thing its name says it already."""
        if self.whole:
            return ("" if self.old is not None else None), ("" if self.new is not None else None)
        field = self.spot.place.rpartition(".")[2]
        old, new = (said(spot.value, field) if spot is not None else None for spot in (self.old, self.new))
        if old == new and self.old is not None and self.new is not None:
            # The same version, in another folder.
            old, new = path(self.old.value) or old, path(self.new.value) or new
        return old, new


def differing(old: Facts, new: Facts) -> Iterator[Pair]:
    """Yield every place where two machines differ."""
    keys = _keys(old.gpus.value or (), new.gpus.value or ())
    before = {spot.place: spot for spot in spots(old, keys[0])}
    after = {spot.place: spot for spot in spots(new, keys[1])}
    looked = _looked_at(old, new)
    for place in dict.fromkeys((*after, *before)):
        pair = Pair(old=before.get(place), new=after.get(place))
        if _differs(pair) and not _told_elsewhere(pair, before, after, looked):
            yield pair


def _looked_at(old: Facts, new: Facts) -> dict[str, bool]:
    """Say for each list whether what is in one alone is new or gone: only when both were read whole."""
    return {
        "pci": old.pci_cards.known and new.pci_cards.known,
        "gpus": old.gpus.known and new.gpus.known,
        "environment": old.environment.known and new.environment.known and not (old.reports or new.reports),
        "packages": old.packages.known and new.packages.known and not (old.reports or new.reports),
    }


def _differs(pair: Pair) -> bool:
    if pair.old is None or pair.new is None:
        return True
    if pair.whole or not (told(pair.old.value) and told(pair.new.value)):
        return False
    return not same(pair.old.value, pair.new.value)


def _told_elsewhere(pair: Pair, before: dict[str, Spot], after: dict[str, Spot], looked: dict[str, bool]) -> bool:
    """Whether a difference says nothing of its own."""
    group, _, rest = pair.spot.place.partition(".")
    if group == "gpus":
        # Each GPU that came or went, or all of them where one machine lists none; not also each of its values.
        return looked["gpus"] if not rest else pair.one_sided and ("." in rest or not looked["gpus"])
    if group in FRAMEWORKS:
        place = f"{group}.installed"
        installed = [one[place].value.value for one in (before, after) if place in one]
        return pair.one_sided or (rest != "installed" and installed[0] != installed[-1])
    if group == "packages" and rest in FRAMEWORKS:
        return f"{rest}.version" in before and f"{rest}.version" in after
    return pair.one_sided and not looked.get(group, True)


def _keys(old: tuple[Gpu, ...], new: tuple[Gpu, ...]) -> tuple[dict[int, str], dict[int, str]]:
    """Name GPUs so that the same one has the same name: by UUID, else by index and product."""
    free = list(new)
    keys: dict[int, str] = {}
    for gpu in old:
        match = next((one for one in free if _is_one(gpu, one)), None)
        if match is not None:
            free.remove(match)
            keys[match.index] = str(gpu.index)
    named = {gpu.index: keys.get(gpu.index, f"new-{gpu.index}") for gpu in new}
    return {gpu.index: str(gpu.index) for gpu in old}, named


def _is_one(old: Gpu, new: Gpu) -> bool:
    if old.uuid.known and new.uuid.known:
        return old.uuid.value == new.uuid.value
    named = old.name.known and new.name.known
    return old.index == new.index and (not named or old.name.value == new.name.value)
