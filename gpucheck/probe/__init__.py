"""Reads this machine into Facts: first what touches nothing, while children with a deadline ask the driver."""

from __future__ import annotations

import os
import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gpucheck.facts import Driver, Facts, Framework, Interpreter, System, absent, blank, seen
from gpucheck.probe import (
    distributions,
    driver,
    environment,
    frameworks,
    interpreter,
    kernel,
    libraries,
    ownership,
    pci,
    shadowing,
    versions,
    xla,
)
from gpucheck.probe import system as system_probe
from gpucheck.probe.interpreter import InterpreterError, Target
from gpucheck.probe.loader import Loader
from gpucheck.probe.runner import Runner

if TYPE_CHECKING:
    from collections.abc import Mapping

    from gpucheck.facts import Fact, Gpu, PackageFile, PciCard
    from gpucheck.probe.distributions import Distribution

__all__ = ["InterpreterError", "gather"]

FRAMEWORKS = ("torch", "tensorflow")
# Without the persistence daemon the first call takes seconds per GPU, and a machine has up to 16.
DEFAULT_DEADLINE = 30.0


def gather(
    python: str | None = None,
    *,
    deadline: float = DEFAULT_DEADLINE,
    root: Path = Path("/"),
    environ: Mapping[str, str] | None = None,
    deep: bool = False,
) -> Facts:
    """Read this machine.

    Args:
        python: Another interpreter to look into; None follows the rule of `interpreter.choose`.
        deadline: Seconds that any one probe or child may take; `deep` children get ten times as many.
        root: ``/``, or a folder that stands for it in tests.
        environ: The environment; this process's by default.
        deep: Whether the frameworks themselves are asked, binaries read and files hashed.

    Raises:
        InterpreterError: ``python`` cannot be used.
    """
    return _Machine(root, os.environ if environ is None else environ, deadline, deep).look(python)


