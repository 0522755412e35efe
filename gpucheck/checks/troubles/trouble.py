"""What a trouble is, and what follows from any that keeps programs from the GPU."""

from __future__ import annotations

from gpucheck.record import record

SEES_NO_GPU = ("framework-answer-differs", "silent-cpu-fallback", "smoke-failed", "requirement-unmet")
NO_DRIVER = ("cuinit-unknown-error", "gpu-missing", *SEES_NO_GPU)


@record
class Trouble:
    """One trouble.

    Attributes:
        meaning: What it is, in two or three sentences that hold on every machine.
        follows: Slugs of the troubles that follow from it.
        remedy: What cures it, in general.
    """

    meaning: str
    remedy: str
    follows: tuple[str, ...] = ()
