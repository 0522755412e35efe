"""One requirement, read from text: ``gpu>=4``, ``cudnn>=9.1,<10``, ``torch-build=cuda``, ``homogeneous``."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from packaging.specifiers import InvalidSpecifier, SpecifierSet

from gpucheck.policy.errors import PolicyError, did_you_mean
from gpucheck.record import record

if TYPE_CHECKING:
    from collections.abc import Callable

# What is compared, and how: a whole number, a version (PEP 440), a size, one of some words, or only yes or no.
NAMES: dict[str, str] = {
    "gpu": "number",
    "driver": "version",
    "driver-cuda": "version",
    "cuda-runtime": "version",
    "cudnn": "version",
    "compute-capability": "version",
    "gpu-memory": "size",
    "gpu-memory-free": "size",
    "python": "version",
    "torch": "version",
    "tensorflow": "version",
    "torch-build": "cuda cpu rocm",
    "tensorflow-build": "cuda cpu rocm",
    "mig": "on off",
    "ecc": "on off",
    "homogeneous": "flag",
}
ALIASES = {"pytorch": "torch", "tf": "tensorflow", "pytorch-build": "torch-build", "tf-build": "tensorflow-build"}
# They ask for nothing that a machine without a GPU could have.
OF_THE_GPU = {name for name in NAMES if name not in ("python", "torch", "tensorflow")}
UNITS = {"B": 1, "KIB": 1 << 10, "MIB": 1 << 20, "GIB": 1 << 30, "TIB": 1 << 40,
         "KB": 10**3, "MB": 10**6, "GB": 10**9, "TB": 10**12}  # fmt: skip
EXAMPLES = {"number": "4", "version": "12.4", "size": "39GiB"}
COMPARISON = re.compile(r"(>=|<=|==|!=|~=|>|<|=)\s*([^,<>=!~]*)$")


@record
class Requirement:
    """A demand.

    Attributes:
        text: As it was written.
        name: What is demanded of, one of `NAMES`.
        comparisons: Operator and value of each part, e.g. ``((">=", "9.1"), ("<", "10"))``.
        place: Where it stands, ``gpucheck.toml:12``, or None for ``--require``.
        prereleases: Whether a pre-release of a framework may meet it.
        optional: Whether it holds too where the framework is not installed.
        variable: The environment variable that it is about.
    """

    text: str
    name: str
    comparisons: tuple[tuple[str, str], ...] = ()
    place: str | None = None
    prereleases: bool = True
    optional: bool = False
    variable: str | None = None

    @property
    def kind(self) -> str:
        """How it is compared."""
        return NAMES.get(self.name, "text")


def parse_requirement(text: str, place: str | None = None) -> Requirement:
    """Read a requirement.

    Args:
        text: The requirement.
        place: Where it stands in a file.

    Raises:
        PolicyError: It is none. A bare ``gpu`` is what a shell leaves of an unquoted ``gpu>=4``.
    """
    where = f"{place}: {text!r}" if place is not None else f"--require {text!r}"
    form = re.fullmatch(r"\s*([A-Za-z][A-Za-z-]*)\s*(.*?)\s*", text, re.DOTALL)
    if form is None:
        raise PolicyError(f"{where}: write a name, a comparison and a value, e.g. 'gpu>=1'")
    name, rest = ALIASES.get(form[1].lower(), form[1].lower()), form[2]
    if name not in NAMES:
        raise PolicyError(f"{where}: unknown name {form[1]!r}{did_you_mean(name, NAMES)}")
    kind = NAMES[name]
    if kind == "flag":
        if rest:
            raise PolicyError(f"{where}: {name!r} is written alone")
        return Requirement(text=text.strip(), name=name, place=place)
    if not rest:
        example = f"{name}>={EXAMPLES[kind]}" if kind in EXAMPLES else f"{name}={kind.split()[0]}"
        raise PolicyError(
            f"{where}: a comparison is missing; a shell eats an unquoted '>', so quote it: '{example}'"
        )
    comparisons = tuple(_comparison(part, name, kind, where) for part in rest.split(","))
    return Requirement(text=text.strip(), name=name, comparisons=comparisons, place=place)


def _comparison(part: str, name: str, kind: str, where: str) -> tuple[str, str]:
    form = COMPARISON.fullmatch(part.strip())
    if form is None or not form[2].strip():
        if kind == "version" and re.fullmatch(r"[\d.]+", part.strip()):
            raise PolicyError(
                f"{where}: a comparison is missing: write '{name}=={part.strip()}.*' or '{name}>=...'"
            )
        raise PolicyError(f"{where}: {part.strip()!r} is no comparison; {_wanted(name, kind)}")
    operator, value = form[1], form[2].strip()
    check: Callable[[str, str], bool] = {"number": _number, "size": _size, "version": _version}.get(
        kind, lambda operator, value: operator in ("=", "==") and value in kind.split()
    )
    if not check(operator, value):
        raise PolicyError(f"{where}: {_wanted(name, kind)}")
    return operator, value


def _wanted(name: str, kind: str) -> str:
    if kind == "number":
        return f"a whole number and a comparison are wanted, e.g. '{name}>=4'"
    if kind == "size":
        return f"a size with its unit and a comparison are wanted, e.g. '{name}>=39GiB'"
    if kind == "version":
        return f"a version and a comparison of PEP 440 are wanted, e.g. '{name}>=12.4,<14'"
    return f"one of {', '.join(kind.split())} is wanted, e.g. '{name}={kind.split(maxsplit=1)[0]}'"


def _number(operator: str, value: str) -> bool:
    return operator in (">=", "<=", "==", "!=", ">", "<") and bool(re.fullmatch(r"\d{1,6}", value))


def _size(operator: str, value: str) -> bool:
    return operator in (">=", "<=", "==", "!=", ">", "<") and size(value) is not None


def _version(operator: str, value: str) -> bool:
    try:
        SpecifierSet(f"{operator}{value}")
    except InvalidSpecifier:
        return False
    return operator != "="


def size(text: str) -> int | None:
    """Return a size such as ``39GiB`` in bytes, or None when it is none."""
    form = re.fullmatch(r"(\d{1,9}(?:\.\d{1,3})?)\s*([KMGT]?i?B)", text, re.IGNORECASE)
    return int(float(form[1]) * UNITS[form[2].upper()]) if form is not None else None
