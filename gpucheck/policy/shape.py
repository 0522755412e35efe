"""Which keys a policy file has, and what each may hold: for reading it, and as a JSON Schema for editors."""

from __future__ import annotations

from typing import Any

VERSION = "version"  # a comparison of PEP 440: ">=550.54"
NUMBER = "number"  # a whole number, or comparisons of one: 4, ">=1,<=8"
SIZE = "size"  # comparisons of a size: ">=39GiB"
TEXT, FLAG, DATE = "text", "flag", "date"
TEXTS = "texts"
ANY_TEXT = {"*": TEXT}  # keys of any name

GPU: dict[str, Any] = {
    "count": NUMBER,
    "names": TEXTS,
    "memory": SIZE,
    "memory-free": SIZE,
    "compute-capability": VERSION,
    "homogeneous": FLAG,
    "ecc": ("on", "off", "any"),
    "mig": ("on", "off", "any"),
}
FRAMEWORK: dict[str, Any] = {
    "version": VERSION,
    "build": ("cuda", "cpu", "rocm", "any"),
    "optional": FLAG,
    "prereleases": FLAG,
}
REQUIRE: dict[str, Any] = {
    "driver": VERSION,
    "driver-cuda": VERSION,
    "cuda-runtime": VERSION,
    "cudnn": VERSION,
    "python": VERSION,
    "gpu": GPU,
    "torch": FRAMEWORK,
    "tensorflow": FRAMEWORK,
    "environment": ANY_TEXT,
    "forbid-environment": TEXTS,
}
IGNORE: dict[str, Any] = {"slug": TEXT, "reason": TEXT, "expires": DATE, "subject": TEXT}
NEEDED = {"ignore": ("slug", "reason", "expires")}
COMMON: dict[str, Any] = {
    "fail-on": ("error", "warn", "info", "never"),
    "on-missing-gpu": ("fail", "skip", "warn"),
    "require": REQUIRE,
    "severity": {"*": ("error", "warn", "info")},
    "ignore": [IGNORE],
}
POLICY: dict[str, Any] = {"extends": TEXT, **COMMON, "profile": {"*": COMMON}}

PLAIN: dict[Any, dict[str, Any]] = {
    VERSION: {"type": "string", "description": "comparisons of PEP 440, e.g. >=550.54,<600"},
    NUMBER: {"type": ["integer", "string"], "description": "a whole number, or comparisons, e.g. >=1,<=8"},
    SIZE: {"type": "string", "description": "comparisons of a size, e.g. >=39GiB"},
    TEXT: {"type": "string"},
    FLAG: {"type": "boolean"},
    TEXTS: {"type": "array", "items": {"type": "string"}},
    # A TOML date reaches a validator as a date, or as text from an editor.
    DATE: {},
}


def schema(shape: Any = None, key: str = "") -> dict[str, Any]:
    """Return the JSON Schema of a policy file, or of a part of it."""
    shape = POLICY if shape is None else shape
    if isinstance(shape, str):
        return PLAIN[shape]
    if isinstance(shape, tuple):
        return {"enum": list(shape)}
    if isinstance(shape, list):
        return {"type": "array", "items": schema(shape[0], key)}
    if "*" in shape:
        return {"type": "object", "additionalProperties": schema(shape["*"])}
    return {
        "type": "object",
        "properties": {name: schema(inner, name) for name, inner in shape.items()},
        "required": list(NEEDED.get(key, ())),
        "additionalProperties": False,
    }
