"""A first policy, made from what a machine has today: to be read and edited."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from gpucheck.facts import usable_gpus
from gpucheck.matrix.versions import parse_version

if TYPE_CHECKING:
    from collections.abc import Iterator

    from gpucheck.facts import Facts


def first_policy(facts: Facts) -> str:
    """Return a policy that a machine meets, as the text of a gpucheck.toml."""
    return "\n".join(_lines(facts)) + "\n"


def _lines(facts: Facts) -> Iterator[str]:
    yield "# What this project demands of its machines: `gpucheck doctor` judges it, `gpucheck policy check`"
    yield "# reads it."
    yield "# Written by `gpucheck policy init` from one machine: loosen what need not be so."
    yield 'fail-on = "error"'
    yield '# On a runner without a GPU: "fail", "skip" or "warn".'
    yield 'on-missing-gpu = "fail"'
    yield ""
    yield "[require]"
    driver = facts.driver
    if driver.version.known:
        yield f"driver = {json.dumps('>=' + (driver.version.value or ''))}"
    if driver.driver_cuda.known:
        yield f"driver-cuda = {json.dumps('>=' + (driver.driver_cuda.value or ''))}"
    python = parse_version(facts.interpreter.version.value)
    if python is not None:
        yield f'python = ">={python.major}.{python.minor}"'
    yield from _gpus(facts)
    yield from _frameworks(facts)


def _gpus(facts: Facts) -> Iterator[str]:
    count, _ = usable_gpus(facts)
    cards = [gpu for gpu in facts.gpus.value or () if gpu.status.value == 0]
    if not count or not cards:
        return
    yield ""
    yield "[require.gpu]"
    yield f'count = ">={count}"'
    names = sorted({gpu.name.value for gpu in cards if gpu.name.value})
    if names:
        yield f"names = {json.dumps(names, ensure_ascii=False)}"
    memory = [gpu.memory_total.value for gpu in cards if gpu.memory_total.value]
    if memory:
        yield f'memory = ">={min(memory) >> 30}GiB"'
    capabilities = sorted(filter(None, (parse_version(gpu.compute_capability.value) for gpu in cards)))
    if capabilities:
        yield f'compute-capability = ">={capabilities[0]}"'
    if len(names) == 1 and len(cards) > 1:
        yield "homogeneous = true"


def _frameworks(facts: Facts) -> Iterator[str]:
    for framework in facts.frameworks:
        version = parse_version(framework.version.value)
        if not framework.installed.value or version is None:
            continue
        yield ""
        yield f"[require.{framework.name}]"
        yield f'version = ">={version.major}.{version.minor}"'
        if framework.build.value in ("cuda", "cpu", "rocm"):
            yield f'build = "{framework.build.value}"'
