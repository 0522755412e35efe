"""The machine in a few lines: driver, GPUs, frameworks, each with a mark that says whether it is sound."""

from __future__ import annotations

from itertools import groupby
from typing import TYPE_CHECKING

from gpucheck.facts import usable_gpus
from gpucheck.findings import Severity, Status

if TYPE_CHECKING:
    from collections.abc import Iterator

    from gpucheck.facts import Facts, Framework, Gpu
    from gpucheck.findings import Report

Marked = tuple[str, str]
OF_FRAMEWORKS = ("framework", "cuda", "packages", "libraries", "cudnn", "sublibraries", "deep", "resources")


def overview(report: Report) -> Iterator[Marked]:
    """Yield a mark and a text for the driver, each GPU and each framework."""
    facts = report.facts
    yield from _driver(report, facts)
    yield from _gpus(report, facts.gpus.value or ())
    proved = facts.smoke or facts.distributed
    for framework in facts.frameworks if report.verdict == "problem" or not proved else ():
        yield _framework(report, framework)


def told(facts: Facts) -> bool:
    """Whether anything is known of the machine itself, and not only what its programs printed."""
    known = (
        facts.gpus.value,
        facts.frameworks,
        facts.driver.version.known,
        facts.packages.value,
        facts.pci_cards.value,
    )
    return any(known)


def versions(facts: Facts) -> Iterator[str]:
    """Yield the three CUDA versions, each with what it means; none without a driver."""
    if not facts.driver.driver_cuda.known or facts.described:
        return
    yield f"driver CUDA {facts.driver.driver_cuda.value}: the newest CUDA that this driver runs"
    for framework in facts.frameworks:
        if framework.cuda_runtime.known:
            what = f"CUDA runtime {framework.cuda_runtime.value}: what {framework.name} was built with and loads"
            yield what
    if facts.system.toolkit.known:
        yield f"CUDA toolkit {facts.system.toolkit.value}: nvcc here, which only compiling needs"


# What must hold, from the bottom up, for a program to see a GPU, and the checks that say so.
LINKS = (
    ("build", ("built-for-gpu",)),
    ("driver", ("driver-present", "driver-matches-module", "driver-knows-card", "wsl-uses-windows-driver")),
    ("device nodes", ("device-nodes-usable",)),
    ("cuInit", ("driver-answers", "cards-listed", "gpus-answer")),
    ("device mask", ("device-mask-shows-gpus", "mig-usable")),
    ("container", ("driver-offers-cuda",)),
    ("libraries", ("cuda-libraries-found", "cudnn-loaded-as-built", "driver-supports-runtime")),
)


def chain(report: Report) -> str | None:
    """Say link by link why no GPU is visible; None where one is, or where there is nothing to see."""
    usable, _ = usable_gpus(report.facts)
    errors = any(finding.severity is Severity.ERROR for finding in report.findings)
    if usable != 0 or not errors or report.facts.described:
        return None
    return " · ".join(f"{name} {_link(report, checks)}" for name, checks in LINKS)


def _link(report: Report, names: tuple[str, ...]) -> str:
    found = {result.status for result in report.checks if result.name in names}
    for status, mark in ((Status.FAIL, "✗"), (Status.UNKNOWN, "?"), (Status.CRASH, "?"), (Status.PASS, "✓")):
        if status in found:
            return mark
    return "-"


def readiness(report: Report) -> str:
    """Say in one sentence what this machine is ready for."""
    facts = report.facts
    names = [framework.name for framework in facts.frameworks if framework.installed.value]
    listed, usable = len(facts.gpus.value or ()), usable_gpus(facts)[0]
    ready = " and ".join(names) or "a framework, none is installed yet"
    if facts.described:
        return _fitting(facts)
    if facts.smoke:
        return _trained(facts)
    if facts.distributed:
        from gpucheck.report import ranks

        return ranks.readiness(facts)
    if facts.reports and not listed:
        return _in_a_text(facts)
    if not listed and not usable:
        return (
            f"no NVIDIA GPU here; {' and '.join(names) or 'no framework is installed, which'} would use the CPU."
        )
    simulated = " (simulated)" if any(f.slug == "simulated-driver" for f in report.findings) else ""
    if usable == 0:
        return f"no GPU{simulated} is visible here; {' and '.join(names) or 'a framework'} would use the CPU."
    if usable is None:
        return f"{listed} GPUs{simulated} are listed; how many are visible here is not known."
    count = f"{usable} of {listed} GPUs" if usable < listed else f"{usable} GPU{'s' * (usable > 1)}"
    return f"{count}{simulated} ready for {ready}. Convolution not proved yet."


def _in_a_text(facts: Facts) -> str:
    """What a report does not show is not known: neither that there is a GPU nor that there is none."""
    cards = sum(card.vendor == "10de" for card in facts.pci_cards.value or ())
    if cards:
        listed = f"{cards} NVIDIA card{'s' * (cards > 1)} on the PCI bus"
        return f"{listed}; whether a driver works, the text does not show."
    return "what the text shows of the machine is sound; whether there is a GPU, it does not show."


