"""The machine as features for Kubernetes' Node Feature Discovery, whose local source makes labels of them.

Its customization guide (https://kubernetes-sigs.github.io/node-feature-discovery/stable/usage/customization-guide),
checked 2026-11-29: a line a feature, in a file in features.d; lines expire; a label's value is at most 63 letters,
digits, ``-``, ``_`` and ``.``.
"""

from __future__ import annotations

import re
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING

from gpucheck.facts import usable_gpus
from gpucheck.report.common import teller

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from gpucheck.findings import Report
    from gpucheck.report.cleaning import Redactor

PREFIX = "feature.node.kubernetes.io/gpucheck."
LONGEST = 63
LASTS = timedelta(hours=1)  # a verdict that nobody renews is no verdict


def render(report: Report, redactor: Redactor | None, now: float) -> str:
    """Return the feature file.

    Args:
        report: What to tell.
        redactor: Takes private names out.
        now: When the checks ran, in seconds since 1970; an hour later the labels go.
    """
    until = (datetime.fromtimestamp(now, tz=timezone.utc) + LASTS).strftime("%Y-%m-%dT%H:%M:%SZ")
    lines = [f"# +expiry-time={until}"]
    for name, told in _features(report, teller(redactor)):
        value = label(told)
        if value:
            lines.append(f"{PREFIX}{name}={value}")
    return "\n".join(lines) + "\n"


def label(text: str) -> str:
    """Return a text as a label's value: what it may not hold becomes ``-``."""
    plain = re.sub(r"[^A-Za-z0-9._-]+", "-", text)[:LONGEST]
    return plain.strip("-_.")


def _features(report: Report, tell: Callable[[str | None], str]) -> Iterator[tuple[str, str]]:
    facts = report.facts
    yield "verdict", report.verdict
    if report.root_causes:
        yield "problem", report.root_causes[0]
    yield "driver-version", tell(facts.driver.version.value or facts.driver.module_version.value)
    yield "driver-cuda", tell(facts.driver.driver_cuda.value)
    usable, _ = usable_gpus(facts)
    if usable is not None:
        yield "gpus", str(usable)
    gpus = facts.gpus.value or ()
    for name in ("name", "compute_capability"):
        values = {getattr(gpu, name).value for gpu in gpus}
        one = next(iter(values)) if len(values) == 1 else "mixed" if values else None
        yield {"name": "gpu-model"}.get(name, "compute-capability"), tell(one)
    for framework in facts.frameworks:
        if framework.installed.value:
            yield f"{framework.name}-version", tell(framework.version.value)
