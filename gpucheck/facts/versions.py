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


def nccl_version(number: int) -> str | None:
    """Decode NCCL's number: 2708 is 2.7.8, and from 2.9 on 23203 is 2.32.3; None for a senseless one.

    Source: NCCL_VERSION in nccl.h.
    """
    if number < 1000:
        return None
    factor = 1000 if number < 10000 else 10000
    return f"{number // factor}.{number % factor // 100}.{number % 100}"
