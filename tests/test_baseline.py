"""Accepted findings, and the history of this machine."""

from __future__ import annotations

import datetime
import json
from dataclasses import replace
from pathlib import Path

import pytest
from remembered import machine

from gpucheck import remembering
from gpucheck.diagnosis import diagnose
from gpucheck.findings import CheckResult, FailOn, Finding, Report, Severity, Status
from gpucheck.matrix import Matrix
from gpucheck.memory import baseline as accepting
from gpucheck.memory.baseline import Entry, read, updated, write
from gpucheck.memory.past import MOST, Past
from gpucheck.report import changes
from gpucheck.report.cleaning import Redactor

TODAY = datetime.date(2026, 11, 25)
MATRIX = Matrix()


def report(**changed) -> Report:
    return diagnose(machine(**changed), MATRIX)


def broken() -> Report:
    return report(torch__cudnn_loaded="9.8.0")


def applied(judged: Report, *entries: Entry, **options) -> Report:
    return accepting.apply(judged, entries, today=TODAY, **options)


def entry(slug: str = "cudnn-version-mismatch", subject: str | None = "torch", **more) -> Entry:
    return Entry(slug=slug, subject=subject, reason="ticket 12", date=TODAY, **more)


def lines(judged: Report, since: remembering.Since | None = None) -> list[str]:
    return ["".join(piece.text for piece in line).strip() for line in changes.notes(judged, since)]


@pytest.mark.parametrize("subject", ["torch", None])
def test_an_accepted_finding_is_shown_and_does_not_count(subject: str | None) -> None:
    before = broken()
    assert (before.exit_status, before.verdict, before.root_causes) == (1, "problem", ("cudnn-version-mismatch",))
    after = applied(before, entry(subject=subject))
    assert (after.exit_status, after.verdict, after.root_causes) == (0, "healthy", ())
    found = after.findings[0]
    assert (found.slug, found.severity) == ("cudnn-version-mismatch", Severity.INFO)
    assert found.title.endswith(" (accepted: ticket 12)")
    assert found.cause.startswith("Accepted on 2026-11-25: ticket 12. The loader takes")
    assert lines(after) == []
    assert applied(before, entry(), fail_on=FailOn.INFO).exit_status == 0
    assert [check for check in after.checks if check.status is Status.FAIL]


def test_others_still_count() -> None:
    both = report(torch__cudnn_loaded="9.8.0", driver__version="470.82.01", driver__driver_cuda="11.4")
    after = applied(both, entry())
    assert (after.exit_status, after.root_causes) == (1, ("driver-too-old",))
    assert applied(broken(), entry(subject="tensorflow")).exit_status == 1


def test_a_demand_may_be_accepted() -> None:
    unmet = Finding(slug="requirement-unmet", severity=Severity.ERROR, title="gpu>=4", cause="2", subject="gpu")
    demand = CheckResult(name="x", family="policy", status=Status.FAIL, findings=(unmet,))
    judged = diagnose(machine(), MATRIX, demanded=[demand])
    assert judged.exit_status == 1
    assert applied(judged, entry("requirement-unmet", "gpu")).exit_status == 0


def test_the_consequences_of_what_is_accepted_count() -> None:
    cause = Finding(slug="driver-too-old", severity=Severity.ERROR, title="a", cause="b", explains=("x-follows",))
    other = Finding(slug="x-follows", severity=Severity.ERROR, title="a", cause="b")
    check = CheckResult(name="x", family="y", status=Status.FAIL, findings=(cause, other))
    judged = replace(report(), findings=(cause, other), checks=(check,), root_causes=("driver-too-old",))
    after = applied(judged, entry("driver-too-old", None))
    assert (after.exit_status, after.root_causes) == (1, ("x-follows",))


