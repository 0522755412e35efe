"""Which Python is looked at, and where its packages lie. It is never asked to import a framework."""

from __future__ import annotations

import os
import shutil
import sys
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

from gpucheck import children
from gpucheck.facts import Interpreter, OtherInterpreter, absent, seen
from gpucheck.probe.files import exists, is_folder, read
from gpucheck.record import record

if TYPE_CHECKING:
    from collections.abc import Mapping

# Printed by the other interpreter itself, started in an empty folder's stead (/) so that no local file is
# imported; its PYTHONPATH and user site count, since the user's programs see them too.
QUESTION = (
    "import json, sys; print(json.dumps([sys.executable, '.'.join(map(str, sys.version_info[:3])), "
    "sys.prefix, sys.base_prefix, [folder for folder in sys.path if folder]]))"
)
# NVIDIA's own container images set them.
NGC_MARKS = ("NVIDIA_PYTORCH_VERSION", "NVIDIA_TENSORFLOW_VERSION")
TOOL_MARKS = (("pipx", "venvs"), ("uv", "tools"), ("uv", "archive-v0"))


class InterpreterError(ValueError):
    """The interpreter named by --python cannot be used; the message says why."""


@record
class Target:
    """The interpreter looked at, and the folders that it imports from."""

    facts: Interpreter
    folders: tuple[Path, ...]

    @property
    def library(self) -> tuple[Path, ...]:
        """Its folders but those of PYTHONPATH: what they hold hides nothing."""
        named = os.environ.get("PYTHONPATH", "").split(os.pathsep)
        return tuple(folder for folder in self.folders if str(folder) not in named)

    @property
    def prefix(self) -> Path:
        """Its ``sys.prefix``; the root where it is not known."""
        return Path(self.facts.prefix.value or "/")


def own_tool_environment(prefix: str = sys.prefix) -> bool:
    """Whether gpucheck runs from an environment of its own, made by pipx, uv or uvx."""
    parts = Path(prefix).parts
    return any(pair in pairwise(parts) for pair in TOOL_MARKS)


def choose(python: str | None, environ: Mapping[str, str]) -> tuple[str | None, str]:
    """Return the interpreter to look at (None: the one that runs gpucheck) and why this one."""
    if python is not None:
        return python, "--python"
    if not own_tool_environment():
        return None, "the one that runs gpucheck"
    program = "python.exe" if os.name == "nt" else "python"
    folder = "Scripts" if os.name == "nt" else "bin"
    for variable in ("VIRTUAL_ENV", "CONDA_PREFIX"):
        if environ.get(variable):
            conda_windows = variable == "CONDA_PREFIX" and os.name == "nt"
            place = Path(environ[variable])
            return str(place / program if conda_windows else place / folder / program), variable
    on_path = shutil.which("python3", path=environ.get("PATH")) or shutil.which("python", path=environ.get("PATH"))
    if on_path is None:
        raise InterpreterError("no python is on PATH beside gpucheck's own environment: use --python PATH")
    return on_path, "PATH"


def look(python: str | None, environ: Mapping[str, str], deadline: float) -> Target:
    """Return the interpreter to look at.

    Args:
        python: The value of --python, or None.
        environ: The environment.
        deadline: Seconds that another interpreter may take to answer.

    Raises:
        InterpreterError: It does not exist, does not start, or is no Python.
    """
    executable, why = choose(python, environ)
    if executable is None:
        version = ".".join(map(str, sys.version_info[:3]))
        # The first entry is the folder of the script or the working folder, unless safe_path leaves it out.
        path = sys.path if getattr(sys.flags, "safe_path", False) else sys.path[1:]
        found = _target([sys.executable, version, sys.prefix, sys.base_prefix, path], why)
    else:
        found = _target(_ask(executable, why, deadline), why)
    ngc = next((name for name in NGC_MARKS if environ.get(name)), None)
    if ngc is None or found.facts.kind.value != "system":
        return found
    return replace(found, facts=replace(found.facts, kind=seen("ngc", f"${ngc}")))


def _ask(executable: str, why: str, deadline: float) -> list[object]:
    path = shutil.which(executable)
    if path is None:
        raise InterpreterError(f"{why}: there is no Python at {executable}")
    # Absolute, not resolved: a virtual environment's python is a link whose place tells the environment.
    outcome = children.run([str(Path(path).absolute()), "-B", "-c", QUESTION], deadline, folder=Path("/"))
    if outcome.failure is not None:
        raise InterpreterError(f"{why}: {executable} does not answer as a Python: {outcome.failure}")
    import json

    try:
        answer = json.loads(outcome.stdout.splitlines()[-1])
        assert isinstance(answer, list)
        assert len(answer) == 5
    except (ValueError, IndexError, AssertionError):
        raise InterpreterError(f"{why}: {executable} does not answer as a Python") from None
    return answer


def _target(answer: list[object], why: str) -> Target:
    executable, version, prefix, base, path = answer
    folders = tuple(dict.fromkeys(Path(str(item)) for item in path if item))  # type: ignore[attr-defined]
    return Target(
        facts=Interpreter(
            executable=seen(str(executable), "sys.executable") if executable else absent("not known"),
            version=seen(str(version), "sys.version_info"),
            prefix=seen(str(prefix), "sys.prefix"),
            kind=seen(_kind(Path(str(prefix)), prefix != base), str(prefix)),
            chosen_by=seen(why, "gpucheck"),
        ),
        folders=tuple(folder for folder in folders if is_folder(folder)),
    )


def others(
    target: Target, environ: Mapping[str, str], frameworks: tuple[str, ...]
) -> tuple[OtherInterpreter, ...]:
    """Return the other interpreters that the shell would take, and which frameworks lie in their folders.

    None of them is started.
    """
    folder = "Scripts" if os.name == "nt" else "bin"
    named = [
        (Path(environ[name]) / folder / "python", name)
        for name in ("VIRTUAL_ENV", "CONDA_PREFIX")
        if environ.get(name)
    ]
    on_path = shutil.which("python", path=environ.get("PATH"))
    named += [(Path(on_path), "PATH")] if on_path else []
    found: dict[Path, OtherInterpreter] = {}
    for executable, why in named:
        prefix = executable.parent.parent
        if str(prefix) == target.facts.prefix.value or prefix in found or not exists(executable):
            continue
        sites = [*prefix.glob("lib/python3*/*-packages"), prefix / "Lib/site-packages"]
        there = tuple(name for name in frameworks if any(exists(site / name / "__init__.py") for site in sites))
        found[prefix] = OtherInterpreter(executable=str(executable), found_by=why, frameworks=there)
    return tuple(found.values())


def _kind(prefix: Path, virtual: bool) -> str:
    if own_tool_environment(str(prefix)):
        return "pipx" if "pipx" in prefix.parts else "uv"
    if is_folder(prefix / "conda-meta"):
        return "conda"
    if not virtual:
        return "system"
    made_by_uv = "\nuv = " in f"\n{read(prefix / 'pyvenv.cfg') or ''}"
    return "uv venv" if made_by_uv else "venv"
