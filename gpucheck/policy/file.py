"""The policy that a project keeps in gpucheck.toml or pyproject.toml."""

from __future__ import annotations

import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gpucheck.findings import Severity
from gpucheck.policy.errors import PolicyError, did_you_mean
from gpucheck.policy.reading import read
from gpucheck.policy.requirement import Requirement, parse_requirement
from gpucheck.record import record

if TYPE_CHECKING:
    from collections.abc import Iterator

    from gpucheck.policy.reading import Document

    Part = tuple[Document, dict[str, Any], tuple[str, ...]]

NAME = "gpucheck.toml"
MARK = b"[tool.gpucheck"


@record
class Ignore:
    """A finding that is accepted for a time.

    Attributes:
        slug: The finding.
        reason: Why it is accepted.
        expires: The last day.
        subject: Only that of this subject; None: of any.
        place: Where it stands.
    """

    slug: str
    reason: str
    expires: datetime.date
    subject: str | None = None
    place: str | None = None


@record
class Policy:
    """What a project demands, and what it accepts.

    Attributes:
        path: The file.
        requirements: Its demands.
        fail_on: Least severity that makes the exit status 1; None: as the command says.
        on_missing_gpu: ``fail``, ``skip`` or ``warn``; None: as the command says.
        severity: Severities of findings that differ from ours.
        ignores: Findings that are accepted.
        environment: Variables that its demands are about.
    """

    path: Path
    requirements: tuple[Requirement, ...] = ()
    fail_on: str | None = None
    on_missing_gpu: str | None = None
    severity: dict[str, Severity]
    ignores: tuple[Ignore, ...] = ()
    environment: tuple[str, ...] = ()


def find(start: Path) -> Path | None:
    """Return the nearest policy file of a folder or those above it, or None."""
    for folder in (start, *start.parents):
        own, project = folder / NAME, folder / "pyproject.toml"
        if own.is_file():
            return own
        try:
            if project.is_file() and MARK in project.read_bytes():
                return project
        except OSError:
            continue
    return None


def load(path: Path, profile: str | None = None, known: frozenset[str] = frozenset()) -> Policy:
    """Read a policy with what it extends.

    Args:
        path: The file.
        profile: Which of its profiles counts on top.
        known: Every finding's slug.

    Raises:
        PolicyError: Something of it cannot be used; the message names file, line, key and reason.
    """
    chain = list(_chain(path, ()))
    parts: list[Part] = [(document, document.content, ()) for document in chain]
    if profile is not None:
        parts += _profile(chain, profile)
    severity: dict[str, Severity] = {}
    demands: dict[str, Requirement] = {}
    ignores: list[Ignore] = []
    chosen: dict[str, str] = {}
    for document, table, prefix in parts:
        for name, text in table.get("severity", {}).items():
            severity[_slug(document, name, known, *prefix, "severity", name)] = Severity(text)
        demands.update({one.name + (one.variable or ""): one for one in _requirements(document, table, prefix)})
        ignores += _ignores(document, table, known, prefix)
        chosen.update({name: table[name] for name in ("fail-on", "on-missing-gpu") if name in table})
    return Policy(
        path=path,
        requirements=tuple(demands.values()),
        fail_on=chosen.get("fail-on"),
        on_missing_gpu=chosen.get("on-missing-gpu"),
        severity=severity,
        ignores=tuple(ignores),
        environment=tuple(one.variable for one in demands.values() if one.variable),
    )


def files(path: Path) -> list[Path]:
    """Return a policy's file and those that it extends.

    Raises:
        PolicyError: One cannot be read.
    """
    return [document.path for document in _chain(path, ())]


def _chain(path: Path, above: tuple[Path, ...]) -> Iterator[Document]:
    """Yield the files that a policy extends, the most general first, and itself."""
    document = read(path)
    base = document.content.get("extends")
    if base is not None:
        other = path.parent / base
        place = document.place("extends")
        if "://" in base or Path(base).is_absolute():
            raise PolicyError(f"{place}: extends: a file beside this one is wanted, found {base!r}")
        if other.resolve() in {one.resolve() for one in (*above, path)}:
            raise PolicyError(f"{place}: extends: {base} leads back to this file")
        if not other.is_file():
            raise PolicyError(f"{place}: extends: there is no file {other}")
        yield from _chain(other, (*above, path))
    yield document


