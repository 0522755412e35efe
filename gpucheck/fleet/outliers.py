"""Who is slow: numbers far from those of a node's peers, by median and MAD, which outliers cannot move."""

from __future__ import annotations

from dataclasses import dataclass
from statistics import median
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from gpucheck.fleet.drift import Group

FEWEST = 8  # values
TIMES = 5  # deviations; MAD times 1.4826 is the standard deviation of normal values
SCALE = 1.4826
# Below these shares of the median nothing is told: values that are all but the same have hardly any MAD.
# Times vary with what else a node does.
FLOORS = {"s": 0.5}
FLOOR = 0.05
LEAST = {"s": 1.0}  # seconds
MOST_SHARE = 1e6  # a number that is nonsense is told as one, and is still a number


@dataclass(frozen=True)
class Outlier:
    """A number that is worse than its peers'.

    Attributes:
        group: The kind of node.
        number: What was measured.
        node: Whose.
        value: The number.
        usual: The median of the group.
        unit: Of both.
        share: How far it is from the median, of the median; negative: below.
    """

    group: str
    number: str
    node: str
    value: float
    usual: float
    unit: str
    share: float


@dataclass(frozen=True)
class Spread:
    """The values of one number in one group, for a picture.

    Attributes:
        group: The kind of node.
        number: What was measured.
        unit: Its unit.
        usual: The median.
        values: Node and value.
        odd: The nodes that are outliers.
    """

    group: str
    number: str
    unit: str
    usual: float
    values: tuple[tuple[str, float], ...]
    odd: frozenset[str]


def spreads(found: Iterable[Group]) -> Iterator[Spread]:
    """Yield each measured number of each kind of node, with its outliers."""
    for group in found:
        numbers: dict[tuple[str, str, str], list[tuple[str, float]]] = {}
        for entry in group.entries:
            for name, (value, unit, better) in entry.numbers.items():
                numbers.setdefault((name, unit, better), []).append((entry.name, value))
        for (name, unit, better), values in numbers.items():
            usual = median(value for _, value in values)
            odd = frozenset(_odd(values, usual, unit, better))
            yield Spread(group.name, name, unit, usual, tuple(values), odd)


def _odd(values: list[tuple[str, float]], usual: float, unit: str, better: str) -> Iterator[str]:
    if len(values) < FEWEST:
        return
    mad = median(abs(value - usual) for _, value in values) * SCALE
    limit = max(TIMES * mad, FLOORS.get(unit, FLOOR) * abs(usual), LEAST.get(unit, 0.0))
    for node, value in values:
        worse = usual - value if better == "high" else value - usual
        if worse > limit:
            yield node


def _share(value: float, usual: float) -> float:
    share = (value - usual) / usual if usual else 0.0
    return max(min(share, MOST_SHARE), -MOST_SHARE)


def outliers(found: Iterable[Spread]) -> list[Outlier]:
    """Return the numbers that are worse than their peers', the farthest first."""
    told = [
        Outlier(
            group=one.group,
            number=one.number,
            node=node,
            value=value,
            usual=one.usual,
            unit=one.unit,
            share=_share(value, one.usual),
        )
        for one in found
        for node, value in one.values
        if node in one.odd
    ]
    return sorted(told, key=lambda one: -abs(one.share))
