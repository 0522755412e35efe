"""How a wanted value goes together with the one that is there: lists are merged by key, the user's own stays."""

from __future__ import annotations

import os

# Variables that hold several settings: what stands between them, and between a key and its value.
KEYED = {
    "PYTORCH_ALLOC_CONF": (",", ":"),
    "PYTORCH_CUDA_ALLOC_CONF": (",", ":"),
    "TF_XLA_FLAGS": (" ", "="),
    "XLA_FLAGS": (" ", "="),
}
PATHS = ("LD_LIBRARY_PATH", "PATH")
# The names that may ever be changed or restored.
KNOWN = (
    *KEYED,
    "LD_LIBRARY_PATH",
    "CUDA_DEVICE_ORDER",
    "CUDA_VISIBLE_DEVICES",
    "TF_FORCE_GPU_ALLOW_GROWTH",
    "TF_GPU_ALLOCATOR",
)


def merged(name: str, current: str | None, wanted: str, seen: str | None, *, override: bool) -> str | None:
    """Return the value after a cure; what the user has set stays unless ``override``.

    Args:
        name: The variable.
        current: Its value, with the cures before this one; None when it is not set.
        wanted: What the cure wants; empty: that it be taken out.
        seen: The value on which ``wanted`` was worked out, for paths.
        override: Whether the user's own values may be replaced.
    """
    if name in PATHS:
        return _path(current, wanted, seen)
    if name in KEYED:
        return _keyed(name, current or "", wanted, override=override)
    if current is not None and not override:
        return current
    return wanted or None


def _path(current: str | None, wanted: str, seen: str | None) -> str | None:
    before, after, now = (_parts(text or "") for text in (seen, wanted, current))
    removed, added = set(before) - set(after), [part for part in after if part not in before]
    # An empty entry would mean the working folder, ld.so(8).
    rest = [part for part in now if part not in removed and part not in added]
    return os.pathsep.join([*added, *rest]) or None


def shortens(before: str, after: str | None) -> bool:
    """Whether a path is another one with folders taken out, and none put in."""
    return after is not None and set(_parts(after)) < set(_parts(before))


def _parts(text: str) -> list[str]:
    return [part for part in text.split(os.pathsep) if part]


def _keyed(name: str, current: str, wanted: str, *, override: bool) -> str | None:
    between, within = KEYED[name]
    if name == "XLA_FLAGS" and current.strip() and not current.lstrip().startswith("-"):
        return current  # the name of a file that holds the flags
    settings, new = _settings(current, between, within), _settings(wanted, between, within)
    added = [text for key, text in new.items() if key not in settings]
    if override and len(added) < len(new):
        return between.join({**settings, **new}.values())
    return between.join([*([current] if current else []), *added]) or None


def _settings(text: str, between: str, within: str) -> dict[str, str]:
    parts = (part.strip() for part in (text.split(between) if between.strip() else text.split()))
    return {part.partition(within)[0]: part for part in parts if part}
