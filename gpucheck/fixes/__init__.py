"""Cures: which environment a child process should get on this machine. Only what is safe and reversible."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from gpucheck.facts import Facts

GROWTH = "TF_FORCE_GPU_ALLOW_GROWTH"


def safe_environment(framework: str, facts: Facts, environ: Mapping[str, str]) -> dict[str, str]:
    """Return the environment variables to set for a framework's child process.

    TensorFlow takes all memory of every GPU unless memory growth is on; the variable sets it for all GPUs
    alike, so that it cannot differ between them. What the user has set is kept. Source: TensorFlow's guide
    "Use a GPU", "Limiting GPU memory growth".
    """
    gpus = facts.gpus.value or facts.driver.visible_devices.value
    if framework == "tensorflow" and gpus and GROWTH not in environ:
        return {GROWTH: "true"}
    return {}