def _profile(chain: list[Document], name: str) -> list[Part]:
    found: list[Part] = [
        (document, document.content["profile"][name], ("profile", name))
        for document in chain
        if name in document.content.get("profile", {})
    ]
    if not found:
        known = [one for document in chain for one in document.content.get("profile", {})]
        hint = did_you_mean(name, known) if known else "; it has none"
        raise PolicyError(f"{chain[-1].path}: there is no profile {name!r}{hint}")
    return found


def _slug(document: Document, slug: str, known: frozenset[str], *key: str) -> str:
    if known and slug not in known:
        raise PolicyError(f"{document.place(*key)}: there is no finding {slug!r}{_near(slug, known)}")
    return slug


def _near(slug: str, known: frozenset[str]) -> str:
    hint = did_you_mean(slug, known).partition(" known:")[0]
    return f"{hint.rstrip(';')}; `gpucheck explain` lists them all"


def _ignores(
    document: Document, table: dict[str, Any], known: frozenset[str], prefix: tuple[str, ...]
) -> Iterator[Ignore]:
    for number, one in enumerate(table.get("ignore", ())):
        key = (*prefix, "ignore", str(number))
        yield Ignore(
            slug=_slug(document, one["slug"], known, *key, "slug"),
            reason=one["reason"],
            expires=one["expires"],
            subject=one.get("subject"),
            place=document.place(*key),
        )


def _requirements(document: Document, table: dict[str, Any], prefix: tuple[str, ...]) -> Iterator[Requirement]:
    demanded = table.get("require", {})
    start = (*prefix, "require")
    for name in ("driver", "driver-cuda", "cuda-runtime", "cudnn", "python"):
        if name in demanded:
            yield parse_requirement(f"{name}{demanded[name]}", document.place(*start, name))
    yield from _of_gpus(document, demanded.get("gpu", {}), (*start, "gpu"))
    for name in ("torch", "tensorflow"):
        if name in demanded:
            yield from _of_framework(document, name, demanded[name], (*start, name))
    for name, value in demanded.get("environment", {}).items():
        yield Requirement(
            text=f"{name}={value}",
            name="environment",
            comparisons=(("==", value),),
            variable=name,
            place=document.place(*start, "environment", name),
        )
    for name in demanded.get("forbid-environment", ()):
        place = document.place(*start, "forbid-environment")
        yield Requirement(text=f"no {name}", name="environment", variable=name, place=place)


def _of_gpus(document: Document, gpu: dict[str, Any], key: tuple[str, ...]) -> Iterator[Requirement]:
    names = {"count": "gpu", "memory": "gpu-memory", "memory-free": "gpu-memory-free",
             "compute-capability": "compute-capability"}  # fmt: skip
    for name, ours in names.items():
        if name in gpu:
            value = f"=={gpu[name]}" if isinstance(gpu[name], int) else gpu[name]
            yield parse_requirement(f"{ours}{value}", document.place(*key, name))
    for name in ("mig", "ecc"):
        if gpu.get(name, "any") != "any":
            yield parse_requirement(f"{name}={gpu[name]}", document.place(*key, name))
    if gpu.get("homogeneous"):
        yield parse_requirement("homogeneous", document.place(*key, "homogeneous"))
    if "names" in gpu:
        yield Requirement(
            text=f"gpu names {' or '.join(gpu['names'])}",
            name="gpu-name",
            comparisons=tuple(("==", pattern) for pattern in gpu["names"]),
            place=document.place(*key, "names"),
        )


def _of_framework(
    document: Document, name: str, table: dict[str, Any], key: tuple[str, ...]
) -> Iterator[Requirement]:
    from dataclasses import replace

    optional, prereleases = table.get("optional", False), table.get("prereleases", True)
    version = table.get("version", ">=0")
    whole = parse_requirement(f"{name}{version}", document.place(*key, "version"))
    yield replace(whole, optional=optional, prereleases=prereleases)
    if table.get("build", "any") != "any":
        build = parse_requirement(f"{name}-build={table['build']}", document.place(*key, "build"))
        yield replace(build, optional=optional)
