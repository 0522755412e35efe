"""pip or uv: what they would change, and the change itself, in an interpreter's own environment."""

from __future__ import annotations

import json
import os
import re
import shutil
from typing import TYPE_CHECKING

from gpucheck import children
from gpucheck.fixes.lasting.target import TargetError
from gpucheck.record import record

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from gpucheck.fixes.lasting.target import Target

DEADLINE = 3600.0  # CUDA's libraries are gigabytes
ALONE = ("--no-deps",)


@record
class Planned:
    """One package that would change.

    Attributes:
        name: Normalised.
        before: Its version now, None when it is not installed.
        after: Its version then.
    """

    name: str
    before: str | None
    after: str

    def __str__(self) -> str:
        if self.before is None:
            return f"{self.name} {self.after} (new)"
        if self.before == self.after:
            return f"{self.name} {self.after} again"
        return f"{self.name} {self.before} -> {self.after}"


@record
class Installer:
    """The installer of an environment.

    Attributes:
        name: ``pip`` or ``uv``.
        command: Its command, up to ``install``.
        again: The option that installs what is there already.
    """

    name: str
    command: tuple[str, ...]
    again: str


def of(target: Target, *, kind: str | None, environ: Mapping[str, str]) -> Installer:
    """Return the installer of an environment: its own pip, or uv where it has none.

    Raises:
        TargetError: It has neither.
    """
    uv = shutil.which("uv", path=environ.get("PATH"))
    if kind != "uv venv" and "pip" in target.distributions:
        return Installer(
            name="pip",
            command=(target.python, "-m", "pip", "--no-input", "--disable-pip-version-check", "install"),
            again="--force-reinstall",
        )
    if uv is not None:
        return Installer(name="uv", command=(uv, "pip", "install", "--python", target.python), again="--reinstall")
    raise TargetError(f"{target.python}: has no pip, and uv is not on PATH; install one of them")


ELSEWHERE = ("target", "prefix", "root", "user", "ignore-installed", "dry-run")


def at_home(installer: Installer, target: Target) -> None:
    """Refuse a pip that is configured to install somewhere else.

    Raises:
        TargetError: It is, by a file or a variable.
    """
    if installer.name != "pip":
        return
    outcome = children.run([target.python, "-m", "pip", "config", "list"], DEADLINE)
    for line in outcome.stdout.splitlines():
        key, _, value = line.partition("=")
        plain = value.strip("'\" ").lower()
        if key.rpartition(".")[2] in ELSEWHERE and plain not in ("", "0", "false", "no", "off"):
            raise TargetError(
                f"pip is configured by {key}={value} to install elsewhere or not at all; unset it first"
            )


def missing(target: Target, planned: Sequence[Planned]) -> str | None:
    """Say which planned package is not there as planned; None when all are.

    Args:
        target: The environment, asked after the installation.
        planned: What the resolver has planned.
    """
    for one in planned:
        have = target.distributions.get(one.name)
        if have is None or have.version != one.after:
            return f"{one.name} is {have.version if have else 'not there'} afterwards, not {one.after}"
    return None


def plan(
    installer: Installer, target: Target, *, reinstall: Sequence[str], install: Sequence[str]
) -> tuple[Planned, ...]:
    """Ask the resolver what would change; nothing is changed. It opens the network.

    Raises:
        TargetError: The resolver finds no solution, or its answer cannot be read.
    """
    found: dict[str, Planned] = {}
    for words in _phases(installer, reinstall, install):
        for name, version in _dry_run(installer, words):
            have = target.distributions.get(name)
            found[name] = Planned(name=name, before=have.version if have else None, after=version)
    return tuple(found.values())


def carry_out(installer: Installer, *, reinstall: Sequence[str], install: Sequence[str]) -> str | None:
    """Install. Return why it failed, or None."""
    for words in _phases(installer, reinstall, install):
        outcome = children.run([*installer.command, *words], DEADLINE)
        if outcome.failure is not None:
            return f"{installer.name} failed ({outcome.failure}): {_last_words(outcome)}"
    return None


def _phases(installer: Installer, reinstall: Sequence[str], install: Sequence[str]) -> list[list[str]]:
    phases = []
    if reinstall:
        phases.append([installer.again, *ALONE, *reinstall])
    if install:
        phases.append([*install])
    return phases


def _dry_run(installer: Installer, words: list[str]) -> list[tuple[str, str]]:
    options = ["--dry-run", "--quiet", "--report", "-"] if installer.name == "pip" else ["--dry-run"]
    outcome = children.run([*installer.command, *options, *words], DEADLINE)
    if outcome.failure is not None:
        raise TargetError(f"{installer.name} finds no way to install {' '.join(words)}: {_last_words(outcome)}")
    if installer.name == "uv":  # sorted, "-" before "+" (measured on 0.13.9)
        return [
            (normalise(name), version)
            for name, version in re.findall(r"^ \+ ([\w.-]+)==(\S+)", outcome.stderr, re.M)
        ]
    try:
        report = json.loads(outcome.stdout)
        return [(normalise(one["metadata"]["name"]), one["metadata"]["version"]) for one in report["install"]]
    except (ValueError, KeyError, TypeError):
        raise TargetError("pip's plan cannot be read: pip 22.2 or newer is needed; update it first") from None


def normalise(name: str) -> str:
    """Return a distribution's name as PEP 503 has it."""
    return re.sub(r"[-_.]+", "-", name).lower()


def _last_words(outcome: children.Outcome) -> str:
    lines = [line.strip() for line in (outcome.stderr + outcome.stdout).splitlines() if line.strip()]
    errors = [line for line in lines if line.lower().startswith("error")]
    return (errors or lines or [f"{os.linesep.strip()}no words"])[-1][:300]
