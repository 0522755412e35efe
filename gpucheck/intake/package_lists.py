"""Lists of installed packages: pip list, pip freeze, uv pip list, conda list and mamba list."""

from __future__ import annotations

import re
from dataclasses import replace
from itertools import takewhile
from typing import TYPE_CHECKING
from urllib.parse import unquote

from gpucheck.facts import Interpreter, absent, blank, seen
from gpucheck.intake import installed
from gpucheck.intake.installed import NOT_SHOWN, TENSORFLOW, Package, normalise

if TYPE_CHECKING:
    from collections.abc import Callable

    from gpucheck.facts import Facts

    Row = Callable[[str], Package | None]

# pip lists what a broken update left behind as `-orch` or `~orch`.
NAME, VERSION = r"([A-Za-z0-9_~-][\w.-]{0,100})", r"(\d[\w.+!-]{0,80})"
FREEZE = re.compile(rf"{NAME}={{2,3}}{VERSION}$")
ADDRESS = re.compile(rf"{NAME} @ (\S{{1,500}})")
WHEEL = re.compile(
    r"/[\w.]{1,100}-(\d[\w.+!]{0,80})(?:-\d\w{0,20})?-[a-z][\w.]{0,60}-[\w.]{1,60}-[\w.]{1,100}\.whl"
)
LEGACY = re.compile(rf"{NAME} \({VERSION}(?:, [^)]{{1,300}})?\)$")
COLUMNS = re.compile(rf"{NAME}[ \t]+{VERSION}(?:[ \t]+\S.*)?$")
PLAIN_COLUMNS = re.compile(rf"{NAME}[ \t]+{VERSION}$")
CONDA = re.compile(rf"{NAME}[ \t]+{VERSION}[ \t]+([\w.]{{1,100}})(?:[ \t]+(\S{{1,200}}))?$")
CONDA_BUILD = re.compile(r"[\w.]*_\d+|\d+|mkl|openblas|cuda|cpu|main|pypi")
PIP_HEADER = re.compile(r"\s*Package[ \t]+Version(?:[ \t]+\S.*)?$")
CONDA_HEADER = re.compile(
    r"#?\s*(?:List of )?packages in environment(?: at|:)?:?[ \t]*\"?([^\n\"]{0,500}?)\"?:?[ \t]{0,8}$"
)
UNDER_CONDA_HEADER = re.compile(r"\s*(?:#.*|[-─━]+|Name[ \t]+Version\b.*)?$")
RULER = re.compile(r"[-─ ]{3,}$")
# Without a header, lines count as a list only where they name one of these: numbers in prose look alike.
TELLING = {
    *TENSORFLOW, "torch", "pytorch", "torchvision", "torchaudio", "triton", "numpy", "protobuf", "keras",
    "jax", "jaxlib", "cudatoolkit", "cudnn",
}  # fmt: skip
BETWEEN = re.compile(r"\s*(?:-e |# )")  # pip freeze writes editable installs so
FEWEST = 3


def read(text: str) -> Facts | None:
    """Return what the lists anywhere in a text show, or None where there is none."""
    packages, interpreter, position = [], blank(Interpreter, NOT_SHOWN), 0
    lines = text.split("\n")
    while position < len(lines):
        found, used = _with_header(lines, position) or _without_header(lines, position)
        header = CONDA_HEADER.match(lines[position]) if found else None
        if header is not None and not interpreter.prefix.known:
            interpreter = _conda_interpreter(header[1], found)
        packages += found
        position += used
    if not packages:
        return None
    sources = ", ".join(dict.fromkeys(package.source for package in packages))
    return installed.facts(
        interpreter=interpreter,
        frameworks=installed.frameworks(packages),
        packages=installed.versions(packages, sources),
    )


def _conda_interpreter(prefix: str, packages: list[Package]) -> Interpreter:
    """A list of conda names its environment, and Python is one of the packages in it."""
    python = next((package for package in packages if package.name == "python" and package.conda), None)
    return replace(
        blank(Interpreter, NOT_SHOWN),
        prefix=seen(prefix, "conda list") if prefix else absent(NOT_SHOWN),
        kind=seen("conda", "conda list"),
        version=seen(python.version, "conda list: python") if python else absent(NOT_SHOWN),
    )