def test_entries_that_do_nothing_are_told() -> None:
    after = applied(broken(), entry(), entry("tf32-in-use", None), entry(until=datetime.date(2026, 11, 24)))
    assert after.exit_status == 0
    assert lines(after) == [
        "· baseline: tf32-in-use is accepted, but is not found here: the entry can be taken out",
        "· baseline: cudnn-version-mismatch (torch) was accepted until 2026-11-24 only: it counts again",
    ]
    over = applied(broken(), entry(until=datetime.date(2026, 11, 24)))
    assert (over.exit_status, over.root_causes) == (1, ("cudnn-version-mismatch",))
    assert applied(broken(), entry(until=TODAY)).exit_status == 0


def test_an_idle_entry_judges_nothing() -> None:
    empty = replace(report(), checks=(), findings=())
    assert applied(empty, entry()).exit_status == 3


def test_it_is_written_and_read_back(tmp_path: Path) -> None:
    path = tmp_path / "accepted.toml"
    made = remembering.update_baseline(broken(), path)
    assert [(one.slug, one.subject) for one in made] == [("cudnn-version-mismatch", "torch")]
    assert read(path.read_text(), "x") == made
    assert remembering.apply_baseline(broken(), path).exit_status == 0
    said = path.read_text().replace('reason = "not told"', 'reason = "we know"')
    path.write_text(said)
    remembering.update_baseline(broken(), path)
    assert 'reason = "we know"' in path.read_text()
    remembering.update_baseline(report(), path)
    assert "[[accepted]]" not in path.read_text()
    assert remembering.read_baseline(path) == ()


def test_any_text_survives_and_private_names_do_not() -> None:
    odd = entry("a-b", 'a "quoted" \\ \x7f\n\t é 🦊 path')
    assert read(write([odd]), "x") == (odd,)
    redactor = Redactor(home="/home/zaphod", user="zaphod", host="heart-of-gold")
    found = Finding(slug="s", severity=Severity.WARN, title="t", cause="c", subject="/home/zaphod/x.so")
    judged = replace(report(), findings=(found,))
    made = updated(judged, (), today=TODAY, redactor=redactor)
    assert made[0].subject == "~/x.so"
    assert applied(judged, *made, redactor=redactor).findings[0].severity is Severity.INFO


def test_an_expired_entry_is_accepted_anew() -> None:
    old = replace(entry(until=datetime.date(2026, 1, 1)), date=datetime.date(2025, 1, 1))
    assert updated(broken(), (old,), today=TODAY) == (entry(),)


GOOD = 'slug = "a"\nreason = "b"\ndate = 2026-11-25\n'


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("[[accepted", "is not valid TOML"),
        ("x = 1", "'x' is not part of a baseline"),
        ("accepted = 3", "'accepted' is not part"),
        ("accepted = [3]", "accepted[0]: a table"),
        (f"[[accepted]]\n{GOOD}whom = 3", "accepted[0]: unknown key 'whom'"),
        ('[[accepted]]\nslug = "a"\ndate = 2026-11-25', "accepted[0]: 'reason' must be a text"),
        ('[[accepted]]\nslug = "a"\nreason = ""\ndate = 2026-11-25', "'reason' must be a text"),
        ('[[accepted]]\nslug = "a"\nreason = "b"\ndate = "x"', "'date' must be a date"),
        (f"[[accepted]]\n{GOOD}until = 3", "'until' must be a date"),
        (f"[[accepted]]\n{GOOD}subject = 3", "'subject' must be a text"),
    ],
)
def test_a_damaged_file_is_told_in_one_line(tmp_path: Path, text: str, why: str) -> None:
    path = tmp_path / "accepted.toml"
    path.write_text(text)
    with pytest.raises(accepting.BaselineError) as told:
        remembering.read_baseline(path)
    assert why in str(told.value)
    assert str(path) in str(told.value)


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(accepting.BaselineError, match="cannot be read: No such file"):
        remembering.read_baseline(tmp_path / "no.toml")
    assert remembering.read_baseline(tmp_path / "no.toml", update=True) == ()
    with pytest.raises(ValueError, match="is not there"):
        remembering.read_baseline(tmp_path / "no/no.toml", update=True)
    (tmp_path / "bytes.toml").write_bytes(b"\xff")
    with pytest.raises(accepting.BaselineError, match="is not UTF-8"):
        remembering.read_baseline(tmp_path / "bytes.toml")


