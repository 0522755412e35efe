"""Which cuDNN the loader would take for a framework: the files, in the loader's order, and the version.

The order is that of RUNPATH (both frameworks' libraries carry it, measured): LD_LIBRARY_PATH, the wheel's
own folders, the loader's cache, the standard folders.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

from gpucheck import children
from gpucheck.facts import Fact, Library, absent, seen
from gpucheck.facts.versions import cudnn_version
from gpucheck.probe.distributions import Distribution
from gpucheck.probe.loader import library_path, system_folders

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

WHEEL_FOLDERS = ("nvidia/cudnn/lib", "torch/lib")
# Prints cudnnGetVersion of the file named; by absolute path, so the answer belongs to that file.
QUESTION = "import ctypes, sys; print(ctypes.CDLL(sys.argv[1]).cudnnGetVersion())"


def loaded(
    package: Path,
    major: int | None,
    prefix: Path,
    distributions: Mapping[str, Distribution],
    root: Path,
    environ: Mapping[str, str],
    deadline: float,
) -> Fact[Library]:
    """Return the cuDNN that a framework would load.

    Args:
        package: The framework's package folder.
        major: The major version that it was built with: the loader looks for ``libcudnn.so.MAJOR`` and takes
            no other; None where it is not known.
        prefix: The interpreter's prefix (conda keeps its libraries in ``lib`` there).
        distributions: Installed distributions by normalised name.
        root: ``/``, or a folder that stands for it.
        environ: The environment.
        deadline: Seconds that the child may take that asks the file for its version.
    """
    files = list(_candidates(package.parent, major, prefix, root, environ))
    if not files:
        name = f"libcudnn.so.{major or '*'}"
        return absent(f"{name} is in none of the folders that the loader searches", "the loader's folders")
    first = files[0]
    version = _from_wheel(first, distributions) or _from_name(first) or _from_library(first, deadline)
    shadows = tuple(dict.fromkeys(str(path) for path in files[1:] if path.resolve() != first.resolve()))
    return seen(Library(path=str(first), version=version, shadows=shadows), str(first))


def _candidates(
    site: Path, major: int | None, prefix: Path, root: Path, environ: Mapping[str, str]
) -> Iterator[Path]:
    folders = library_path(environ)
    folders += [site / folder for folder in WHEEL_FOLDERS]
    folders += [prefix / "lib"] if (prefix / "conda-meta").is_dir() else []
    folders += system_folders(root, "libcudnn.so")
    for folder in dict.fromkeys(folders):
        yield from _sonames(folder, major)


def _sonames(folder: Path, major: int | None) -> list[Path]:
    """The file that the loader would take from a folder; of an unknown major the newest is the likely one."""
    if major is not None:
        return [folder / f"libcudnn.so.{major}"] if (folder / f"libcudnn.so.{major}").exists() else []
    try:
        names = [path for path in folder.glob("libcudnn.so.*") if re.fullmatch(r"libcudnn\.so\.\d+", path.name)]
    except OSError:
        return []
    return sorted(names, key=lambda path: int(path.suffix[1:]), reverse=True)[:1]


def _from_wheel(path: Path, distributions: Mapping[str, Distribution]) -> Fact[str] | None:
    """The version of the nvidia-cudnn package that owns the file, where exactly one is installed."""
    if path.parent.parts[-3:] != ("nvidia", "cudnn", "lib"):
        return None
    site = path.parents[3]
    owners = [
        item
        for name, item in distributions.items()
        if name.startswith("nvidia-cudnn-cu") and item.path.parent == site
    ]
    if len(owners) != 1:
        return None
    return seen(".".join(owners[0].version.split(".")[:3]), str(owners[0].path), raw=owners[0].version)


def _from_name(path: Path) -> Fact[str] | None:
    real = path.resolve()
    found = re.fullmatch(r"libcudnn\.so\.(\d+\.\d+\.\d+)", real.name)
    return seen(found.group(1), str(real)) if found else None


def _from_library(path: Path, deadline: float) -> Fact[str]:
    outcome = children.run([*children.isolated(Path("-c")), QUESTION, str(path)], deadline)
    if outcome.failure is not None:
        last = outcome.stderr.strip().splitlines()[-1:]
        return absent(": ".join(["it cannot be loaded", outcome.failure, *last]), str(path))
    text = outcome.stdout.strip()
    version = cudnn_version(int(text)) if text.isdigit() else None
    if version is None:
        return absent(f"cudnnGetVersion answers {text!r}", str(path))
    return seen(version, "cudnnGetVersion", raw=text)
