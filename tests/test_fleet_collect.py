"""Piles of reports into one verdict: nothing lost, every damage named, drift told as what it is."""

from __future__ import annotations

import io
import json
import random
from pathlib import Path
from typing import Any

import pytest
from fleet_data import changed, document, facts, failed, fleet, packed, planted, report

from gpucheck.cli import run
from gpucheck.fleet.contract import frames, write_report
from gpucheck.fleet.pile import Pile, PileError, read_pile
from gpucheck.fleet.summary import FleetReport, collect, judge_of
from gpucheck.policy import parse_requirement
from gpucheck.report import fleet as screen
from gpucheck.report import fleet_files, fleet_html

PLAIN = packed(report("NODE"))


def plain(name: str) -> bytes:
    return PLAIN.replace(b'"NODE"', f'"{name}"'.encode())


def pile(folder: Path, reports: dict[str, bytes]) -> Pile:
    for name, content in reports.items():
        write_report(folder, name, content)
    return read_pile([str(folder)])


def numbered(count: int, **odd: bytes) -> dict[str, bytes]:
    """``n1`` to ``nCOUNT``, all alike, and others as given."""
    return {**{f"n{number}": plain(f"n{number}") for number in range(1, count + 1)}, **odd}


def with_facts(name: str, **told: str) -> bytes:
    return changed(plain(name), facts={key.replace("_", " "): value for key, value in told.items()})


def told(fleet: FleetReport) -> str:
    return "\n".join("".join(piece.text for piece in line) for line in screen.lines(fleet, 1))


def test_all_is_well(tmp_path: Path) -> None:
    found = collect(pile(tmp_path, numbered(4)), ["n1", "n2", "n3", "n4"])
    assert (found.verdict, found.exit_status, found.counts["ok"]) == ("healthy", 0, 4)
    assert (found.actions, found.deviations, found.outliers, found.troubles, found.foreign) == ((), (), (), (), 0)
    assert found.groups == (("8 x NVIDIA H100 80GB HBM3 in gpu", 4),)


def test_every_damage_is_named_and_nothing_lost(tmp_path: Path) -> None:
    newer = {**report("newer"), "schema_version": 2}
    incomplete = {key: value for key, value in report("incomplete").items() if key != "complete"}
    reports = {
        "good": plain("good"),
        "half": plain("half")[:3000],
        "twice": plain("twice") + plain("twice"),
        "stranger": plain("somebody-else"),
        "newer": packed(newer),
        "garbage": b"\x00\x01Segmentation fault",
        "empty": b"",
        "incomplete": json.dumps(incomplete).encode(),
        "other": b'{"schema_version": 1}',
        "odd": packed({**report("odd"), "findings": 7}),
    }
    (tmp_path / "nodes").mkdir()
    (tmp_path / "nodes" / "notes.md").write_text("x")
    (tmp_path / "photo.jpg").write_bytes(b"x")
    found = collect(pile(tmp_path, reports))
    assert {one.node: one.outcome for one in found.nodes} == {
        name: "ok" if name == "good" else "no-report" for name in reports
    }
    said = {one.node: one.what for one in found.troubles}
    for name, words in {
        "half": "half a report: 3,000 bytes, and no end", "twice": "two reports in one file",
        "stranger": "is the report of somebody-else, not of stranger", "newer": "of a newer schema (2;",
        "garbage": "garbage", "empty": "empty", "incomplete": "does not say that it is complete",
        "other": "no report of gpucheck", "odd": "a damaged report",
    }.items():  # fmt: skip
        assert words in said[name], name
    assert found.foreign == 2
    assert found.exit_status == 3
    assert (tmp_path / "nodes" / "notes.md").read_text() == "x"


def test_a_stream_of_frames_and_json_lines(tmp_path: Path) -> None:
    framed = [line for name in ("a", "b", "c") for line in frames(plain(name), name)]
    random.Random(1).shuffle(framed)
    broken = list(frames(plain("d"), "d"))[1:]
    wrong = list(frames(plain("x"), "y"))
    stream = (
        b"".join(b"0: " + line for line in framed + broken + wrong) + b"hello\n" + plain("e") + b"\n" + plain("e")
    )
    found = collect(read_pile(["-"], stdin=io.BytesIO(stream)))
    assert {one.node: one.outcome for one in found.nodes} == {
        **dict.fromkeys("abce", "ok"), "d": "no-report", "y": "no-report",
    }  # fmt: skip
    text = told(found)
    for words in (
        "frames are missing: 1",
        "is the report of x, not of y",
        "one of two reports of e",
        "1 other file",
    ):
        assert words in text


def test_reports_from_ci_have_no_identity_and_the_file_or_folder_names_them(tmp_path: Path) -> None:
    for name in ("linux", "windows"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "report.json").write_text(json.dumps(document(), indent=2))
    (tmp_path / "mac.json").write_text(json.dumps(document()))
    (tmp_path / "package.json").write_text('{"name": "x"}')
    found = collect(read_pile([str(tmp_path)]))
    assert [one.node for one in found.nodes] == ["linux", "mac", "windows"]
    assert (found.exit_status, found.foreign) == (0, 1)
    one = collect(read_pile(["-"], stdin=io.BytesIO(json.dumps(document(), indent=2).encode())))
    assert one.counts["ok"] == 1


