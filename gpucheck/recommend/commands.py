"""Choices as commands to copy: pip, and the same for uv."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gpucheck.recommend import Choice

TORCH_INDEX = "https://download.pytorch.org/whl/"


def requirement(choice: Choice) -> str:
    """Return the requirement; the newest patch of a minor release is left to pip."""
    minor = ".".join(choice.version.split(".")[:2])
    version = f"{minor}.*" if choice.newest_patch else choice.version
    extras = "[and-cuda]" if choice.build.and_cuda and choice.cuda else ""
    return f"{choice.build.distribution or choice.framework}{extras}=={version}"


def index(choice: Choice) -> str | None:
    """Return the index of a variant that the package index itself does not have."""
    if choice.framework != "torch" or choice.build.default:
        return None
    return f"{TORCH_INDEX}{choice.build.variant}"


def arguments(choices: Sequence[Choice]) -> list[str]:
    """Return what follows ``pip install``, for one choice or for two that go together.

    torch's own index has what torch needs, but not TensorFlow: beside that it can only be an extra one.
    """
    named = [requirement(choice) for choice in choices]
    pins = dict.fromkeys(f"{pin.name}{pin.specifier}" for choice in choices for pin in choice.pins)
    places = [place for place in map(index, choices) if place is not None]
    option = "--index-url" if len(choices) == 1 else "--extra-index-url"
    return [*named, *pins, *(word for place in places for word in (option, place))]


def line(choices: Sequence[Choice]) -> str:
    """Return `arguments` as one line for a shell."""
    return shlex.join(arguments(choices))


def pip(choices: Sequence[Choice], python: str = "python") -> str:
    """Return the pip command."""
    return f"{python} -m pip install {shlex.join(arguments(choices))}"


def uv(choices: Sequence[Choice]) -> str:
    """Return the uv command.

    uv takes a package from the first index that has it: beside an extra index it must be told to compare them.
    """
    words = arguments(choices)
    if "--extra-index-url" in words:
        words += ["--index-strategy", "unsafe-best-match"]
    made = f"uv pip install {shlex.join(words)}"
    python = next((choice.python for choice in choices if choice.python), None)
    return f"uv venv --python {python} && {made}" if python else made
