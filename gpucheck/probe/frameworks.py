"""PyTorch and TensorFlow as their files show them. Neither is imported."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING, Any

from gpucheck.facts import Fact, Framework, absent, blank, seen
from gpucheck.probe.distributions import Distribution, pinned
from gpucheck.probe.files import exists
from gpucheck.record import record

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

DISTRIBUTIONS = {
    "torch": ("torch",),
    "tensorflow": (
        "tensorflow",
        "tensorflow-cpu",
        "tensorflow-gpu",
        "tensorflow-intel",
        "tensorflow-macos",
        "tensorflow-rocm",
        "tf-nightly",
    ),
}


@record
class Place:
    """Where a framework lies: its package folder and the distribution that owns it."""

    folder: Path
    distribution: Distribution | None


def recorded(name: str, distributions: Mapping[str, Distribution]) -> Distribution | None:
    """Return the distribution of a framework, or None."""
    return next((distributions[key] for key in DISTRIBUTIONS[name] if key in distributions), None)


def locate(name: str, folders: tuple[Path, ...], distributions: Mapping[str, Distribution]) -> Place | None:
    """Return the first package folder of that name on the path, or None."""
    mark = {"torch": "version.py", "tensorflow": "python"}[name]
    owner = recorded(name, distributions)
    for folder in folders:
        if exists(folder / name / mark):
            # A folder that shadows the installed one from elsewhere is not that distribution's.
            own = owner is not None and owner.path.parent == folder
            return Place(folder=folder / name, distribution=owner if own else None)
    return None


def framework(name: str, place: Place | None, recorded: Distribution | None) -> Framework:
    """Return what the files of a framework show.

    Args:
        name: ``torch`` or ``tensorflow``.
        place: Where it lies; None when it is not installed.
        recorded: Its distribution, also where no folder was found.
    """
    if place is None and recorded is not None:
        reason = f"{recorded.path.name} is there, but no package folder: an editable install?"
        return blank(Framework, reason, name=name)
    if place is None:
        return Framework(name=name, installed=seen(False, "the interpreter's import path"))
    build = _torch(place) if name == "torch" else _tensorflow(place)
    owner = place.distribution
    return Framework(
        name=name,
        installed=seen(True, str(place.folder)),
        folder=seen(str(place.folder), "the interpreter's import path"),
        distribution=seen(f"{owner.name} {owner.version}", str(owner.path))
        if owner
        else absent("no dist-info folder: not installed by pip"),
        installer=_installer(owner),
        requires=seen(tuple(owner.requirements), str(owner.path / "METADATA"))
        if owner
        else absent("no dist-info folder"),
        cudnn_loaded=absent("not a CUDA build"),
        **build,
    )


def _installer(owner: Distribution | None) -> Fact[str]:
    """Who installed it, by the INSTALLER file of PEP 376."""
    if owner is None:
        return absent("no dist-info folder")
    path = owner.path / "INSTALLER"
    try:
        return seen(path.read_text(encoding="utf-8", errors="replace").strip().lower(), str(path))
    except OSError:
        return absent("no INSTALLER file", str(path))


def cudnn_major(found: Framework) -> int | None:
    """Return the major version of the cuDNN that a framework was built with, where its files tell it."""
    text = found.cudnn_built.value or found.cudnn_built.raw or ""
    number = text.rpartition("_")[2].partition(".")[0]  # Windows has 64_8
    return int(number) if number.isascii() and number.isdigit() and len(number) < 4 else None


def _torch(place: Place) -> dict[str, Any]:
    path = place.folder / "version.py"
    values, problem = _assignments(path)
    if problem is not None:
        return _unread(problem, str(path), place)
    source, cuda = str(path), values.get("cuda")
    kind = "rocm" if values.get("hip") else "cuda" if cuda else "cpu"
    version = values.get("__version__")
    return {
        "version": seen(str(version), source) if version else _from_dist(place),
        "build": seen(kind, source),
        "cuda_runtime": seen(str(cuda), source) if cuda else absent(f"a {kind} build", source),
        "cudnn_built": _torch_cudnn(place) if kind == "cuda" else absent(f"a {kind} build", source),
    }


def _torch_cudnn(place: Place) -> Fact[str]:
    """The pin of the cuDNN package is the cuDNN that the wheel was built with (torch's release scripts)."""
    owner = place.distribution
    pin = pinned(owner.requirements, "nvidia-cudnn-cu") if owner else None
    if owner is None or pin is None:
        return absent("its metadata pins no cuDNN package")
    return seen(".".join(pin[0].split(".")[:3]), str(owner.path / "METADATA"), raw=pin[1])


def _tensorflow(place: Place) -> dict[str, Any]:
    path = place.folder / "python/platform/build_info.py"
    info, problem = _build_info(path)
    version = _from_dist(place)
    if problem is not None:
        return {**_unread(problem, str(path), place), "version": version}
    source = str(path)
    kind = "rocm" if info.get("is_rocm_build") else "cuda" if info.get("is_cuda_build") else "cpu"
    none = absent(f"a {kind} build", source)
    runtime, codes = info.get("cuda_version"), info.get("cuda_compute_capabilities")
    return {
        "version": version,
        "build": seen(kind, source),
        "cuda_runtime": seen(_major_minor(str(runtime)), source, raw=str(runtime)) if runtime else none,
        # build_info tells only the major of cuDNN; the matrix has the rest.
        "cudnn_built": none if kind != "cuda" else _only_major(info, source),
        # build_info understates what the binary carries (2.21 has sm_90 beside compute_90): the matrix's
        # row, read off the binary, comes first, so this is used only by versions that it does not know.
        "arch_list": seen(tuple(map(str, codes)), source) if isinstance(codes, (list, tuple)) and codes else none,
    }


def _only_major(info: dict[str, Any], source: str) -> Fact[str]:
    told = info.get("cudnn_version")
    return absent("build_info tells only the major version", source, raw=str(told) if told else None)


def _major_minor(text: str) -> str:
    return ".".join(text.split(".")[:2])


def _from_dist(place: Place) -> Fact[str]:
    owner = place.distribution
    if owner is None:
        return absent("no dist-info folder, and no version in its files")
    return seen(owner.version, str(owner.path))


def _unread(problem: str, source: str, place: Place) -> dict[str, Any]:
    names = ("build", "cuda_runtime", "cudnn_built", "arch_list")
    return {**{name: absent(problem, source) for name in names}, "version": _from_dist(place)}


def _assignments(path: Path) -> tuple[dict[str, Any], str | None]:
    """Return a module's constant assignments, plain and annotated, or why it cannot be read."""
    tree, problem = _parse(path)
    values: dict[str, Any] = {}
    for node in tree.body if tree is not None else ():
        if isinstance(node, ast.AnnAssign):
            target: ast.expr = node.target
            value = node.value
        elif isinstance(node, ast.Assign):
            target, value = node.targets[0], node.value
        else:
            continue
        if isinstance(target, ast.Name) and isinstance(value, ast.Constant):
            values[target.id] = value.value
    return values, problem


def _build_info(path: Path) -> tuple[dict[str, Any], str | None]:
    """Return the table that build_info.py hands to its OrderedDict, or why it cannot be read."""
    tree, problem = _parse(path)
    for node in ast.walk(tree) if tree is not None else ():
        if isinstance(node, ast.Call) and node.args:
            try:
                return dict(ast.literal_eval(node.args[0])), None
            except (ValueError, TypeError):
                continue
    return {}, problem or "it holds no table of build settings"


def _parse(path: Path) -> tuple[ast.Module | None, str | None]:
    try:
        return ast.parse(path.read_text(encoding="utf-8", errors="replace")), None
    except OSError as error:
        return None, f"cannot be read: {error.strerror}"
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        return None, f"is no Python that can be read: {error}"
