"""What belongs to which run: clocks that are wrong, reports brought by hand, logs with anything in them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from conftest import write
from fleet_data import failed, packed, report

from gpucheck.cli import run
from gpucheck.fleet.contract import encoded, frames, write_report
from gpucheck.fleet.outliers import MOST_SHARE
from gpucheck.fleet.pile import read_pile
from gpucheck.fleet.runs import PileError
from gpucheck.fleet.summary import FleetReport, collect


def judged(*sources: object) -> FleetReport:
    return collect(read_pile([str(one) for one in sources]))


def made(folder: Path, *nodes: str, began: str = "", state: str = "ok", reports: bool = True) -> Path:
    """A run's folder: its nodes, when its launcher began, and how they ended."""
    write(folder / "manifest.json", json.dumps({"nodes": list(nodes)}))
    events = [{"time": began, "node": None, "state": "begin"}] if began else []
    events += [{"time": began, "node": node, "state": state} for node in nodes]
    write(folder / "events.jsonl", "".join(f"{json.dumps(one)}\n" for one in events))
    for node in nodes if reports else ():
        write_report(folder, node, encoded(report(node)))
    return folder


def at(node: str, moment: str) -> bytes:
    content = report(node)
    content["node"]["started"] = moment
    return packed(content)


def test_the_newest_run_is_judged_also_where_nobody_answered(tmp_path: Path) -> None:
    made(tmp_path / "monday", "n1", "n2", began="2026-01-05T08:00:00Z")
    made(tmp_path / "tuesday", "n1", "n2", began="2026-01-06T08:00:00Z", state="timeout", reports=False)
    found = judged(tmp_path)
    assert (found.run, found.exit_status, found.counts["timeout"]) == ("tuesday", 3, 2)


@pytest.mark.parametrize("began", ["", "2026-01-06T08:00:00Z"])
def test_one_wrong_clock_makes_no_older_run_the_latest(tmp_path: Path, began: str) -> None:
    for label, day in (("monday", "05"), ("tuesday", "06")):
        made(tmp_path / label, "n1", "n2", "n3", began=began.replace("06", day))
        for node in ("n1", "n2", "n3"):
            write_report(tmp_path / label, node, at(node, f"2026-01-{day}T08:00:01Z"))
    write_report(tmp_path / "tuesday", "n2", at("n2", "1970-01-01T00:00:00Z"))
    assert judged(tmp_path).run == "tuesday"


def test_a_report_that_was_brought_by_hand_is_part_of_the_run(tmp_path: Path) -> None:
    made(tmp_path / "run", *(f"n{number}" for number in range(4)), began="2026-01-05T08:00:00Z")
    (tmp_path / "run/nodes/n3.json").unlink()
    late = tmp_path / "n3.json"
    late.write_bytes(packed(failed(report("n3"))))
    alone = judged(tmp_path / "run")
    assert (alone.counts["ok"], alone.counts["no-report"]) == (3, 1)
    found = judged(tmp_path / "run", late)
    assert (found.counts["ok"], found.counts["fail"], found.expected) == (3, 1, 4)
    made(tmp_path / "other", "n1", began="2026-01-06T08:00:00Z")
    with pytest.raises(PileError, match="to which of the 2 runs does it belong"):
        judged(tmp_path / "run", tmp_path / "other", late)


def test_reports_beside_the_runs_are_named(tmp_path: Path) -> None:
    made(tmp_path / "runs/monday", "n1", began="2026-01-05T08:00:00Z")
    write_report(tmp_path / "runs/x/y", "n5", packed(failed(report("n5"))))
    (tmp_path / "runs/n6.json").write_bytes(packed(failed(report("n6"))))
    found = judged(tmp_path / "runs")
    assert any("2 files beside the folders of runs not read" in one.what for one in found.troubles)


def test_another_tools_json_in_the_middle_of_a_stream_swallows_nothing(tmp_path: Path) -> None:
    lines = [line for number in range(6) for line in frames(encoded(report(f"n{number}")), f"n{number}")]
    foreign = [b"{\n", b'  "a": [\n', b"  1\n", b"  ]\n", b"}\n", b"some words\n"]
    pretty = json.dumps(report("n8"), indent=2).encode() + b"\n"
    half = len(lines) // 2
    log = tmp_path / "all.log"
    more = [pretty, pretty.replace(b"n8", b"n9"), b"{\n"]
    log.write_bytes(b"".join([*lines[:half], *foreign, *more, *lines[half:]]))
    found = judged(log)
    assert {one.node for one in found.nodes if one.outcome == "ok"} == {
        f"n{number}" for number in (*range(6), 8, 9)
    }
    # Nodes share the stream: a frame may stand in the middle of another one's document.
    first, *rest = pretty.splitlines(keepends=True)
    log.write_bytes(b"".join([first, *lines, *rest]))
    assert len(judged(log).nodes) == 7


def test_logs_in_a_folder_are_read_and_others_left_alone(tmp_path: Path) -> None:
    for number in (1, 2):
        framed = b"".join(frames(encoded(report(f"n{number}")), f"n{number}"))
        (tmp_path / f"job{number}.out").write_bytes(b"hello\n" + framed + b"bye\n")
    with (tmp_path / "job2.out").open("a") as log:
        log.write('{"level": "info"}\n' * 3_000)
    write(tmp_path / "notes.txt", "a\nb\nc\n")
    write(tmp_path / "other.json", '{"a": 1}')
    found = judged(tmp_path)
    assert ([one.node for one in found.nodes], found.foreign, found.troubles) == (["n1", "n2"], 2, ())


def test_a_nonsensical_number_breaks_no_format(tmp_path: Path, capsys) -> None:
    for number in range(20):
        value = 1e308 if number == 7 else 1e-3 + number * 1e-7
        told = {"reading": {"value": value, "unit": "ms", "better": "low"}}
        write_report(tmp_path, f"n{number}", encoded(report(f"n{number}", numbers=told)))
    assert run(["fleet", "collect", str(tmp_path), "--format", "json"]) == 0
    (odd,) = json.loads(capsys.readouterr().out)["outliers"]
    assert (odd["node"], odd["share"]) == ("n7", MOST_SHARE)
    run(["fleet", "collect", str(tmp_path)])
    assert max(map(len, capsys.readouterr().out.splitlines())) < 200