def test_missing_nodes_are_counted_against_the_list_and_the_launcher_says_why(tmp_path: Path) -> None:
    events = [
        {"node": "n4", "state": "running"},
        {"node": "n4", "state": "timeout", "reason": "30 s"},
        {"node": "n5", "state": "unreachable", "reason": "no route"},
        {"node": "n1", "state": "ok"},
    ]
    pile(tmp_path, numbered(3, extra=plain("extra")))
    (tmp_path / "events.jsonl").write_text("".join(json.dumps(one) + "\n" for one in events) + '{"node')
    (tmp_path / "manifest.json").write_text('{"nodes": "n[1-6]"}')
    made = read_pile([str(tmp_path)])
    found = collect(made)
    assert {one.node: one.outcome for one in found.nodes if one.outcome != "ok"} == {
        "n4": "timeout", "n5": "unreachable", "n6": "no-report",
    }  # fmt: skip
    assert [one.node for one in found.nodes if not one.expected] == ["extra"]
    assert (found.expected, found.exit_status) == (6, 3)
    assert "1 damaged line" in told(found)
    assert collect(made, demands=["complete"]).exit_status == 1


def test_one_line_for_all_that_need_the_same(tmp_path: Path) -> None:
    bad = {f"n{number}": packed(failed(report(f"n{number}"))) for number in (3, *range(5, 9))}
    found = collect(pile(tmp_path, {**numbered(12), **bad}))
    assert [one.text for one in found.actions] == ["5 nodes need a reboot: n[3,5-8]"]
    assert found.actions[0].commands == ("sudo reboot",)
    assert (found.exit_status, found.counts["fail"]) == (1, 5)


def test_a_minority_is_not_called_wrong_without_a_golden_file(tmp_path: Path) -> None:
    odd = {name: with_facts(name, driver_version="535.1") for name in ("n2", "n5")}
    made = pile(tmp_path, {**numbered(10), **odd})
    (one,) = collect(made).deviations
    assert (one.kind, one.fact, one.value, one.usual, one.nodes) == (
        "minority", "driver version", "535.1", "580.95.05", ("n2", "n5"),
    )  # fmt: skip
    assert "wrong" not in told(collect(made))
    assert collect(made).exit_status == 0
    assert collect(made, demands=["uniform"]).exit_status == 1
    golden = next(iter(read_pile([str(tmp_path / "nodes" / "n2.json")]).latest.entries.values()))
    against = collect(made, golden=golden)
    assert [(one.kind, len(one.nodes)) for one in against.deviations] == [("golden", 8)]
    assert (against.exit_status, against.golden) == (1, "n2")


def test_an_even_split_is_told_as_one_and_two_nodes_only_differ(tmp_path: Path) -> None:
    odd = {f"n{number}": with_facts(f"n{number}", kernel="6.9") for number in range(1, 6)}
    (one,) = collect(pile(tmp_path / "a", {**numbered(10), **odd})).deviations
    assert (one.kind, one.fact, one.value, one.usual) == ("split", "kernel", "5 x 6.9, 5 x 6.8.0-60", None)
    (one,) = collect(pile(tmp_path / "b", numbered(2, n1=with_facts("n1", kernel="6.9")))).deviations
    assert one.kind == "differs"


def test_free_facts_pools_and_other_kinds_are_no_drift(tmp_path: Path) -> None:
    reports = {f"n{n}": with_facts(f"n{n}", environment_CUDA_VISIBLE_DEVICES=str(n)) for n in range(5)}
    reports |= {f"t{n}": packed(report(f"t{n}", facts("Tesla T4", 2))) for n in range(3)}
    reports |= {f"p{n}": packed(report(f"p{n}", pool="old", facts={"driver version": "535.1"})) for n in range(3)}
    found = collect(pile(tmp_path, reports))
    assert not found.deviations
    assert len(found.groups) == 3


def test_missing_devices_against_peers(tmp_path: Path) -> None:
    odd = {"n3": with_facts("n3", GPU_count="7"), "n4": with_facts("n4", GPU_model="none", GPU_count="0")}
    found = collect(pile(tmp_path, {**numbered(20), **odd}))
    assert {(one.kind, one.value, one.nodes) for one in found.deviations} == {
        ("devices", "7", ("n3",)), ("devices", "0", ("n4",)),
    }  # fmt: skip


def test_outliers_need_enough_peers_and_a_distance(tmp_path: Path) -> None:
    def made(count: int, odd: float) -> dict[str, bytes]:
        values = {f"n{n}": 100 + n % 3 for n in range(count)} | {"n1": odd, "fast": 150.0}
        number = {"unit": "GB/s", "better": "high"}
        return {name: packed(report(name, numbers={"all-reduce": {"value": value, **number}}))
                for name, value in values.items()}  # fmt: skip

    found = collect(pile(tmp_path / "a", made(20, 82.0)))
    assert [(one.node, round(one.share, 2)) for one in found.outliers] == [("n1", -0.19)]
    assert not collect(pile(tmp_path / "b", made(20, 97.0))).outliers
    assert not collect(pile(tmp_path / "c", made(5, 50.0))).outliers


