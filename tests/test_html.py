"""The HTML report: well-formed, alone in the world, and looked at in a real browser."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest
from format_data import ALL, crowded, curves, report, trained
from format_readers import read

from gpucheck.findings import Report, Severity
from gpucheck.report import html
from gpucheck.report.cleaning import Redactor
from gpucheck.report.curves import charts


@pytest.mark.parametrize("one", ALL.values(), ids=list(ALL))
def test_every_report_is_a_whole_page(one: Report) -> None:
    page = html.render(one, None)
    reader = read(page)
    assert all(re.match(r"https?://", link) for link in reader.links)
    words = "".join(reader.words)
    assert all(finding.slug in words for finding in one.findings if finding.slug in one.root_causes)
    assert one.verdict in words
    assert not re.search(r"url\(|@import|<script|<link|<iframe", page)


def test_hostile_text_stays_text() -> None:
    page = html.render(ALL["hostile"], None)
    assert "<script" not in page
    assert "javascript:x" in "".join(read(page).words)
    assert not [link for link in read(page).links if "javascript" in link]
    assert page.isprintable() or not re.search(r"[\x00-\x09\x0b-\x1f\x7f]", page)
    page.encode()


def test_causes_come_before_what_follows_and_the_rest() -> None:
    page = html.render(report("an updated driver before the reboot"), None)
    words = "".join(read(page).words)
    order = ["Problem: driver-library-mismatch", "570.211.01", "Why", "Do", "sudo reboot", "Machine", "checks"]
    assert [words.index(one) for one in order] == sorted(words.index(one) for one in order)


def test_private_names_are_taken_out() -> None:
    one = crowded(1, Severity.ERROR)
    one = replace(one, findings=(replace(one.findings[0], title="/home/ida/x on box17", cause="ida"),))
    text = html.render(one, Redactor("/home/ida", "ida", "box17"))
    assert "~/x on &lt;host&gt;" in text
    assert "ida" not in "".join(read(text).words)


def test_curves_of_folds_and_of_one_training() -> None:
    one, folded = trained().facts.smoke
    for run, count in ((one, 2), (folded, 10)):
        pictures = list(charts(run))
        assert [title.split()[0] for title, _ in pictures] == ["loss", "accuracy"]
        assert all(picture.count("<polyline") == count for _, picture in pictures)


@pytest.mark.parametrize(
    "made",
    [
        {},
        {"images": (), "loss": ()},
        {"images": (500.0,), "loss": (1.0,), "accuracy": (0.0,)},
        {"images": (500.0, 1000.0), "loss": (float("nan"), float("inf")), "accuracy": (0.1, float("nan"))},
        {"images": (500.0, 1000.0), "loss": (2.0, 2.0), "accuracy": (1.0, 1.0)},
        {"images": (1.0, 2.0), "loss": (1e-30, 1e30), "accuracy": (-1e300, 1e300)},
        {"images": (0.0, 0.0), "loss": (0.0, 0.0)},
        curves(400),
    ],
    ids=str,
)
def test_odd_curves_are_drawn_or_left_out(made: dict[str, tuple[float, ...]]) -> None:
    run = replace(trained().facts.smoke[0], curves=made)
    for _, picture in charts(run):
        read(picture)
        assert not re.search(r"nan|inf", picture)
        numbers = [float(text) for text in re.findall(r'[ ,"](-?[0-9.]+)(?=[ ,"])', picture)]
        assert all(-1 <= number <= 641 for number in numbers)
        assert picture.count("<text") < 30


@pytest.mark.slow
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 390])
def test_a_browser_shows_it_whole_and_alone(browser, tmp_path: Path, scheme: str, width: int) -> None:
    context = browser.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme)
    tab, asked, said = context.new_page(), [], []
    tab.on("request", lambda request: asked.append(request.url))
    tab.on("console", lambda line: said.append(line.text))
    tab.on("pageerror", lambda problem: said.append(str(problem)))
    tab.on("dialog", lambda dialog: said.append(dialog.message))
    for name in ("hostile", "trained", "crowded with errors"):
        path = tmp_path / "report.html"
        path.write_text(html.render(ALL[name], None), encoding="utf-8")
        asked.clear()
        tab.goto(path.as_uri())
        tab.evaluate("document.querySelectorAll('details').forEach(one => one.open = true)")
        assert tab.evaluate("document.documentElement.scrollWidth") <= width, name
        assert tab.inner_text("h1")
        assert tab.is_visible("th >> text=Reason")
        assert asked == [path.as_uri()]
        dark = tab.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(14, 17, 22)"
        assert dark is (scheme == "dark")
    assert said == []
    context.close()


@pytest.mark.slow
def test_what_a_reader_sees_of_a_hostile_name_is_its_text(browser, tmp_path: Path) -> None:
    tab = browser.new_page()
    path = tmp_path / "report.html"
    path.write_text(html.render(ALL["hostile"], None), encoding="utf-8")
    tab.goto(path.as_uri())
    assert '<script>alert(1)</script>|::error::%0A" ]]>' in tab.inner_text("article h3")
    assert tab.evaluate("document.querySelectorAll('script').length") == 0
    tab.close()
