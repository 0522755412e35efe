"""gpucheck finds the root cause of a broken GPU deep-learning environment.

`doctor` judges this machine, `smoke` proves it by training; both return a `gpucheck.findings.Report`.
Importing gpucheck imports nothing else: everything is loaded when it is first used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from gpucheck.api import doctor, smoke

__all__ = ["__version__", "doctor", "smoke"]
__version__ = "0.1.0"


def __getattr__(name: str) -> Any:
    if name in ("doctor", "smoke"):
        from gpucheck import api

        return getattr(api, name)
    raise AttributeError(f"module 'gpucheck' has no attribute {name!r}")


def __dir__() -> list[str]:
    return __all__
