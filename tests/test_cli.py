"""The command line as a user meets it: help, bad input, colours, pipes, interruptions."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time

import pytest
from conftest import COMMAND, SCRIPT, as_from_a_terminal, clean_environment
from typer.testing import CliRunner

from gpucheck import __version__
from gpucheck.cli import app, run

BAD_INPUT = [
    (["doctr"], "No such command 'doctr'. Did you mean 'doctor'?"),
    (["doctor", "--nope"], "No such option: --nope"),
    (["doctor", "--format", "xml"], "unknown format; known: text, json"),
    (["doctor", "--fail-on", "often"], "'often' is not one of"),
    (["doctor", "--require", "gpu"], "quote it: 'gpu>=4'"),
    (["doctor", "--require", "gpus>=4"], "did you mean 'gpu'?"),
    (["doctor", "--python", "/nowhere/python"], "there is no Python at /nowhere/python"),
    (["doctor", "--from", "/nowhere.json"], "/nowhere.json: cannot be read"),
    (["doctor", "--from", "x.json", "--python", "y"], "exclude each other"),
    (["doctor", "--timeout", "0"], "not in the range"),
    (["smoke", "--framework", "jax"], "--framework 'jax': torch, tf or all expected"),
    (["smoke", "--device", "tpu"], "--device 'tpu': auto, gpu or cpu expected"),
    (["smoke", "--data", "/nowhere"], "--data /nowhere: is not a folder"),
    (["smoke", "--data", "/"], "train-images-idx3-ubyte is missing"),
    (["smoke", "--seed", "-1"], "--seed -1: a number from 0"),
    (["explain", "driver-to-old"], "did you mean driver-too-old?"),
    (["explain", "xyz"], "`gpucheck explain` lists them all"),
]


@pytest.mark.parametrize(("arguments", "words"), BAD_INPUT, ids=lambda value: " ".join(value)[:40])
def test_bad_input_is_one_line_and_status_2(gpucheck, arguments: list[str], words: str) -> None:
    ran = gpucheck(*arguments)
    assert ran.status == 2
    assert ran.out == ""
    assert ran.err.count("\n") == 1
    assert ran.err.startswith("gpucheck: ")
    assert words in ran.err


def test_a_framework_that_is_not_installed(gpucheck, stand_in) -> None:
    ran = gpucheck("smoke", "--python", stand_in.python)
    assert (ran.status, ran.err.count("\n")) == (2, 1)
    assert "neither PyTorch nor TensorFlow is installed" in ran.err
    assert f"install what suits this machine: {stand_in.python} -m pip install 'torch==" in ran.err
    stand_in.torch()
    ran = gpucheck("smoke", "--framework", "tf", "--python", stand_in.python)
    assert ran.status == 2
    assert "tensorflow is not installed" in ran.err
    assert " -m pip install 'tensorflow==" in ran.err


@pytest.mark.parametrize("content", [b"", b"\x00\x01\x02", b'{"facts": {', b'{"schema_version": 1}'])
def test_a_damaged_report_is_one_line_and_status_2(gpucheck, tmp_path, content: bytes) -> None:
    path = tmp_path / "report.json"
    path.write_bytes(content)
    ran = gpucheck("doctor", "--from", path)
    assert (ran.status, ran.err.count("\n")) == (2, 1)
    assert "report.json" in ran.err


def test_a_report_from_standard_input(gpucheck) -> None:
    ran = gpucheck("doctor", "--from", "-", "--format", "json", input="{}")
    assert ran.status == 3
    assert ran.report["verdict"] == "inconclusive"


@pytest.mark.parametrize("command", [[], ["doctor"], ["smoke"], ["explain"]])
def test_help(command: list[str]) -> None:
    done = CliRunner().invoke(app, [*command, "--help"])
    assert done.exit_code == 0
    assert "Usage:" in done.output


def test_version(gpucheck) -> None:
    assert gpucheck("--version").out == f"gpucheck {__version__}\n"


def test_both_scripts_and_the_module_are_one_program() -> None:
    outputs = {
        subprocess.run([*command, "--version"], capture_output=True, text=True, check=True).stdout
        for command in ([SCRIPT], [SCRIPT.with_name("gpucheck-doctor")], [sys.executable, "-m", "gpucheck"])
    }
    assert outputs == {f"gpucheck {__version__}\n"}


def test_explain_lists_and_tells(gpucheck) -> None:
    names = gpucheck("explain").out.split()
    assert "driver-library-mismatch" in names
    for name in names:
        ran = gpucheck("explain", name) if name == names[0] else None
        page = ran.out if ran else _page(name)
        assert page.startswith(f"{name}\n\n")
        assert "\nHow to fix it\n" in page


def _page(name: str) -> str:
    done = CliRunner().invoke(app, ["explain", name])
    assert done.exit_code == 0
    return done.output


def test_plain_in_a_pipe_and_json_alone_on_stdout(gpucheck) -> None:
    ran = gpucheck("doctor")
    assert "\x1b" not in ran.out
    assert ran.err == ""
    report = gpucheck("doctor", "--format", "json")
    assert json.loads(report.out)["tool"]["name"] == "gpucheck"
    assert report.err == ""


@pytest.mark.parametrize(
    ("options", "env", "colour"),
    [
        (["--color", "always"], {}, True),
        (["--color", "never"], {"FORCE_COLOR": "1"}, False),
        ([], {"NO_COLOR": "1", "FORCE_COLOR": "1"}, False),
        ([], {}, False),
    ],
)
def test_colour(gpucheck, options: list[str], env: dict[str, str], colour: bool) -> None:
    out = gpucheck("doctor", *options, env={"TERM": "xterm-256color", **env}).out
    assert ("\x1b[3" in out or "\x1b[9" in out or "\x1b[1;3" in out) is colour


def test_an_ascii_terminal_gets_ascii(gpucheck) -> None:
    out = gpucheck("doctor", "--require", "gpu>=0", env={"PYTHONIOENCODING": "ascii", "PYTHONUTF8": "0"}).out
    assert out.isascii()
    assert "matrix of" in out


def test_quiet_and_verbose(gpucheck) -> None:
    usual, quiet, verbose = (gpucheck("doctor", *option).out for option in ([], ["-q"], ["-v"]))
    assert len(quiet.splitlines()) < len(usual.splitlines()) < len(verbose.splitlines())
    assert "driver/driver-present" in verbose


@pytest.mark.parametrize("command", ["doctor -v", "doctor --format json", "explain", "explain no-device"])
def test_a_closed_pipe_is_quiet_and_changes_no_verdict(command: str) -> None:
    line = f"'{SCRIPT}' {command} | true; exit ${{PIPESTATUS[0]}}"
    done = subprocess.run(
        ["bash", "-c", line], capture_output=True, text=True, env=clean_environment(), check=False
    )
    assert (done.stderr, done.returncode) == ("", 0)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_terminated_smoke_leaves_nothing_running(stand_in, tmp_path, number: int) -> None:
    mark = tmp_path / "importing"
    stand_in.numpy().torch(cuda=None)
    stand_in.write("torch/__init__.py", f"import time; open({str(mark)!r}, 'w').close(); time.sleep(60)")
    process = subprocess.Popen(
        [*COMMAND, "smoke", "--python", stand_in.python],
        stdout=-1, stderr=-1, text=True, env=clean_environment(), preexec_fn=as_from_a_terminal,
    )  # fmt: skip
    deadline = time.monotonic() + 60
    while not mark.exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    process.send_signal(number)
    process.communicate(timeout=30)
    assert process.returncode == 128 + number
    running = subprocess.run(["ps", "-eo", "args"], capture_output=True, text=True, check=True).stdout
    assert str(stand_in.python) not in running


def test_ctrl_c_in_the_middle_of_a_training_is_clean(stand_in, tmp_path) -> None:
    mark = tmp_path / "importing"
    stand_in.numpy().torch(cuda=None)
    stand_in.write("torch/__init__.py", f"import time; open({str(mark)!r}, 'w').close(); time.sleep(60)")
    process = subprocess.Popen(
        [*COMMAND, "smoke", "--python", stand_in.python],
        stdout=-1, stderr=-1, text=True, env=clean_environment(),
        preexec_fn=as_from_a_terminal,
    )  # fmt: skip
    deadline = time.monotonic() + 60
    while not mark.exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=30)
    assert process.returncode == 130
    assert (out, err) == ("", "interrupted\n")
    running = subprocess.run(["ps", "-eo", "args"], capture_output=True, text=True, check=True).stdout
    assert str(stand_in.python) not in running


def test_an_error_of_ours_does_not_look_like_a_finding(monkeypatch, capsys) -> None:
    import gpucheck.api

    def crash(*arguments, **options):
        raise KeyError("boom")

    monkeypatch.setattr(gpucheck.api, "doctor", crash)
    assert run(["doctor"]) == 2
    assert "internal error: KeyError: 'boom'" in capsys.readouterr().err
    monkeypatch.setenv("GPUCHECK_DEBUG", "1")
    with pytest.raises(KeyError):
        run(["doctor"])


def test_an_interruption_anywhere_is_130(monkeypatch, capsys) -> None:
    import gpucheck.api

    def stop(*arguments, **options):
        raise KeyboardInterrupt

    monkeypatch.setattr(gpucheck.api, "doctor", stop)
    assert run(["doctor"]) == 130
    assert capsys.readouterr().err == "interrupted\n"


def test_reports_hide_home_user_and_host(gpucheck, stand_in, tmp_path) -> None:
    home = stand_in.python.parents[1]
    ran = gpucheck("doctor", "--format", "json", "--python", stand_in.python, env={"HOME": str(home)})
    assert str(home) not in ran.out
    assert ran.report["facts"]["interpreter"]["executable"]["value"] == "~/bin/python"
    shown = gpucheck(
        "doctor", "--format", "json", "--no-redact", "--python", stand_in.python, env={"HOME": str(home)}
    )
    assert str(home) in shown.out
    assert (
        "~/bin/python" in gpucheck("doctor", "--redact", "--python", stand_in.python, env={"HOME": str(home)}).out
    )


def test_secrets_of_the_environment_stay_out(gpucheck) -> None:
    ran = gpucheck(
        "doctor", "--format", "json", "--no-redact", env={"MY_TOKEN": "hunter2", "TF_GPU_ALLOCATOR": "x"}
    )
    assert "hunter2" not in ran.out
    assert ran.report["facts"]["environment"]["value"]["TF_GPU_ALLOCATOR"] == "x"


def test_nothing_is_written(gpucheck, tmp_path) -> None:
    gpucheck("doctor", env={"HOME": str(tmp_path)}, cwd=tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_local_files_do_not_reach_the_probes(gpucheck, tmp_path, stub, stand_in) -> None:
    for name in ("pynvml", "json", "ctypes", "torch"):
        (tmp_path / f"{name}.py").write_text("raise SystemExit('imported')\n")
    ran = gpucheck("doctor", "--format", "json", "--python", stand_in.python, env=stub(), cwd=tmp_path)
    assert len(ran.report["facts"]["gpus"]["value"]) == 2


@pytest.mark.parametrize("user", ["torch", "nvidia", "linux", "gpu"])
def test_a_user_named_like_our_words_spoils_no_report(gpucheck, tmp_path, stub, stand_in, user: str) -> None:
    stand_in.torch().cudnn()
    env = stub(LOGNAME=user, USER=user)
    ran = gpucheck("doctor", "--format", "json", "--python", stand_in.python, env=env)
    path = tmp_path / "report.json"
    path.write_text(ran.out)
    again = gpucheck("doctor", "--format", "json", "--from", path, env={"LOGNAME": user})
    assert again.report["checks"] == ran.report["checks"]
    assert "<user>" not in ran.out


def test_a_requirement_is_a_gate_of_its_own(gpucheck) -> None:
    assert gpucheck("doctor", "--require", "gpu>=1", "--fail-on", "never").status == 1


def test_colour_in_a_file_brings_no_moving_line(gpucheck, stand_in) -> None:
    stand_in.numpy().torch(cuda=None)
    stand_in.write("torch/__init__.py", "raise ImportError('no')")
    ran = gpucheck("smoke", "--color", "always", "--python", stand_in.python)
    assert ran.err == ""


@pytest.mark.parametrize("content", [b"\xff\xfe", b'{"gpus": {"value": null, "missing": null}}'])
def test_bad_standard_input_is_one_line(content: bytes) -> None:
    done = subprocess.run(
        [*COMMAND, "doctor", "--from", "-"],
        input=content,
        capture_output=True,
        env=clean_environment(),
        check=False,
    )
    assert done.returncode == 2
    assert done.stderr.count(b"\n") == 1
    assert b"internal error" not in done.stderr
