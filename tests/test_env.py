"""`gpucheck env`: real shells with hostile values, real readers of files, and the way back."""

from __future__ import annotations

import base64
import io
import json
import os
import re
import shutil
import subprocess
import sys

import dotenv
import pytest
from conftest import COMMAND, ROOT, clean_environment
from hypothesis import given
from hypothesis import strategies as st

from gpucheck.fixes import PlanError
from gpucheck.fixes.shell import BEFORE, FILES, SHELLS, code, remembered, remembering, restoring

MASK, GROWTH = "CUDA_VISIBLE_DEVICES", "TF_FORCE_GPU_ALLOW_GROWTH"
HOSTILE = [
    "plain",
    "two words",
    "it's",
    '"quoted"',
    "$(touch /tmp/gpucheck-was-here)",
    "`touch /tmp/gpucheck-was-here`",
    "$HOME ${HOME}",
    "back\\slash \\\\ two \\",
    "new\nline\n",
    "; touch /tmp/gpucheck-was-here #",
    "!! %PATH% ~ * ? [a] {b,c}",
    "\ttab",
    "ümlaut ✓",
    "",
]
PRINTS = "import os, sys; sys.stdout.buffer.write(os.fsencode(os.environ.get('XLA_FLAGS', 'unset')))"


def shells() -> list[str]:
    return [name for name in ("sh", "dash", "bash", "zsh", "fish") if shutil.which(name)]


