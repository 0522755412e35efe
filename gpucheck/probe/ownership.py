"""Files of NVIDIA's packages that are not what their packages installed, by the packages' RECORD (PEP 376).

Packages for different CUDA majors install the same paths, and pip says nothing: the last one wins.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from gpucheck.facts import PackageFile

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from gpucheck.probe.distributions import Distribution

Listed = tuple[str, "int | None"]


def damaged(installed: Mapping[str, Distribution], *, hashes: bool = False) -> tuple[PackageFile, ...]:
    """Return the shared libraries that do not fit every RECORD that lists them.

    Args:
        installed: Installed distributions by normalised name.
        hashes: Whether files whose size fits are read and hashed; they have gigabytes.
    """
    listed: dict[Path, dict[str, Listed]] = {}
    for name, one in installed.items():
        if name.startswith("nvidia-"):
            for path, entry in one.files.items():
                listed.setdefault(one.path.parent / path, {})[f"{name} {one.version}"] = entry
    found = (_judge(path, owners, hashes) for path, owners in sorted(listed.items()))
    return tuple(one for one in found if one is not None)


def _judge(path: Path, owners: Mapping[str, Listed], hashes: bool) -> PackageFile | None:
    try:
        size = path.stat().st_size
    except (OSError, ValueError):  # a NUL byte in a damaged RECORD
        return PackageFile(path=str(path), owners=tuple(owners), recorded=(), trouble="missing")
    fitting = [owner for owner, (_, recorded) in owners.items() if recorded in (None, size)]
    trouble = "size"
    if fitting and (hashes or _differ(owners[owner][0] for owner in fitting)):
        # Two packages record one size and different contents: only the content can tell.
        content, trouble = _hash(path), "hash"
        fitting = [owner for owner in fitting if owners[owner][0] in ("", content)]
    if len(fitting) == len(owners):
        return None
    return PackageFile(path=str(path), owners=tuple(owners), recorded=tuple(fitting), trouble=trouble)


def _differ(hashes: Iterable[str]) -> bool:
    return len(set(hashes)) > 1


def _hash(path: Path) -> str:
    import base64
    import hashlib

    digest = hashlib.sha256()
    try:
        with path.open("rb") as file:
            while block := file.read(1 << 20):
                digest.update(block)
    except OSError:
        return "unreadable"
    return "sha256=" + base64.urlsafe_b64encode(digest.digest()).decode("ascii").rstrip("=")
