"""The interpreter whose packages are to be changed: where they lie, and whether they are the user's to change."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gpucheck import children
from gpucheck.record import record

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

DEADLINE = 60.0
IMAGES = {  # what sets them
    "NVIDIA_PYTORCH_VERSION": "NVIDIA's container image",
    "NVIDIA_TENSORFLOW_VERSION": "NVIDIA's container image",
    "COLAB_RELEASE_TAG": "Colab's image",
    "KAGGLE_KERNEL_RUN_TYPE": "Kaggle's image",
}


class TargetError(ValueError):
    """The interpreter's packages cannot be changed; the message says why and what to do instead."""


@record
class Installed:
    """An installed distribution.

    Attributes:
        version: Its version.
        files: Its files, by its RECORD.
        direct_url: Contents of direct_url.json (PEP 610): it does not come from an index. Else None.
        installer: Who installed it.
    """

    version: str
    files: tuple[str, ...] = ()
    direct_url: str | None = None
    installer: str = ""


@record
class Target:
    """An interpreter and its environment.

    Attributes:
        python: Its path.
        prefix: ``sys.prefix``.
        sites: Folders of its packages.
        roots: Folders into which packages put files.
        virtual: Whether it is a virtual environment.
        externally_managed: Whether its distributor forbids changes (PEP 668).
        distributions: By normalised name.
    """

    python: str
    prefix: str
    sites: tuple[str, ...]
    roots: tuple[str, ...]
    virtual: bool
    externally_managed: bool
    distributions: dict[str, Installed]


def ask(python: str, names: Sequence[str] = ()) -> Target:
    """Ask an interpreter for its environment.

    Args:
        python: Its path.
        names: Distributions to tell of; all by default.

    Raises:
        TargetError: It does not answer.
    """
    script = Path(__file__).with_name("child_environment.py")
    outcome = children.run([python, "-I", "-B", script, *names], DEADLINE)
    try:
        said: dict[str, Any] = json.loads(outcome.stdout)
        found = {
            name: Installed(
                version=one["version"],
                files=tuple(one["files"]),
                direct_url=one["direct_url"],
                installer=one["installer"],
            )
            for name, one in said["distributions"].items()
        }
    except (ValueError, KeyError, TypeError):
        last = (outcome.stderr.strip().splitlines() or [""])[-1]
        raise TargetError(f"{python}: does not answer: {outcome.failure or last or 'no JSON'}") from None
    return Target(
        python=python,
        prefix=said["prefix"],
        sites=tuple(dict.fromkeys((said["purelib"], said["platlib"]))),
        roots=(said["prefix"],)
        if said["virtual"]
        else tuple(dict.fromkeys((said["purelib"], said["platlib"], said["scripts"]))),
        virtual=said["virtual"],
        externally_managed=said["externally_managed"],
        distributions=found,
    )


def refusal(target: Target, environ: Mapping[str, str], kind: str | None = None) -> str | None:
    """Say why an environment is not the user's to change; None when it is.

    Args:
        target: The interpreter.
        environ: The environment variables.
        kind: What kind of environment the doctor has found it to be.
    """
    prefix = Path(target.prefix)
    if target.externally_managed and not target.virtual:
        return "its distributor manages its packages (EXTERNALLY-MANAGED, PEP 668)"
    for name, image in IMAGES.items():
        if environ.get(name) and not target.virtual:
            return f"it belongs to {image}, whose packages fit each other"
    if (prefix / "conda-meta").is_dir() and _is_base(prefix, environ):
        return "it is conda's base environment, in which conda itself lives"
    if kind in ("pipx", "uv"):
        return f"it is a tool's own environment, made by {kind}"
    conda = (prefix / "conda-meta").is_dir()
    if not target.virtual and not conda and os.name == "posix" and os.geteuid() == 0:
        return "it is a system's Python, and this is root: others use it too"
    return next((why for site in target.sites if (why := _not_ours(Path(site)))), None)


def _is_base(prefix: Path, environ: Mapping[str, str]) -> bool:
    """The prefix that holds conda itself."""
    executable = environ.get("CONDA_EXE")
    named = executable is not None and Path(executable).parent.parent == prefix
    active = environ.get("CONDA_DEFAULT_ENV") == "base" and environ.get("CONDA_PREFIX") == str(prefix)
    return named or active or (prefix / "condabin" / "conda").exists()


def _not_ours(site: Path) -> str | None:
    if not os.access(site, os.W_OK):
        return f"{site} may not be written"
    if os.name == "posix" and site.stat().st_uid != os.geteuid():
        return f"{site} belongs to another user"
    if os.name == "posix" and site.stat().st_mode & 0o002:
        return f"{site} may be written by everybody: it is shared"
    return None


ADVICE = "make an environment of your own (python -m venv, uv venv or conda create) and name it by --python"


def permitted(target: Target, environ: Mapping[str, str], kind: str | None = None) -> None:
    """Refuse an environment that is not the user's.

    Raises:
        TargetError: It is not.
    """
    why = refusal(target, environ, kind)
    if why is not None:
        raise TargetError(f"{target.python}: its packages are left alone: {why}; {ADVICE}")


def replaceable(name: str, found: Installed) -> None:
    """Refuse to replace what cannot be had again.

    Raises:
        TargetError: It is a local build, an editable or another's installation.
    """
    if found.direct_url is not None:
        editable = '"editable": true' in found.direct_url or '"editable":true' in found.direct_url
        kind = "an editable installation" if editable else "not from a package index (direct_url.json)"
        raise TargetError(f"{name} {found.version} is {kind}: it could not be had again, so it is not replaced")
    if found.installer == "conda" or not found.files:
        raise TargetError(f"{name} {found.version} was not installed by pip or uv, so they do not replace it")
