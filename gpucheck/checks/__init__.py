"""Pure functions that judge facts by the matrix, one module a family, in the order of the causes.

They import facts, findings and the matrix, do no input or output, and never raise for a bad machine.
"""

from __future__ import annotations

from gpucheck.checks import (
    answers,
    architecture,
    cards,
    chips,
    convolution,
    cuda,
    cudnn,
    deep,
    devices,
    diagnostics,
    distributed,
    driver,
    framework,
    health,
    interpreter,
    kernel_log,
    learning,
    libraries,
    mask,
    ownership,
    packages,
    reports,
    resources,
    smoke,
    sublibraries,
    told,
    use,
    wsl,
)
from gpucheck.checks.registry import REGISTRY, Check, Said

__all__ = ["FAMILIES", "REGISTRY", "Check", "Said", "all_checks"]

# From the ground up: the order in which the checks run, and in which causes of one weight are ranked.
FAMILIES = tuple(
    module.__name__.rpartition(".")[2]
    for module in (
        *(driver, wsl, devices, chips, kernel_log, answers, cards, health, diagnostics, use, mask),
        *(
            interpreter,
            framework,
            reports,
            cuda,
            architecture,
            packages,
            ownership,
            libraries,
            cudnn,
            sublibraries,
        ),
        *(resources, deep, smoke, convolution, learning, distributed, told),
    )
)


def all_checks() -> tuple[Check, ...]:
    """Return every check, in the order in which they run."""
    return tuple(sorted(REGISTRY.values(), key=lambda check: FAMILIES.index(check.family)))