def _with_header(lines: list[str], start: int) -> tuple[list[Package], int] | None:
    """Read the list whose header stands in a line; return it and the number of lines it takes."""
    if PIP_HEADER.match(lines[start]):
        row: Row = columns
        first = start + 1 + sum(1 for _ in takewhile(RULER.match, lines[start + 1 : start + 2]))
    elif CONDA_HEADER.match(lines[start]):
        row = conda
        first = start + 1 + sum(1 for _ in takewhile(UNDER_CONDA_HEADER.match, lines[start + 1 : start + 8]))
    else:
        return None
    found, used = _run(lines, first, row)
    return (found, first - start + used) if found else None


def _without_header(lines: list[str], start: int) -> tuple[list[Package], int]:
    """Read lines of one form, enough of them to be a list, from a line on; else nothing, and one line."""
    for row in (_freeze_or_address, _legacy, _conda_without_header, _plain_columns):
        if row(lines[start]) is None:
            continue
        found, used = _run(lines, start, row)
        aligned = row is not _plain_columns or _aligned(lines[start : start + used])
        telling = any(one.name in TELLING or one.name.startswith("nvidia-") for one in found)
        # tf_env_collect.sh's own section is not a second list.
        elsewhere = start > 0 and lines[start - 1].lstrip().startswith("== ")
        if len(found) >= FEWEST:
            return (found if telling and aligned and not elsewhere else []), used
    return [], 1


def _run(lines: list[str], start: int, row: Row) -> tuple[list[Package], int]:
    """Read lines of one form from a line on; return the packages and how many lines they take."""
    found: list[Package] = []
    used = 0
    for number in range(start, len(lines)):
        package = row(lines[number])
        if package is not None:
            found.append(package)
            used = number + 1 - start
        elif row is not _freeze_or_address or not BETWEEN.match(lines[number]):
            break
    return found, used


def _aligned(lines: list[str]) -> bool:
    """Whether the versions stand below each other, as pip writes them."""
    places = {match.start(2) for line in lines if (match := re.match(rf"\s*{NAME}[ \t]+{VERSION}", line))}
    return len(places) == 1


def line(text: str, source: str = "pip list") -> Package | None:
    """Read one line of pip in any of its forms."""
    return _pip(FREEZE, text, source) or _pip(LEGACY, text, source) or _pip(COLUMNS, text, source)


def columns(text: str) -> Package | None:
    """Read ``name  version``, whatever follows."""
    return _pip(COLUMNS, text, "pip list")


def conda(text: str, source: str = "conda list") -> Package | None:
    """Read ``name  version  build  channel``; what came from pip stands there with the build ``pypi_0``."""
    found = CONDA.match(text.strip())
    if found is None:
        return None
    name, version, build, channel = found.groups()
    pip = build.startswith("pypi") or channel == "pypi"
    return Package(name=normalise(name), version=version, source=source, build="" if pip else build, conda=not pip)


def _pip(form: re.Pattern[str], text: str, source: str) -> Package | None:
    found = form.match(text.strip())
    return Package(name=normalise(found[1]), version=found[2], source=source) if found is not None else None


def _freeze_or_address(text: str) -> Package | None:
    found = ADDRESS.match(text.strip())
    if found is None:
        return _pip(FREEZE, text, "pip freeze")
    wheel = WHEEL.search(unquote(found[2]))
    return Package(name=normalise(found[1]), version=wheel[1] if wheel else "", source="pip freeze")


def _legacy(text: str) -> Package | None:
    return _pip(LEGACY, text, "pip list")


def _plain_columns(text: str) -> Package | None:
    found = _pip(PLAIN_COLUMNS, text, "pip list")
    return found if found is not None and "." in found.version else None


def _conda_without_header(text: str) -> Package | None:
    found = CONDA.match(text.strip())
    return conda(text) if found is not None and CONDA_BUILD.fullmatch(found[3]) else None
