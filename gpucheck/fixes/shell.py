"""A plan as code for a shell or as lines for a file, and the code that restores what was there before."""

from __future__ import annotations

import base64
import json
import os
import re
import secrets
import shlex
from typing import TYPE_CHECKING

from gpucheck.fixes.planned import PlanError
from gpucheck.fixes.variables import KNOWN

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    Values = Mapping[str, str | None]

# What was there before the first change, for --unset: JSON in base64, which every shell passes on unharmed.
BEFORE = "GPUCHECK_ENV_BEFORE"
SHELLS = ("sh", "bash", "zsh", "fish", "powershell", "cmd")
FILES = ("dotenv", "json", "github", "conda", "dockerfile", "jupyter")


def code(values: Values, form: str) -> str:
    """Return the code that sets variables, or takes out those whose value is None.

    Raises:
        PlanError: The form cannot express a value.
    """
    for name, value in values.items():
        if value is not None and "\0" in value:
            raise PlanError(f"{name}: a value with a NUL character cannot be set")
    if form in WHOLE:
        return WHOLE[form](values)
    return "".join(LINES[form](name, value) + "\n" for name, value in values.items())


def remembering(changes: Values, environ: Mapping[str, str]) -> dict[str, str | None]:
    """Add the variable that remembers what was there before gpucheck changed anything.

    Raises:
        PlanError: What it holds already was not written by us.
    """
    before = remembered(environ)
    if not changes:
        return {}
    for name in changes:
        before.setdefault(name, environ.get(name))
    text = base64.urlsafe_b64encode(json.dumps(before).encode()).decode("ascii")
    return {**changes, BEFORE: text}


def restoring(environ: Mapping[str, str]) -> dict[str, str | None]:
    """Return the variables as they were before gpucheck changed them; empty when it has changed none.

    Raises:
        PlanError: See `remembered`.
    """
    before = remembered(environ)
    return {**before, BEFORE: None} if before else {}


def remembered(environ: Mapping[str, str]) -> dict[str, str | None]:
    """Return what an earlier `gpucheck env` has noted; only names that it may change are taken.

    Raises:
        PlanError: The note cannot be read.
    """
    text = environ.get(BEFORE)
    if not text:
        return {}
    try:
        noted = json.loads(base64.urlsafe_b64decode(text.encode()))
        fits = all(
            name in KNOWN and (value is None or os.fsencode(value) is not None) for name, value in noted.items()
        )
    except (ValueError, AttributeError, TypeError):
        fits = False
    if not fits:
        raise PlanError(f"{BEFORE} was not written by gpucheck; unset it")
    return dict(noted)


def _posix(name: str, value: str | None) -> str:
    return f"unset {name};" if value is None else f"export {name}={shlex.quote(value)};"


def _fish(name: str, value: str | None) -> str:
    if value is None:
        return f"set -e {name};"
    quoted = value.replace("\\", "\\\\").replace("'", "\\'")
    return f"set -gx {name} '{quoted}';"


def _powershell(name: str, value: str | None) -> str:
    if value is None:
        return f"Remove-Item -ErrorAction SilentlyContinue Env:{name}"
    # PowerShell takes typographic quotes for plain ones: about_Quoting_Rules
    quoted = re.sub("(['\u2018\u2019\u201a\u201b])", r"\1\1", value)
    return f"$env:{name} = '{quoted}'"


def _cmd(name: str, value: str | None) -> str:
    if value is not None and re.search(r'["\r\n]', value):
        raise PlanError(f"{name}: cmd cannot set a value with quotes or line ends; use --shell powershell")
    return f'set "{name}={value or ""}"'


def _dotenv(name: str, value: str | None) -> str:
    value = _present(name, value, "dotenv")
    if re.fullmatch(r"[\w./:,=+-]+", value, re.ASCII):  # docker's --env-file knows no quotes
        return f"{name}={value}"
    quoted = value.replace("\\", "\\\\").replace("'", "\\'")
    return f"{name}='{quoted}'"


def _dockerfile(name: str, value: str | None) -> str:
    value = _present(name, value, "dockerfile")
    if re.search(r"[\r\n]", value):
        raise PlanError(f"{name}: a Dockerfile's ENV cannot hold a line end")
    quoted = re.sub(r'(["$\\])', r"\\\1", value)
    return f'ENV {name}="{quoted}"'


def _github(name: str, value: str | None) -> str:
    """The form for values of several lines; a random mark, so that no value can end it (GitHub's own advice)."""
    mark = f"gpucheck_{secrets.token_hex(8)}"
    return f"{name}<<{mark}\n{_present(name, value, 'github')}\n{mark}"


def _conda(name: str, value: str | None) -> str:
    if value is None:
        return f"conda env config vars unset {name}"
    return f"conda env config vars set {shlex.quote(f'{name}={value}')}"


def _json(values: Values) -> str:
    return json.dumps(dict(values), indent=2) + "\n"


def _jupyter(values: Values) -> str:
    return json.dumps({"env": {name: _present(name, value, "jupyter") for name, value in values.items()}}) + "\n"


def _present(name: str, value: str | None, form: str) -> str:
    """A file of settings cannot take a variable out; an empty path of the loader means the same (ld.so(8))."""
    if value is None and name != "LD_LIBRARY_PATH":
        raise PlanError(f"{form} cannot take {name} out of an environment; use a shell's form")
    return value or ""


LINES: dict[str, Callable[[str, str | None], str]] = {
    "sh": _posix,
    "bash": _posix,
    "zsh": _posix,
    "fish": _fish,
    "powershell": _powershell,
    "cmd": _cmd,
    "dotenv": _dotenv,
    "github": _github,
    "dockerfile": _dockerfile,
    "conda": _conda,
}
WHOLE: dict[str, Callable[[Values], str]] = {"json": _json, "jupyter": _jupyter}
