"""Is there a driver, do its parts fit together, and does it answer?"""

from __future__ import annotations

from typing import TYPE_CHECKING

from gpucheck.checks import no_driver
from gpucheck.checks.reading import driver_works, evidence, nvidia_cards
from gpucheck.checks.registry import Said, broken, check, holds, skipped, unknown
from gpucheck.checks.ways import without_foreign_libcuda
from gpucheck.facts.fact import NOT_LOOKED_AT
from gpucheck.findings import Evidence, Finding, Fix, Severity

if TYPE_CHECKING:
    from collections.abc import Iterator

    from gpucheck.facts import Facts
    from gpucheck.matrix import Matrix

# nvmlReturn_t and CUresult: the library does not fit the kernel module.
NVML_MISMATCH, CU_MISMATCH = 18, 803
NVML_NOT_LOADED = 9


@check(
    "driver-present",
    "driver-missing",
    "kernel-module-not-loaded",
    "nouveau-loaded",
    "secure-boot-module-signature",
    "container-without-gpu",
    "no-device",
    decisive=True,
)
def driver_present(facts: Facts, matrix: Matrix) -> Iterator[Said]:
    """A machine with an NVIDIA card has an NVIDIA driver.

    A false alarm if the card is meant for a virtual machine: cards held by vfio-pci are left out.
    """
    driver, cards = facts.driver, nvidia_cards(facts)
    if facts.system.os.value == "macos":
        yield skipped("NVIDIA has no driver for today's macOS")
    elif driver_works(facts):
        yield holds(f"driver {driver.version.value or driver.library_version.value or 'answers'}")
    elif driver.module_loaded.value or driver.dxg.value:
        yield _kernel_side_only(facts)
    elif driver.nvml_status.value not in (None, NVML_NOT_LOADED):
        yield holds("a driver is installed; whether it works, other checks say")
    elif cards is None or not driver.module_loaded.known:
        reason = facts.pci_cards.missing or driver.module_loaded.missing
        yield unknown(f"no driver answers, and whether there is a card is not known: {reason}")
    elif not cards:
        yield broken(no_driver.no_device(facts))
    else:
        yield broken(no_driver.card_without_driver(facts, matrix, cards))


def _kernel_side_only(facts: Facts) -> Said:
    driver = facts.driver
    if driver.nvml_library.known or driver.cuda_library.known:
        return holds("a driver is installed; whether it works, other checks say")
    if driver.dxg.value:
        return broken(no_driver.no_device(facts, "WSL runs, but Windows offers no NVIDIA driver to it"))
    if facts.system.scheduler.value not in (None, "none"):
        return skipped(f"{facts.system.scheduler.value} gave this job no GPU")
    if facts.system.container.value not in (None, "none"):
        return broken(no_driver.container_without_gpu(facts))
    return broken(
        Finding(
            slug="driver-missing",
            severity=Severity.ERROR,
            title="The driver's user-space libraries are missing",
            cause="The kernel module is loaded, but libnvidia-ml.so.1 and libcuda.so.1 are not installed.",
            evidence=(
                evidence("kernel module", driver.module_version),
                evidence("libcuda.so.1", driver.cuda_library),
            ),
            fixes=(
                Fix(text="Install the driver's libraries of the kernel module's version, e.g. from your "
                    "distribution's package libcuda1 or nvidia-driver-cuda."),
            ),
        )
    )  # fmt: skip


@check("driver-offers-cuda", "container-without-gpu", "driver-missing")
def driver_offers_cuda(facts: Facts, _: Matrix) -> Iterator[Said]:
    """Where NVML answers, the driver's libcuda is there too."""
    driver = facts.driver
    if driver.nvml_status.value != 0:
        yield skipped("NVML does not answer")
    elif driver.cuda_library.known:
        yield holds(driver.cuda_library.value or "")
    elif driver.cuda_library.missing == NOT_LOOKED_AT:
        yield unknown(NOT_LOOKED_AT)
    else:
        yield broken(no_driver.without_cuda(facts))


@check("driver-matches-module", "driver-library-mismatch")
def driver_matches_module(facts: Facts, _: Matrix) -> Iterator[Said]:
    """The driver's libraries and its kernel module are of one version.

    A false alarm on WSL, where the two differ by design, and with cuda-compat's libcuda: so only NVML's
    library is compared, and only where NVML itself does not answer.
    """
    driver = facts.driver
    module, library = driver.module_version, driver.library_version
    refused = driver.nvml_status.value == NVML_MISMATCH
    foreign = driver.nvml_status.value == 0 and driver.cuinit_status.value == CU_MISMATCH
    differ = module.known and library.known and module.value != library.value
    if foreign:
        yield broken(_foreign_libcuda(facts))
    elif driver.nvml_status.value == 0:
        yield holds(f"NVML accepts the kernel module {module.value or ''}".strip())
    elif refused or (differ and not facts.system.wsl.value):
        yield broken(
            Finding(
                slug="driver-library-mismatch",
                severity=Severity.ERROR,
                title="The driver's libraries and its kernel module are of different versions",
                cause="The driver was updated, and the old kernel module is still loaded.",
                evidence=(
                    evidence("kernel module", module),
                    evidence("libnvidia-ml", library),
                    evidence("nvmlInit answers", driver.nvml_status),
                ),
                fixes=(Fix(text="Reboot (ends running jobs).", commands=("sudo reboot",)),),
            )
        )
    elif differ or not (module.known and library.known):
        yield skipped("there are not two versions to compare")
    else:
        yield holds(f"both are {module.value}")


def _foreign_libcuda(facts: Facts) -> Finding:
    driver = facts.driver
    return Finding(
        slug="driver-library-mismatch",
        severity=Severity.ERROR,
        title="libcuda belongs to another driver version than the one that runs",
        cause="NVML fits the kernel module, libcuda does not: it comes from cuda-compat, or from a container "
        "that was started before the host's driver was updated.",
        evidence=(
            evidence("cuInit answers", driver.cuinit_status),
            evidence("libcuda.so.1", driver.cuda_library),
            evidence("kernel module", driver.module_version),
        ),
        fixes=(
            without_foreign_libcuda(facts),
            Fix(text="In a container: start it again, so that it gets the host's present driver.",
                systems=("container",)),
        ),
    )  # fmt: skip


@check("driver-is-real", "simulated-driver")
def driver_is_real(facts: Facts, _: Matrix) -> Iterator[Said]:
    """A driver library that answers has a kernel module behind it.

    Where the kernel's modules cannot be read (some sandboxes) it is skipped, so that a real GPU is never
    called simulated.
    """
    driver = facts.driver
    refused = driver.nvml_status.value not in (None, NVML_NOT_LOADED)  # also a refusal is an answer
    if not driver_works(facts) and not refused:
        yield skipped("no driver answers")
    elif driver.module_loaded.value or driver.dxg.value:
        yield holds("the kernel has the NVIDIA driver")
    elif not driver.module_loaded.known or facts.system.os.value != "linux":
        yield skipped(driver.module_loaded.missing or "only Linux shows its kernel modules")
    else:
        yield broken(
            Finding(
                slug="simulated-driver",
                severity=Severity.INFO,
                title="The driver is simulated: nothing in the kernel backs it",
                cause="A stub library answers as driver; what it says is no evidence of a GPU.",
                evidence=(
                    evidence("libnvidia-ml.so.1", driver.nvml_library),
                    Evidence(text="kernel module nvidia is not loaded", source=driver.module_loaded.source),
                ),
            )
        )
