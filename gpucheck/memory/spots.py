"""Facts laid out as single values that can be compared, and put into other facts to see what they do there."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from gpucheck.facts import Answer, Dependency, Fact, Library, PackageFile, PciCard
from gpucheck.facts.fact import NOT_LOOKED_AT
from gpucheck.memory import words
from gpucheck.memory.snapshot import LEFT_OUT
from gpucheck.record import record

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from gpucheck.facts import Facts, Framework, Gpu

NOT_TOLD = (NOT_LOOKED_AT, LEFT_OUT, "not in this report")


@record
class Spot:
    """One value of a machine.

    Attributes:
        place: Where it stands: ``driver.version``, ``torch.cudnn_loaded``, ``gpus.0.ecc``...
        what: The same for people.
        value: A fact, or what stands there; None: nothing does.
        put: Returns facts with another value there.
        thing: Whether it is something that comes and goes as a whole: a GPU, a package.
    """

    place: str
    what: str
    value: Any
    put: Callable[[Facts, Any], Facts]
    thing: bool = False


def spots(facts: Facts, keys: dict[int, str]) -> Iterator[Spot]:
    """Yield every value that is compared.

    Args:
        facts: A machine.
        keys: What its GPUs are called in places, by index: the same as of the machine that it is compared with.
    """
    yield from _room("driver", words.DRIVER, facts)
    yield from _cards(facts)
    yield from _gpus(facts, keys)
    for framework in facts.frameworks:
        yield from _framework(framework)
    yield from _pairs("environment", facts.environment, "{}")
    yield from _pairs("packages", facts.packages, "package {}")
    yield Spot(
        place="package_files",
        what="files of NVIDIA's packages that are not as installed",
        value=facts.package_files,
        put=lambda where, value: replace(where, package_files=value),
    )
    yield from _room("interpreter", words.INTERPRETER, facts)
    yield from _room("system", words.SYSTEM, facts)


def _room(room: str, names: dict[str, str], facts: Facts) -> Iterator[Spot]:
    def putting(name: str) -> Callable[[Facts, Any], Facts]:
        return lambda where, value: _with(where, room, _with(getattr(where, room), name, value))

    for name, what in names.items():
        yield Spot(place=f"{room}.{name}", what=what, value=getattr(getattr(facts, room), name), put=putting(name))


def _cards(facts: Facts) -> Iterator[Spot]:
    """NVIDIA's cards on the PCI bus."""

    def putting(address: str) -> Callable[[Facts, Any], Facts]:
        def put(where: Facts, value: Any) -> Facts:
            others = tuple(card for card in where.pci_cards.value or () if card.address != address)
            cards = others if value is None else (*others, value)
            return replace(where, pci_cards=Fact(value=cards, source=where.pci_cards.source))

        return put

    for card in facts.pci_cards.value or ():
        if card.vendor == "10de":
            place = f"pci.{card.address}"
            what = f"NVIDIA card {card.address} on the PCI bus"
            yield Spot(place=place, what=what, value=card, put=putting(card.address), thing=True)


def _gpus(facts: Facts, keys: dict[int, str]) -> Iterator[Spot]:
    yield Spot(
        place="gpus",
        what="GPUs that the driver lists",
        value=facts.gpus,
        put=lambda where, value: replace(where, gpus=value),
    )
    for gpu in facts.gpus.value or ():
        key = keys[gpu.index]
        name = f" ({gpu.name.value})" if gpu.name.known else ""
        yield Spot(
            place=f"gpus.{key}", what=f"GPU {gpu.index}{name}", value=gpu, put=_putting_gpu(gpu.index), thing=True
        )
        for field, what in words.GPU.items():
            yield Spot(
                place=f"gpus.{key}.{field}",
                what=f"{what} of GPU {gpu.index}",
                value=getattr(gpu, field),
                put=_putting_gpu(gpu.index, field),
            )


def _putting_gpu(index: int, field: str | None = None) -> Callable[[Facts, Any], Facts]:
    def put(where: Facts, value: Any) -> Facts:
        gpus: tuple[Gpu, ...] = where.gpus.value or ()
        if field is not None:
            gpus = tuple(_with(gpu, field, value) if gpu.index == index else gpu for gpu in gpus)
        else:
            others = [gpu for gpu in gpus if gpu.index != index]
            gpus = tuple(others if value is None else sorted([*others, value], key=lambda gpu: gpu.index))
        return replace(where, gpus=Fact(value=gpus, source=where.gpus.source))

    return put


