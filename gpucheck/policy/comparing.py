"""A value against a requirement: yes, no, or why that cannot be said."""

from __future__ import annotations

import fnmatch
import operator
from typing import TYPE_CHECKING

from gpucheck.matrix.versions import matches, parse_version
from gpucheck.policy.requirement import size

if TYPE_CHECKING:
    from collections.abc import Callable

    from gpucheck.policy.requirement import Requirement

OPERATORS: dict[str, Callable[[int, int], bool]] = {
    ">=": operator.ge, "<=": operator.le, "==": operator.eq, "!=": operator.ne, ">": operator.gt, "<": operator.lt,
}  # fmt: skip


def met(requirement: Requirement, value: str) -> bool | None:
    """Whether a value meets a requirement; None when it cannot be compared.

    Args:
        requirement: The demand.
        value: What the machine has.
    """
    if requirement.name == "gpu-name":
        return any(fnmatch.fnmatchcase(value, pattern) for _, pattern in requirement.comparisons)
    answers = [_one(requirement, sign, wanted, value) for sign, wanted in requirement.comparisons]
    if None in answers:
        return None
    return all(answers)


def _one(requirement: Requirement, sign: str, wanted: str, value: str) -> bool | None:
    if requirement.kind == "number":
        return OPERATORS[sign](int(value), int(wanted))
    if requirement.kind == "size":
        return OPERATORS[sign](int(value), size(wanted) or 0)
    if requirement.kind == "version":
        text = _decoded(value) if requirement.name == "cudnn" else value
        version = parse_version(text)
        if version is None:
            return None
        if version.is_prerelease and not requirement.prereleases:
            return False
        # A local label such as +cu126 says which build it is, not which version (PEP 440 would count it).
        return matches(f"{sign}{wanted}", version.public)
    return value == wanted


def _decoded(text: str) -> str:
    """Return a cuDNN version that is written as one number, as cudnn.h encodes it: 90100 is 9.1.0."""
    if not text.isdigit() or len(text) < 4:
        return text
    number = int(text)
    if number >= 90000:
        return f"{number // 10000}.{number // 100 % 100}.{number % 100}"
    return f"{number // 1000}.{number // 100 % 10}.{number % 100}"
