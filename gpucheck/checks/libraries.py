"""Does the loader find the CUDA libraries that a framework asks for, and are they the ones that belong to it?"""

from __future__ import annotations

from typing import TYPE_CHECKING

from gpucheck.checks.reading import (
    FRAMEWORK_NAMES,
    evidence,
    gpu_present,
    in_library_path,
    installed,
)
from gpucheck.checks.registry import Said, broken, check, holds, not_cuda, skipped, unknown
from gpucheck.checks.ways import by_environment, by_packages, with_cuda_libraries, with_folders, without_folders
from gpucheck.findings import Confidence, Evidence, Finding, Fix, Severity
from gpucheck.matrix import parse_version

if TYPE_CHECKING:
    from collections.abc import Iterator

    from gpucheck.facts import Dependency, Facts, Framework
    from gpucheck.matrix import Matrix

NO_GPU = "no NVIDIA GPU here, CUDA's libraries are not needed"


def _excuse(facts: Facts, framework: Framework) -> Said | None:
    """Why the question does not arise for a framework, or cannot be answered; None when it can."""
    if (excuse := not_cuda(framework)) is not None:
        return excuse
    if not gpu_present(facts):
        return skipped(NO_GPU, framework.name)
    if framework.libraries.value is None:
        return unknown(framework.libraries.missing or "not looked at", framework.name)
    if not framework.libraries.value:
        return unknown("which libraries it asks for is not known", framework.name)
    return None


@check("cuda-libraries-found", "cuda-library-missing")
def cuda_libraries_found(facts: Facts, _: Matrix) -> Iterator[Said]:
    """The loader finds every CUDA library that the framework asks for.

    cuDNN alone is the matter of another check. A false alarm where a program loads the library itself before the
    framework asks for it.
    """
    for framework in installed(facts):
        if (excuse := _excuse(facts, framework)) is not None:
            yield excuse
            continue
        wanted = framework.libraries.value or ()
        wanted = tuple(one for one in wanted if not one.soname.startswith("libcudnn."))
        absent = [one for one in wanted if not one.taken.known]
        if absent:
            yield broken(_missing(facts, framework, absent))
        else:
            yield holds(f"{len(wanted)} libraries besides cuDNN found", framework.name)


def _missing(facts: Facts, framework: Framework, absent: list[Dependency]) -> Finding:
    name = FRAMEWORK_NAMES[framework.name]
    unreached = [one for one in absent if one.shipped is not None]
    names = ", ".join(one.soname for one in absent)
    whole = "They are" if len(absent) > 1 else "It is"
    return Finding(
        slug="cuda-library-missing",
        severity=Severity.ERROR,
        subject=framework.name,
        title=f"{name} does not find {names}",
        cause=f"{whole} installed, but in a folder where this release does not look."
        if len(unreached) == len(absent)
        else f"{whole} in none of the folders that the loader searches: CUDA's libraries are packages of their "
        "own, the wheel does not bring them.",
        confidence=Confidence.LIKELY if unreached else Confidence.CERTAIN,
        evidence=(
            *(Evidence(text=one.taken.missing or one.soname, source=one.taken.source) for one in absent[:4]),
            *(Evidence(text="is here, but is not reached", source=one.shipped.path) for one in unreached
              if one.shipped is not None),
            evidence("what it asks for was read in", framework.folder),
        ),
        fixes=_ways_to_libraries(facts, framework, unreached if len(unreached) == len(absent) else []),
    )  # fmt: skip


def _ways_to_libraries(facts: Facts, framework: Framework, unreached: list[Dependency]) -> tuple[Fix, ...]:
    folders = dict.fromkeys(one.shipped.path.rpartition("/")[0] for one in unreached if one.shipped is not None)
    if folders:
        return (with_folders(facts, "Show the loader the way before the program starts.", list(folders)),)
    return (with_cuda_libraries(facts, framework),)


@check("own-libraries-taken", "ld-library-path-shadowing")
def own_libraries_taken(facts: Facts, _: Matrix) -> Iterator[Said]:
    """LD_LIBRARY_PATH puts no older library before the one that came with the framework.

    A newer one of the same soname is fine. cuDNN is judged by checks of its own.
    """
    for framework in installed(facts):
        if (excuse := _excuse(facts, framework)) is not None:
            yield excuse
            continue
        foreign = [
            one
            for one in framework.libraries.value or ()
            if one.taken.value is not None and one.shipped is not None and not one.soname.startswith("libcudnn.")
            and in_library_path(facts, one.taken.value.path) and one.taken.value.path != one.shipped.path
        ]  # fmt: skip
        older = [one for one in foreign if _older(one)]
        untold = [one for one in foreign if _older(one) is None]
        if older:
            yield broken(_shadowed(facts, framework, older))
        elif untold:
            names = ", ".join(one.soname for one in untold)
            yield unknown(f"LD_LIBRARY_PATH gives {names}; of which version is not known", framework.name)
        else:
            yield holds("LD_LIBRARY_PATH puts no older library first", framework.name)