def run_shell(shell: str, script: str, **env: str) -> bytes:
    options = {"zsh": ["-f"], "fish": ["--no-config"], "bash": ["--norc"]}.get(shell, [])
    done = subprocess.run(
        [shell, *options, "-c", script], capture_output=True, env=clean_environment(**env), check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize("value", HOSTILE)
@pytest.mark.parametrize("shell", ["sh", "dash", "bash", "zsh", "fish"])
def test_a_real_shell_gets_the_value_and_executes_nothing(shell: str, value: str, tmp_path) -> None:
    if shutil.which(shell) is None:
        pytest.skip(f"{shell} is not installed")
    form = "sh" if shell == "dash" else shell
    script = code({"XLA_FLAGS": value}, form) + f'{sys.executable} -c "{PRINTS}"'
    assert run_shell(shell, script, HOME=str(tmp_path)).decode() == value
    script = code({"XLA_FLAGS": value}, form) + code({"XLA_FLAGS": None}, form) + f'{sys.executable} -c "{PRINTS}"'
    assert run_shell(shell, script) == b"unset"
    assert not os.path.exists("/tmp/gpucheck-was-here")  # noqa: PTH110


@given(st.text(st.characters(blacklist_characters="\0", blacklist_categories=["Cs"]), max_size=30))
@pytest.mark.filterwarnings("ignore::hypothesis.errors.NonInteractiveExampleWarning")
def test_quoting_survives_bash(value: str) -> None:
    if not hasattr(test_quoting_survives_bash, "shell"):
        test_quoting_survives_bash.shell = shutil.which("bash")
    if test_quoting_survives_bash.shell is None:
        pytest.skip("bash is not installed")
    script = code({"XLA_FLAGS": value}, "bash") + 'printf %s "$XLA_FLAGS"'
    assert subprocess.run(["bash", "-c", script], capture_output=True, check=True).stdout.decode() == value


@pytest.mark.parametrize("shell", ["sh", "bash", "zsh", "fish"])
def test_the_whole_way_there_and_back_in_a_real_shell(shell: str, stub, tmp_path) -> None:
    if shutil.which(shell) is None:
        pytest.skip(f"{shell} is not installed")
    program = " ".join(COMMAND)
    names = f"('{MASK}', '{GROWTH}', '{BEFORE}')"
    shown = f'{sys.executable} -c "import os, json; print(json.dumps([os.environ.get(n) for n in {names}]))"'
    form = "{} --shell fish | source" if shell == "fish" else 'eval "$({})"'
    options = ("--gpus 1", "--devices 1", "", "--unset")
    there, again, plain, back = (form.format(f"{program} env {words}") for words in options)
    script = "\n".join((there, shown, again, shown, plain, shown, back, shown))
    out = run_shell(shell, script, **stub(CUDA_VISIBLE_DEVICES="1,0"))
    first, second, third, last = map(json.loads, out.decode().splitlines())
    assert third[0] == "1,0"  # asked for nothing, a later one goes back to what was there first
    assert first[0] == "0"
    assert second[0] == "1"
    assert last == ["1,0", None, None]


def test_the_shell_that_calls_is_found_by_its_process(stub) -> None:
    if shutil.which("fish") is None:
        pytest.skip("fish is not installed")
    script = f"{' '.join(COMMAND)} env --gpus 1 -q"
    out = run_shell("fish", script, SHELL="/bin/bash", **stub()).decode()
    assert f"set -gx {MASK} '0';" in out
    assert f"export {MASK}=0;" in run_shell("sh", script, SHELL="/usr/bin/fish", **stub()).decode()


@pytest.mark.parametrize(
    "options",
    [("--gpus", "9"), ("--devices", "x"), ("--shell", "tcsh"), ("--fix", "nope"),
     ("--gpus", "1", "--devices", "0"), ("--shell", "dotenv", "--unset"), ("--unset", "--gpus", "1")],
)  # fmt: skip
def test_after_a_failure_there_is_nothing_to_evaluate(gpucheck, stub, options) -> None:
    ran = gpucheck("env", *options, env=stub())
    assert (ran.status, ran.out) == (2, "")
    assert ran.err.count("\n") == 1


def test_stdout_is_code_alone_and_stderr_says_what_changes(gpucheck, stub) -> None:
    ran = gpucheck("env", "--shell", "sh", "--gpus", "1", env=stub())
    assert re.fullmatch(r"(export [A-Z_]+=[\w=,:-]+;\n)+", ran.out)
    assert f"+ {MASK}=0" in ran.err
    assert gpucheck("env", "--shell", "sh", "-q", "--gpus", "1", env=stub()).err == ""


def test_nothing_to_change_is_nothing_to_evaluate(gpucheck, stand_in) -> None:
    ran = gpucheck("env", "--shell", "sh", "--python", stand_in.python)
    assert (ran.status, ran.out) == (0, "")
    assert "stays as it is" in ran.err


def test_a_note_that_is_not_ours_is_refused(gpucheck) -> None:
    foreign = base64.urlsafe_b64encode(json.dumps({"PATH": "/evil", "LD_PRELOAD": "x"}).encode()).decode()
    for note in (
        foreign,
        "%%%",
        base64.urlsafe_b64encode(b"[1]").decode(),
        base64.urlsafe_b64encode(b'{"XLA_FLAGS": 1}').decode(),
    ):
        ran = gpucheck("env", "--shell", "sh", "--unset", env={BEFORE: note})
        assert (ran.status, ran.out) == (2, "")
        assert f"{BEFORE} was not written by gpucheck" in ran.err
    assert gpucheck("env", "--shell", "sh", "--unset").out == ""


def test_what_was_there_first_is_remembered() -> None:
    environ = {MASK: "1,0"}
    first = remembering({MASK: "0", GROWTH: "true"}, environ)
    second = remembering({MASK: "1"}, {**environ, **first})
    assert remembered(second) == {MASK: "1,0", GROWTH: None}
    assert restoring(second) == {MASK: "1,0", GROWTH: None, BEFORE: None}
    assert remembering({}, environ) == restoring(environ) == {}


@pytest.mark.parametrize("value", [value for value in HOSTILE if "${" not in value])
def test_a_real_reader_of_dotenv_files(value: str) -> None:
    assert dotenv.dotenv_values(stream=io.StringIO(code({"XLA_FLAGS": value}, "dotenv")))["XLA_FLAGS"] == value


@pytest.mark.parametrize("value", HOSTILE)
def test_forms_for_programs(value: str) -> None:
    assert json.loads(code({"XLA_FLAGS": value, "PATH": None}, "json")) == {"XLA_FLAGS": value, "PATH": None}
    assert json.loads(code({"XLA_FLAGS": value}, "jupyter")) == {"env": {"XLA_FLAGS": value}}
    # GitHub's runner: NAME<<MARK, lines, MARK alone.
    head, *lines, end = code({"XLA_FLAGS": value}, "github").removesuffix("\n").split("\n")
    assert head == f"XLA_FLAGS<<{end}"
    assert "\n".join(lines) == value
    assert end not in value


def test_two_values_for_github_have_two_marks() -> None:
    marks = re.findall(r"<<(\S+)", code({"XLA_FLAGS": "a", MASK: "b"}, "github"))
    assert len(set(marks)) == 2


def test_conda_and_dockerfile() -> None:
    assert code({"XLA_FLAGS": "a b", MASK: None}, "conda") == (
        f"conda env config vars set 'XLA_FLAGS=a b'\nconda env config vars unset {MASK}\n"
    )
    assert code({"XLA_FLAGS": 'a "b" $c \\d'}, "dockerfile") == 'ENV XLA_FLAGS="a \\"b\\" \\$c \\\\d"\n'
    assert code({"LD_LIBRARY_PATH": None}, "dockerfile") == 'ENV LD_LIBRARY_PATH=""\n'


def test_powershell_and_cmd() -> None:
    assert code({"XLA_FLAGS": "it's ’ $x", MASK: None}, "powershell") == (
        f"$env:XLA_FLAGS = 'it''s ’’ $x'\nRemove-Item -ErrorAction SilentlyContinue Env:{MASK}\n"
    )
    assert code({"XLA_FLAGS": "a & b", MASK: None}, "cmd") == f'set "XLA_FLAGS=a & b"\nset "{MASK}="\n'


@pytest.mark.parametrize(
    ("form", "value"), [("cmd", 'a"b'), ("cmd", "a\nb"), ("dockerfile", "a\nb"), ("sh", "a\0b"), ("fish", "\0")]
)
def test_what_a_form_cannot_say_is_refused(form: str, value: str) -> None:
    with pytest.raises(PlanError, match="XLA_FLAGS"):
        code({"XLA_FLAGS": value}, form)


@pytest.mark.parametrize("form", ["dotenv", "github", "dockerfile", "jupyter"])
def test_a_file_cannot_take_the_mask_out(form: str) -> None:
    """An empty mask would mean: no GPU."""
    with pytest.raises(PlanError, match=f"{form} cannot take {MASK} out"):
        code({MASK: None}, form)


def test_every_form_is_documented() -> None:
    text = (ROOT / "docs/fixes.md").read_text()
    assert all(f"`{form}`" in text for form in (*SHELLS, *FILES))
