"""What a report does not say, but the matrix knows of what it names: a card's capability, a wheel's code."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from gpucheck.facts import seen
from gpucheck.matrix.products import named
from gpucheck.matrix.versions import parse_version

if TYPE_CHECKING:
    from gpucheck.facts import Driver, Facts, Framework, Gpu
    from gpucheck.matrix import Matrix


def completed(facts: Facts, matrix: Matrix) -> Facts:
    """Return facts that were read in a report, with what rows of the matrix add to them.

    Args:
        facts: The facts; those of a machine that was looked at stay as they are.
        matrix: Where it is looked up.
    """
    if not facts.reports:
        return facts
    gpus = facts.gpus
    if gpus.value:
        gpus = seen(tuple(_gpu(gpu, matrix) for gpu in gpus.value), gpus.source or "")
    return replace(
        facts,
        gpus=gpus,
        driver=_driver(facts.driver, matrix),
        frameworks=tuple(_framework(facts, one, matrix) for one in facts.frameworks),
    )


def _gpu(gpu: Gpu, matrix: Matrix) -> Gpu:
    row = named(matrix.products(), gpu.name.value or "")
    if gpu.compute_capability.known or row is None:
        return gpu
    return replace(gpu, compute_capability=seen(row.compute_capability, row.citation))


def _driver(driver: Driver, matrix: Matrix) -> Driver:
    version = parse_version(driver.version.value)
    branch = matrix.branch(version) if version is not None else None
    if driver.driver_cuda.known or version is None or branch is None or branch.branch != version.major:
        return driver
    return replace(driver, driver_cuda=seen(branch.driver_cuda, branch.citation)) if branch.driver_cuda else driver


def _framework(facts: Facts, framework: Framework, matrix: Matrix) -> Framework:
    """A wheel of the package index has the code of its row; conda's and own builds may have another."""
    system = facts.system
    if framework.installer.value == "conda" or not framework.installed.value or framework.build.value != "cuda":
        return framework
    row = matrix.build(
        framework.name,
        framework.version.value,
        f"{system.os.value}-{system.machine.value}",
        framework.cuda_runtime.value,
    )
    if row is None or framework.arch_list.known or not row.arch_list:
        return framework
    return replace(framework, arch_list=seen(row.arch_list, row.citation))