def _older(one: Dependency) -> bool | None:
    if one.taken.value is None or one.shipped is None:
        return None
    taken, shipped = parse_version(one.taken.value.version.value), parse_version(one.shipped.version.value)
    return None if taken is None or shipped is None else taken < shipped


def _shadowed(facts: Facts, framework: Framework, older: list[Dependency]) -> Finding:
    name = FRAMEWORK_NAMES[framework.name]
    taken = [one.taken.value for one in older if one.taken.value is not None]
    folders = list(dict.fromkeys(library.path.rpartition("/")[0] for library in taken))
    return Finding(
        slug="ld-library-path-shadowing",
        severity=Severity.WARN,
        subject=framework.name,
        title=f"LD_LIBRARY_PATH makes {name} load older CUDA libraries than it came with: "
        + ", ".join(one.soname for one in older),
        cause="Folders of LD_LIBRARY_PATH are searched before the framework's own; an older library lacks symbols "
        "or kernels that it counts on.",
        confidence=Confidence.LIKELY,
        evidence=tuple(
            Evidence(
                text=f"{library.version.value} is taken, {one.shipped.version.value} came with it",
                source=library.path,
            )
            for one, library in zip(older, taken, strict=True)
            if one.shipped is not None
        ),
        fixes=(without_folders(facts, folders),),
    )


@check("xla-tools-found", "libdevice-missing", "ptxas-missing")
def xla_tools_found(facts: Facts, _: Matrix) -> Iterator[Said]:
    """TensorFlow's XLA finds libdevice and ptxas; Keras 3 compiles `fit` with XLA where it can."""
    for framework in installed(facts):
        if framework.name != "tensorflow":
            continue
        if (excuse := not_cuda(framework)) is not None:
            yield excuse
        elif not gpu_present(facts):
            yield skipped(NO_GPU, framework.name)
        elif framework.libdevice.source is None:
            yield unknown(framework.libdevice.missing or "not looked at", framework.name)
        elif not framework.libdevice.known:
            yield broken(_no_tool(facts, framework, "libdevice.10.bc"))
        elif not framework.ptxas.known:
            yield broken(_no_tool(facts, framework, "ptxas"))
        else:
            yield holds(f"{framework.libdevice.value}", framework.name)


def _no_tool(facts: Facts, framework: Framework, tool: str) -> Finding:
    runtime = (framework.cuda_runtime.value or "12").partition(".")[0]
    fatal = tool != "ptxas"
    return Finding(
        slug="libdevice-missing" if fatal else "ptxas-missing",
        severity=Severity.WARN if fatal else Severity.INFO,
        subject=framework.name,
        title=f"XLA finds no {tool}",
        cause="Functions that XLA compiles fail: `libdevice not found at ./libdevice.10.bc`."
        if fatal
        else "XLA lets the driver compile instead, which is slower.",
        confidence=Confidence.LIKELY,
        evidence=(evidence(tool, framework.libdevice if fatal else framework.ptxas),),
        fixes=(*_show_xla(facts, framework), _compiler_package(facts, runtime)),
        source="XLA: cuda_root_path.cc, "
        "https://github.com/openxla/xla/blob/main/xla/tsl/platform/default/cuda_root_path.cc, checked 2026-11-22",
    )


def _show_xla(facts: Facts, framework: Framework) -> tuple[Fix, ...]:
    """XLA's own flag, where a CUDA folder with libdevice is here that it does not look into."""
    folder = framework.cuda_data_dir.value
    if folder is None or any(sign.isspace() for sign in folder):  # XLA_FLAGS is cut at spaces
        return ()
    flags = (facts.environment.value or {}).get("XLA_FLAGS", "").split()
    rest = [flag for flag in flags if not flag.startswith("--xla_gpu_cuda_data_dir")]
    value = " ".join([*rest, f"--xla_gpu_cuda_data_dir={folder}"])
    return (by_environment("Show XLA the CUDA folder that is here.", {"XLA_FLAGS": value}),)


def _compiler_package(facts: Facts, runtime: str) -> Fix:
    names = (f"nvidia-cuda-nvcc-cu{runtime}",) if runtime in ("11", "12") else ("nvidia-cuda-nvcc", "nvidia-nvvm")
    return by_packages(facts, "Install NVIDIA's compiler package, where XLA looks for it.", install=names)
