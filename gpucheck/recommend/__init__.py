"""What to install on a machine: the newest release that the doctor's own checks find nothing against."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from packaging.version import Version

from gpucheck.facts import seen
from gpucheck.recommend.answer import Advice, Choice, Recommendation, Rejected
from gpucheck.recommend.search import Search, candidates, fitting, objections

if TYPE_CHECKING:
    from gpucheck.facts import Facts
    from gpucheck.matrix import Matrix

__all__ = ["Advice", "Choice", "Recommendation", "Rejected", "choose", "choose_pair", "recommendation"]

FRAMEWORKS = {
    "torch": ("torch",),
    "pytorch": ("torch",),
    "tf": ("tensorflow",),
    "tensorflow": ("tensorflow",),
    "all": ("torch", "tensorflow"),
}


CUDA_MAJORS = (11, 12, 13, 14)


class RecommendError(ValueError):
    """A question that cannot be answered; the message says what to write instead."""


def recommendation(matrix: Matrix, machine: Facts, framework: str, variant: str | None = None) -> Recommendation:
    """Answer for one framework, or for all and a pair of them.

    Raises:
        RecommendError: There is no such framework.
    """
    names = FRAMEWORKS.get(framework.lower())
    if names is None:
        raise RecommendError(f"--framework {framework!r}: write torch, tf or all")
    advice = tuple(choose(matrix, machine, name, variant if name == "torch" else None) for name in names)
    both = len(names) > 1 and all(one.choice is not None and one.choice.python is None for one in advice)
    return Recommendation(
        machine=machine,
        advice=advice,
        pair=choose_pair(matrix, machine, variant) if both else None,
        matrix_date=matrix.date.isoformat(),
    )


def choose(matrix: Matrix, facts: Facts, framework: str, variant: str | None = None) -> Advice:
    """Return the newest release of a framework that works on a described machine, and why newer ones do not.

    Args:
        matrix: The rows.
        facts: A machine as `gpucheck.describe.machine` makes it, or as it was read and reduced.
        framework: ``torch`` or ``tensorflow``.
        variant: Only this CUDA variant of torch.
    """
    search = Search(matrix, facts, variant)
    choice = search.first(framework)
    if (choice is None or choice.leaves_cuda_to_the_user) and facts.interpreter.version.known:
        other = search.first(framework, _other_pythons(matrix, framework, facts))
        choice = other if other is not None and not other.leaves_cuda_to_the_user else choice or other
    newer = _with_newer_driver(matrix, facts, framework, choice, variant)
    return Advice(framework=framework, choice=choice, rejected=tuple(search.rejected), with_driver=newer)


def choose_pair(matrix: Matrix, facts: Facts, variant: str | None = None) -> tuple[Choice, Choice] | None:
    """Return the newest TensorFlow and torch that live in one environment without a finding, or None."""
    torches = list(fitting(matrix, facts, "torch", variant))
    for tensorflow in fitting(matrix, facts, "tensorflow") if torches else ():
        if tensorflow.leaves_cuda_to_the_user:
            return None  # from here on TensorFlow takes its CUDA from the system
        for torch in torches:
            if not objections(matrix, facts, [torch, tensorflow]):
                return torch, tensorflow
    return None


def _other_pythons(matrix: Matrix, framework: str, facts: Facts) -> list[str]:
    """Return the Pythons that have a wheel on this platform, the newest first."""
    found = {
        python
        for _, build in candidates(matrix, framework, facts, None)
        for python in build.python
        if not python.endswith("t")
    }
    return sorted(found, key=Version, reverse=True)


def _with_newer_driver(
    matrix: Matrix, facts: Facts, framework: str, choice: Choice | None, variant: str | None
) -> tuple[str, Choice] | None:
    """Return the least driver that would allow the newest release, where the present one does not."""
    driver = Version(facts.driver.version.value) if facts.driver.version.value else None
    windows = facts.system.os.value == "windows" or bool(facts.system.wsl.value)
    answer = None
    best = choice.version if choice is not None else None
    for major in CUDA_MAJORS:
        row = matrix.floor(major)
        floor = (row.windows if windows else row.linux) if row is not None else None
        if driver is None or floor is None or Version(floor) <= driver:
            continue
        above = replace(facts, driver=replace(facts.driver, version=seen(floor, "a newer driver"),
                                              driver_cuda=seen(f"{major}.0", "its CUDA major")))  # fmt: skip
        newer = Search(matrix, above, variant).first(framework, above=best)
        if newer is not None:
            best, answer = newer.version, (floor, newer)
    return answer