def _framework(framework: Framework) -> Iterator[Spot]:
    name = framework.name
    for field, what in words.FRAMEWORK.items():
        yield Spot(
            place=f"{name}.{field}",
            what=what.format(name),
            value=getattr(framework, field),
            put=_putting(name, _putting_field(field)),
        )
    for library in framework.libraries.value or ():
        yield Spot(
            place=f"{name}.libraries.{library.soname}",
            what=f"{library.soname} that {name} loads",
            value=library,
            put=_putting(name, _putting_library(library.soname)),
        )


def _putting(name: str, change: Callable[[Framework, Any], Framework]) -> Callable[[Facts, Any], Facts]:
    def put(where: Facts, value: Any) -> Facts:
        found = tuple(change(one, value) if one.name == name else one for one in where.frameworks)
        return replace(where, frameworks=found)

    return put


def _putting_field(field: str) -> Callable[[Framework, Any], Framework]:
    def put(framework: Framework, value: Any) -> Framework:
        changed: Framework = _with(framework, field, value)
        return changed

    return put


def _putting_library(soname: str) -> Callable[[Framework, Any], Framework]:
    def put(framework: Framework, value: Dependency | None) -> Framework:
        listed: tuple[Dependency, ...] = framework.libraries.value or ()
        others = tuple(one for one in listed if one.soname != soname)
        libraries = others if value is None else (*others, value)
        return replace(framework, libraries=Fact(value=libraries, source=framework.libraries.source))

    return put


def _pairs(room: str, fact: Fact[dict[str, str]], what: str) -> Iterator[Spot]:
    def putting(name: str) -> Callable[[Facts, Any], Facts]:
        def put(where: Facts, value: Any) -> Facts:
            held: Fact[dict[str, str]] = getattr(where, room)
            others = {key: item for key, item in (held.value or {}).items() if key != name}
            kept = others if value is None else {**others, name: value}
            changed: Facts = _with(where, room, Fact(value=kept, source=held.source))
            return changed

        return put

    for name, value in (fact.value or {}).items():
        yield Spot(
            place=f"{room}.{name}",
            what=what.format(name),
            value=value,
            put=putting(name),
            thing=room == "packages",
        )


def _with(thing: Any, field: str, value: Any) -> Any:
    return replace(thing, **{field: value})


def told(value: Any) -> bool:
    """Whether anybody looked there."""
    return not isinstance(value, Fact) or value.missing not in NOT_TOLD


def same(one: Any, other: Any) -> bool:
    """Whether two values are the same to people; where both are missing, why does not count."""
    if isinstance(one, Fact) and isinstance(other, Fact):
        return (not one.known and not other.known) or (one.known and other.known and same(one.value, other.value))
    if isinstance(one, Dependency) and isinstance(other, Dependency):
        return same(one.taken, other.taken)
    if isinstance(one, Library) and isinstance(other, Library):
        return one.path == other.path and same(one.version, other.version)
    if isinstance(one, tuple) and isinstance(other, tuple):
        return len(one) == len(other) and all(map(same, one, other))
    if isinstance(one, Answer) and isinstance(other, Answer):
        return said(one) == said(other)
    return bool(one == other)


def said(value: Any, field: str = "") -> str:
    """Return a value as people write it."""
    if isinstance(value, Fact):
        return said(value.value, field) if value.known else f"none ({value.missing})"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if field in words.BYTES and isinstance(value, int):
        return f"{value / 2**30:.1f} GiB"
    if field == "gpus" and isinstance(value, tuple):
        return str(len(value))
    if isinstance(value, tuple):
        return ", ".join(said(one) for one in value) or "none"
    if isinstance(value, (Library, Dependency, Answer, PackageFile, PciCard)):
        return _thing(value)
    return str(getattr(value, "path", getattr(value, "executable", value)))


def _thing(value: Library | Dependency | Answer | PackageFile | PciCard) -> str:
    if isinstance(value, Library):
        return value.version.value or value.path
    if isinstance(value, Dependency):
        return said(value.taken)
    if isinstance(value, PackageFile):
        return value.path
    if isinstance(value, PciCard):
        return value.name or value.address
    if value.error is not None:
        return value.error
    sees = f"{len(value.devices)} GPUs" if value.available else "no GPU"
    return f"sees {sees}" + (f", cuDNN {value.cudnn}" if value.cudnn else "")


def path(value: Any) -> str | None:
    """Return the file of a library that a fact or a dependency names."""
    found = value.taken if isinstance(value, Dependency) else value
    library = found.value if isinstance(found, Fact) else None
    return library.path if isinstance(library, Library) else None
