"""What would be: a described machine, and packages that are only wanted, as Facts for the doctor's own checks."""

from __future__ import annotations

import difflib
import re
from dataclasses import replace
from typing import TYPE_CHECKING

from packaging.specifiers import SpecifierSet

from gpucheck.describe.machine import DescriptionError, machine
from gpucheck.describe.merge import joined
from gpucheck.describe.wanted import ELSEWHERE, FRAMEWORKS, Pin, Wanted, parse, version, wheel
from gpucheck.facts import Facts, Framework, Library, absent, seen
from gpucheck.matrix.requirements import ANY_PYTHON, ENVIRONMENTS, Need, needs, newest
from gpucheck.matrix.versions import parse_version, published

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from gpucheck.facts import Fact
    from gpucheck.matrix import Build, Matrix

__all__ = ["DescriptionError", "Pin", "Wanted", "installed_into", "machine", "parse", "python_of", "reduced"]


def installed_into(facts: Facts, matrix: Matrix, wanted: Sequence[Wanted | Pin]) -> Facts:
    """Return a described machine as it would be with some packages installed.

    A plain ``torch==X`` is the default wheel of the package index for that system, ``tensorflow==X`` beside a
    GPU what ``tensorflow[and-cuda]`` would install.

    Args:
        facts: The machine.
        matrix: Where the wheels are looked up.
        wanted: The packages.

    Raises:
        DescriptionError: Nothing of it is a framework that the matrix knows.
    """
    wanted = joined(wanted, platform(facts), facts.interpreter.version.value or ANY_PYTHON)
    frameworks = [one for one in wanted if isinstance(one, Wanted)]
    pins = [one for one in wanted if isinstance(one, Pin)]
    if not frameworks:
        near = [name for pin in pins for name in difflib.get_close_matches(pin.name, FRAMEWORKS, n=1)]
        hint = f"; did you mean {near[0]}?" if near else "; write e.g. torch==2.9 or tensorflow==2.20"
        raise DescriptionError(f"no framework that the matrix knows is named{hint}")
    retired = [one for one in frameworks if one.distribution == "tensorflow-gpu"]
    if retired and SpecifierSet(retired[0].specifier).contains("2.12.0"):
        raise DescriptionError(
            f"{retired[0].origin}: tensorflow-gpu ended with 2.11; its 2.12.0 refuses to install: write tensorflow"
        )
    made = tuple(_framework(facts, matrix, one, pins) for one in frameworks)
    made = tuple(_with_cudnn(facts, matrix, one, made) for one in made)
    return replace(facts, frameworks=made, packages=seen(_packages(facts, made, pins), "what would be installed"))


def python_of(wanted: Sequence[Wanted | Pin]) -> str | None:
    """Return the Python that conda's environment.yml asks for, or None."""
    for one in wanted:
        found = re.fullmatch(r"==(\d+\.\d+(?:\.\d+)?)(?:\.\*)?", one.specifier)
        if isinstance(one, Pin) and one.name == "python" and found:
            return found[1]
    return None


def reduced(facts: Facts) -> Facts:
    """Return a machine that was read as one that is only described: what is installed on it is left out.

    Raises:
        DescriptionError: It has an NVIDIA card, and no driver that lists it.
    """
    cards = [card for card in facts.pci_cards.value or () if card.vendor == "10de"]
    working = tuple(gpu for gpu in facts.gpus.value or () if gpu.status.value == 0)
    if cards and not working:
        raise DescriptionError(
            "an NVIDIA card is on the PCI bus, but no driver lists it: `gpucheck doctor` says why; "
            "or describe the machine with --gpu and --driver"
        )
    asked = replace(facts.driver, cuinit_status=absent("judged as described"))
    return Facts(
        system=facts.system,
        interpreter=facts.interpreter,
        driver=asked,
        gpus=seen(working, facts.gpus.source or "this machine"),
        described=True,
    )


def platform(facts: Facts) -> str:
    """Return the matrix's name of a described machine's platform."""
    return f"{facts.system.os.value}-{facts.system.machine.value}"


def _framework(facts: Facts, matrix: Matrix, wanted: Wanted, pins: Iterable[Pin]) -> Framework:
    place, python = platform(facts), facts.interpreter.version.value
    text = version(matrix, wanted, place, python)
    row = wheel(matrix, wanted, text, place, None)
    name, source = wanted.framework, wanted.origin
    if row is None:
        why = _why_none(matrix, wanted, text, place)
        return Framework(
            name=name, installed=seen(True, source), version=seen(text, source), build=absent(why),
            requires=absent(why), cudnn_loaded=absent(why),
        )  # fmt: skip
    label = row.variant if name == "torch" and row.variant.startswith("cu") else ""
    cpu = wanted.distribution == "tensorflow-cpu" or row.variant == "cpu"
    origin = f"{row.source}, {row.url}"
    lines, told_by = _requirements(facts, matrix, wanted, row, text)
    asked = tuple(f"{pin.name}{pin.specifier}" for pin in pins)
    return Framework(
        name=name,
        installed=seen(True, source),
        version=seen(f"{text}+{label}" if label else text, source),
        distribution=seen(f"{wanted.distribution} {text}", source),
        build=seen("cpu" if cpu else "cuda", origin),
        cuda_runtime=seen(row.cuda_runtime, origin)
        if row.cuda_runtime and not cpu
        else absent("not known", origin),
        cudnn_built=seen(row.cudnn, origin) if row.cudnn else absent("not known", origin),
        cudnn_loaded=absent("a CPU build") if cpu else _built_cudnn(row),
        arch_list=seen(row.arch_list, origin) if row.arch_list else absent("not known", origin),
        requires=seen((*lines, *asked), told_by) if lines else absent(_unread(row), origin),
    )


