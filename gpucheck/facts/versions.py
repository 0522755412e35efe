"""Versions that libraries write as one number, decoded."""

from __future__ import annotations


def cuda_version(number: int) -> str:
    """Decode 1000 * major + 10 * minor: 12040 is 12.4.

    Source: cudaRuntimeGetVersion and cuDriverGetVersion, CUDA runtime and driver API.
    """
    return f"{number // 1000}.{number % 1000 // 10}"


def cudnn_version(number: int) -> str | None:
    """Decode cuDNN's number: 8907 is 8.9.7, and from major 9 on 90100 is 9.1.0; None for a senseless one.

    Source: cudnn_version.h of cuDNN 8.9.7 and 9.24.
    """
    if number < 1000:
        return None
    factor = 10000 if number >= 90000 else 1000
    return f"{number // factor}.{number % factor // 100}.{number % 100}"
