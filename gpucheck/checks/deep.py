"""`--deep`: do the frameworks themselves say what their files and the driver let expect?"""

from __future__ import annotations

from typing import TYPE_CHECKING

from gpucheck.checks.reading import FRAMEWORK_NAMES, evidence, installed
from gpucheck.checks.registry import Said, broken, check, holds, skipped, unknown
from gpucheck.facts import usable_gpus
from gpucheck.facts.fact import NOT_LOOKED_AT
from gpucheck.findings import Confidence, Evidence, Finding, Fix, Severity

if TYPE_CHECKING:
    from collections.abc import Iterator

    from gpucheck.facts import Answer, Facts, Framework
    from gpucheck.matrix import Matrix

# Words of TensorFlow that mislead: it writes them too where the driver is there and only cudart is missing
# (measured with TensorFlow 2.21.0 and the driver libraries of 535 and 470).
MISLEADING = "Could not find cuda drivers"
TELLING = ("cuda", "cudnn", "gpu", "nvidia", "dlopen", "error", "driver")
WITH_SOURCE = "import in a process of its own"


@check("framework-imports", "framework-import-failed")
def framework_imports(facts: Facts, _: Matrix) -> Iterator[Said]:
    """The framework can be imported. Asked with --deep only."""
    for framework in installed(facts):
        answer = framework.answer
        if answer.value is None:
            yield _unasked(framework)
        elif answer.value.error is None:
            yield holds(f"in {answer.value.seconds:.1f} s", framework.name)
        else:
            yield broken(_failed(framework, answer.value))


def _unasked(framework: Framework) -> Said:
    reason = framework.answer.missing or "not asked"
    if reason == NOT_LOOKED_AT:
        return skipped("only asked with --deep", framework.name)
    return unknown(reason, framework.name)


def _failed(framework: Framework, answer: Answer) -> Finding:
    name = FRAMEWORK_NAMES[framework.name]
    return Finding(
        slug="framework-import-failed",
        severity=Severity.ERROR,
        subject=framework.name,
        title=f"{name} cannot be imported and asked",
        cause=(answer.error or "").splitlines()[0] if answer.error else "It ended without an answer.",
        evidence=(Evidence(text=answer.error or "no answer", source=WITH_SOURCE), *_lines(answer)),
        fixes=(
            Fix(text="Cure the cause named above it, if one is; else install it again into a fresh environment.",
                commands=("gpucheck recommend",)),
        ),
    )  # fmt: skip


def _lines(answer: Answer) -> tuple[Evidence, ...]:
    telling = [line for line in answer.messages if any(word in line.lower() for word in TELLING)]
    return tuple(Evidence(text=line.strip(), source=f"stderr of {WITH_SOURCE}") for line in telling[-3:])


@check("framework-agrees", "framework-answer-differs")
def framework_agrees(facts: Facts, _: Matrix) -> Iterator[Said]:
    """What the framework says of its GPUs, version and cuDNN is what its files and the driver let expect.

    Asked with --deep only. A disagreement means that one of the two is wrong, perhaps this tool.
    """
    for framework in installed(facts):
        answer = framework.answer.value
        if answer is None:
            yield _unasked(framework)
        elif facts.reports:
            yield skipped("asked by another tool; its own check says what it saw", framework.name)
        elif answer.error is not None:
            yield skipped("it could not be asked; another check says why", framework.name)
        else:
            differences = list(_differences(facts, framework, answer))
            if differences:
                yield broken(_differs(facts, framework, answer, differences))
            else:
                yield holds(_agreed(answer), framework.name)


def _agreed(answer: Answer) -> str:
    return f"it sees {len(answer.devices)} GPUs" if answer.available else "it sees no GPU, as expected"


def _differences(facts: Facts, framework: Framework, answer: Answer) -> Iterator[str]:
    usable, _ = usable_gpus(facts)
    expected = bool(usable) and framework.build.value == "cuda"
    if usable is not None and framework.build.known and bool(answer.available) != expected:
        says = "no GPU" if not answer.available else f"{len(answer.devices)} GPUs"
        yield f"it sees {says}, its files and the driver let expect {usable if expected else 'none'}"
    if answer.version and framework.version.value and answer.version != framework.version.value:
        plain = framework.version.value.partition("+")[0]
        if answer.version.partition("+")[0] != plain:
            yield f"it says version {answer.version}, its files say {framework.version.value}"
    loaded = framework.cudnn_loaded.value
    if answer.cudnn and loaded is not None and loaded.version.value not in (None, answer.cudnn):
        yield f"it loaded cuDNN {answer.cudnn}, the loader's order gives {loaded.version.value}"


def _differs(facts: Facts, framework: Framework, answer: Answer, differences: list[str]) -> Finding:
    name = FRAMEWORK_NAMES[framework.name]
    misled = any(MISLEADING in line for line in answer.messages)
    notes = ""
    if misled and facts.driver.cuda_library.known:
        notes = (
            f" TensorFlow's `{MISLEADING}` misleads here: the driver's library is there; what it could not "
            "load is the CUDA runtime, libcudart."
        )
    return Finding(
        slug="framework-answer-differs",
        severity=Severity.ERROR if not answer.available else Severity.WARN,
        subject=framework.name,
        title=f"{name} says otherwise: {differences[0]}",
        cause="It was asked in a process of its own." + notes,
        confidence=Confidence.POSSIBLE,
        evidence=(
            *(Evidence(text=text, source=WITH_SOURCE) for text in differences),
            *_lines(answer),
            evidence("libcuda.so.1", facts.driver.cuda_library),
        ),
        fixes=(
            Fix(text="Cure the root cause named above it. If there is none, this is worth a report: attach this.",
                commands=("gpucheck doctor --deep --format markdown",)),
        ),
    )  # fmt: skip
