"""A fleet's verdict as lines of a screen, and as JSON."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from gpucheck import __version__
from gpucheck.fleet.flat import figure
from gpucheck.fleet.nodes import shown
from gpucheck.report.screen import Piece

if TYPE_CHECKING:
    from collections.abc import Iterator

    from gpucheck.fleet.drift import Deviation
    from gpucheck.fleet.outliers import Outlier, Spread
    from gpucheck.fleet.summary import FleetReport
    from gpucheck.report.screen import Line

SCHEMA_VERSION = 1
STYLES = {"healthy": "bold green", "problem": "bold red", "inconclusive": "bold yellow"}
WORDS = {"healthy": "Healthy", "problem": "Problem", "inconclusive": "Inconclusive"}
MARKS = {"golden": ("✗", "red"), "devices": ("✗", "red"), "split": ("·", "blue"), "differs": ("·", "blue")}
MOST = 20  # lines of a kind on the screen; the other formats have all


def headline(fleet: FleetReport) -> str:
    """Return the verdict in one line, without its first word."""
    total = fleet.expected if fleet.expected is not None else len(fleet.nodes)
    of = "expected nodes" if fleet.expected is not None else f"node{'s' * (total != 1)}"
    known = sum(one.outcome == "ok" and one.expected for one in fleet.nodes)
    others = [f"{number:,} {name}" for name, number in fleet.counts.items() if number and name != "ok"]
    more = sum(not one.expected for one in fleet.nodes)
    others += [f"{more:,} not expected"] if more else []
    return ", ".join((f"{known:,} of {total:,} {of} ok", *others))


def lines(fleet: FleetReport, verbosity: int = 0) -> Iterator[Line]:
    """Yield the screen.

    Args:
        fleet: What to show.
        verbosity: -1 the headline only, 0 the usual, 1 all lines and every node.
    """
    style = STYLES[fleet.verdict]
    yield (Piece(f"{WORDS[fleet.verdict]}: ", style), Piece(headline(fleet), "bold"))
    if verbosity < 0:
        return
    most = MOST if verbosity == 0 else None
    yield from _cut(list(_actions(fleet)), most)
    yield from _cut(list(_demands(fleet)), most)
    yield from _cut([line for one in fleet.deviations for line in _deviation(one)], most and 2 * most)
    yield from _cut([_outlier(one) for one in fleet.outliers], most)
    yield from _cut(list(_offenders(fleet)), most)
    yield from _cut(list(_troubles(fleet)), most)
    if verbosity > 0:
        yield from _nodes(fleet)
    kinds = "; ".join(f"{number:,} node{'s' * (number != 1)} with {name}" for name, number in fleet.groups)
    yield (Piece(f"   {kinds or 'no report tells of a machine'}", "dim"),)
    yield (Piece(f"exit {fleet.exit_status}", "bold"), Piece(_why(fleet), "dim"))


def _cut(found: list[Line], most: int | None) -> Iterator[Line]:
    yield from found[:most]
    if most is not None and len(found) > most:
        yield (Piece(f"   and {len(found) - most} more lines: --verbose, or another --format", "dim"),)


def _actions(fleet: FleetReport) -> Iterator[Line]:
    for one in fleet.actions:
        yield (Piece(" → ", "bold"), Piece(one.text, "bold"), Piece(f"   {one.how}" if one.how else "", "dim"))


def _demands(fleet: FleetReport) -> Iterator[Line]:
    for mark, style, word, demands in (
        ("✗", "red", "unmet", fleet.demands),
        ("?", "yellow", "not known", fleet.undetermined),
    ):
        for name, nodes in demands:
            yield (Piece(f" {mark} ", style), Piece(f"{name}: {word} on {len(nodes):,}: {shown(nodes)}"))


def sentence(one: Deviation) -> str:
    """Return who differs in one line."""
    nodes = f"{len(one.nodes):,} of {one.size:,}"
    where = f"{shown(one.nodes)}  [{one.group}, {one.matching}]"
    if one.kind == "golden":
        return f"wrong: {one.fact} {one.value}, the golden node has {one.usual}, on {nodes}: {where}"
    if one.kind == "devices":
        return f"missing devices: {one.value} GPUs where peers have {one.usual}, on {nodes}: {where}"
    if one.kind == "split":
        return f"split: {one.fact}: {one.value}  [{one.group}, {one.matching}]"
    if one.kind == "differs":
        return f"differs, too few to tell: {one.fact}: {one.value}  [{one.group}, {one.matching}]"
    return f"minority: {one.fact} {one.value}, others {one.usual}, on {nodes}: {where}"


def _deviation(one: Deviation) -> Iterator[Line]:
    mark, style = MARKS.get(one.kind, ("!", "yellow"))
    yield (Piece(f" {mark} ", style), Piece(sentence(one)))
    if one.also:
        more = f" and {len(one.also) - 4} more" if len(one.also) > 4 else ""
        yield (Piece(f"     the same nodes: {'; '.join(one.also[:4])}{more}", "dim"),)


def slow(one: Outlier) -> str:
    """Return an outlier in one line."""
    return (
        f"outlier: {one.number} {figure(one.value)} {one.unit} on {one.node}, "
        f"{one.share:+.0%} from the median {figure(one.usual)}  [{one.group}]"
    )


def _outlier(one: Outlier) -> Line:
    return (Piece(" ! ", "yellow"), Piece(slow(one)))


def offences(fleet: FleetReport) -> Iterator[str]:
    """Yield each repeat offender in one line."""
    for one in fleet.offenders:
        boots = f", in {one.boots} boots: a reboot did not help" if one.boots > 1 else ""
        yield f"again and again: {one.node} in {one.failed} of {one.runs} runs ({', '.join(one.slugs[:4])}){boots}"


def _offenders(fleet: FleetReport) -> Iterator[Line]:
    for text in offences(fleet):
        yield (Piece(" ! ", "yellow"), Piece(text))


def left_out(fleet: FleetReport) -> Iterator[str]:
    """Yield what in the pile does not count, in one line each."""
    for one in fleet.troubles:
        yield f"{one.source}: {one.what}"
    if fleet.foreign:
        yield f"{fleet.foreign:,} other file{'s' * (fleet.foreign != 1)} or lines left alone: no reports"


def _troubles(fleet: FleetReport) -> Iterator[Line]:
    for text in left_out(fleet):
        yield (Piece(" ? ", "yellow"), Piece(text))


def _nodes(fleet: FleetReport) -> Iterator[Line]:
    for one in fleet.nodes:
        extra = "" if one.expected else "  (not expected)"
        yield (Piece(f"   {one.outcome:12} ", "dim"), Piece(f"{one.node}  {one.reason or ''}{extra}".rstrip()))


def _why(fleet: FleetReport) -> str:
    if fleet.exit_status != 3:
        return ""
    absent = sum(fleet.counts[name] for name in ("crashed", "timeout", "unreachable", "no-report"))
    return f": {absent:,} without a report, {fleet.counts['inconclusive']:,} could not be judged"


def document(fleet: FleetReport) -> dict[str, Any]:
    """Return the verdict as JSON values; every object carries all its keys, null when empty."""
    return {
        "schema_version": SCHEMA_VERSION,
        "kind": "fleet",
        "tool": {"name": "gpucheck", "version": __version__},
        "verdict": fleet.verdict,
        "exit_status": fleet.exit_status,
        "run": fleet.run or None,
        "runs": list(fleet.runs),
        "expected": fleet.expected,
        "counts": fleet.counts,
        "actions": [_fields(one, "text slug nodes how commands") for one in fleet.actions],
        "demands": [{"demand": name, "nodes": list(nodes)} for name, nodes in fleet.demands],
        "undetermined": [{"demand": name, "nodes": list(nodes)} for name, nodes in fleet.undetermined],
        "groups": [{"name": name, "nodes": number} for name, number in fleet.groups],
        "golden": fleet.golden,
        "drift": [
            _fields(one, "kind group fact matching reason value usual nodes size also") for one in fleet.deviations
        ],
        "outliers": [_fields(one, "group number node value usual unit share") for one in fleet.outliers],
        "numbers": [_spread(one) for one in fleet.spreads],
        "offenders": [_fields(one, "node failed runs slugs boots") for one in fleet.offenders],
        "troubles": [_fields(one, "source what node") for one in fleet.troubles],
        "foreign": fleet.foreign,
        "nodes": [_fields(one, "node outcome reason slugs source seconds expected") for one in fleet.nodes],
    }


def _fields(record: Any, names: str) -> dict[str, Any]:
    values = {name: getattr(record, name) for name in names.split()}
    return {name: list(value) if isinstance(value, tuple) else value for name, value in values.items()}


def _spread(one: Spread) -> dict[str, Any]:
    values = sorted(value for _, value in one.values)
    return {
        "group": one.group,
        "number": one.number,
        "unit": one.unit,
        "nodes": len(values),
        "median": one.usual,
        "least": values[0],
        "most": values[-1],
    }


def render(fleet: FleetReport) -> str:
    """Return the JSON document."""
    return json.dumps(document(fleet), indent=2, allow_nan=False) + "\n"
