"""Which Python is looked at, and which cannot be."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest
from conftest import write

from gpucheck import probe
from gpucheck.probe import interpreter


def look(python: Path) -> interpreter.Target:
    return interpreter.look(str(python), {}, 30)


@pytest.mark.parametrize(
    ("prefix", "own"),
    [
        ("/home/u/.local/pipx/venvs/gpucheck-doctor", True),
        ("/home/u/.local/share/uv/tools/gpucheck-doctor", True),
        ("/home/u/.cache/uv/archive-v0/abc", True),
        ("/home/u/project/.venv", False),
        ("/usr", False),
    ],
)
def test_a_tool_environment_is_known(prefix: str, own: bool) -> None:
    assert interpreter.own_tool_environment(prefix) is own


@pytest.mark.parametrize(
    ("environ", "why"),
    [
        ({"VIRTUAL_ENV": "/v", "CONDA_PREFIX": "/c"}, "VIRTUAL_ENV"),
        ({"CONDA_PREFIX": "/c"}, "CONDA_PREFIX"),
        ({}, "PATH"),
    ],
)
def test_from_a_tool_environment_the_active_one_is_looked_at(monkeypatch, environ, why) -> None:
    monkeypatch.setattr(interpreter, "own_tool_environment", lambda: True)
    assert interpreter.choose(None, environ)[1] == why
    assert interpreter.choose("/x/python", environ) == ("/x/python", "--python")


@pytest.mark.parametrize("kind", ["missing", "not a python", "silent", "not executable"])
def test_an_interpreter_that_cannot_be_used_is_refused(tmp_path: Path, kind: str) -> None:
    script = tmp_path / "python"
    if kind != "missing":
        script.write_text("#!/bin/sh\nexit 3\n" if kind == "not a python" else "#!/bin/sh\necho\n")
        script.chmod(0o644 if kind == "not executable" else stat.S_IRWXU)
    with pytest.raises(interpreter.InterpreterError, match="--python"):
        look(script)


def test_a_local_file_is_not_imported_by_a_probe(stand_in, tmp_path: Path, monkeypatch) -> None:
    write(tmp_path / "json.py", "raise SystemExit('a local json.py was imported')\n")
    monkeypatch.chdir(tmp_path)
    assert look(stand_in.python).facts.kind.value == "venv"


@pytest.mark.parametrize("name", ["look", "choose"])
def test_even_the_interpreters_probe_may_fail(monkeypatch, name) -> None:
    def crash(*arguments):
        raise OSError("no")

    monkeypatch.setattr(interpreter, name, crash)
    facts = probe.gather(environ={})
    assert "no" in facts.interpreter.version.missing
    assert facts.framework("torch").installed.value is False