def _fitting(facts: Facts) -> str:
    wanted = " and ".join(f"{one.name} {one.version.value}" for one in facts.frameworks)
    driver = f"driver {facts.driver.version.value}" if facts.driver.version.known else ""
    places = [gpu.name.value or gpu_index(gpu) for gpu in facts.gpus.value or ()]
    python = f"Python {facts.interpreter.version.value}" if facts.interpreter.version.known else ""
    system = "WSL" if facts.system.wsl.value else f"{facts.system.os.value} {facts.system.machine.value}"
    return f"{wanted} on {', '.join(filter(None, [system, *places, driver, python]))}."


def gpu_index(gpu: Gpu) -> str:
    """Return a GPU by its index, for one without a name."""
    return f"GPU {gpu.index}"


def _trained(facts: Facts) -> str:
    places = {run.framework: run.device_name or run.device or "?" for run in facts.smoke}
    trained = ", ".join(f"{name} trained on {place.replace('cpu', 'the CPU')}" for name, place in places.items())
    proved = [run.framework for run in facts.smoke if run.convolution.gpu_proved]
    if not proved:
        return f"{trained}; nothing is proved about a GPU."
    by = "" if len(proved) == len(facts.smoke) else f" for {' and '.join(proved)} only"
    return f"{trained}; convolution through cuDNN proved{by}."


def next_step(report: Report) -> str:
    """Return the command to run next on a healthy machine."""
    names = [framework for framework in report.facts.frameworks if framework.installed.value]
    return "gpucheck smoke" if names else "install PyTorch or TensorFlow, or look elsewhere with --python PATH"


def _mark(report: Report, families: tuple[str, ...], subject: str | None = None) -> str:
    """Return the worst that was found in some check families about a subject."""
    found = [
        finding.severity
        for result in report.checks
        if result.family in families
        for finding in result.findings
        if _concerns(finding.subject, subject)
    ]
    if Severity.ERROR in found:
        return "✗"
    if Severity.WARN in found:
        return "!"
    judged = [
        result.status
        for result in report.checks
        if result.family in families and _concerns(result.subject, subject)
    ]
    return "✓" if Status.PASS in judged else "-"


def _concerns(whole: str | None, subject: str | None) -> bool:
    """``torch on GPU 0`` concerns torch; ``GPU 10`` does not concern GPU 1."""
    return subject is None or whole == subject or (whole or "").startswith(f"{subject} ")


def _driver(report: Report, facts: Facts) -> Iterator[Marked]:
    driver = facts.driver
    version = driver.version.value or driver.library_version.value or driver.module_version.value
    if version is None:
        return
    cuda = f" (driver CUDA {driver.driver_cuda.value})" if driver.driver_cuda.known else ""
    yield _mark(report, ("driver", "wsl", "devices", "chips", "answers")), f"driver {version}{cuda}"


def _gpus(report: Report, gpus: tuple[Gpu, ...]) -> Iterator[Marked]:
    """Yield a line for each GPU; equal ones that follow each other share it."""
    for (mark, text), group in groupby(gpus, key=lambda gpu: _gpu(report, gpu)):
        indices = [gpu.index for gpu in group]
        numbers = f"{indices[0]}-{indices[-1]}" if len(indices) > 1 else f"{indices[0]}"
        yield mark, f"GPU {numbers}  {text}"


def _gpu(report: Report, gpu: Gpu) -> Marked:
    capability = gpu.compute_capability.value
    parts = [gpu.name.value or "name not known", f"sm_{capability.replace('.', '')}" if capability else ""]
    if gpu.memory_free.value is not None:
        parts.append(f"{gpu.memory_free.value / 2**30:.0f} GiB free")
    if gpu.mig.value:
        parts.append(f"{len(gpu.mig_devices.value or ())} MIG devices")
    if gpu.status.value != 0:
        parts = [f"does not answer (NVML {gpu.status.value})"]
    families = ("cards", "architecture", "health", "diagnostics", "use")
    return _mark(report, families, f"GPU {gpu.index}"), ", ".join(filter(None, parts))


def _framework(report: Report, framework: Framework) -> Marked:
    if not framework.installed.value:
        return "-", f"{framework.name} not installed"
    parts = [f"{framework.name} {framework.version.value or '(version not known)'}"]
    if framework.cuda_runtime.known:
        parts.append(f"CUDA runtime {framework.cuda_runtime.value}")
    elif framework.build.value is not None:
        parts.append(f"{framework.build.value} build")
    loaded = framework.cudnn_loaded.value
    if loaded is not None and loaded.version.known:
        parts.append(f"cuDNN {loaded.version.value}")
    families = (*OF_FRAMEWORKS, "architecture")
    return _mark(report, families, framework.name), ", ".join(parts)