@pytest.fixture
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    return tmp_path / "state/gpucheck/history"


def test_what_changed_since_the_last_good_run(state: Path) -> None:
    assert lines(report(), remembering.history(report())) == []
    assert lines(report(), remembering.history(report())) == []
    assert len(list(state.glob("*.snapshot.json"))) == 1
    told = lines(broken(), remembering.history(broken()))
    assert told[0].startswith("changed since the last good run (20")
    assert told[1:] == [
        "✗ cuDNN 9.10.2 -> 9.8.0, below what torch was built with: explains cudnn-version-mismatch"
    ]
    assert len(list(state.iterdir())) == 4
    assert lines(broken(), remembering.history(broken())) == told
    assert all(path.stat().st_mode & 0o077 == 0 for path in (state, *state.iterdir()))
    elsewhere = report(torch__cudnn_loaded="9.8.0", interpreter={"executable": "/b/python", "version": "3.12.1"})
    assert remembering.changed_since_last_good(elsewhere).difference is None


def test_looking_writes_nothing(state: Path, gpucheck, tmp_path: Path) -> None:
    assert remembering.changed_since_last_good(report()) == remembering.Since()
    gpucheck("doctor", env={"XDG_STATE_HOME": str(tmp_path / "state")})
    gpucheck("snapshot", env={"XDG_STATE_HOME": str(tmp_path / "state")})
    assert not (tmp_path / "state").exists()


def test_a_damaged_history_is_ignored_with_a_line(state: Path) -> None:
    remembering.history(report())
    for path in state.iterdir():
        path.write_text(path.read_text()[:-20])
    told = lines(broken(), remembering.history(broken()))
    assert len(told) == 1
    assert told[0].endswith(".about.json is damaged and was ignored")
    assert told[0].startswith("?")


def test_a_changed_snapshot_is_damaged_too(state: Path) -> None:
    remembering.history(report())
    path = next(state.glob("*.snapshot.json"))
    path.write_text(path.read_text().replace("9.10.2", "9.10.3"))
    assert "is damaged" in lines(broken(), remembering.history(broken()))[0]
    assert lines(broken(), remembering.history(broken())) == []
    remembering.history(report())
    path = next(path for path in state.glob("*.about.json") if '"good": "2' in path.read_text())
    path.write_text(path.read_text().replace('"good": "2', '"good": "x2'))
    assert "is damaged" in lines(broken(), remembering.history(broken()))[0]


def test_a_folder_that_cannot_be_written_is_a_line(state: Path) -> None:
    state.parent.mkdir(parents=True)
    state.write_text("a file in its place")
    told = lines(report(), remembering.history(report()))
    assert len(told) == 1
    assert "cannot be written" in told[0]


def test_the_oldest_go_and_the_last_good_one_stays(tmp_path: Path) -> None:
    past = Past(tmp_path)
    from gpucheck.memory.snapshot import snapshot

    text = snapshot(machine(), None)
    past.keep(text, "python", "healthy", "2026-01-01T00:00:00+00:00")
    for number in range(MOST + 5):
        past.keep(f"{number}", "python", "problem", f"2026-02-01T00:{number:02}:00+00:00")
    assert len(list(tmp_path.iterdir())) == 2 * MOST
    runs = past.runs()
    assert (runs[0].verdict, runs[1].last) == ("healthy", "2026-02-01T00:06:00+00:00")
    found = past.last_good("python")
    assert found is not None
    assert found[1].driver.version.value == "580.159.03"
    about = json.loads(next(tmp_path.glob(f"{runs[0].name}.about*")).read_text())
    assert about["good"] == "2026-01-01T00:00:00+00:00"
