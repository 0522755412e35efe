"""The journal and the places of settings: whole files or none, and every byte back."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import ROOT, clean_environment, write
from hypothesis import given
from hypothesis import strategies as st

from gpucheck.fixes import PlanError
from gpucheck.fixes.lasting import files, places, settings
from gpucheck.fixes.lasting.journal import Entry, Journal, JournalError, new_id

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
from gpucheck.fixes.lasting import files, journal
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
entry = book.begin(journal.Entry(id="one", what="test"), [target], linked=False)
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


BEFORE = "# mine\nOTHER='x'\n"


@pytest.mark.parametrize("text", ["", BEFORE, "no line end", "win\r\ndows\r\n", "ümlaut\n"])
@pytest.mark.parametrize("name", [".env", ".envrc"])
def test_a_block_between_marks(journal: Journal, tmp_path: Path, text: str, name: str) -> None:
    path = tmp_path / name
    path.write_bytes(text.encode())
    place = places.find(str(path), None)
    entry = settings.write(journal, place, VALUES, override=False)
    written = path.read_bytes().decode()
    assert written.startswith(text)
    assert written.count(places.BEGIN) == written.count(places.END) == 1
    assert settings.write(journal, place, VALUES, override=False) is None
    settings.write(journal, place, {"TF_FORCE_GPU_ALLOW_GROWTH": "false"}, override=False)
    assert path.read_bytes().decode().count(places.BEGIN) == 1
    assert "cu da" not in path.read_text()
    journal.undo(journal.entry(None))
    journal.undo(journal.entry(entry.id))
    assert path.read_bytes() == text.encode()


def test_real_readers_of_the_block(journal: Journal, tmp_path: Path) -> None:
    import dotenv

    path = write(tmp_path / ".env", BEFORE)
    settings.write(journal, places.find(str(path), None), VALUES, override=False)
    assert dotenv.dotenv_values(path) == {"OTHER": "x", **VALUES}
    path = tmp_path / ".envrc"
    settings.write(journal, places.find(str(path), None), VALUES, override=False)
    script = f'. {path}; printf %s "$XLA_FLAGS"'
    out = subprocess.run(["bash", "-c", script], capture_output=True, check=True)
    assert out.stdout.decode() == VALUES["XLA_FLAGS"]


@pytest.mark.parametrize("line", ["TF_FORCE_GPU_ALLOW_GROWTH=false", "export TF_FORCE_GPU_ALLOW_GROWTH='false'"])
def test_what_the_file_sets_itself_is_kept(journal: Journal, tmp_path: Path, line: str) -> None:
    path = write(tmp_path / ".env", f"{line}\n")
    place = places.find(str(path), None)
    settings.write(journal, place, VALUES, override=False)
    assert "TF_FORCE_GPU_ALLOW_GROWTH='true'" not in path.read_text()
    assert "XLA_FLAGS" in path.read_text()
    settings.write(journal, place, VALUES, override=True)
    assert "TF_FORCE_GPU_ALLOW_GROWTH='true'" in path.read_text()


@pytest.mark.parametrize(
    "text", [places.BEGIN, places.END, f"{places.END}\n{places.BEGIN}", f"{places.BEGIN}\n" * 2]
)
def test_damaged_marks_are_told_and_nothing_is_written(journal: Journal, tmp_path: Path, text: str) -> None:
    path = write(tmp_path / ".env", text)
    with pytest.raises(PlanError, match="marks in it are damaged"):
        settings.write(journal, places.find(str(path), None), VALUES, override=False)
    assert path.read_text() == text


def test_a_kernel_of_jupyter(journal: Journal, tmp_path: Path) -> None:
    kernel = {"argv": ["python", "-m", "ipykernel"], "display_name": "Python é", "env": {"XLA_FLAGS": "--mine"}}
    path = write(tmp_path / "share/jupyter/kernels/python3/kernel.json", json.dumps(kernel))
    before = path.read_bytes()
    place = places.find("jupyter", str(tmp_path))
    assert place == places.find(str(path), None)
    entry = settings.write(journal, place, VALUES, override=False)
    written = json.loads(path.read_text())
    assert written == {**kernel, "env": {"XLA_FLAGS": "--mine", "TF_FORCE_GPU_ALLOW_GROWTH": "true"}}
    journal.undo(entry)
    assert path.read_bytes() == before
    path.write_text("[]")
    with pytest.raises(PlanError, match="is not a kernel's JSON"):
        settings.write(journal, place, VALUES, override=False)


CONDA = """#!{python}
# Stands in for conda, which no index here has; what it writes was measured on conda 26 (conda-meta/state).
import json, pathlib, sys
assert sys.argv[1:4] == ["env", "config", "vars"], sys.argv
verb, prefix, words = sys.argv[4], pathlib.Path(sys.argv[6]), sys.argv[7:]
path = prefix / "conda-meta/state"
state = json.loads(path.read_text()) if path.exists() else {{}}
for word in words:
    name, _, value = word.partition("=")
    state.setdefault("env_vars", {{}})[name] = value if verb == "set" else "***unset***"
