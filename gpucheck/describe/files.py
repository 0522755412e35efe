"""Requirements out of requirements.txt, uv.lock and conda's environment.yml."""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import tomli

from gpucheck.describe.machine import DescriptionError
from gpucheck.describe.wanted import FRAMEWORKS, Pin, Wanted, parse

if TYPE_CHECKING:
    from collections.abc import Iterator

OPTION = re.compile(r"^(-\w|--[\w-]+)(?:[= ]\s*(.*))?$")
# A path, an archive or a repository: what it holds is not known without opening it.
LOCATION = re.compile(r"^(?:\.{0,2}/|[a-z]+\+|https?:|file:|[\w./-]+\.(?:whl|zip|tar\.gz)$)")
INDEXES = ("--index-url", "-i", "--extra-index-url")


def read(path: Path) -> list[Wanted | Pin]:
    """Return what a file asks for: the frameworks, and exact or bounded versions of other packages.

    Raises:
        DescriptionError: It cannot be read or understood; the message names file and line.
    """
    text = _text(path)
    if path.name.endswith(".lock"):
        found = list(_uv_lock(path, text))
    elif path.suffix in (".yml", ".yaml"):
        found = list(_environment(path, text))
    else:
        found = _Requirements().read(path, text)
    if not any(isinstance(one, Wanted) for one in found):
        raise DescriptionError(f"{path}: names neither torch nor tensorflow")
    return found


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise DescriptionError(f"{path}: cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise DescriptionError(f"{path}: is not UTF-8 text") from None


@dataclass
class _Requirements:
    """pip's requirements file format; options that choose no package are left aside."""

    index: str | None = None
    entries: list[tuple[str, str, bool]] = field(default_factory=list)
    seen: set[Path] = field(default_factory=set)

    def read(self, path: Path, text: str) -> list[Wanted | Pin]:
        self._collect(path, text)
        found = [(parse(line, origin, self.index), bound) for line, origin, bound in self.entries]
        return [replace(one, constraint=True) if bound else one for one, bound in found]

    def _collect(self, path: Path, text: str, *, bound: bool = False) -> None:
        self.seen.add(path.resolve())
        joined = re.sub(r"\\\r?\n", lambda _: "\0", text)
        number = 1
        for raw in joined.splitlines():
            line = re.sub(r"(^|\s)#.*$", "", raw.replace("\0", " ")).strip()
            self._line(path, line, number, bound=bound)
            number += 1 + raw.count("\0")

    def _line(self, path: Path, line: str, number: int, *, bound: bool) -> None:
        option = OPTION.match(line)
        if not line or LOCATION.match(line):
            return
        if option is None:
            self.entries.append((re.sub(r"\s--[a-z].*$", "", line), f"{path}:{number}", bound))
        elif option[1] in ("-r", "--requirement", "-c", "--constraint"):
            other = path.parent / (option[2] or "").strip()
            if other.resolve() not in self.seen:
                self._collect(other, _text(other), bound=bound or option[1] in ("-c", "--constraint"))
        elif option[1] in INDEXES and "pytorch.org" in (option[2] or ""):
            self.index = option[2]


def _uv_lock(path: Path, text: str) -> Iterator[Wanted | Pin]:
    """The lock file of uv: every package with its version, and the index that it comes from."""
    try:
        content = tomli.loads(text)
    except tomli.TOMLDecodeError as error:
        raise DescriptionError(f"{path}: is not valid TOML: {error}") from None
    packages = content.get("package")
    if not isinstance(packages, list):
        raise DescriptionError(f"{path}: has no [[package]]: is it a uv.lock?")
    for package in packages:
        if not isinstance(package, dict) or not isinstance(package.get("name"), str):
            raise DescriptionError(f"{path}: a [[package]] has no name")
        version, source = package.get("version"), package.get("source")
        registry = source.get("registry") if isinstance(source, dict) else None
        if isinstance(version, str):
            name, index = package["name"], registry if isinstance(registry, str) else None
            found = parse(f"{name}=={version}", f"{path}, package {name}", index)
            markers = package.get("resolution-markers")  # a fork of the lock: one of several versions
            yield replace(found, markers=tuple(map(str, markers))) if isinstance(markers, list) else found


def _environment(path: Path, text: str) -> Iterator[Wanted | Pin]:
    """The environment.yml of conda: its pip section, and packages of its own, whose builds no row knows."""
    import yaml

    try:
        content: Any = yaml.safe_load(text)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        place = f", line {mark.line + 1}" if mark is not None else ""
        raise DescriptionError(f"{path}{place}: is not valid YAML") from None
    entries = content.get("dependencies") if isinstance(content, dict) else None
    if not isinstance(entries, list):
        raise DescriptionError(f"{path}: has no list 'dependencies'")
    for entry in entries:
        if isinstance(entry, dict):
            lines = entry.get("pip") or []
            if not isinstance(lines, list):
                raise DescriptionError(f"{path}: 'pip' must be a list of requirements")
            yield from _Requirements().read(path, "\n".join(map(str, lines)))
        elif isinstance(entry, str):
            yield from _conda(path, entry)


def _conda(path: Path, entry: str) -> Iterator[Wanted | Pin]:
    """``channel::name=version=build``; conda's ``=`` is a prefix."""
    form = re.fullmatch(
        r"(?:[\w.-]+::)?([\w.-]+)(?:\s*(==?|>=|<=|>|<|!=)\s*|\s+(?=\d))?([\w.*,<>=!]+?)?(?:=[\w.*-]+)?", entry
    )
    if form is None:
        return
    name, operator, version = form.groups()
    if name in ("pytorch-gpu", "pytorch-cpu"):
        name = "pytorch"
    if name.startswith("pytorch") and name != "pytorch":
        return  # pytorch-cuda, pytorch-mutex: conda's own switches
    if name in FRAMEWORKS:
        yield from _conda_framework(path, name, operator, version)
    elif operator in ("=", "==") and version:
        yield Pin(name=name, specifier=f"=={version}" if operator == "==" else f"=={version}.*", origin=str(path))


def _conda_framework(path: Path, name: str, operator: str | None, version: str | None) -> Iterator[Wanted | Pin]:
    prefix = version.removesuffix(".*").removesuffix("*").rstrip(".") if version else ""
    specifier = "" if not prefix else f"=={prefix}.*" if operator in ("=", None) else f"{operator}{version}"
    found = parse(f"{name}{specifier}", f"{path}, conda")
    if isinstance(found, Wanted):
        yield Wanted(
            framework=found.framework, distribution=found.distribution, specifier=found.specifier,
            variant="conda", origin=found.origin,
        )  # fmt: skip
