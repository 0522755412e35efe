"""A recommendation on the screen, as JSON, and as the bare command."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from gpucheck import __version__
from gpucheck.recommend import commands
from gpucheck.report.screen import Line, Piece

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from gpucheck.facts import Facts
    from gpucheck.recommend import Advice, Choice, Recommendation, Rejected

NAMES = {"torch": "PyTorch", "tensorflow": "TensorFlow"}
SHOWN = 4  # newer releases whose trouble is told, unless all are asked for
JETSON = "https://docs.nvidia.com/deeplearning/frameworks/install-pytorch-jetson-platform/index.html"


def lines(answer: Recommendation, verbosity: int) -> Iterator[Line]:
    """Yield the screen.

    Args:
        answer: What to show.
        verbosity: 0 the usual, 1 every wheel that was looked at.
    """
    yield (Piece("For: ", "bold"), Piece(machine(answer.machine)))
    for advice in answer.advice:
        yield ()
        yield from _one(advice, answer.machine, verbosity)
    if len(answer.advice) > 1:
        yield ()
        yield from _together(answer)
    yield (Piece(f"   judged by the matrix of {answer.matrix_date}, nothing was installed or tried", "dim"),)


def machine(facts: Facts) -> str:
    """Return the machine in one line."""
    system = "WSL" if facts.system.wsl.value else facts.system.os.value or "an unknown system"
    cards = [
        f"{gpu.name.value or gpu.index} (compute capability {gpu.compute_capability.value or 'not known'})"
        for gpu in facts.gpus.value or ()
    ]
    driver = facts.driver.version.value
    python = facts.interpreter.version.value
    parts = [
        f"{system} {facts.system.machine.value or ''}".strip(),
        ", ".join(dict.fromkeys(cards)) or "no NVIDIA GPU",
        f"driver {driver}" if driver else "driver not given" if cards else "",
        f"Python {python}" if python else "",
    ]
    return ", ".join(filter(None, parts))


def _one(advice: Advice, facts: Facts, verbosity: int) -> Iterator[Line]:
    name, choice = NAMES[advice.framework], advice.choice
    if choice is None:
        yield (Piece(f"{name}: nothing that the matrix knows works on this machine.", "bold red"),)
    else:
        kind = f"CUDA runtime {choice.build.cuda_runtime}" if choice.cuda else "for the CPU"
        yield (Piece(f"{name} {choice.version}", "bold green"), Piece(f", {kind}"))
        yield from _commands([choice])
        yield from ((Piece(f"   note: {note}"),) for note in choice.notes)
    yield from _why_not(advice.rejected, choice, verbosity)
    if advice.with_driver is not None:
        driver, newer = advice.with_driver
        yield (Piece(f"   With driver {driver} or newer: {name} {newer.version}, {commands.pip([newer])}"),)
    if choice is None:
        yield from _elsewhere(facts, advice.framework)


def _commands(choices: Sequence[Choice]) -> Iterator[Line]:
    python = next((choice.python for choice in choices if choice.python), None)
    if python is not None:
        yield (Piece(f"   In an environment with Python {python}; this one has no wheel that fits.", "yellow"),)
    yield (Piece(f"   {commands.pip(choices)}", "cyan"),)
    yield (Piece(f"   {commands.uv(choices)}", "cyan"),)


def _why_not(rejected: Sequence[Rejected], choice: Choice | None, verbosity: int) -> Iterator[Line]:
    shown = list(rejected) if verbosity > 0 else _one_a_release(rejected)[:SHOWN]
    if shown:
        yield (Piece("   Why no newer one:" if choice is not None else "   Why:"),)
    for one in shown:
        variant = f" ({one.variant})" if one.variant not in ("cuda", "cpu") else ""
        yield (Piece(f"     {one.version}{variant}: {one.why}"), Piece(f"  [{one.slug}]", "dim"))
    if len(shown) < len(rejected):
        yield (Piece(f"     -v shows all {len(rejected)} wheels that were looked at", "dim"),)


def _one_a_release(rejected: Sequence[Rejected]) -> list[Rejected]:
    first: dict[tuple[str, ...], Rejected] = {}
    for one in rejected:
        first.setdefault(tuple(one.version.split(".")[:2]), one)
    return list(first.values())


def _elsewhere(facts: Facts, framework: str) -> Iterator[Line]:
    """Where people with such a machine find a build that the package index does not have."""
    if any(gpu.compute_capability.value in ("5.3", "6.2", "7.2", "8.7") for gpu in facts.gpus.value or ()):
        yield (Piece(f"   Jetson: NVIDIA publishes wheels and containers of its own for JetPack: {JETSON}"),)
    elif facts.system.os.value == "windows" and framework == "tensorflow":
        yield (Piece("   TensorFlow has no GPU support on native Windows after 2.10: use WSL2."),)


def _together(answer: Recommendation) -> Iterator[Line]:
    if answer.pair is not None:
        both = " and ".join(f"{NAMES[choice.framework]} {choice.version}" for choice in answer.pair)
        yield (Piece("Both in one environment: ", "bold"), Piece(both))
        yield from _commands(answer.pair)
        newest = [advice.choice.version for advice in answer.advice if advice.choice is not None]
        if [choice.version for choice in answer.pair] != newest:
            yield (Piece("   The newest of each need an environment each: their pins or their files collide."),)
    elif all(advice.choice is not None for advice in answer.advice):
        python = any(advice.choice is not None and advice.choice.python for advice in answer.advice)
        where = "they need different Pythons" if python else "no pair goes together in one environment"
        yield (Piece("Both: ", "bold"), Piece(f"{where}; give each its own."))


def document(answer: Recommendation) -> str:
    """Return the answer as JSON; every object carries all its keys."""
    facts = answer.machine
    content = {
        "schema_version": 1,
        "tool": {"name": "gpucheck", "version": __version__, "matrix_date": answer.matrix_date},
        "machine": {
            "os": facts.system.os.value,
            "processor": facts.system.machine.value,
            "wsl": facts.system.wsl.value,
            "python": facts.interpreter.version.value,
            "driver": facts.driver.version.value,
            "gpus": [
                {"name": gpu.name.value, "compute_capability": gpu.compute_capability.value}
                for gpu in facts.gpus.value or ()
            ],
        },
        "frameworks": [_advice(one) for one in answer.advice],
        "together": _choices(answer.pair) if answer.pair is not None else None,
        "exit_status": answer.exit_status,
    }
    return json.dumps(content, indent=2) + "\n"


def _advice(advice: Advice) -> dict[str, Any]:
    newer = advice.with_driver
    return {
        "framework": advice.framework,
        "choice": _choices([advice.choice]) if advice.choice is not None else None,
        "rejected": [
            {"version": one.version, "variant": one.variant, "slug": one.slug, "reason": one.why}
            for one in advice.rejected
        ],
        "with_driver": {"driver": newer[0], "choice": _choices([newer[1]])} if newer is not None else None,
    }


def _choices(choices: Sequence[Choice]) -> dict[str, Any]:
    return {
        "wheels": [
            {
                "framework": choice.framework,
                "version": choice.version,
                "variant": choice.build.variant,
                "cuda_runtime": choice.build.cuda_runtime,
                "requirement": commands.requirement(choice),
                "index": commands.index(choice),
                "notes": list(choice.notes),
                "source": f"{choice.build.source}, {choice.build.url}, checked {choice.build.checked}",
            }
            for choice in choices
        ],
        "python": next((choice.python for choice in choices if choice.python), None),
        "arguments": commands.arguments(choices),
        "commands": {"pip": commands.pip(choices), "uv": commands.uv(choices)},
    }


def command(answer: Recommendation) -> str:
    """Return the arguments of ``pip install`` for all that was asked for, on one line; empty without any."""
    if answer.pair is not None:
        return commands.line(answer.pair)
    chosen = [advice.choice for advice in answer.advice if advice.choice is not None]
    return commands.line(chosen) if len(chosen) == len(answer.advice) == 1 else ""
