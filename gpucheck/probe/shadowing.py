"""Files that hide a module: what a program started here would import instead of the real one."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

FRAMEWORK_MODULES = ("torch", "tensorflow", "keras", "numpy", "jax", "torchvision", "triton", "google")
# No framework imports these, and people keep folders and scripts of these names.
HARMLESS = {
    "__main__", "antigravity", "idlelib", "lib2to3", "site", "sitecustomize", "test", "this", "tkinter", "turtle",
    "turtledemo", "usercustomize",
}  # fmt: skip


def hidden(folders: Iterable[Path], library: Iterable[Path]) -> tuple[str, ...]:
    """Return files that come before a module of the same name which the frameworks import.

    A folder counts only as a package, with ``__init__.py``: without it the installed one is taken.

    Args:
        folders: Folders that come first on the import path: the working folder, PYTHONPATH.
        library: Folders of the interpreter itself, which hide nothing.
    """
    names = (
        {*FRAMEWORK_MODULES, *getattr(sys, "stdlib_module_names", ())} - HARMLESS - set(sys.builtin_module_names)
    )
    own = {os.path.normpath(folder) for folder in library}
    found = []
    for folder in folders:
        if os.path.normpath(folder) in own:
            continue
        try:
            entries = sorted(os.scandir(folder), key=lambda entry: entry.name)
        except OSError:
            continue
        for entry in entries:
            stem = entry.name.removesuffix(".py")
            if stem in names and _is_module(entry, stem):
                found.append(str(folder / entry.name))
    return tuple(found)


def _is_module(entry: os.DirEntry[str], stem: str) -> bool:
    try:
        if entry.name != stem:
            return entry.is_file()
        return entry.is_dir() and os.path.exists(os.path.join(entry.path, "__init__.py"))  # noqa: PTH110, PTH118
    except OSError:
        return False