path.write_text(json.dumps(state, indent=2))
{ending}
"""


@pytest.fixture
def conda(tmp_path: Path, monkeypatch):
    """A conda environment and a stand-in for conda."""
    (tmp_path / "environment/conda-meta").mkdir(parents=True)

    def install(ending: str = "") -> str:
        script = write(tmp_path / "bin/conda", CONDA.format(python=sys.executable, ending=ending))
        script.chmod(0o755)
        monkeypatch.setenv("PATH", f"{script.parent}:{os.environ['PATH']}")
        return str(tmp_path / "environment")

    return install


def test_conda_sets_its_own_variables(journal: Journal, conda) -> None:
    prefix = conda()
    state = Path(prefix, "conda-meta/state")
    entry = settings.write(
        journal, places.find("conda", prefix), {**VALUES, "LD_LIBRARY_PATH": None}, override=False
    )
    assert json.loads(state.read_text())["env_vars"] == {**VALUES, "LD_LIBRARY_PATH": "***unset***"}
    journal.undo(entry)
    assert not state.exists()


def test_conda_that_fails_half_way(journal: Journal, conda) -> None:
    prefix = conda("sys.exit('disk is full')")
    write(Path(prefix, "conda-meta/state"), '{"env_vars": {"A": "b"}}')
    with pytest.raises(JournalError, match="disk is full"):
        settings.write(journal, places.find("conda", prefix), VALUES, override=False)
    assert Path(prefix, "conda-meta/state").read_text() == '{"env_vars": {"A": "b"}}'


@pytest.mark.parametrize(
    ("where", "words"),
    [("nowhere", "is wanted"), ("~/.bashrc", "is wanted"), ("sitecustomize.py", "is wanted"),
     ("x.pth", "is wanted"), ("conda", "is no conda environment"),
     ("jupyter", "here are: none"), ("/nope/kernel.json", "no such file")],
)  # fmt: skip
def test_places_that_are_none(tmp_path: Path, where: str, words: str) -> None:
    with pytest.raises(PlanError, match=words):
        places.find(where, str(tmp_path))


def test_fix_writes_the_safe_settings_and_undo_takes_them_back(gpucheck, stub, stand_in, tmp_path) -> None:
    stand_in.tensorflow().cudnn("9.3.0.75", "nvidia-cudnn-cu12")
    env = {**stub(GPUSIM_CUDNN="92800"), "XDG_STATE_HOME": str(tmp_path / "state")}
    work = tmp_path / "work"
    work.mkdir()
    write(work / ".env", "A=b\n")
    options = ("--to", ".env", "--python", stand_in.python)
    shown = gpucheck("fix", *options, env=env, cwd=work)
    assert "safe: TF_FORCE_GPU_ALLOW_GROWTH=true" in shown.out
    assert (work / ".env").read_text() == "A=b\n"
    gpucheck("fix", "--apply", *options, env=env, cwd=work)
    assert "TF_FORCE_GPU_ALLOW_GROWTH='true'" in (work / ".env").read_text()
    assert gpucheck("undo", env=env).status == 0
    assert (work / ".env").read_bytes() == b"A=b\n"


def test_a_dockerfile_gets_a_snippet_and_no_file_is_written(gpucheck, stub, stand_in, tmp_path) -> None:
    stand_in.tensorflow()
    env = {**stub(), "XDG_STATE_HOME": str(tmp_path / "state")}
    ran = gpucheck("fix", "--to", "dockerfile", "--apply", "--python", stand_in.python, env=env, cwd=tmp_path)
    assert (ran.status, ran.out) == (0, 'ENV TF_FORCE_GPU_ALLOW_GROWTH="true"\n')
    assert not (tmp_path / "state").exists()


@pytest.mark.skipif(os.name != "posix" or os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_that_may_not_be_written(journal: Journal, tmp_path: Path) -> None:
    folder = tmp_path / "locked"
    write(folder / ".env", "A=b\n")
    folder.chmod(0o555)
    try:
        with pytest.raises(JournalError, match="cannot be written"):
            settings.write(journal, places.find(str(folder / ".env"), None), VALUES, override=False)
        assert (folder / ".env").read_text() == "A=b\n"
    finally:
        folder.chmod(0o755)
