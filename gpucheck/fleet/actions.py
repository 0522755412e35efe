"""What an admin has to do: one line for all nodes that need the same, from their root causes."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING

from gpucheck.fleet.nodes import natural, shown
from gpucheck.fleet.outcomes import ABSENT

if TYPE_CHECKING:
    from collections.abc import Iterable

    from gpucheck.fleet.outcomes import Outcome
    from gpucheck.fleet.runs import Run

# What nodes with a root cause need; of other causes the finding's own way out is told.
NEEDS = {
    "driver-library-mismatch": "a reboot",
    "gpu-lost": "a reboot, and a look at the card if it comes back",
    "kernel-module-not-loaded": "their kernel module nvidia loaded",
    "driver-missing": "a driver",
    "driver-too-old": "a newer driver",
    "nouveau-loaded": "nouveau blocked, and a reboot",
    "secure-boot-module-signature": "their kernel module signed",
    "uncorrectable-ecc": "a GPU reset or a reboot, and the card's exchange if it comes back",
    "hardware-diagnostic-failed": "a look at the card that a diagnostic has failed",
    "fabric-manager": "their Fabric Manager started",
    "gpu-missing": "a look at the card that the driver does not list",
    "shared-memory-too-small": "more shared memory",
    "out-of-disk": "room on a disk",
    "permission-denied": "rights on the device nodes",
    "cpu-only-build": "a framework that is built for CUDA",
    "cudnn-version-mismatch": "one cuDNN",
}


@dataclass(frozen=True)
class Action:
    """One thing to do.

    Attributes:
        text: In one line: how many nodes, what they need, which.
        slug: The root cause, or the outcome.
        nodes: The nodes.
        how: The way out.
        commands: What carries it out on each of them.
    """

    text: str
    slug: str
    nodes: tuple[str, ...]
    how: str = ""
    commands: tuple[str, ...] = ()


def actions(
    run: Run, nodes: Iterable[Outcome], advice: dict[str, tuple[str, str, tuple[str, ...]]]
) -> tuple[Action, ...]:
    """Return what to do for which nodes: the first root cause of each, since the others may go with it.

    Args:
        run: The run.
        nodes: What became of each node.
        advice: Of each slug a title, and the best way out.
    """
    causes: dict[str, list[str]] = defaultdict(list)
    absent: dict[str, list[str]] = defaultdict(list)
    for one in nodes:
        if one.outcome in ABSENT:
            absent[one.outcome].append(one.node)
        elif one.slugs and one.node in run.entries:
            causes[one.slugs[0]].append(one.node)
    told = [_cause(slug, tuple(of), advice) for slug, of in causes.items()]
    told += [_absent(outcome, tuple(of)) for outcome, of in absent.items()]
    return tuple(sorted(told, key=lambda one: (-len(one.nodes), natural(one.slug))))


def _cause(slug: str, nodes: tuple[str, ...], advice: dict[str, tuple[str, str, tuple[str, ...]]]) -> Action:
    title, how, commands = advice.get(slug, (slug, "", ()))
    need = NEEDS.get(slug)
    what = f"{'needs' if len(nodes) == 1 else 'need'} {need}" if need else f"{_have(nodes)} {slug}"
    return Action(f"{_many(nodes)} {what}: {shown(nodes)}", slug, nodes, how or title, commands)


def _absent(outcome: str, nodes: tuple[str, ...]) -> Action:
    said, how = ABSENT[outcome]
    if len(nodes) == 1:
        said = said.replace("have ", "has ")
    return Action(f"{_many(nodes)} {said}: {shown(nodes)}", outcome, nodes, how)


def _many(nodes: tuple[str, ...]) -> str:
    return f"{len(nodes):,} node{'s' * (len(nodes) != 1)}"


def _have(nodes: tuple[str, ...]) -> str:
    return "has" if len(nodes) == 1 else "have"
