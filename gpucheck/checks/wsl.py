"""On WSL: does CUDA come through the Windows driver?"""

from __future__ import annotations

from typing import TYPE_CHECKING

from gpucheck.checks.reading import evidence
from gpucheck.checks.registry import Said, broken, check, holds, skipped, unknown
from gpucheck.findings import Confidence, Finding, Fix, Severity

if TYPE_CHECKING:
    from collections.abc import Iterator

    from gpucheck.facts import Facts
    from gpucheck.matrix import Matrix

WSL_FOLDER = "/usr/lib/wsl/"
GUIDE = (
    "NVIDIA: CUDA on WSL User Guide, https://docs.nvidia.com/cuda/wsl-user-guide/index.html, checked 2026-11-22"
)


@check("wsl-uses-windows-driver", "wsl-driver-setup")
def wsl_uses_windows_driver(facts: Facts, _: Matrix) -> Iterator[Said]:
    """On WSL 2 the driver's libraries are those that Windows lends, not a Linux driver's.

    Judged only where CUDA does not start; inside a container libcuda lies elsewhere by design.
    """
    driver, inside = facts.driver, facts.system.container.value not in (None, "none")
    if facts.system.wsl.value is None:
        yield unknown(facts.system.wsl.missing or "not looked at")
    elif not facts.system.wsl.value:
        yield skipped("not WSL")
    elif driver.cuinit_status.value == 0:
        yield holds("CUDA starts")
    elif not driver.dxg.value:
        yield broken(_old_wsl(facts))
    elif inside or not driver.cuda_library.known or (driver.cuda_library.value or "").startswith(WSL_FOLDER):
        yield holds("no Linux driver stands in the way")
    else:
        yield broken(_linux_driver(facts))


def _old_wsl(facts: Facts) -> Finding:
    return Finding(
        slug="wsl-driver-setup",
        severity=Severity.INFO,
        title="This WSL shows no GPU to Linux",
        cause="/dev/dxg is missing: this is WSL 1, or its kernel is too old for GPUs.",
        confidence=Confidence.LIKELY,
        evidence=(evidence("/dev/dxg", facts.driver.dxg), evidence("kernel", facts.system.kernel)),
        fixes=(
            Fix(text="In Windows: update WSL, and let this distribution run as version 2.",
                commands=("wsl --update", "wsl --set-version <distribution> 2"), systems=("wsl",)),
        ),
        source=GUIDE,
    )  # fmt: skip


def _linux_driver(facts: Facts) -> Finding:
    return Finding(
        slug="wsl-driver-setup",
        severity=Severity.ERROR,
        title="A Linux driver is installed in WSL and hides the one of Windows",
        cause="WSL takes libcuda from the Windows driver, in /usr/lib/wsl/lib; a Linux driver's libcuda comes "
        "first and finds no device.",
        confidence=Confidence.LIKELY,
        evidence=(
            evidence("libcuda.so.1", facts.driver.cuda_library),
            evidence("cuInit answers", facts.driver.cuinit_status),
        ),
        fixes=(
            Fix(text="Remove the Linux driver's packages from WSL; the CUDA toolkit alone may stay.",
                commands=("sudo apt purge '^libnvidia-compute-.*' '^nvidia-driver-.*' libcuda1", "sudo ldconfig"),
                systems=("wsl",)),
        ),
        source=GUIDE,
    )  # fmt: skip
