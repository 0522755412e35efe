"""Call a function once a module has been imported, in this process only. Imports nothing of ours.

A finder before all others finds the module as they would and lets its loader tell when it is done (PEP 451).
"""

from __future__ import annotations

import sys
import threading
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from importlib.machinery import ModuleSpec
    from types import ModuleType


class _Finder:
    """Watches for one module; takes itself away when its code has run."""

    def __init__(self, name: str, function: Callable[[ModuleType], None]) -> None:
        self.name, self.function, self.asking = name, function, threading.local()

    def find_spec(
        self,
        name: str,
        path: Sequence[str] | None = None,  # noqa: ARG002 - the signature is the import system's
        target: ModuleType | None = None,  # noqa: ARG002
    ) -> ModuleSpec | None:
        """Return the module's own spec, with a loader that tells when it is done.

        Programs also look for specs without importing, and imports fail and are tried again: it stays till then.
        """
        if name != self.name or getattr(self.asking, "now", False):
            return None
        self.asking.now = True
        try:
            spec = find_spec(name)
        finally:
            self.asking.now = False
        if spec is not None and spec.loader is not None:
            self._telling(spec.loader)
        return spec

    def _telling(self, loader: Any) -> None:
        """Let this one loader, an object of its own for every spec, tell after the module's code has run."""
        execute = loader.exec_module

        def exec_module(module: ModuleType) -> None:
            loader.exec_module = execute
            execute(module)
            if self in sys.meta_path:
                sys.meta_path.remove(self)
            self.function(module)

        loader.exec_module = exec_module


def expected(name: str) -> bool:
    """Whether a function waits for a module."""
    return any(isinstance(finder, _Finder) and finder.name == name for finder in sys.meta_path)


def call_after(name: str, function: Callable[[ModuleType], None]) -> None:
    """Call ``function`` with the module once it has been imported; a second request changes nothing."""
    if not expected(name):
        sys.meta_path.insert(0, _Finder(name, function))
