"""Requirements as they hold on one machine: markers judged, constraints applied, repeated ones joined."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from packaging.markers import InvalidMarker, Marker
from packaging.specifiers import SpecifierSet

from gpucheck.describe.machine import DescriptionError
from gpucheck.describe.wanted import Pin, Wanted
from gpucheck.matrix.requirements import can_agree, holds

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence


def joined(wanted: Sequence[Wanted | Pin], platform: str, python: str) -> list[Wanted | Pin]:
    """Return what is asked for on a platform, each package once.

    Raises:
        DescriptionError: Two requirements on one package exclude each other, or one excludes every version.
    """
    here = [one for one in wanted if _holds(one.markers, platform, python)]
    asked = {_name(one) for one in here if not one.constraint}
    groups: dict[str, list[Wanted | Pin]] = {}
    for one in here:
        if _name(one) in asked:
            groups.setdefault(_name(one), []).append(one)
    return [_one(name, some) for name, some in groups.items()]


def _name(one: Wanted | Pin) -> str:
    return one.framework if isinstance(one, Wanted) else one.name


def _holds(markers: Iterable[str], platform: str, python: str) -> bool:
    try:
        parsed = [Marker(text) for text in markers]
    except InvalidMarker as error:
        raise DescriptionError(f"a marker cannot be understood: {error}") from None
    try:
        return not parsed or any(holds(marker, platform, python) for marker in parsed)
    except KeyError:
        return True


def _one(name: str, some: list[Wanted | Pin]) -> Wanted | Pin:
    specifier = str(SpecifierSet(",".join(one.specifier for one in some if one.specifier)))
    places = " and ".join(dict.fromkeys(f"{name}{one.specifier} ({one.origin})" for one in some))
    if not can_agree(specifier, ""):
        raise DescriptionError(f"{places}: no version can fit")
    wanted = [one for one in some if isinstance(one, Wanted) and not one.constraint]
    variants = {one.variant for one in wanted if one.variant is not None}
    if len(variants) > 1:
        raise DescriptionError(f"{places}: asked for as {' and as '.join(sorted(variants))}")
    first = wanted[0] if wanted else some[0]
    if isinstance(first, Wanted):
        extras = frozenset().union(*(one.extras for one in wanted))
        return replace(first, specifier=specifier, variant=next(iter(variants), None), extras=extras)
    return replace(first, specifier=specifier)
