"""What changed between two runs of a fleet, as lines of a screen and as JSON."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import TYPE_CHECKING

from gpucheck.fleet.nodes import shown
from gpucheck.report.screen import Piece

if TYPE_CHECKING:
    from collections.abc import Iterator

    from gpucheck.fleet.changes import FleetChange, FleetDifference
    from gpucheck.report.screen import Line

MARKS = {True: ("✗", "red"), False: ("✓", "green"), None: ("·", "")}


def lines(found: FleetDifference) -> Iterator[Line]:
    """Yield the screen of `gpucheck fleet diff`."""
    about = f"{found.old or 'the one'} -> {found.new or 'the other'}, {found.nodes:,} nodes in both"
    if not found.changes:
        yield (Piece("Same: ", "bold green"), Piece(about))
        return
    number = len(found.changes)
    yield (Piece(f"Changed: {number} change{'s' * (number != 1)}, ", "bold"), Piece(about))
    for change in found.changes:
        mark, style = MARKS[change.worse]
        yield (Piece(f" {mark} ", style), Piece(sentence(change)))


def sentence(change: FleetChange) -> str:
    """Return a change in one line."""
    if change.kind == "outcome":
        said = f"{change.old or 'was not there'} -> {change.new or 'gone'}"
    elif change.kind == "finding":
        said = f"{change.what} is {'new' if change.old is None else 'gone'}"
    else:
        said = f"{change.what} {change.old or 'none'} -> {change.new or 'none'}"
    return f"{said} on {len(change.nodes):,} node{'s' * (len(change.nodes) != 1)}: {shown(change.nodes)}"


def render(found: FleetDifference) -> str:
    """Return the JSON document."""
    changes = [{**asdict(one), "nodes": list(one.nodes), "sentence": sentence(one)} for one in found.changes]
    content = {
        "schema_version": 1,
        "kind": "fleet-difference",
        "same": not changes,
        "old": found.old or None,
        "new": found.new or None,
        "nodes": found.nodes,
        "changes": changes,
    }
    return json.dumps(content, indent=2, allow_nan=False) + "\n"
