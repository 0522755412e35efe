"""Call a function once a module has been imported, in this process only. Imports nothing of ours.

A finder before all others finds the module as they would and lets its loader tell when it is done (PEP 451).
"""

from __future__ import annotations

import sys
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from importlib.machinery import ModuleSpec
    from types import ModuleType


class _Finder:
    """Watches for one module; takes itself away when it is found."""

    def __init__(self, name: str, function: Callable[[ModuleType], None]) -> None:
        self.name, self.function = name, function

    def find_spec(
        self,
        name: str,
        path: Sequence[str] | None = None,  # noqa: ARG002 - the signature is the import system's
        target: ModuleType | None = None,  # noqa: ARG002
    ) -> ModuleSpec | None:
        """Return the module's own spec, with a loader that tells when it is done."""
        if name != self.name:
            return None
        sys.meta_path.remove(self)
        spec = find_spec(name)
        if spec is not None and spec.loader is not None:
            _telling(spec.loader, self.function)
        return spec


def _telling(loader: Any, function: Callable[[ModuleType], None]) -> None:
    """Let this one loader, an object of its own for every module, call the function after the module's code."""
    execute = loader.exec_module

    def exec_module(module: ModuleType) -> None:
        loader.exec_module = execute
        execute(module)
        function(module)

    loader.exec_module = exec_module


def expected(name: str) -> bool:
    """Whether a function waits for a module."""
    return any(isinstance(finder, _Finder) and finder.name == name for finder in sys.meta_path)


def call_after(name: str, function: Callable[[ModuleType], None]) -> None:
    """Call ``function`` with the module once it has been imported; a second request changes nothing."""
    if not expected(name):
        sys.meta_path.insert(0, _Finder(name, function))