class _Machine:
    """One machine, and the children that were started on it."""

    def __init__(self, root: Path, environ: Mapping[str, str], deadline: float, deep: bool) -> None:
        self.root, self.environ, self.deadline, self.deep = root, environ, deadline, deep
        self.probes = Runner(deadline)
        self._for_children = None if environ is os.environ else environ
        self.children: list[Any] = []

    def look(self, python: str | None) -> Facts:
        run, at_once = self.probes.run, self.probes.at_once
        loader = Loader(self.root, self.environ)
        kernel_side = run("kernel", lambda why: blank(Driver, why), self._kernel, loader)
        asked = at_once("driver-start", _not_asked, driver.ask, kernel_side, self._for_children)
        self.children += [one.process for one in asked]
        try:
            return self._with_children(python, loader, kernel_side, asked)
        except BaseException:
            driver.abandon(self.children)
            raise

    def _with_children(
        self, python: str | None, loader: Loader, kernel_side: Driver, asked: tuple[driver.Asked, driver.Asked]
    ) -> Facts:
        run, at_once = self.probes.run, self.probes.at_once
        target = run("interpreter", _no_target, interpreter.look, python, self.environ, self.deadline)
        installed = run("distributions", lambda _: {}, distributions.scan, target.folders)
        found = run("frameworks", _no_frameworks, self._frameworks, target, installed, loader)
        asking = versions.start(found)
        self.children.append(asking.process if asking is not None else None)
        answers = self._start_deep(found, target)
        cards, switches = at_once("pci", lambda why: (absent(why), absent(why)), pci.scan, self.root)
        system = run("system", lambda why: blank(System, why), system_probe.system, self.root, self.environ)
        around = run("around", lambda why: blank(Interpreter, why), self._around, target)
        files: Fact[tuple[PackageFile, ...]] = run("package-files", absent, self._files, installed, target)
        packages = run("packages", absent, _packages, target, installed)
        answered, gpus = at_once(
            "driver", lambda why: _no_driver(kernel_side, why), self._listen, kernel_side, asked
        )
        told = versions.listen(asking, self.deadline)
        found = tuple(versions.told(one, told) for one in found)
        found = self._end_deep(found, answers)
        answered = at_once("kernel-log", lambda _: answered, self._trouble, answered, cards, switches, system)
        cards = at_once("card-names", lambda _: cards, _named, cards, gpus, self.root)
        return Facts(
            system=system,
            interpreter=replace(target.facts, others=around.others, shadowing=around.shadowing),
            driver=answered,
            pci_cards=cards,
            gpus=gpus,
            frameworks=found,
            packages=packages,
            package_files=files,
            environment=environment.environment(self.environ),
            probes=tuple(self.probes.runs),
        )

    def _kernel(self, loader: Loader) -> Driver:
        return driver.with_files(kernel.side(self.root), loader)

    def _trouble(
        self, found: Driver, cards: Fact[tuple[PciCard, ...]], switches: Fact[int], system: System
    ) -> Driver:
        """Add what only matters where an NVIDIA card or its driver is."""
        there = any(card.vendor == pci.NVIDIA for card in cards.value or ())
        found = replace(found, nvswitches=switches)
        if not there and not found.module_loaded.value:
            return found
        return replace(
            found,
            module_installed=kernel.installed_module(self.root, system.kernel.value),
            kernel_messages=kernel.messages(self.root),
            fabric_manager=kernel.fabric_manager(self.root) if switches.value else found.fabric_manager,
        )

    def _frameworks(
        self, target: Target, installed: Mapping[str, Distribution], loader: Loader
    ) -> tuple[Framework, ...]:
        found = []
        for name in FRAMEWORKS:
            place = frameworks.locate(name, target.folders, installed)
            one = frameworks.framework(name, place, frameworks.recorded(name, installed))
            if place is not None and one.build.value == "cuda":
                one = libraries.of_framework(one, loader, target.folders, installed)
                if name == "tensorflow":
                    libdevice, ptxas = xla.tools(place.folder, self.root, self.environ)
                    one = replace(one, libdevice=libdevice, ptxas=ptxas)
                    if not libdevice.known:
                        one = replace(one, cuda_data_dir=xla.data_dir(self.root, self.environ))
            found.append(one)
        return tuple(found)

    def _around(self, target: Target) -> Interpreter:
        """What stands around the interpreter: other ones, and files that hide modules."""
        named = filter(None, self.environ.get("PYTHONPATH", "").split(os.pathsep))
        first = [*_working_folder(), *map(Path, named)]
        return Interpreter(
            others=seen(interpreter.others(target, self.environ, FRAMEWORKS), "environment"),
            shadowing=seen(shadowing.hidden(first, target.library), "the working folder and PYTHONPATH"),
        )

    def _files(self, installed: Mapping[str, Distribution], target: Target) -> Fact[tuple[PackageFile, ...]]:
        return seen(ownership.damaged(installed, hashes=self.deep), f"RECORD of the packages in {target.prefix}")

    def _listen(
        self, found: Driver, asked: tuple[driver.Asked, driver.Asked]
    ) -> tuple[Driver, Fact[tuple[Gpu, ...]]]:
        end = time.monotonic() + self.deadline * 0.9  # so that the guard around it is never first
        nvml = driver.listen(asked[0], end - time.monotonic())
        # It ran all the while: even if NVML took the whole time, what CUDA has said is read.
        cuda = driver.listen(asked[1], max(0.1, end - time.monotonic()))
        answered, gpus = driver.with_nvml(found, nvml)
        return driver.with_cuda(answered, cuda), gpus

    def _start_deep(self, found: tuple[Framework, ...], target: Target) -> dict[str, Any]:
        if not self.deep:
            return {}
        from gpucheck.probe import asking

        started = asking.start(found, target.facts.executable.value)
        self.children += [one for one in started.values() if not isinstance(one, str)]
        return started

    def _end_deep(self, found: tuple[Framework, ...], started: dict[str, Any]) -> tuple[Framework, ...]:
        if not self.deep:
            return found
        from gpucheck.probe import asking, binaries

        begin = time.perf_counter()
        answers = asking.listen(started, self.deadline * 10)
        read = tuple(binaries.with_arch_list(one) for one in found)
        self.probes.note("deep", begin)
        return asking.with_answers(read, answers)


def _named(cards: Fact[tuple[PciCard, ...]], gpus: Fact[tuple[Gpu, ...]], root: Path) -> Fact[tuple[PciCard, ...]]:
    """Name the NVIDIA cards where the driver does not name them all."""
    nvidia = [card for card in cards.value or () if card.vendor == pci.NVIDIA]
    if len(nvidia) <= len(gpus.value or ()):
        return cards
    return replace(cards, value=pci.named(cards.value or (), root))


def _working_folder() -> list[Path]:
    try:
        return [Path.cwd()]
    except OSError:  # it was deleted
        return []


def _packages(target: Target, installed: Mapping[str, Distribution]) -> Fact[dict[str, str]]:
    owners = {own.name for name in FRAMEWORKS if (own := frameworks.recorded(name, installed)) is not None}
    found = distributions.versions(installed, map(distributions.normalise, owners))
    return seen(found, f"dist-info folders of {target.facts.prefix.value or 'the interpreter'}")


def _no_target(reason: str) -> Target:
    return Target(facts=blank(Interpreter, reason), folders=())


def _no_frameworks(reason: str) -> tuple[Framework, ...]:
    return tuple(blank(Framework, reason, name=name) for name in FRAMEWORKS)


def _not_asked(reason: str) -> tuple[driver.Asked, driver.Asked]:
    return driver.Asked(reason=reason), driver.Asked(reason=reason)


def _no_driver(found: Driver, reason: str) -> tuple[Driver, Fact[tuple[Gpu, ...]]]:
    answered, gpus = driver.with_nvml(found, reason)
    return driver.with_cuda(answered, reason), gpus
