"""A fleet's verdict as one HTML file that needs nothing else: pictures are drawn here, as SVG."""

from __future__ import annotations

import math
from html import escape
from typing import TYPE_CHECKING

from gpucheck import __version__
from gpucheck.fleet.flat import figure
from gpucheck.fleet.nodes import shown
from gpucheck.report.cleaning import clean
from gpucheck.report.fleet import WORDS, headline, left_out, offences, sentence, slow
from gpucheck.report.fleet_files import why
from gpucheck.report.html import POLICY, VERDICTS
from gpucheck.report.html_style import STYLE

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from gpucheck.fleet.drift import Deviation
    from gpucheck.fleet.outliers import Spread
    from gpucheck.fleet.summary import FleetReport

OUTCOMES = {"ok": "good", "fail": "bad", "crashed": "bad", "skip": "", "inconclusive": "warn"}
MOST_NODES = 500
MOST_DOTS = 1_500  # of a picture; outliers are always drawn
WIDTH, LEFT, RIGHT = 640, 8, 8
MORE = """
svg .ok { fill: var(--good); } svg .fail { fill: var(--bad); } svg .crashed { fill: var(--five); }
svg .timeout { fill: var(--two); } svg .unreachable { fill: var(--four); } svg .no-report { fill: var(--warn); }
svg .skip { fill: var(--line); } svg .inconclusive { fill: var(--six); }
svg .dot { fill: var(--one); opacity: .45; }
svg .odd { fill: var(--two); } svg .usual { stroke: var(--good); stroke-width: 1.5; stroke-dasharray: 5 3; }
svg.bar, svg.strip { min-width: 0; max-width: none; } svg.bar { height: 1.7rem; }
.ends { display: flex; justify-content: space-between; color: var(--soft); font-size: .8rem; }
.legend { display: flex; flex-wrap: wrap; gap: .2rem 1rem; }
"""


def safe(text: str | None) -> str:
    """Return text as HTML shows it."""
    return escape(clean(text or ""))


def render(fleet: FleetReport) -> str:
    """Return the page."""
    title = f"{WORDS[fleet.verdict]}: {headline(fleet)}"
    head = (
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">'
        f'<meta http-equiv="Content-Security-Policy" content="{escape(POLICY)}">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>gpucheck fleet: {safe(title)}</title><style>{STYLE}{MORE}</style></head><body><main>"
    )
    return "\n".join([head, *_body(fleet, title), "</main></body></html>", ""])


def _body(fleet: FleetReport, title: str) -> Iterator[str]:
    yield f'<header class="card verdict {escape(fleet.verdict)}"><h1>{safe(title)}</h1>'
    yield f'<p class="soft"><span class="badge {VERDICTS.get(fleet.verdict, "")}">{escape(fleet.verdict)}</span>'
    run = f" · run {safe(fleet.run)}" if fleet.run else ""
    yield f" exit status {fleet.exit_status} · gpucheck {__version__}{run}</p></header>"
    yield from _outcomes(fleet)
    yield from _actions(fleet)
    demands = [f"{name}: unmet on {shown(nodes)}" for name, nodes in fleet.demands]
    demands += [f"{name}: not known on {shown(nodes)}" for name, nodes in fleet.undetermined]
    yield from _listed("Demands", demands)
    yield from _drift(fleet)
    yield from _listed("Who is slow", [slow(one) for one in fleet.outliers])
    yield from _numbers(fleet.spreads)
    yield from _listed("Again and again", offences(fleet))
    yield from _nodes(fleet)
    yield from _listed("Not counted", left_out(fleet))


def _outcomes(fleet: FleetReport) -> Iterator[str]:
    """What became of the nodes, as one bar."""
    total = sum(fleet.counts.values()) or 1
    yield '<h2>Nodes</h2><figure class="card"><div class="wide">'
    shape = f'class="bar" viewBox="0 4 {WIDTH} 26" preserveAspectRatio="none"'
    yield f'<svg {shape} role="img" aria-label="{safe(headline(fleet))}">'
    left = 0.0
    for name, number in fleet.counts.items():
        width = number / total * WIDTH
        if number:
            # What is rare is what one looks for: no part is thinner than can be seen.
            x = min(left, WIDTH - 3)
            yield f'<rect class="{name}" x="{x:.1f}" y="4" width="{max(width, 3.0):.1f}" height="26"/>'
        left += width
    yield '</svg></div><figcaption class="legend">'
    for name, number in fleet.counts.items():
        if number:
            yield f'<span><span class="badge {OUTCOMES.get(name, "warn")}">{name}</span> {number:,}</span>'
    yield "</figcaption></figure>"
    kinds = [f"{number:,} node{'s' * (number != 1)} with {name}" for name, number in fleet.groups]
    yield from _listed("Kinds of nodes", kinds)


