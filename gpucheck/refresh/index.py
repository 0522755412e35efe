"""The package index: which wheels there are of a distribution (the simple API of PEP 691)."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from packaging.utils import InvalidWheelFilename, parse_wheel_filename
from packaging.version import Version

if TYPE_CHECKING:
    from collections.abc import Iterable

    from packaging.tags import Tag

SIMPLE = "https://pypi.org/simple"
FORM = "application/vnd.pypi.simple.v1+json"
TIMEOUT = 60.0  # seconds without an answer
RETRIES = 4


class RefreshError(ValueError):
    """The index or a wheel could not be read; the message says which and why."""


@dataclass(frozen=True, kw_only=True)
class Wheel:
    """One wheel on the index.

    Attributes:
        filename: Its name.
        distribution: Normalised name of its distribution.
        version: Version, without pre-releases.
        build: Build number, 0 without one.
        python: ``3.12``, ``3.13t`` (free-threaded) or ``2.7``.
        platform: As in the matrix, e.g. ``linux-x86_64``.
        tag: Its platform tag, e.g. ``manylinux_2_28_x86_64``.
        url: Where it lies.
    """

    filename: str
    distribution: str
    version: Version
    build: int
    python: str
    platform: str
    tag: str
    url: str


def session() -> Any:
    """Return an HTTP session that tries again on passing faults.

    Raises:
        RefreshError: The optional package requests is not installed.
    """
    try:
        import remotezip  # noqa: F401 - needed later, missed here
        import requests
        from requests.adapters import HTTPAdapter
        from urllib3.util import Retry
    except ImportError as error:
        raise RefreshError(
            f"matrix refresh needs the package {error.name}: install the extra 'refresh' of gpucheck-doctor, "
            "or the packages requests, remotezip and tomli-w"
        ) from None
    made = requests.Session()
    retry = Retry(total=RETRIES, backoff_factor=0.5, status_forcelist=(429, 500, 502, 503, 504))
    made.mount("https://", HTTPAdapter(max_retries=retry, pool_maxsize=16))
    return made


def wheels(http: Any, distribution: str) -> list[Wheel]:
    """Return the wheels of all releases that are not yanked; none for a name that the index does not have.

    Raises:
        RefreshError: The index does not answer.
    """
    return [found for found in map(_wheel, _files(http, distribution)) if found is not None]


def any_python(http: Any, distribution: str) -> list[Wheel]:
    """Return the Linux x86_64 wheels of a distribution that holds no Python code (``py3-none-...``)."""
    found = (_wheel(file, "py3") for file in _files(http, distribution))
    return [wheel for wheel in found if wheel is not None and wheel.platform == "linux-x86_64"]


def versions(http: Any, distribution: str) -> tuple[Version, ...]:
    """Return the releases of a distribution that have a wheel, oldest first."""
    found: set[Version] = set()
    for file in _files(http, distribution):
        parsed = _parsed(file)
        if parsed is not None:
            found.add(parsed[1])
    return tuple(sorted(found))


def _files(http: Any, distribution: str) -> Iterable[dict[str, Any]]:
    url = f"{SIMPLE}/{distribution}/"
    try:
        answer = http.get(url, headers={"Accept": FORM}, timeout=TIMEOUT)
        if answer.status_code == 404:
            return ()
        answer.raise_for_status()
        files: list[dict[str, Any]] = answer.json()["files"]
    except Exception as error:  # noqa: BLE001 - HTTP, JSON or network: each is told as one line
        raise RefreshError(f"{url}: cannot be read: {type(error).__name__}") from None
    return files


def _parsed(file: dict[str, Any]) -> tuple[str, Version, tuple[Any, ...], frozenset[Tag]] | None:
    """Return name, version, build and tags of a wheel that counts: a release, not yanked."""
    if file.get("yanked"):
        return None
    try:
        name, version, build, tags = parse_wheel_filename(file["filename"])
    except InvalidWheelFilename:
        return None
    return None if version.is_prerelease or version.is_devrelease else (name, version, build, tags)


def _wheel(file: dict[str, Any], any_python: str | None = None) -> Wheel | None:
    parsed = _parsed(file)
    if parsed is None:
        return None
    name, version, build, tags = parsed
    tag = min(tags, key=str)
    where = platform(tag.platform)
    python = any_python or _python(tag)
    if where is None or python is None:
        return None
    return Wheel(
        filename=file["filename"],
        distribution=name,
        version=version,
        build=int(build[0]) if build else 0,
        python=python,
        platform=where,
        tag=tag.platform,
        url=file["url"],
    )


def platform(tag: str) -> str | None:
    """Return the matrix's name of a wheel's platform tag, or None for one that the matrix does not list."""
    system = next((ours for theirs, ours in SYSTEMS if theirs in tag), None)
    machine = next((ours for theirs, ours in MACHINES if tag.endswith(theirs)), None)
    return f"{system}-{machine}" if system and machine else None


SYSTEMS = (("linux", "linux"), ("win_", "windows"), ("macosx", "macos"))
MACHINES = (
    ("x86_64", "x86_64"),
    ("amd64", "x86_64"),
    ("intel", "x86_64"),
    ("aarch64", "aarch64"),
    ("arm64", "arm64"),
)


def glibc(tag: str) -> str | None:
    """Return the least glibc of a platform tag (PEP 600, 599, 571).

    None for manylinux1: torch used that tag up to 2.6 for wheels that need a newer one.
    """
    found = re.match(r"manylinux_(\d+)_(\d+)_", tag)
    if found:
        return f"{found[1]}.{found[2]}"
    return {"manylinux2010": "2.12", "manylinux2014": "2.17"}.get(tag.partition("_")[0])


def _python(tag: Tag) -> str | None:
    found = re.fullmatch(r"cp(\d)(\d+)", tag.interpreter)
    if found is None:
        return None
    return f"{found[1]}.{found[2]}{'t' if re.fullmatch(r'cp3[0-9]+t', tag.abi) else ''}"
