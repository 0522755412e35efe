"""Which arithmetic a convolution was done in, read off its errors."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from gpucheck.facts.smoke import Errors

# Relative errors (norm, maximum) that each arithmetic stays below. Measured with float32 kernels on the CPU
# and with inputs rounded to TF32 and bfloat16: fp32 up to 2.7e-6 / 3.8e-6, TF32 3.1e-4 / 4.0e-4, bfloat16
# 2.4e-3 / 3.2e-3; one wrong element of an output shows as 0.17 in the maximum. No GPU has confirmed them.
LIMITS = {"fp32": (1e-5, 2e-5), "tf32": (1e-3, 2e-3), "bf16": (6e-3, 1e-2)}


def arithmetic_of(errors: tuple[Errors, ...]) -> str | None:
    """Return the most precise arithmetic that explains all errors; None when none does."""
    for name, (norm, maximum) in LIMITS.items():
        if all(_below(error, norm, maximum) for error in errors):
            return name
    return None


def _below(error: Errors, norm: float, maximum: float) -> bool:
    finite = math.isfinite(error.norm) and math.isfinite(error.maximum)
    return finite and error.norm <= norm and error.maximum <= maximum
