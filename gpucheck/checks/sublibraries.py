"""Are all of cuDNN's parts of one version?"""

from __future__ import annotations

from typing import TYPE_CHECKING

from gpucheck.checks.reading import FRAMEWORK_NAMES, gpu_present, in_library_path, installed
from gpucheck.checks.registry import Said, broken, check, holds, not_cuda, skipped, unknown
from gpucheck.checks.ways import without_folders
from gpucheck.findings import Evidence, Finding, Fix, Severity
from gpucheck.matrix import parse_version

if TYPE_CHECKING:
    from collections.abc import Iterator

    from gpucheck.facts import Facts, Framework, Library
    from gpucheck.matrix import Matrix


@check("cudnn-parts-agree", "cudnn-sublibrary-mismatch")
def cudnn_parts_agree(facts: Facts, _: Matrix) -> Iterator[Said]:
    """Every sub-library that cuDNN would load is of its own version.

    One that lies elsewhere and that cuDNN does not open counts for nothing: only names that its binary carries
    are looked for. A system-wide cuDNN beside the wheel's is fine as long as no part of it is taken.
    """
    for framework in installed(facts):
        main, parts = framework.cudnn_loaded.value, framework.cudnn_parts.value
        if (excuse := not_cuda(framework)) is not None:
            yield excuse
        elif not gpu_present(facts):
            yield skipped("no NVIDIA GPU here, cuDNN is not needed", framework.name)
        elif main is None or parts is None:
            yield skipped(framework.cudnn_parts.missing or "no cuDNN is loaded", framework.name)
        else:
            yield _judge(facts, framework, main, parts)


def _judge(facts: Facts, framework: Framework, main: Library, parts: tuple[Library, ...]) -> Said:
    home = main.path.rpartition("/")[0]
    foreign = [part for part in parts if part.path.rpartition("/")[0] != home]
    version = parse_version(main.version.value)
    if not foreign:
        return holds(f"{len(parts)} sub-libraries beside it", framework.name)
    other = [
        part
        for part in foreign
        if version is not None and parse_version(part.version.value) not in (version, None)
    ]
    if other:
        return broken(_mixed(facts, framework, main, other))
    untold = [part.path for part in foreign if version is None or part.version.value is None]
    if untold:
        return unknown(f"of which version {', '.join(untold)} is, is not known", framework.name)
    return holds(f"{len(foreign)} sub-libraries from elsewhere, of the same version", framework.name)


def _mixed(facts: Facts, framework: Framework, main: Library, other: list[Library]) -> Finding:
    name, folder = FRAMEWORK_NAMES[framework.name], other[0].path.rpartition("/")[0]
    by_variable = in_library_path(facts, other[0].path)
    newer = parse_version(other[0].version.value)
    return Finding(
        slug="cudnn-sublibrary-mismatch",
        severity=Severity.ERROR,
        subject=framework.name,
        title=f"cuDNN {main.version.value} of {name} would load parts of cuDNN {newer}",
        cause="It opens its sub-libraries by name; the loader takes another cuDNN's copy "
        + ("because LD_LIBRARY_PATH comes first" if by_variable else "because none lies beside it")
        + ". is_available() is True, and the first convolution fails: CUDNN_STATUS_SUBLIBRARY_VERSION_MISMATCH.",
        evidence=(
            Evidence(text=f"cuDNN {main.version.value}", source=main.path),
            *(Evidence(text=f"{part.path.rpartition('/')[2]} of {part.version.value}", source=part.path)
              for part in other),
        ),
        fixes=(
            without_folders(facts, [folder])
            if by_variable
            else Fix(text="Remove the system-wide cuDNN, which the wheel does not need; this names its package.",
                     commands=(f"dpkg -S {other[0].path} || rpm -qf {other[0].path}",)),
            Fix(text=f"Install a cuDNN {newer.major if newer else ''} package that brings the part itself."),
        ),
        source="PyTorch issue 188892, https://github.com/pytorch/pytorch/issues/188892, checked 2026-11-22",
    )  # fmt: skip
