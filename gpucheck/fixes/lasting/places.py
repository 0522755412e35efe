"""Where settings last: a conda environment, a .env or .envrc file, a Jupyter kernel; or a Dockerfile's snippet.

Never sitecustomize, .pth files or the shell's start files: those reach every program of the user.
"""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

from gpucheck import children
from gpucheck.fixes import shell
from gpucheck.fixes.planned import PlanError
from gpucheck.record import record

if TYPE_CHECKING:
    from collections.abc import Mapping

BEGIN, END = "# >>> gpucheck >>>", "# <<< gpucheck <<<"
BLOCK = re.compile(rf"^{re.escape(BEGIN)}\r?$.*?^{re.escape(END)}\r?(?:\n|$)", re.M | re.S)
KINDS = ("dotenv", "envrc", "conda", "jupyter", "dockerfile")


@record
class Place:
    """A place for settings.

    Attributes:
        kind: One of `KINDS`.
        path: The file that is changed; None for a snippet that is only printed.
        prefix: The conda environment.
    """

    kind: str
    path: Path | None = None
    prefix: str | None = None


def find(where: str, prefix: str | None) -> Place:
    """Return the place that a user has named.

    Args:
        where: ``.env``, ``.envrc``, ``conda``, ``jupyter``, ``dockerfile``, or the path of such a file.
        prefix: ``sys.prefix`` of the interpreter concerned.

    Raises:
        PlanError: There is no such place, or it is none for settings.
    """
    name = Path(where).name
    if where == "dockerfile":
        return Place(kind="dockerfile")
    if where == "conda":
        return _conda(prefix)
    if where == "jupyter":
        return _kernel(prefix)
    if name == "kernel.json":
        return Place(kind="jupyter", path=_existing(Path(where)))
    if name == ".envrc":
        return Place(kind="envrc", path=Path(where).absolute())
    if name.startswith(".env") or name.endswith(".env"):
        return Place(kind="dotenv", path=Path(where).absolute())
    raise PlanError(f"--to {where}: .env, .envrc, conda, jupyter, dockerfile or the path of such a file is wanted")


def _conda(prefix: str | None) -> Place:
    if prefix is None or not (Path(prefix) / "conda-meta").is_dir():
        raise PlanError(f"--to conda: {prefix or 'the interpreter'} is no conda environment")
    if shutil.which("conda") is None:
        raise PlanError("--to conda: there is no conda on PATH")
    return Place(kind="conda", path=Path(prefix) / "conda-meta" / "state", prefix=prefix)


def _kernel(prefix: str | None) -> Place:
    kernels = sorted(Path(prefix or "/").glob("share/jupyter/kernels/*/kernel.json"))
    if len(kernels) != 1:
        found = ", ".join(map(str, kernels)) or "none"
        raise PlanError(f"--to jupyter: one kernel is wanted in {prefix}; here are: {found}. Name its kernel.json")
    return Place(kind="jupyter", path=kernels[0])


def _existing(path: Path) -> Path:
    if not path.is_file():
        raise PlanError(f"--to {path}: there is no such file")
    return path.absolute()


def content(place: Place, values: Mapping[str, str | None], *, override: bool) -> tuple[bytes, tuple[str, ...]]:
    """Return the new contents of a place's file, and the names that were left as the user has set them there.

    Args:
        place: A place with a file that is written directly.
        values: What the variables should be.
        override: Whether the user's own settings may be replaced.

    Raises:
        PlanError: The file cannot be read or understood, or cannot hold a value.
    """
    path = place.path or Path()
    try:
        before = path.read_bytes() if path.exists() else b""
        text = before.decode("utf-8")
    except OSError as error:
        raise PlanError(f"{path}: cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise PlanError(f"{path}: is not UTF-8 text") from None
    if place.kind == "jupyter":
        return _in_kernel(path, text, values, override=override)
    return _in_block(path, text, values, place.kind, override=override)


def _in_block(
    path: Path, text: str, values: Mapping[str, str | None], kind: str, *, override: bool
) -> tuple[bytes, tuple[str, ...]]:
    """Replace the block between our marks, or add it at the end; every other byte stays."""
    begins, ends = (re.findall(rf"^{re.escape(mark)}\r?$", text, re.M) for mark in (BEGIN, END))
    found = BLOCK.search(text)
    if len(begins) != len(ends) or len(begins) > 1 or (begins and found is None):
        raise PlanError(f"{path}: gpucheck's marks in it are damaged; correct or remove them")
    outside = BLOCK.sub("", text)
    kept = () if override else tuple(name for name in values if _is_set(outside, name))
    ending = "\r\n" if "\r\n" in text else "\n"
    lines = shell.code(
        {name: value for name, value in values.items() if name not in kept}, "sh" if kind == "envrc" else "dotenv"
    )
    new = "".join(f"{line}{ending}" for line in (BEGIN, *lines.splitlines(), END)) if lines else ""
    if found is not None:
        return (text[: found.start()] + new + text[found.end() :]).encode(), kept
    gap = "" if not text or text.endswith("\n") else ending
    return (text + gap + new).encode(), kept


def _is_set(text: str, name: str) -> bool:
    """Whether a line that is no comment sets a variable, wherever in it."""
    lines = text.lstrip("\ufeff").splitlines()
    return any(re.search(rf"(?:^|[\s;&|]){name}\s*=", line) for line in lines if not line.lstrip().startswith("#"))


def in_block(place: Place) -> tuple[str, ...]:
    """Return the variables that our block in a file sets already; none where there is no such block."""
    if place.kind not in ("dotenv", "envrc") or place.path is None:
        return ()
    try:
        found = BLOCK.search(place.path.read_bytes().decode("utf-8", "replace"))
    except OSError:
        return ()
    return tuple(re.findall(r"^(?:export )?([A-Z_]+)=", found.group(), re.M)) if found else ()


def _in_kernel(
    path: Path, text: str, values: Mapping[str, str | None], *, override: bool
) -> tuple[bytes, tuple[str, ...]]:
    try:
        kernel = json.loads(text)
        own = dict(kernel.get("env") or {})
    except (ValueError, AttributeError, TypeError):
        raise PlanError(f"{path}: is not a kernel's JSON") from None
    kept = () if override else tuple(name for name, value in values.items() if own.get(name) not in (None, value))
    wanted = json.loads(shell.code(values, "jupyter"))["env"]
    kernel["env"] = {**own, **{name: value for name, value in wanted.items() if name not in kept}}
    return (json.dumps(kernel, indent=1, ensure_ascii=False) + "\n").encode(), kept


def set_in_conda(place: Place, values: Mapping[str, str | None]) -> str | None:
    """Let conda itself set the variables of an environment. Return why it failed, or None."""
    given = [f"{name}={value}" for name, value in values.items() if value is not None]
    gone = [name for name, value in values.items() if value is None]
    for verb, words in (("set", given), ("unset", gone)):
        if words:
            command = ["conda", "env", "config", "vars", verb, "-p", place.prefix or "", *words]
            outcome = children.run(command, 120)
            if outcome.failure is not None:
                return f"conda failed: {outcome.failure}: {outcome.stderr.strip()[-200:]}"
    return None
