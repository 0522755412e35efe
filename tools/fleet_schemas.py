"""The JSON Schemas of fleets: a node's report, a fleet's verdict, and what changed between two runs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from gpucheck.fleet.actions import Action
from gpucheck.fleet.changes import FleetChange
from gpucheck.fleet.contract import SCHEDULER
from gpucheck.fleet.drift import Deviation
from gpucheck.fleet.offenders import Offender
from gpucheck.fleet.outcomes import OUTCOMES, Outcome
from gpucheck.fleet.outliers import Outlier
from gpucheck.fleet.runs import Trouble

TEXT, COUNT = {"type": "string"}, {"type": "integer", "minimum": 0}
NAMES = {"type": "array", "items": TEXT}
NULLABLE = {"type": ["string", "null"]}
VERDICT = {"enum": ["healthy", "problem", "inconclusive"]}
Closed = Callable[[dict[str, Any]], dict[str, Any]]


def node(report: dict[str, Any], closed: Closed) -> dict[str, Any]:
    """Return the schema of a node's report: the doctor's, with who it is, and its last key."""
    number = closed({"value": {"type": "number"}, "unit": TEXT, "better": {"enum": ["high", "low"]}})
    scheduler = {"type": "object", "properties": dict.fromkeys(SCHEDULER, TEXT), "additionalProperties": False}
    about = {
        "name": TEXT,
        "boot_id": NULLABLE,
        "scheduler": scheduler,
        "started": {"type": "string", "format": "date-time"},
        "seconds": {"type": "number", "minimum": 0},
        "facts": {"type": "object", "additionalProperties": TEXT},
        "numbers": {"type": "object", "additionalProperties": number},
    }
    return closed({**report["properties"], "node": closed(about), "complete": {"const": True}})


def fleet(schema: Callable[[Any], dict[str, Any]], closed: Closed) -> dict[str, Any]:
    """Return the schema of what `gpucheck fleet collect --format json` prints."""

    def listed(what: dict[str, Any]) -> dict[str, Any]:
        return {"type": "array", "items": what}

    demand = listed(closed({"demand": TEXT, "nodes": NAMES}))
    figure = {"type": "number"}
    spread = {"group": TEXT, "number": TEXT, "unit": TEXT, "nodes": COUNT, "median": figure, "least": figure,
              "most": figure}  # fmt: skip
    return closed(
        {
            "schema_version": {"const": 1},
            "kind": {"const": "fleet"},
            "tool": closed({"name": {"const": "gpucheck"}, "version": TEXT}),
            "verdict": VERDICT,
            "exit_status": {"enum": [0, 1, 3]},
            "run": NULLABLE,
            "runs": NAMES,
            "expected": {"type": ["integer", "null"]},
            "counts": closed(dict.fromkeys(OUTCOMES, COUNT)),
            "actions": listed(schema(Action)),
            "demands": demand,
            "undetermined": demand,
            "groups": listed(closed({"name": TEXT, "nodes": COUNT})),
            "golden": NULLABLE,
            "drift": listed(schema(Deviation)),
            "outliers": listed(schema(Outlier)),
            "numbers": listed(closed(spread)),
            "offenders": listed(schema(Offender)),
            "troubles": listed(schema(Trouble)),
            "foreign": COUNT,
            "nodes": listed(schema(Outcome)),
        }
    )


def difference(schema: Callable[[Any], dict[str, Any]], closed: Closed) -> dict[str, Any]:
    """Return the schema of what `gpucheck fleet diff --format json` prints."""
    change = schema(FleetChange)
    return closed(
        {
            "schema_version": {"const": 1},
            "kind": {"const": "fleet-difference"},
            "same": {"type": "boolean"},
            "old": NULLABLE,
            "new": NULLABLE,
            "nodes": COUNT,
            "changes": {"type": "array", "items": closed({**change["properties"], "sentence": TEXT})},
        }
    )
