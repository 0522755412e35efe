"""Places where settings last: blocks in files, kernels, conda; whole or not at all, and every byte back."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import write

from gpucheck.fixes import PlanError
from gpucheck.fixes.lasting import places, settings
from gpucheck.fixes.lasting.entry import JournalError
from gpucheck.fixes.lasting.journal import Journal
from gpucheck.fixes.shell import remembering

VALUES = {"TF_FORCE_GPU_ALLOW_GROWTH": "true", "XLA_FLAGS": "--xla_gpu_cuda_data_dir=/opt/cu da"}


@pytest.fixture
def journal(tmp_path: Path) -> Journal:
    return Journal(tmp_path / "state")


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
    assert "TF_FORCE_GPU_ALLOW_GROWTH=true" not in path.read_text()
    assert "XLA_FLAGS" in path.read_text()
    settings.write(journal, place, VALUES, override=True)
    assert "TF_FORCE_GPU_ALLOW_GROWTH=true" in path.read_text()


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
    assert "TF_FORCE_GPU_ALLOW_GROWTH=true" in (work / ".env").read_text()
    assert gpucheck("undo", env=env).status == 0
    assert (work / ".env").read_bytes() == b"A=b\n"


def test_what_was_tried_in_a_shell_can_be_made_to_last(gpucheck, stub, stand_in, tmp_path) -> None:
    """Settings are worked out for a fresh shell: neither `gpucheck env` nor a loaded .envrc hides them."""
    stand_in.tensorflow()
    options = ("--to", ".envrc", "--apply", "--python", stand_in.python)
    state = {"XDG_STATE_HOME": str(tmp_path / "state"), "HOME": str(tmp_path)}
    tried = gpucheck("env", "--shell", "json", "--python", stand_in.python, env=stub()).out
    note = remembering(json.loads(tried), {})
    for env in ({**stub(), **note}, {**stub(), **json.loads(tried)}):
        gpucheck("fix", *options, env={**env, **state}, cwd=tmp_path)
        assert "TF_FORCE_GPU_ALLOW_GROWTH=true" in (tmp_path / ".envrc").read_text()


def test_what_a_file_keeps_is_told(gpucheck, stub, stand_in, tmp_path) -> None:
    stand_in.tensorflow()
    write(tmp_path / ".env", "TF_FORCE_GPU_ALLOW_GROWTH=false\n")
    env = {**stub(), "XDG_STATE_HOME": str(tmp_path / "state")}
    ran = gpucheck("fix", "--to", ".env", "--apply", "--python", stand_in.python, env=env, cwd=tmp_path)
    assert ran.status == 1
    assert "kept as it stands there: TF_FORCE_GPU_ALLOW_GROWTH (--override replaces it)" in ran.out


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
