"""The smoke training: a reference network in each framework, in a child process, judged like any fact."""

from __future__ import annotations

import os
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from gpucheck.facts import Facts, SmokeRun, usable_gpus
from gpucheck.fixes import safe_environment
from gpucheck.smoketest import child, retries
from gpucheck.smoketest.data import DataError
from gpucheck.smoketest.reading import LOG_SHOWN, read
from gpucheck.smoketest.request import ALIASES, MissingError, Request, RequestError

if TYPE_CHECKING:
    from collections.abc import Callable

    Listener = Callable[[str, dict[str, Any]], None]
    Recogniser = Callable[[str], tuple[Any, ...]]

__all__ = ["DataError", "MissingError", "Request", "RequestError", "choose_frameworks", "train_all"]


def choose_frameworks(request: Request, facts: Facts) -> list[str]:
    """Return the frameworks to train in.

    One that was named and of which only the metadata was found (an editable install) is tried.

    Raises:
        MissingError: One that was named is not installed, or none is.
    """
    where = facts.interpreter.executable.value or "this interpreter"
    installed = [framework.name for framework in facts.frameworks if framework.installed.value]
    if request.framework == "all":
        if not installed:
            raise MissingError(
                f"neither PyTorch nor TensorFlow is installed in {where}; name another interpreter with --python"
            )
        return installed
    wanted = ALIASES[request.framework]
    if facts.framework(wanted).installed.value is False:
        raise MissingError(f"{wanted} is not installed in {where}; name another interpreter with --python")
    return [wanted]


def train_all(request: Request, facts: Facts, listen: Listener, recognise: Recogniser) -> Facts:
    """Train in each framework, one after the other, and return the facts with what came of it.

    Args:
        request: What to train.
        facts: What was seen of the machine.
        listen: Called with the framework and each of its events.
        recognise: Returns the known troubles that an output shows.

    Raises:
        RequestError: See `choose_frameworks`.
        DataError: A data file is damaged.
    """
    runs = [
        _train(name, gpu, request, facts, listen, recognise)
        for name in choose_frameworks(request, facts)
        for gpu in _gpus(request, facts)
    ]
    return replace(facts, smoke=tuple(runs))


def _gpus(request: Request, facts: Facts) -> range:
    if not request.all_gpus:
        return range(1)
    count, why = usable_gpus(facts)
    if not count:
        raise RequestError(f"--all-gpus: no GPU is usable here{f': {why}' if why else ''}")
    return range(count)


def _train(
    framework: str, gpu: int, request: Request, facts: Facts, listen: Listener, recognise: Recogniser
) -> SmokeRun:
    fixes = safe_environment(framework, facts, os.environ) if request.fix else {}
    python = facts.interpreter.executable.value or "python"

    def once(extra: dict[str, str]) -> SmokeRun:
        heard = child.train(
            framework,
            python,
            request.message(gpu),
            {**fixes, **extra},
            request.seconds,
            lambda event: listen(framework, event),
        )
        if heard.bad_input:
            raise DataError(heard.failure)
        run = read(framework, request, python, fixes, heard)
        compiled = run.convolution.compiled
        troubled = heard.failure or fell_back(run) or (compiled is not None and compiled.failure)
        return _with_output(run, heard, recognise) if troubled else run

    gpu_here = bool(facts.gpus.value or facts.driver.visible_devices.value)

    def fell_back(run: SmokeRun) -> bool:
        return gpu_here and run.device == "cpu" and run.asked != "cpu"

    run = once({})
    if not retries.worth_it(run) or not gpu_here:
        return run
    return replace(run, retries=retries.retry(run, facts, {**os.environ, **fixes}, once))


def _with_output(run: SmokeRun, heard: child.Heard, recognise: Recogniser) -> SmokeRun:
    compiled = run.convolution.compiled
    told = [*heard.log, heard.failure or "", (compiled.failure if compiled is not None else None) or ""]
    return replace(run, log=heard.log[-LOG_SHOWN:], observations=recognise("\n".join(told)))
