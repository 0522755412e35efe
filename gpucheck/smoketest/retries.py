"""A training that failed on the GPU, once more under one cure at a time: which cure helps tells what was wrong.

The same words ("could not create cudnn handle") mean full memory, a wrong version, or a library taken from
elsewhere.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from gpucheck.facts import Facts, SmokeRun

from gpucheck.facts import Retry

GROWTH = "TF_FORCE_GPU_ALLOW_GROWTH"
PATH = "LD_LIBRARY_PATH"
ON_THE_DEVICE = ("device_start", "to_device", "first_step", "train", "evaluate", "proof")


def worth_it(run: SmokeRun) -> bool:
    """Whether a cure could change the outcome: it failed on its device or convolved wrongly, and did not hang."""
    if run.asked == "cpu" or (run.failure or "").startswith("no result within"):
        return False
    wrong = run.failure is None and run.convolution.forward is not None and run.convolution.arithmetic is None
    return wrong or run.failure_stage in ON_THE_DEVICE or run.convolution.gpu_proved is False


def cures(framework: str, facts: Facts, environment: Mapping[str, str]) -> Iterator[tuple[str, dict[str, str]]]:
    """Yield the cures that are not in force yet: memory growth, and the framework's own CUDA libraries first."""
    if framework == "tensorflow" and environment.get(GROWTH) != "true":
        yield "memory-growth", {GROWTH: "true"}
    shipped = [one.shipped for one in facts.framework(framework).libraries.value or () if one.shipped is not None]
    folders = list(dict.fromkeys(library.path.rpartition("/")[0] for library in shipped))
    before = [part for part in environment.get(PATH, "").split(":") if part]
    if folders and before[: len(folders)] != folders:
        yield "own-libraries", {PATH: ":".join([*folders, *(part for part in before if part not in folders)])}


def retry(
    run: SmokeRun,
    facts: Facts,
    environment: Mapping[str, str],
    train: Callable[[dict[str, str]], SmokeRun],
) -> tuple[Retry, ...]:
    """Train again under each cure.

    Args:
        run: The training that failed.
        facts: What was seen of the machine.
        environment: The environment that it had.
        train: Trains once more with these variables added.
    """
    made = []
    for cure, variables in cures(run.framework, facts, environment):
        again = train(variables)
        seen = again.convolution
        right = again.failure is None and seen.arithmetic is not None and seen.gpu_proved is not False
        failure = None if right else again.failure or "convolution is still wrong, or not done by cuDNN"
        made.append(Retry(cure=cure, environment=variables, passed=right, failure=failure))
        if right:
            break
    return tuple(made)
