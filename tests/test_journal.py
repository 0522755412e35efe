"""The journal: whole files or none, and every byte back, whenever the process ends."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import ROOT, clean_environment, write
from hypothesis import given
from hypothesis import strategies as st

from gpucheck.fixes.lasting import files
from gpucheck.fixes.lasting.entry import Entry, JournalError, new_id
from gpucheck.fixes.lasting.journal import Journal

VALUES = {"TF_FORCE_GPU_ALLOW_GROWTH": "true", "XLA_FLAGS": "--xla_gpu_cuda_data_dir=/opt/cu da"}


@pytest.fixture
def journal(tmp_path: Path) -> Journal:
    return Journal(tmp_path / "state")


def changed(journal: Journal, path: Path, text: str) -> Entry:
    """Write a file as one entry."""
    entry = journal.begin(Entry(id=new_id(), what="test"), [path], linked=False)
    files.write_whole(path, text.encode())
    return journal.end(entry)


@given(before=st.none() | st.binary(max_size=200), after=st.binary(max_size=200))
def test_every_byte_comes_back(tmp_path_factory, before: bytes | None, after: bytes) -> None:
    folder = tmp_path_factory.mktemp("j")
    path, journal = folder / "file", Journal(folder / "state")
    if before is not None:
        path.write_bytes(before)
        path.chmod(0o640)
        os.utime(path, ns=(1, 123456789))
    entry = journal.begin(Entry(id=new_id(), what="test"), [path], linked=False)
    files.write_whole(path, after)
    entry = journal.end(entry)
    assert path.read_bytes() == after
    journal.undo(journal.entry(None))
    assert (path.read_bytes() if path.exists() else None) == before
    if before is not None and before != after:
        assert (path.stat().st_mode & 0o777, path.stat().st_mtime_ns) == (0o640, 123456789)
    shutil.rmtree(folder)


def test_a_mode_and_a_link_stay(journal: Journal, tmp_path: Path) -> None:
    real = write(tmp_path / "real", "old")
    real.chmod(0o600)
    link = tmp_path / "link"
    link.symlink_to(real)
    files.write_whole(link, b"new")
    assert link.is_symlink()
    assert (real.read_text(), real.stat().st_mode & 0o777) == ("new", 0o600)


def test_undo_twice_and_of_nothing(journal: Journal, tmp_path: Path) -> None:
    with pytest.raises(JournalError, match="nothing to undo"):
        journal.entry(None)
    with pytest.raises(JournalError, match=r"no entry 'x'"):
        journal.entry("x")
    with pytest.raises(JournalError, match="no entry"):
        journal.entry("../state")
    entry = changed(journal, tmp_path / "file", "new")
    done = journal.undo(entry)
    with pytest.raises(JournalError, match="undone already"):
        journal.undo(done)


def test_the_last_change_first(journal: Journal, tmp_path: Path) -> None:
    path = write(tmp_path / "file", "0")
    first, second = changed(journal, path, "1"), changed(journal, path, "2")
    with pytest.raises(JournalError, match=f"changed since {first.id}"):
        journal.undo(first)
    assert journal.entry(None).files == second.files
    journal.undo(journal.entry(second.id))
    journal.undo(journal.entry(first.id))
    assert path.read_text() == "0"


def test_a_damaged_entry_is_told_and_does_not_hide_the_others(journal: Journal, tmp_path: Path) -> None:
    good, bad = changed(journal, tmp_path / "a", "1"), changed(journal, tmp_path / "b", "1")
    entry = journal.folder / bad.id / "entry.json"
    for text in ("", "{}", '{"version": 99}', "[]", entry.read_text()[:50]):
        entry.write_text(text)
        assert [one.id for one in journal.entries()] == [good.id]
        with pytest.raises(JournalError, match=r"cannot be read|another version"):
            journal.entry(bad.id)


def test_a_kept_copy_that_is_gone(journal: Journal, tmp_path: Path) -> None:
    entry = changed(journal, write(tmp_path / "file", "old"), "new")
    (journal.folder / entry.id / "00000").unlink()
    with pytest.raises(JournalError, match="kept copy is gone"):
        journal.undo(entry)
    assert (tmp_path / "file").read_text() == "new"


KILLED = """
import os, signal, sys
from pathlib import Path
from gpucheck.fixes.lasting import entry as records, files, journal
target, state, step = Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3])
count = 0
def counted(function):
    def call(*arguments, **named):
        global count
        count += 1
        if count == step:
            os.kill(os.getpid(), signal.SIGKILL)
        return function(*arguments, **named)
    return call
for name in ("fsync", "replace", "link", "open", "mkdir"):
    setattr(os, name, counted(getattr(os, name)))
book = journal.Journal(state)
entry = book.begin(records.Entry(id="one", what="test"), [target], linked=False)
files.write_whole(target, b"new")
book.end(entry)
print("survived")
"""


@pytest.mark.skipif(os.name != "posix", reason="SIGKILL is POSIX's")
def test_killed_at_any_moment_the_file_is_old_or_new_and_can_be_brought_back(tmp_path: Path) -> None:
    program = write(tmp_path / "program.py", KILLED)
    survived = 0
    for step in range(1, 40):
        target, state = write(tmp_path / f"file{step}", "old"), tmp_path / f"state{step}"
        done = subprocess.run(
            [sys.executable, program, target, state, str(step)], capture_output=True, text=True, check=False,
            env=clean_environment(PYTHONPATH=str(ROOT)),
        )  # fmt: skip
        assert done.returncode in (0, -9), done.stderr
        assert target.read_text() in ("old", "new")
        journal = Journal(state)
        if target.read_text() == "new":
            journal.undo(journal.entry(None))
        assert target.read_text() == "old"
        assert all(entry.id == "one" for entry in journal.entries())
        survived += done.returncode == 0
        if survived > 1:
            break
    assert survived > 1


def test_a_change_that_was_cut_off_does_not_cost_later_work(journal: Journal, tmp_path: Path) -> None:
    """The entry was begun and never ended; whether its file was written or not, what came later is not lost."""
    from dataclasses import replace

    from gpucheck.fixes.lasting import places, settings

    path = write(tmp_path / ".env", "A=b\n")
    entry = settings.write(journal, places.find(str(path), None), {"XLA_FLAGS": "--a"}, override=False)
    journal.write(replace(entry, state="begun"))
    written = path.read_text()
    path.write_text(written + "MINE=1\n")
    with pytest.raises(JournalError, match="changed since"):
        journal.undo(journal.entry(None))
    path.write_text(written)
    journal.undo(journal.entry(None))
    assert path.read_text() == "A=b\n"


@pytest.mark.skipif(os.name != "posix", reason="modes are POSIX's")
def test_nobody_else_reads_the_journal(tmp_path: Path) -> None:
    (tmp_path / "state").mkdir(mode=0o755)
    journal = Journal(tmp_path / "state")
    with journal.locked():
        entry = journal.begin(Entry(id=new_id(), what="x"), [], linked=False, notes={"listing": b"x"})
    inside = journal.folder / entry.id
    assert inside.stat().st_mode & 0o077 == 0
    assert all(path.stat().st_mode & 0o077 == 0 for path in (*inside.iterdir(), journal.folder / "lock"))
