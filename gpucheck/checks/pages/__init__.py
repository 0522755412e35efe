"""The page of each trouble: why it happens, how to confirm it, and what to do where.

Only `gpucheck explain` and the documents read it; the doctor needs no more than gpucheck.checks.troubles.
"""

from __future__ import annotations

from gpucheck.checks.pages import (
    cards,
    cudnn,
    distributed,
    driver,
    harmless,
    health,
    interpreters,
    learning,
    libraries,
    machine,
    packages,
    programs,
    surroundings,
    training,
)
from gpucheck.checks.pages.advice import SYSTEMS, Advice

__all__ = ["ADVICE", "GROUPS", "SYSTEMS", "Advice"]

_PARTS = {
    "The driver": driver,
    "Containers, WSL, and no NVIDIA GPU": surroundings,
    "The cards": cards,
    "The health of the cards": health,
    "Interpreter and build": interpreters,
    "The machine around it": machine,
    "Packages": packages,
    "CUDA's libraries": libraries,
    "cuDNN": cudnn,
    "Programs": programs,
    "Frameworks and training": training,
    "Learning and demands": learning,
    "Several processes": distributed,
    "Alarming but harmless": harmless,
}
ADVICE: dict[str, Advice] = {slug: advice for part in _PARTS.values() for slug, advice in part.ADVICE.items()}
GROUPS: dict[str, tuple[str, ...]] = {title: tuple(part.ADVICE) for title, part in _PARTS.items()}
