"""gpucheck finds the root cause of a broken GPU deep-learning environment.

`doctor` judges this machine, `smoke` proves it by training, `explain` names the cause of a pasted text; all return
a `gpucheck.findings.Report`.
`apply` cures the program that calls it, `visible_devices` reads its device mask.
Importing gpucheck imports nothing else: everything is loaded when it is first used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from gpucheck.api import doctor
    from gpucheck.applying import apply, visible_devices
    from gpucheck.explaining import explain
    from gpucheck.proving import smoke

__all__ = ["__version__", "apply", "doctor", "explain", "smoke", "visible_devices"]
__version__ = "0.1.0"


_ROOMS = {
    "doctor": "api",
    "explain": "explaining",
    "smoke": "proving",
    "apply": "applying",
    "visible_devices": "applying",
}


def __getattr__(name: str) -> Any:
    if name in _ROOMS:
        import importlib

        return getattr(importlib.import_module(f"gpucheck.{_ROOMS[name]}"), name)
    raise AttributeError(f"module 'gpucheck' has no attribute {name!r}")


def __dir__() -> list[str]:
    return __all__