def _why_none(matrix: Matrix, wanted: Wanted, text: str, place: str) -> str:
    if wanted.variant == ELSEWHERE:
        return f"{wanted.framework} comes from elsewhere; the matrix knows the package index and torch's own"
    if wanted.variant == "conda":
        return f"{wanted.framework} {text} is a conda package; the matrix knows wheels only"
    if parse_version(text) is None:
        return f"no {wanted.framework} that the matrix of {matrix.date} knows fits {text or 'it'}"
    if not published(text):
        return matrix.why_unknown(wanted.framework, text)
    if wanted.variant is not None and matrix.builds(wanted.framework, text, place):
        return (
            f"the matrix of {matrix.date} knows no {wanted.variant} build of {wanted.framework} {text} for {place}"
        )
    patches = matrix.patches(wanted.framework, text) if matrix.release(wanted.framework, text) else []
    if patches and not any(patch == parse_version(text) for patch in patches):
        return f"the matrix knows {wanted.framework} {', '.join(map(str, patches))}, and no {text}"
    if patches and not matrix.builds(wanted.framework, text, place):
        return f"the matrix of {matrix.date} has no wheel of {wanted.framework} {text} for {place}"
    return matrix.why_unknown(wanted.framework, text)


def _unread(row: Build) -> str:
    return f"the metadata of the {row.variant} build was not read"


def _requirements(
    facts: Facts, matrix: Matrix, wanted: Wanted, row: Build, text: str
) -> tuple[tuple[str, ...], str]:
    """Return what a wheel requires, and who told it.

    A CPU wheel whose metadata was not read has that of the CPU wheels for other systems: without NVIDIA's
    packages the requirements are the same lines of torch's setup.py.
    """
    told_by = f"{row.source}, {row.url}"
    if row.variant == "cpu" and not row.requires:
        release, parsed = matrix.release(wanted.framework, text), parse_version(text)
        for other in release.build if release is not None and parsed is not None else ():
            if other.variant == "cpu" and other.requires and parsed is not None and other.covers(parsed):
                return other.requires, f"the CPU wheel for {other.platform}: {other.source}, {other.url}"
    with_cuda = "and-cuda" in wanted.extras or bool(facts.gpus.value)
    extra = row.and_cuda if with_cuda and wanted.distribution != "tensorflow-cpu" else ()
    return (*row.requires, *extra), told_by


def _needs(facts: Facts, lines: Iterable[str]) -> dict[str, Need]:
    place = platform(facts)
    if place not in ENVIRONMENTS:
        return {}
    return needs(lines, place, facts.interpreter.version.value or ANY_PYTHON)


def _built_cudnn(row: Build) -> Fact[Library]:
    """Return the cuDNN of a build whose requirements were not read: that it was built with."""
    if row.requires:
        return absent("the wheel brings no cuDNN", row.url)
    if row.cudnn is None:
        return absent(f"the cuDNN of the {row.variant} build is not known")
    text = seen(row.cudnn, row.url)
    return seen(Library(path=f"the cuDNN that the {row.variant} build was built with", version=text), row.url)


def _with_cudnn(facts: Facts, matrix: Matrix, one: Framework, every: Sequence[Framework]) -> Framework:
    """Return a framework with the cuDNN that pip would bring: the newest that all the requirements admit."""
    asked = [_needs(facts, other.requires.value or ()) for other in (one, *every)]
    name = next((name for name in asked[0] if name.startswith("nvidia-cudnn-cu")), None)
    if name is None or one.build.value != "cuda":
        return one
    known = next((row.versions for row in matrix.packages() if row.name == name), ())
    specifiers = [needs_[name].specifier for needs_ in asked if name in needs_]
    found = newest(specifiers, known) or newest(specifiers[:1], known)
    if found is None:
        return replace(one, cudnn_loaded=absent(f"the matrix knows no {name} that fits {specifiers[0]}"))
    text = seen(".".join(found.split(".")[:3]), f"{name} {specifiers[0]}")
    return replace(
        one, cudnn_loaded=seen(Library(path=f"{name} {found}", version=text), one.requires.source or name)
    )


def _packages(facts: Facts, frameworks: Iterable[Framework], pins: Iterable[Pin]) -> dict[str, str]:
    """Return what would be installed by name, with the version where one requirement alone decides it."""
    named: dict[str, list[str]] = {}
    for framework in frameworks:
        for name, need in _needs(facts, framework.requires.value or ()).items():
            named.setdefault(name, []).append(need.specifier)
    found = {name: _exact(texts[0]) if len(texts) == 1 else "" for name, texts in named.items()}
    return {**found, **{pin.name: _exact(pin.specifier) for pin in pins}}


def _exact(specifier: str) -> str:
    """Return the version after a single ``==``, else nothing."""
    alone = specifier.startswith("==") and "," not in specifier and not specifier.endswith(".*")
    return specifier.removeprefix("==").lstrip("=") if alone else ""
