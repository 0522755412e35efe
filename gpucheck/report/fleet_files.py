"""A fleet's verdict as Markdown, and as JUnit's XML with a test case a node."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gpucheck import __version__
from gpucheck.fleet.classes import MUST
from gpucheck.fleet.nodes import shown
from gpucheck.report.cleaning import clean
from gpucheck.report.fleet import WORDS, headline, left_out, offences, sentence, slow
from gpucheck.report.junit import FORBIDDEN
from gpucheck.report.markdown import code, words

if TYPE_CHECKING:
    from collections.abc import Iterator
    from xml.etree.ElementTree import Element

    from gpucheck.fleet.outcomes import Outcome
    from gpucheck.fleet.summary import FleetReport

SIGNS = {"healthy": "✅", "problem": "❌", "inconclusive": "❔"}
MOST_NODES = 500  # rows of the table of nodes that are not ok
FAILED, SKIPPED = ("fail",), ("skip",)


def markdown(fleet: FleetReport) -> str:
    """Return the verdict as Markdown; text from outside stays text."""
    return "\n".join(_markdown(fleet)) + "\n"


def _markdown(fleet: FleetReport) -> Iterator[str]:
    yield f"### {SIGNS[fleet.verdict]} {WORDS[fleet.verdict]}: {words(headline(fleet))}"
    yield ""
    actions = [
        f"**{words(one.text)}** {words(one.how)}{''.join(f' {code(command)}' for command in one.commands)}"
        for one in fleet.actions
    ]
    demands = [f"{words(name)}: unmet on {words(shown(nodes))}" for name, nodes in fleet.demands]
    demands += [f"{words(name)}: not known on {words(shown(nodes))}" for name, nodes in fleet.undetermined]
    drift = [
        words(sentence(one)) + (f" (the same nodes: {words('; '.join(one.also))})" if one.also else "")
        for one in fleet.deviations
    ]
    for title, items in (
        ("To do", actions),
        ("Demands", demands),
        ("Who differs", drift),
        ("Who is slow", [words(slow(one)) for one in fleet.outliers]),
        ("Again and again", [words(text) for text in offences(fleet)]),
        ("Not counted", [words(text) for text in left_out(fleet)]),
    ):
        if items:
            yield f"#### {title}"
            yield ""
            yield from (f"- {item}" for item in items)
            yield ""
    yield from _table(fleet)
    kinds = "; ".join(f"{number:,} x {name}" for name, number in fleet.groups)
    yield f"{words(kinds)}. gpucheck {__version__}, exit status {fleet.exit_status}"


def _table(fleet: FleetReport) -> Iterator[str]:
    odd = [one for one in fleet.nodes if one.outcome != "ok" or not one.expected]
    if not odd:
        return
    yield "| node | outcome | why |"
    yield "|---|---|---|"
    for one in odd[:MOST_NODES]:
        yield f"| {words(one.node)} | {one.outcome} | {words(why(one))} |"
    if len(odd) > MOST_NODES:
        yield f"| … | | and {len(odd) - MOST_NODES:,} more |"
    yield ""


def why(one: Outcome) -> str:
    """Return why a node is not ok."""
    extra = "" if one.expected else "not expected"
    return ", ".join(filter(None, (one.reason, extra)))


def junit(fleet: FleetReport) -> str:
    """Return the verdict as JUnit's XML: a case a node; absence is an error, who differs stands in the output."""
    from xml.etree.ElementTree import Element, SubElement, indent, tostring

    root = Element("testsuites", name="gpucheck fleet")
    suite = SubElement(root, "testsuite", name="gpucheck.fleet")
    for one in fleet.nodes:
        _case(one, suite)
    for wrong in fleet.deviations:
        if wrong.kind == "golden":
            name = tell(f"{wrong.fact} {wrong.value}")
            case = SubElement(suite, "testcase", classname="gpucheck.fleet.golden", name=name, time="0")
            kind = "failure" if wrong.matching == MUST else "skipped"
            SubElement(case, kind, message=tell(sentence(wrong)), type=wrong.matching)
    told = [*(sentence(one) for one in fleet.deviations), *map(slow, fleet.outliers), *offences(fleet)]
    told += left_out(fleet)
    for kind in ("failure", "error", "skipped"):
        number = str(len(suite.findall(f"testcase/{kind}")))
        suite.set(kind if kind == "skipped" else f"{kind}s", number)
        if kind != "skipped":
            root.set(f"{kind}s", number)
    for element in (suite, root):
        element.set("tests", str(len(suite.findall("testcase"))))
        element.set("time", "0")
    if told:
        SubElement(suite, "system-out").text = "\n".join(map(tell, told))
    indent(root)
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{tostring(root, encoding="unicode")}\n'


def _case(one: Outcome, suite: Element) -> None:
    from xml.etree.ElementTree import SubElement

    time = f"{one.seconds or 0:.3f}"
    case = SubElement(suite, "testcase", classname="gpucheck.fleet", name=tell(one.node), time=time)
    if one.outcome == "ok":
        return
    kind = "failure" if one.outcome in FAILED else "skipped" if one.outcome in SKIPPED else "error"
    SubElement(case, kind, message=tell(why(one) or one.outcome), type=one.outcome)


def tell(text: str) -> str:
    """Return text that XML can carry."""
    return FORBIDDEN.sub(lambda found: f"\\u{ord(found.group()):04x}", clean(text))