def _actions(fleet: FleetReport) -> Iterator[str]:
    if not fleet.actions:
        return
    yield "<h2>To do</h2>"
    for one in fleet.actions:
        block = f"<pre>{chr(10).join(map(safe, one.commands))}</pre>" if one.commands else ""
        yield f'<article class="card error"><h3>{safe(one.text)}</h3><p>{safe(one.how)} '
        yield f"<code>{safe(one.slug)}</code></p>{block}</article>"


def _drift(fleet: FleetReport) -> Iterator[str]:
    if not fleet.deviations:
        return
    yield '<h2>Who differs</h2><div class="card"><div class="wide"><table><thead><tr><th>What</th><th>Nodes</th>'
    yield "<th>Class</th><th>Why it matters</th></tr></thead><tbody>"
    for one in fleet.deviations:
        yield f'<tr><td class="reason">{_said(one)}</td><td>{len(one.nodes):,} of {one.size:,}</td>'
        yield f"<td>{one.matching}</td><td>{safe(one.reason)}</td></tr>"
    yield "</tbody></table></div></div>"


def _said(one: Deviation) -> str:
    if not one.also:
        return safe(sentence(one))
    rows = "".join(f"<li>{safe(text)}</li>" for text in one.also)
    return (
        f"{safe(sentence(one))}<details><summary>{len(one.also)} more of the same nodes</summary>"
        f"<ul>{rows}</ul></details>"
    )


def _listed(title: str, items: Iterable[str]) -> Iterator[str]:
    rows = [f"<li>{safe(item)}</li>" for item in items]
    if rows:
        yield f'<h2>{title}</h2><div class="card"><ul>{"".join(rows)}</ul></div>'


def _nodes(fleet: FleetReport) -> Iterator[str]:
    odd = [one for one in fleet.nodes if one.outcome != "ok" or not one.expected]
    if not odd:
        return
    more = f", the first {MOST_NODES}" if len(odd) > MOST_NODES else ""
    yield f'<h2>Nodes that are not ok</h2><details class="card" open><summary>{len(odd):,} nodes{more}</summary>'
    yield '<div class="wide"><table><thead><tr><th>Node</th><th>Outcome</th><th>Why</th></tr></thead><tbody>'
    for one in odd[:MOST_NODES]:
        badge = f'<span class="badge {OUTCOMES.get(one.outcome, "warn")}">{one.outcome}</span>'
        yield f'<tr><td class="name">{safe(one.node)}</td><td>{badge}</td>'
        yield f'<td class="reason">{safe(why(one))}</td></tr>'
    yield "</tbody></table></div></details>"


def _numbers(spreads: Iterable[Spread]) -> Iterator[str]:
    drawn = [one for one in spreads if len(one.values) > 1]
    if not drawn:
        return
    yield "<h2>Measured</h2>"
    for one in drawn:
        label = f"{one.number}, {one.unit}: {one.group}"
        odd = f"; {len(one.odd):,} outlier{'s' * (len(one.odd) != 1)}" if one.odd else ""
        yield f'<figure class="card"><div class="wide">{_strip(one, label)}</div><figcaption>{safe(label)} · '
        yield f"{len(one.values):,} nodes, median {figure(one.usual)}{odd}</figcaption></figure>"


def _strip(one: Spread, label: str) -> str:
    """One dot a node, along the number; their height says nothing, it only keeps them apart."""
    values = [value for _, value in one.values]
    least, most = min(values), max(values)
    pad = (most - least) * 0.03 or abs(most) * 0.05 or 1.0
    least, most = least - pad, most + pad

    def place(value: float) -> float:
        return LEFT + (value - least) / (most - least) * (WIDTH - LEFT - RIGHT)

    step = max(1, math.ceil(len(values) / MOST_DOTS))
    dots = []
    for number, (node, value) in enumerate(one.values):
        odd = node in one.odd
        if odd or number % step == 0:
            kind, radius = ("odd", 4) if odd else ("dot", 2.5)
            up = 20 + number * 37 % 61
            dot = f'<circle class="{kind}" cx="{place(value):.1f}" cy="{up}" r="{radius}"/>'
            dots.append(f"<g><title>{safe(node)}: {figure(value)}</title>{dot}</g>" if odd else dot)
    middle = place(one.usual)
    ends = f'<div class="ends"><span>{figure(least + pad)}</span><span>{figure(most - pad)}</span></div>'
    return (
        f'<svg class="strip" viewBox="0 0 {WIDTH} 100" role="img" aria-label="{safe(label)}">'
        f'<line class="grid" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="96" y2="96"/>'
        f'<line class="usual" x1="{middle:.1f}" x2="{middle:.1f}" y1="10" y2="96"/>{"".join(dots)}</svg>{ends}'
    )
