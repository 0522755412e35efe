"""Writes the JSON Schemas of reports, fleets, policies and the matrix files from the dataclasses.

``python tools/schemas.py`` writes docs/schema/*.json and matrix/schema/*.json; with ``--check``
it only says, by exit status 1, that one of them is out of date.
"""

from __future__ import annotations

import datetime
import enum
import json
import sys
import types
import typing
from dataclasses import MISSING, fields, is_dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

import fleet_schemas  # noqa: E402

from gpucheck.checks.troubles import TROUBLES  # noqa: E402
from gpucheck.facts import Facts, SmokeRun  # noqa: E402
from gpucheck.findings import Finding, Status  # noqa: E402
from gpucheck.matrix.releases import Release  # noqa: E402
from gpucheck.matrix.rows import Head  # noqa: E402
from gpucheck.matrix.validate import TABLES  # noqa: E402
from gpucheck.policy.shape import schema as policy_schema  # noqa: E402

DIALECT = "https://json-schema.org/draft/2020-12/schema"
PLAIN = {str: "string", int: "integer", float: "number", bool: "boolean"}


def schema(kind: Any, argument: tuple[Any, ...] = (), *, row: bool = False) -> dict[str, Any]:
    """Return the schema of a type; in a ``row`` the keys have hyphens and those with a default may be left out."""
    origin, arguments = typing.get_origin(kind) or kind, typing.get_args(kind)
    if isinstance(kind, typing.TypeVar):
        return schema(argument[0], row=row)
    if origin in (types.UnionType, typing.Union):
        inner = [schema(part, argument, row=row) for part in arguments if part is not type(None)]
        return inner[0] if row else {"anyOf": [*inner, {"type": "null"}]}
    if origin is tuple:
        return {"type": "array", "items": schema(arguments[0], argument, row=row)}
    if origin is dict:
        return {"type": "object", "additionalProperties": schema(arguments[1], argument, row=row)}
    if isinstance(origin, type) and issubclass(origin, enum.Enum):
        return {"enum": [member.value for member in origin]}
    if is_dataclass(origin):
        return table(origin, arguments, row=row)
    # A TOML date reaches a JSON Schema validator as a date object: it is our own loader that checks it.
    return {} if origin is datetime.date else {"type": PLAIN[origin]}


def table(kind: Any, argument: tuple[Any, ...], *, row: bool) -> dict[str, Any]:
    """Return the schema of a dataclass."""
    hints = typing.get_type_hints(kind)
    properties, required = {}, []
    for item in fields(kind):
        name = item.name.replace("_", "-") if row else item.name.rstrip("_")
        properties[name] = schema(hints[item.name], argument, row=row)
        if not row or (item.default is MISSING and item.default_factory is MISSING):
            required.append(name)
    return {"type": "object", "properties": properties, "required": required, "additionalProperties": False}


def report_schema() -> dict[str, Any]:
    """Return the schema of what ``--format json`` prints."""
    text, nullable = {"type": "string"}, {"type": ["string", "null"]}
    slug = {"enum": sorted(TROUBLES)}
    facts = schema(Facts)
    for part in ("properties", "required"):
        facts[part] = {k: v for k, v in facts[part].items() if k != "smoke"} if part == "properties" else [
            name for name in facts[part] if name != "smoke"
        ]  # fmt: skip
    check = {
        "name": text,
        "family": text,
        "subject": nullable,
        "status": schema(Status),
        "reason": nullable,
        "findings": {"type": "array", "items": slug},
    }
    whole = {
        "schema_version": {"const": 1},
        "tool": closed({"name": {"const": "gpucheck"}, "version": text, "matrix_date": text}),
        "verdict": {"enum": ["healthy", "problem", "inconclusive"]},
        "root_causes": {"type": "array", "items": slug},
        "findings": {"type": "array", "items": schema(Finding)},
        "checks": {"type": "array", "items": closed(check)},
        "facts": facts,
        "smoke": {"type": "array", "items": schema(SmokeRun)},
        "exit_status": {"enum": [0, 1, 3]},
    }
    return {"$schema": DIALECT, "title": "gpucheck report", **closed(whole)}


def closed(properties: dict[str, Any]) -> dict[str, Any]:
    """Return an object schema that demands all its keys and no others."""
    return {
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }


def documents() -> dict[Path, dict[str, Any]]:
    """Return every schema file and what it should hold."""
    report = report_schema()
    found = {ROOT / "docs/schema/report.schema.json": report}
    for name, title, content in (
        ("policy", "gpucheck policy: gpucheck.toml", policy_schema()),
        ("node", "gpucheck report of a node of a fleet", fleet_schemas.node(report, closed)),
        ("fleet", "gpucheck verdict on a fleet", fleet_schemas.fleet(schema, closed)),
        ("fleet-difference", "what changed between two runs", fleet_schemas.difference(schema, closed)),
    ):
        path = ROOT / f"docs/schema/{name}.schema.json"
        found[path] = {"$schema": DIALECT, "title": title, **content}
    matrix = ROOT / "matrix/schema"
    for file, keys in TABLES.items():
        arrays = {key: {"type": "array", "items": schema(kind, row=True)} for key, kind in keys.items()}
        name = "messages" if file.startswith("messages/") else Path(file).stem
        file = f"{name}/*.toml" if name == "messages" else file  # noqa: PLW2901 - one schema for them all
        found[matrix / f"{name}.schema.json"] = {
            "$schema": DIALECT, "title": f"gpucheck matrix: {file}", "type": "object",
            "properties": arrays, "additionalProperties": False,
        }  # fmt: skip
    found[matrix / "matrix.schema.json"] = {"$schema": DIALECT, **schema(Head, row=True)}
    found[matrix / "framework.schema.json"] = {"$schema": DIALECT, **schema(Release, row=True)}
    return found


def main() -> int:
    """Write or check."""
    stale = []
    for path, content in documents().items():
        text = json.dumps(content, indent=1) + "\n"
        if not path.exists() or path.read_text(encoding="utf-8") != text:
            stale.append(path)
            if "--check" not in sys.argv:
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(text, encoding="utf-8")
    for path in stale:
        print(f"{'out of date' if '--check' in sys.argv else 'written'}: {path.relative_to(ROOT)}")
    return int(bool(stale) and "--check" in sys.argv)


if __name__ == "__main__":
    raise SystemExit(main())
