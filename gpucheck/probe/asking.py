"""`--deep`: the frameworks themselves are asked, side by side, each in a child process with a deadline."""

from __future__ import annotations

import json
import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gpucheck import children
from gpucheck.facts import Answer, Fact, Framework, absent, seen
from gpucheck.facts.versions import cudnn_version

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Iterable

SCRIPT = Path(__file__).with_name("child_framework.py")
MOST_LINES = 60


def start(frameworks: Iterable[Framework], python: str | None) -> dict[str, subprocess.Popen[bytes] | str]:
    """Start a child for every framework that is installed; a refusal carries its reason."""
    asked: dict[str, subprocess.Popen[bytes] | str] = {}
    for framework in frameworks:
        if not framework.installed.value:
            asked[framework.name] = "not installed"
        elif python is None:
            asked[framework.name] = "the interpreter is not known"
        else:
            asked[framework.name] = _start(python, framework.name)
    return asked


def _start(python: str, name: str) -> subprocess.Popen[bytes] | str:
    # Read here and handed over: a script's own folder would come first on its import path.
    code = SCRIPT.read_text(encoding="utf-8")
    try:
        return children.start([python, "-c", code, name], folder=Path("/"))
    except OSError as error:
        return f"cannot start {python}: {error.strerror}"


def listen(asked: dict[str, Any], deadline: float) -> dict[str, Fact[Answer]]:
    """Return what each framework answered; a crash and a hang are answers too."""
    begin = time.monotonic()
    return {name: _listen(one, begin, deadline) for name, one in asked.items()}


def _listen(asked: subprocess.Popen[bytes] | str, begin: float, deadline: float) -> Fact[Answer]:
    if isinstance(asked, str):
        return absent(asked)
    outcome = children.finish(asked, max(begin + deadline - time.monotonic(), 0.5))
    messages = tuple(outcome.stderr.splitlines()[-MOST_LINES:])
    told = Answer(messages=messages, seconds=round(time.monotonic() - begin, 3))
    if outcome.timed_out:
        # Slow is not broken: another machine may need longer to import it.
        return absent(f"it gave no answer within {deadline:g} s", "import in a process of its own")
    if outcome.failure is not None:
        return seen(replace(told, error=outcome.failure), "import in a process of its own")
    try:
        content = json.loads(outcome.stdout.splitlines()[-1])
        return seen(_answer(content, told), "import in a process of its own")
    except (ValueError, IndexError, KeyError, TypeError):
        return seen(replace(told, error="its answer could not be read"), "import in a process of its own")


def _answer(content: dict[str, Any], told: Answer) -> Answer:
    told = replace(told, mapped=tuple(map(str, content["mapped"])))
    if "error" in content:
        return replace(told, error=str(content["error"]))
    number = content["cudnn_number"]
    return replace(
        told,
        version=str(content["version"]),
        available=bool(content["available"]),
        devices=tuple(map(str, content["devices"])),
        arch_list=tuple(map(str, content["arch_list"])),
        cudnn=cudnn_version(int(number)) if number else None,
        cuda_runtime=content["cuda_runtime"],
    )


def with_answers(frameworks: tuple[Framework, ...], answers: dict[str, Fact[Answer]]) -> tuple[Framework, ...]:
    """Add the answers to the frameworks."""
    return tuple(replace(one, answer=answers.get(one.name, one.answer)) for one in frameworks)