def test_repeat_offenders_over_several_runs(tmp_path: Path) -> None:
    for number in range(3):
        bad = packed(failed(report("n2", started=1e9 + number * 1e5, boot_id=f"boot-{number}")))
        pile(tmp_path / f"run{number}", {**numbered(4), "n2": bad, "n3": plain("n3") if number else bad[:500]})
    found = collect(read_pile([str(tmp_path)]))
    assert (found.run, found.runs) == ("run2", ("run0", "run1", "run2"))
    (one,) = found.offenders
    assert (one.node, one.failed, one.runs, one.boots) == ("n2", 3, 3, 3)
    assert "a reboot did not help" in told(found)


def test_demands_on_nodes(tmp_path: Path) -> None:
    write_report(tmp_path, "n1", plain("n1"))
    write_report(tmp_path, "n2", packed(report("n2", facts(count=4))))
    judge = judge_of([parse_requirement("gpu>=8"), parse_requirement("cudnn>=9")])
    found = collect(read_pile([str(tmp_path)], judge=judge))
    assert found.demands == (("gpu>=8", ("n2",)),)
    assert found.undetermined == (("cudnn>=9", ("n1", "n2")),)
    assert [one.outcome for one in found.nodes] == ["inconclusive", "fail"]


def test_planted_drift_of_one_percent_is_found_without_a_false_one(tmp_path: Path) -> None:
    (tmp_path / "nodes").mkdir()
    wanted: dict[str, set[str]] = {}
    for place, (name, content) in enumerate(fleet(2000)):
        made, what = planted(name, content, place)
        (tmp_path / "nodes" / f"{name}.json").write_bytes(made)
        if what is not None:
            wanted.setdefault(what, set()).add(name)
    found = collect(read_pile([str(tmp_path)]))
    got = {one.fact: set(one.nodes) for one in found.deviations}
    got |= {"torch training": {one.node for one in found.outliers}}
    assert got == wanted
    assert {one.kind for one in found.deviations} == {"minority", "devices"}
    assert len(wanted["driver version"]) == 20


ODD: list[Any] = [None, 7, -1.5, float("nan"), 10**400, "", "\ud800<x>", "9" * 5000, [], [[]], {}, {"a": {}}, True]


@pytest.mark.parametrize("seed", range(60))
def test_no_report_whatever_it_says_stops_the_others(tmp_path: Path, seed: int) -> None:
    rng = random.Random(seed)
    made = failed(report("odd", numbers={"x": {"value": 1.0, "unit": "s", "better": "low"}}))
    for _ in range(rng.randrange(1, 4)):
        place: Any = made
        while isinstance(place, (dict, list)) and place:
            key = rng.choice(list(place) if isinstance(place, dict) else range(len(place)))
            if rng.random() < 0.4 or not isinstance(place[key], (dict, list)):
                place[key] = rng.choice(ODD)
                break
            place = place[key]
    with_nodes = pile(tmp_path, numbered(3, odd=json.dumps(made).encode()))
    (tmp_path / "events.jsonl").write_text(
        json.dumps({"node": "n9", "state": "timeout", "reason": rng.choice(ODD)})
    )
    judge = judge_of([parse_requirement("gpu>=8")])
    for one in (with_nodes, read_pile([str(tmp_path)], judge=judge)):
        found = collect(one)
        assert {"n1", "n2", "n3", "odd"} <= {one.node for one in found.nodes}
        for made_of in (told, screen.render, fleet_files.markdown, fleet_files.junit, fleet_html.render):
            assert made_of(found)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["nowhere"], "nowhere: there is no such file or folder"),
        (["."], "there is no report to judge"),
        ([".", "--expect", "n[3-1]"], "character 3: 3-1 goes backwards"),
        ([".", "--golden", "x.json"], "--golden x.json: cannot be read: No such file"),
        ([".", "--require", "gpus>=1"], "did you mean 'gpu'"),
        ([".", "--format", "sarif"], "a fleet is told as text"),
        (["-", "-"], "there is one stdin"),
    ],
)
def test_bad_input_is_one_line(
    tmp_path: Path, monkeypatch: Any, capsys: Any, arguments: list[str], words: str
) -> None:
    monkeypatch.chdir(tmp_path)
    assert run(["fleet", "collect", *arguments]) == 2
    said = capsys.readouterr()
    assert words in said.err
    assert (said.err.count("\n"), said.out) == (1, "")


def test_nothing_there_is_an_error_only_where_nothing_was_expected(tmp_path: Path) -> None:
    (tmp_path / "nodes").mkdir()
    with pytest.raises(PileError, match="no report"):
        collect(read_pile([str(tmp_path)]))
    assert collect(read_pile([str(tmp_path)]), ["n1"]).exit_status == 3
