"""Reads this machine into Facts: first what touches nothing, then the driver in children with a deadline.

A probe that fails as a whole leaves the reason in its facts; it never stops the others.
"""

from __future__ import annotations

import os
import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from gpucheck.facts import Driver, Facts, Framework, ProbeRun, System, absent, blank, seen
from gpucheck.probe import cudnn, distributions, driver, frameworks, interpreter, pci
from gpucheck.probe import system as system_probe
from gpucheck.probe.interpreter import InterpreterError, Target

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from gpucheck.facts import Fact, Gpu
    from gpucheck.probe.distributions import Distribution

__all__ = ["InterpreterError", "gather"]

FRAMEWORKS = ("torch", "tensorflow")
# Without the persistence daemon the first call takes seconds per GPU, and a machine has up to 16.
DEFAULT_DEADLINE = 30.0
T = TypeVar("T")


class _Probes:
    """Runs probes under one guard each, and notes how each went."""

    def __init__(self) -> None:
        self.runs: list[ProbeRun] = []

    def run(self, name: str, failed: Callable[[str], T], probe: Callable[..., T], *arguments: Any) -> T:
        """Run a probe; when it raises, return what ``failed`` makes of the reason."""
        begin, error = time.perf_counter(), None
        try:
            return probe(*arguments)
        except InterpreterError:
            raise
        except Exception as caught:  # noqa: BLE001 - one guard per probe: its crash is a fact
            error = f"the probe {name!r} failed: {type(caught).__name__}: {caught}"
            return failed(error)
        finally:
            elapsed = (time.perf_counter() - begin) * 1000
            self.runs.append(ProbeRun(name=name, milliseconds=round(elapsed, 3), error=error))


def gather(
    python: str | None = None,
    *,
    deadline: float = DEFAULT_DEADLINE,
    root: Path = Path("/"),
    environ: Mapping[str, str] | None = None,
) -> Facts:
    """Read this machine.

    Args:
        python: Another interpreter to look into; None follows the rule of `interpreter.choose`.
        deadline: Seconds that any one child may take.
        root: ``/``, or a folder that stands for it in tests.
        environ: The environment; this process's by default.

    Raises:
        InterpreterError: ``python`` cannot be used.
    """
    environ = os.environ if environ is None else environ
    probes = _Probes()
    target = probes.run("interpreter", _no_target, interpreter.look, python, environ, deadline)
    system = probes.run("system", lambda why: blank(System, why), system_probe.system, root, environ)
    kernel = probes.run("kernel", lambda why: blank(Driver, why), driver.kernel_side, root, environ)
    asked = probes.run("driver-start", _not_asked, driver.ask, kernel)
    try:
        cards = probes.run("pci", absent, pci.cards, root)
        installed = probes.run("distributions", lambda _: {}, distributions.scan, target.folders)
        found = probes.run("frameworks", _no_frameworks, _frameworks, target, installed, root, environ, deadline)
        answered, gpus = probes.run(
            "driver", lambda why: _no_driver(kernel, why), _listen, kernel, asked, deadline
        )
    except BaseException:
        driver.abandon(asked)
        raise
    return Facts(
        system=system,
        interpreter=target.facts,
        driver=answered,
        pci_cards=cards,
        gpus=gpus,
        frameworks=found,
        packages=probes.run("packages", absent, _packages, target, installed),
        environment=probes.run("environment", absent, system_probe.environment, environ),
        probes=tuple(probes.runs),
    )


def _listen(
    kernel: Driver, asked: tuple[driver.Asked, driver.Asked], deadline: float
) -> tuple[Driver, Fact[tuple[Gpu, ...]]]:
    end = time.monotonic() + deadline
    nvml = driver.listen(asked[0], end - time.monotonic())
    # It ran all the while: even if NVML took the whole time, what CUDA has said is read.
    cuda = driver.listen(asked[1], max(0.5, end - time.monotonic()))
    answered, gpus = driver.with_nvml(kernel, nvml)
    return driver.with_cuda(answered, cuda), gpus


def _packages(target: Target, installed: Mapping[str, Distribution]) -> Fact[dict[str, str]]:
    owners = {own.name for name in FRAMEWORKS if (own := frameworks.recorded(name, installed)) is not None}
    found = distributions.versions(installed, map(distributions.normalise, owners))
    return seen(found, f"dist-info folders of {target.facts.prefix.value or 'the interpreter'}")


def _frameworks(
    target: Target,
    installed: Mapping[str, Distribution],
    root: Path,
    environ: Mapping[str, str],
    deadline: float,
) -> tuple[Framework, ...]:
    prefix = Path(target.facts.prefix.value or "/")
    found = []
    for name in FRAMEWORKS:
        place = frameworks.locate(name, target.folders, installed)
        one = frameworks.framework(name, place, frameworks.recorded(name, installed))
        if place is not None and one.build.value == "cuda":
            major = frameworks.cudnn_major(one)
            library = cudnn.loaded(place.folder, major, prefix, installed, root, environ, deadline)
            one = replace(one, cudnn_loaded=library)
        found.append(one)
    return tuple(found)


def _no_target(reason: str) -> Target:
    from gpucheck.facts import Interpreter

    return Target(facts=blank(Interpreter, reason), folders=())


def _no_frameworks(reason: str) -> tuple[Framework, ...]:
    return tuple(blank(Framework, reason, name=name) for name in FRAMEWORKS)


def _not_asked(reason: str) -> tuple[driver.Asked, driver.Asked]:
    return driver.Asked(reason=reason), driver.Asked(reason=reason)


def _no_driver(kernel: Driver, reason: str) -> tuple[Driver, Fact[tuple[Gpu, ...]]]:
    answered, gpus = driver.with_nvml(kernel, reason)
    return driver.with_cuda(answered, reason), gpus
