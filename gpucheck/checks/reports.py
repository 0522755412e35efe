"""Other tools' reports: why the framework in one says that it sees no GPU."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gpucheck.checks.reading import FRAMEWORK_NAMES, driver_works, enclosed, evidence, gpu_present, installed
from gpucheck.checks.registry import Said, broken, check, holds, skipped
from gpucheck.checks.troubles import TROUBLES
from gpucheck.findings import Confidence, Evidence, Finding, Fix, Severity

if TYPE_CHECKING:
    from collections.abc import Iterator

    from gpucheck.facts import Facts, Framework
    from gpucheck.matrix import Matrix

# collect_env writes it where neither nvidia-smi, nor a GPU, nor nvcc was found.
NO_CUDA = "No CUDA"
NAMES = {"tensorflow": ("tensorflow", "tensorflow-gpu", "tensorflow-cpu"), "torch": ("torch",)}


@check(
    "report-shows-gpu", "cpu-only-build", "no-device", "driver-missing", "container-without-gpu",
    "wsl-driver-setup", "cuinit-unknown-error",
)  # fmt: skip
def report_shows_gpu(facts: Facts, _: Matrix) -> Iterator[Said]:
    """The framework in another tool's report sees a GPU."""
    if not facts.reports:
        yield skipped("no report was read")
        return
    for framework in installed(facts):
        answer = framework.answer.value
        if answer is None or answer.available is None:
            yield skipped("the report does not say", framework.name)
        elif answer.available:
            yield holds("the report says so", framework.name)
        elif framework.build.value == "cpu":
            yield (
                skipped("another check says why", framework.name)
                if gpu_present(facts)
                else broken(_cpu(framework))
            )
        else:
            yield broken(_unseen(facts, framework))


def _cpu(framework: Framework) -> Finding:
    """Whether there is a GPU such a report cannot show."""
    name = FRAMEWORK_NAMES[framework.name]
    return Finding(
        slug="cpu-only-build",
        severity=Severity.WARN,
        subject=framework.name,
        title=f"This {name} was built for the CPU only",
        cause="It cannot use any GPU, whatever the driver. Whether there is one, the report does not show.",
        confidence=Confidence.LIKELY,
        evidence=(evidence(f"{framework.name} version", framework.version), evidence("build", framework.build)),
        fixes=(Fix(text=TROUBLES["cpu-only-build"].remedy),),
        instead=("no-device",),
        decide="`nvidia-smi` on that machine: does it list a GPU?",
    )


def _unseen(facts: Facts, framework: Framework) -> Finding:
    slug, confidence = _why(facts)
    name = FRAMEWORK_NAMES[framework.name]
    others = ("driver-missing", "container-without-gpu", "no-device", "visible-devices-hides-gpu")
    return Finding(
        slug=slug,
        # Where a driver works another check may say why, by the versions; then that counts.
        severity=Severity.WARN if slug == "no-device" or driver_works(facts) else Severity.ERROR,
        subject=framework.name,
        title=f"{name} sees no GPU, and the report shows "
        + ("a driver that works" if driver_works(facts) else "no driver that answers"),
        cause=TROUBLES[slug].meaning,
        confidence=confidence,
        evidence=(
            Evidence(text="CUDA is not available", source=framework.answer.source),
            evidence("driver version", facts.driver.version),
        ),
        fixes=(Fix(text=TROUBLES[slug].remedy),),
        instead=tuple(other for other in others if other != slug),
        decide="`nvidia-smi` on the host and, if there is one, in the container; `echo $CUDA_VISIBLE_DEVICES`.",
    )


def _why(facts: Facts) -> tuple[str, Confidence]:
    told = {message.name for message in facts.messages}
    if driver_works(facts):
        return "cuinit-unknown-error", Confidence.POSSIBLE
    if enclosed(facts) is not None or "container-host" in told:
        return "container-without-gpu", Confidence.LIKELY
    if facts.system.wsl.value:
        return "wsl-driver-setup", Confidence.LIKELY
    if NO_CUDA in (facts.driver.version.missing or "", facts.driver.version.raw or ""):
        return "no-device", Confidence.LIKELY
    return "driver-missing", Confidence.LIKELY


@check("framework-in-this-interpreter", "wrong-interpreter")
def framework_in_this_interpreter(facts: Facts, _: Matrix) -> Iterator[Said]:
    """A framework that cannot be imported is not installed elsewhere in the same report."""
    told = {message.name: message for message in facts.messages}
    for name, packages in NAMES.items():
        message = told.get(f"{name}-not-found")
        there = [one for one in packages if one in (facts.packages.value or {})]
        if message is not None and (there or facts.framework(name).installed.value):
            line = Evidence(text=message.line, source=f"line {message.number}")
            yield broken(_elsewhere(name, there, line, facts))
        elif message is not None:
            yield holds("no other interpreter shows", name)


def _elsewhere(name: str, there: list[str], line: Evidence, facts: Facts) -> Finding:
    listed = [
        Evidence(text=f"{one} {(facts.packages.value or {})[one]}", source=facts.packages.source) for one in there
    ]
    return Finding(
        slug="wrong-interpreter",
        severity=Severity.WARN,
        subject=name,
        title=f"{FRAMEWORK_NAMES[name]} is installed, and the interpreter that ran does not find it",
        cause=TROUBLES["wrong-interpreter"].meaning,
        confidence=Confidence.LIKELY,
        evidence=(line, *listed),
        fixes=(Fix(text=TROUBLES["wrong-interpreter"].remedy),),
    )
