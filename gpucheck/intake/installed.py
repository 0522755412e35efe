"""What lists of installed packages prove of torch and TensorFlow."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from gpucheck.facts import Driver, Facts, Framework, Interpreter, System, absent, blank, seen
from gpucheck.record import record

if TYPE_CHECKING:
    from collections.abc import Iterable

    from gpucheck.facts import Fact

NOT_SHOWN = "not in this report"
# What each distribution of TensorFlow was built for; None: its name does not tell.
TENSORFLOW = {
    "tensorflow": None, "tf-nightly": None, "tensorflow-base": None,
    "tensorflow-gpu": "cuda", "tf-nightly-gpu": "cuda", "tensorflow-rocm": "rocm", "tensorflow-cpu": "cpu",
    "tf-nightly-cpu": "cpu", "tensorflow-intel": "cpu", "tensorflow-macos": "cpu", "tensorflow-cpu-aws": "cpu",
    "tensorflow-aarch64": "cpu", "intel-tensorflow": "cpu", "intel-tensorflow-avx512": "cpu",
}  # fmt: skip
# Distributions that a plain `tensorflow` requires on their platforms; any other one beside it overwrites it.
PARTS = {"tensorflow-intel", "tensorflow-macos", "tensorflow-cpu-aws", "tensorflow-aarch64"}
TORCH = ("torch", "pytorch")


@record
class Package:
    """One line of a list.

    Attributes:
        name: Normalised name.
        version: Its version; empty where the line tells none.
        source: The list, e.g. ``pip list``.
        build: conda's build string, e.g. ``py3.9_cuda11.3_cudnn8.2.0_0``.
        conda: Whether conda itself installed it.
    """

    name: str
    version: str
    source: str
    build: str = ""
    conda: bool = False


def normalise(name: str) -> str:
    """Return a distribution's name in the one form of PEP 503."""
    return re.sub(r"[-_.]+", "-", name).lower()


def facts(**known: Any) -> Facts:
    """Return facts in which all that is not given is missing because the report does not show it."""
    rooms = {"system": System, "interpreter": Interpreter, "driver": Driver}
    empty: dict[str, Any] = {name: blank(kind, NOT_SHOWN) for name, kind in rooms.items()}
    return blank(Facts, NOT_SHOWN, **{**empty, **known})


def versions(packages: Iterable[Package], source: str) -> Fact[dict[str, str]]:
    """Return the versions by name; of two lines for one package the first counts."""
    found: dict[str, str] = {}
    for package in packages:
        if package.version:
            found.setdefault(package.name, package.version)
    return seen(found, source) if found else absent(NOT_SHOWN)


def frameworks(packages: Iterable[Package]) -> tuple[Framework, ...]:
    """Return torch and TensorFlow as far as the lists prove something of them."""
    # What conda itself says of its package is more than pip's line for the same one.
    ordered = sorted(packages, key=lambda package: not package.conda)
    torch = [package for package in ordered if package.name in TORCH]
    tensorflow = [package for package in ordered if package.name in TENSORFLOW]
    tensorflow.sort(key=lambda package: list(TENSORFLOW).index(package.name))
    found = []
    if torch:
        found.append(_framework("torch", torch[0], build_of(torch[0])))
    if tensorflow:
        found.append(_framework("tensorflow", tensorflow[0], _tensorflow_build(tensorflow)))
    return tuple(found)


def _framework(name: str, package: Package, told: dict[str, Any]) -> Framework:
    source = f"{package.source}: {package.name}"
    if package.conda:
        told = {**told, "installer": seen("conda", source)}
    else:
        told = {**told, "distribution": seen(f"{package.name} {package.version}".strip(), source)}
    version = seen(package.version, source) if package.version else absent(NOT_SHOWN)
    return blank(Framework, NOT_SHOWN, name=name, installed=seen(True, source), version=version, **told)


def _tensorflow_build(packages: list[Package]) -> dict[str, Any]:
    for package in packages:
        if told := build_of(package):
            return told
    names = {package.name for package in packages}
    other = names - PARTS - {"tensorflow-base"}
    if len(other) > 1:
        return {}
    kinds = {TENSORFLOW[name] for name in names} - {None}
    kind = next(iter(kinds)) if len(kinds) == 1 else None
    return build(kind, None, f"{packages[0].source}: {', '.join(sorted(names))}") if kind else {}


def build(kind: str, runtime: str | None, source: str, raw: str | None = None) -> dict[str, Any]:
    """Return the facts of a framework that its build decides, as the probe writes them."""
    if kind != "cuda":
        none = absent(f"a {kind} build", source)
        return {"build": seen(kind, source, raw), "cuda_runtime": none, "cudnn_built": none}
    known = {"cuda_runtime": seen(runtime, source, raw)} if runtime else {}
    return {"build": seen(kind, source, raw), **known}


def build_of(package: Package) -> dict[str, Any]:
    """Return the build that a version's label or conda's build string proves; empty where neither tells."""
    source = f"{package.source}: {package.name}"
    if not package.conda:
        return build_of_label(package.version, source)
    text = package.build
    kind, runtime = _conda_build(package.name, text)
    if kind is None:
        return {}
    told = build(kind, runtime, source, raw=text)
    cudnn = re.search(r"cudnn(\d{1,2}(?:\.\d{1,3}){1,3})_", text)
    if kind == "cuda" and cudnn is not None:
        told["cudnn_built"] = seen(".".join(cudnn[1].split(".")[:3]), source, raw=text)
    return told


def build_of_label(version: str, source: str) -> dict[str, Any]:
    """Return the build by the local label of pytorch.org's wheels: ``+cu121``, ``+cpu``, ``+rocm6.0``."""
    label = version.partition("+")[2]
    cuda = re.match(r"cu(\d{2,3})(?!\d)", label)
    if cuda is not None and (runtime := _dotted(cuda[1])) is not None:
        return build("cuda", runtime, source, raw=version)
    kind = re.match(r"(cpu|rocm(?=\d))", label)
    return build(kind[1], None, source, raw=version) if kind is not None else {}


def _conda_build(name: str, text: str) -> tuple[str | None, str | None]:
    """Read a build string of the channels pytorch, conda-forge and defaults."""
    dotted = re.search(r"cuda_?(\d{1,2}\.\d)", text)
    if dotted is not None:
        return "cuda", dotted[1]
    joined = re.search(r"(?<![a-z])cuda(\d{2,3})(?!\d)", text)
    if joined is not None:
        return "cuda", _dotted(joined[1])
    if re.search(r"(?:^|_)(?:cuda|gpu)(?=_|py|$)", text):
        return "cuda", None
    if "rocm" in text:
        return "rocm", None
    # Anaconda's TensorFlow comes in the variants gpu, mkl and eigen.
    cpu = r"(?:^|_)cpu(?=_|py|$)" + (r"|^(?:mkl|eigen)_" if name in TENSORFLOW else "")
    return ("cpu", None) if re.search(cpu, text) else (None, None)


def _dotted(digits: str) -> str | None:
    """Read 118 as 11.8 and 92 as 9.2; None for 12, which is a major version alone or cut off."""
    if len(digits) == 2 and digits[0] not in "789":
        return None
    return f"{digits[:-1]}.{digits[-1]}"
