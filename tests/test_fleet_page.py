"""A fleet's verdict in every format; the page looked at in a real browser. And what changed between two runs."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import format_readers
import pytest
from conftest import validate
from fleet_data import changed, failed, fleet, packed, planted, report
from format_data import HOSTILE

from gpucheck.cli import run
from gpucheck.fleet.contract import write_report
from gpucheck.fleet.pile import read_pile
from gpucheck.fleet.summary import FleetReport, collect
from gpucheck.report import fleet as screen
from gpucheck.report import fleet_files, fleet_html

NUMBER = {"unit": "examples/s", "better": "high"}


def make(folder: Path, hostile: bool = False) -> Path:
    """Two runs of 300 nodes: drift, an outlier, failures, a missing node, half a report, a repeat offender."""
    for label in ("monday", "tuesday"):
        for place, (name, content) in enumerate(fleet(300, 3)):
            made, _ = planted(name, content, place)
            if place == 40 or (place % 50 == 3 and label == "tuesday"):
                made = packed(failed(json.loads(made)))
            if label == "tuesday":
                made = made.replace(b'"started":"2025-11-24', b'"started":"2025-11-25')
            write_report(folder / label, name, made[:2000] if place == 60 else made)
        (folder / label / "manifest.json").write_text('{"nodes": "node-[001-301]"}')
    if hostile:
        text = HOSTILE.replace("\ud800", "")
        odd = report("x", pool=text, facts={"driver version": text}, numbers={text: {"value": 1.0, **NUMBER}})
        write_report(folder / "tuesday", text, packed({**odd, "node": {**odd["node"], "name": text}}))
    return folder


@pytest.fixture(scope="module")
def judged(tmp_path_factory: pytest.TempPathFactory) -> FleetReport:
    return collect(read_pile([str(make(tmp_path_factory.mktemp("runs"), hostile=True))]))


def test_the_screen_says_what_to_do_first(judged: FleetReport) -> None:
    text = ["".join(piece.text for piece in line) for line in screen.lines(judged)]
    assert text[0] == "Problem: 292 of 301 expected nodes ok, 7 fail, 2 no-report, 1 not expected"
    assert text[1].startswith(" → 7 nodes need a reboot: node-[004,041,054,104,154,204,254]")
    assert text[2].startswith(" → 2 nodes have not reported: node-[061,301]")
    assert any(line.startswith(" ! again and again: node-041 in 2 of 2 runs") for line in text)
    assert any("minority: driver version 535.104.05, others 580.95.05, on 3 of" in line for line in text)
    assert any("outlier: torch training 40,000 examples/s on node-023, -20%" in line for line in text)
    assert text[-1] == "exit 1"
    (one,) = screen.lines(judged, -1)
    assert one[0].text == "Problem: "


def test_json_has_everything(judged: FleetReport) -> None:
    made = json.loads(screen.render(judged))
    validate("fleet", made)
    assert (made["kind"], made["verdict"], made["exit_status"]) == ("fleet", "problem", 1)
    assert sum(made["counts"].values()) == len(made["nodes"]) == 302
    assert {one["kind"] for one in made["drift"]} == {"minority", "devices"}
    assert all(list(one) == list(made["nodes"][0]) for one in made["nodes"])


def test_markdown_and_junit(judged: FleetReport) -> None:
    text = fleet_files.markdown(judged)
    assert "#### To do" in text
    assert not re.search(r"(?<!\\)<script", text)
    root = ElementTree.fromstring(fleet_files.junit(judged))
    cases = root.findall("testsuite/testcase")
    assert len({case.get("name") for case in cases}) == len(cases) == 302
    assert (root.get("failures"), root.get("errors"), root.get("tests")) == ("7", "2", "302")


def test_the_page_is_whole_and_hostile_text_stays_text(judged: FleetReport, monkeypatch: Any) -> None:
    monkeypatch.setattr(format_readers, "ALLOWED", format_readers.ALLOWED | {"g"})
    monkeypatch.setattr(format_readers, "VOID", format_readers.VOID | {"rect"})
    page = fleet_html.render(judged)
    reader = format_readers.read(page)
    assert reader.links == []
    assert not re.search(r"url\(|@import|<script|<link|<iframe|nan", page)
    words = "".join(reader.words)
    for text in ("7 nodes need a reboot", "minority: driver version", "half a report", "node-023: 40,000"):
        assert text in words


@pytest.mark.slow
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 390])
def test_a_browser_shows_it_whole_and_alone(
    browser: Any,
    judged: FleetReport,
    tmp_path: Path,
    scheme: str,
    width: int,
) -> None:
    context = browser.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme)
    tab, asked, said = context.new_page(), [], []
    tab.on("request", lambda request: asked.append(request.url))
    tab.on("console", lambda line: said.append(line.text))
    tab.on("pageerror", lambda problem: said.append(str(problem)))
    path = tmp_path / "fleet.html"
    path.write_text(fleet_html.render(judged), encoding="utf-8")
    tab.goto(path.as_uri())
    assert tab.evaluate("document.documentElement.scrollWidth") <= width
    assert tab.inner_text("h1").startswith("Problem: 292 of 301")
    assert tab.is_visible("circle.odd")
    assert tab.evaluate("document.querySelector('rect.fail').getBoundingClientRect().width") >= 1
    assert (asked, said) == ([path.as_uri()], [])
    context.close()


def test_what_changed_between_two_runs(tmp_path: Path, capsys: Any) -> None:
    runs = make(tmp_path)
    for _, content in list(fleet(300, 3))[:3]:
        name = json.loads(content)["node"]["name"]
        newer = changed(
            content, facts={"driver version": "590.1"}, numbers={"torch training": {"value": 9e4, **NUMBER}}
        )
        write_report(runs / "tuesday", name, newer)
    assert run(["fleet", "diff", str(runs / "monday"), str(runs / "tuesday")]) == 1
    text = capsys.readouterr().out
    assert "ok -> fail on 6 nodes: node-[004,054,104,154,204,254]" in text
    assert "driver-library-mismatch is new on 6 nodes" in text
    assert "driver version 580.95.05 -> 590.1 on 3 nodes: node-[001-003]" in text
    assert run(["fleet", "diff", str(runs / "monday"), str(runs / "monday"), "--format", "json"]) == 0
    assert json.loads(capsys.readouterr().out)["same"] is True
    assert run(["fleet", "diff", str(runs / "monday"), str(runs / "tuesday"), "--format", "json"]) == 1
    validate("fleet-difference", json.loads(capsys.readouterr().out))
    assert run(["fleet", "diff", str(runs / "monday"), str(tmp_path / "none")]) == 2


def test_the_command_writes_every_format(tmp_path: Path, capsys: Any) -> None:
    runs, files = make(tmp_path / "runs"), []
    for form in ("json", "markdown", "html", "junit"):
        files += ["--format", f"{form}={tmp_path / form}"]
    arguments = [str(runs), "--expect", "node-[001-300]", *files, "--format", "text", "--require", "complete"]
    assert run(["fleet", "collect", *arguments]) == 1
    assert "complete: unmet on 1: node-061" in capsys.readouterr().out
    assert all((tmp_path / form).stat().st_size for form in ("json", "markdown", "html", "junit"))
