"""What a machine has of what can be demanded: values with their source, or the reason why they are not known."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from gpucheck.facts import usable_gpus
from gpucheck.record import record

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from gpucheck.facts import Fact, Facts, Framework, Gpu


@record
class Reading:
    """One value to be compared.

    Attributes:
        subject: Whose it is: ``GPU 0``, ``torch``, or None for the machine.
        value: The value as text; None where it is not known.
        raw: As people know it, where that differs.
        source: Where it was read, or why it is not known.
        absent: Whether it is known that there is no such thing.
    """

    subject: str | None = None
    value: str | None = None
    raw: str | None = None
    source: str = ""
    absent: bool = False


def readings(name: str, facts: Facts) -> tuple[Reading, ...]:
    """Return what is to be compared for a name; empty where it is certain that there is nothing of the kind."""
    return tuple(READERS[name](facts))


def _gpus(facts: Facts) -> Iterator[Reading]:
    count, source = usable_gpus(facts)
    yield Reading(value=None if count is None else str(count), source=source)


def _driver(facts: Facts) -> Iterator[Reading]:
    version = facts.driver.version if facts.driver.version.known else facts.driver.library_version
    text = version.value
    # A vGPU driver's suffix is no part of its number (NVIDIA vGPU software documentation).
    number = re.fullmatch(r"(\d{3}(?:\.\d+){1,2})-grid", text or "")
    yield _of(version, None, number[1] if number else text, facts)


def _driver_cuda(facts: Facts) -> Iterator[Reading]:
    yield _of(facts.driver.driver_cuda, None, facts.driver.driver_cuda.value, facts)


def _of(fact: Fact[str], subject: str | None, value: str | None, facts: Facts) -> Reading:
    count, why = usable_gpus(facts)
    none = not fact.known and count == 0
    source = why if none else fact.source or fact.missing or "not known"
    return Reading(subject=subject, value=value, raw=fact.raw, source=source, absent=none)


def _of_frameworks(pick: Callable[[Framework], Fact[str]]) -> Callable[[Facts], Iterator[Reading]]:
    def read(facts: Facts) -> Iterator[Reading]:
        for framework in facts.frameworks:
            if framework.installed.known and not framework.installed.value:
                continue
            if framework.build.value in ("cpu", "rocm"):
                yield Reading(subject=framework.name, source=f"a {framework.build.value} build", absent=True)
                continue
            fact = pick(framework)
            yield Reading(
                subject=framework.name, value=fact.value, raw=fact.raw, source=fact.source or fact.missing or ""
            )
        if not facts.frameworks:
            yield Reading(source="no interpreter was looked at")

    return read


def _cudnn(framework: Framework) -> Fact[str]:
    loaded = framework.cudnn_loaded
    if loaded.value is None:
        return loaded  # type: ignore[return-value]
    return loaded.value.version


def _usable(facts: Facts) -> Iterable[Gpu] | None:
    return [gpu for gpu in facts.gpus.value if gpu.status.value == 0] if facts.gpus.value is not None else None


def _of_gpus(pick: Callable[[Gpu], Fact[object]]) -> Callable[[Facts], Iterator[Reading]]:
    def read(facts: Facts) -> Iterator[Reading]:
        cards, (count, why) = _usable(facts), usable_gpus(facts)
        if count == 0:
            yield Reading(source=why, absent=True)
        elif cards is None:
            yield Reading(source=facts.gpus.missing or "the GPUs were not listed")
        else:
            for gpu in cards:
                fact = pick(gpu)
                value = {True: "on", False: "off"}.get(fact.value, fact.value)  # type: ignore[call-overload]
                yield Reading(
                    subject=f"GPU {gpu.index}",
                    value=None if value is None else str(value),
                    source=fact.source or fact.missing or "",
                    absent="Not Supported" in (fact.missing or ""),
                )

    return read


def _python(facts: Facts) -> Iterator[Reading]:
    version = facts.interpreter.version
    yield Reading(value=version.value, source=version.source or version.missing or "")


def _framework(name: str, pick: Callable[[Framework], Fact[str]]) -> Callable[[Facts], Iterator[Reading]]:
    def read(facts: Facts) -> Iterator[Reading]:
        framework = facts.framework(name)
        if framework.installed.value is False:
            yield Reading(subject=name, source=f"{name} is not installed", absent=True)
            return
        fact = pick(framework)
        yield Reading(subject=name, value=fact.value, raw=fact.raw, source=fact.source or fact.missing or "")

    return read


def _names(facts: Facts) -> Iterator[Reading]:
    yield from _of_gpus(lambda gpu: gpu.name)(facts)


READERS: dict[str, Callable[[Facts], Iterator[Reading]]] = {
    "gpu": _gpus,
    "driver": _driver,
    "driver-cuda": _driver_cuda,
    "cuda-runtime": _of_frameworks(lambda framework: framework.cuda_runtime),
    "cudnn": _of_frameworks(_cudnn),
    "compute-capability": _of_gpus(lambda gpu: gpu.compute_capability),
    "gpu-memory": _of_gpus(lambda gpu: gpu.memory_total),
    "gpu-memory-free": _of_gpus(lambda gpu: gpu.memory_free),
    "python": _python,
    "torch": _framework("torch", lambda framework: framework.version),
    "tensorflow": _framework("tensorflow", lambda framework: framework.version),
    "torch-build": _framework("torch", lambda framework: framework.build),
    "tensorflow-build": _framework("tensorflow", lambda framework: framework.build),
    "mig": _of_gpus(lambda gpu: gpu.mig),
    "ecc": _of_gpus(lambda gpu: gpu.ecc),
    "homogeneous": _names,
    "gpu-name": _names,
}
