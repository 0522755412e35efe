"""gpucheck in other programs' places: what their scripts do, run with the variables that the service would set."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from conftest import COMMAND, ROOT, clean_environment, write

from gpucheck import __version__

ACTION = yaml.safe_load((ROOT / "action.yml").read_text())
GITLAB = yaml.safe_load((ROOT / "ci/gitlab/gpucheck.yml").read_text())
SCRIPT = ROOT / "ci/github/run.sh"


def variable(name: str) -> str:
    """What an input is called in a step's environment."""
    return f"INPUT_{name.upper().replace('-', '_')}"


def test_no_input_is_part_of_a_scripts_text() -> None:
    for step in ACTION["runs"]["steps"]:
        assert "${{" not in step["run"]
        assert step["shell"] == "bash"
        assert {name.removeprefix("INPUT_").lower().replace("_", "-") for name in step["env"]} <= set(
            ACTION["inputs"]
        )
    used = {name for step in ACTION["runs"]["steps"] for name in step["env"]}
    assert {variable(name) for name in ACTION["inputs"]} == used
    assert used == set(re.findall(r"INPUT_\w+", SCRIPT.read_text()))


class Runner:
    """What GitHub gives a step, and gpucheck where the step `install` would put it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.output, self.summary = write(folder / "output"), write(folder / "summary", "before\n")
        launcher = write(folder / "gpucheck/bin/gpucheck", f'#!/bin/sh\nexec {shlex.join(COMMAND)} "$@"\n')
        launcher.chmod(0o755)
        (folder / "gpucheck/bin/python").symlink_to(sys.executable)

    def step(self, name: str, **inputs: str) -> subprocess.CompletedProcess[str]:
        (step,) = (one for one in ACTION["runs"]["steps"] if one["run"].endswith(f" {name}"))
        defaults = {
            f"INPUT_{key.upper().replace('-', '_')}": one["default"] for key, one in ACTION["inputs"].items()
        }
        known = {key: defaults[key] for key in step["env"]}
        wanted = {f"INPUT_{key.upper()}": value for key, value in inputs.items()}
        assert set(wanted) <= set(known)
        env = clean_environment(
            GITHUB_ACTION_PATH=str(ROOT), GITHUB_OUTPUT=str(self.output), GITHUB_STEP_SUMMARY=str(self.summary),
            GITHUB_ACTIONS="true", RUNNER_TEMP=str(self.folder),
            **{**known, "INPUT_PYTHON": sys.executable, **wanted},
        )  # fmt: skip
        return subprocess.run(
            ["bash", "--noprofile", "--norc", "-e", "-o", "pipefail", "-c", step["run"]],
            cwd=self.folder, env=env, capture_output=True, text=True, check=False,
        )  # fmt: skip

    @property
    def outputs(self) -> dict[str, str]:
        return dict(line.split("=", 1) for line in self.output.read_text().splitlines())


@pytest.fixture
def runner(tmp_path: Path) -> Runner:
    if os.name != "posix":
        pytest.skip("the stand-in launcher is a shell script")
    return Runner(tmp_path)


def test_the_action_where_there_is_no_gpu(runner: Runner) -> None:
    done = runner.step(
        "doctor", require="gpu>=1\n\ngpu-memory>=39GiB\n", on_missing_gpu="skip", formats="text\nsarif=x.sarif"
    )
    assert done.returncode == 0, done.stderr
    assert runner.outputs == {"verdict": "healthy", "exit-status": "0"}
    assert runner.summary.read_text().startswith("before\n")
    assert runner.summary.read_text().count("gpucheck") >= 1
    report = json.loads((runner.folder / "gpucheck-doctor.json").read_text())
    demanded = [check["subject"] for check in report["checks"] if check["family"] == "policy"]
    assert demanded == ["gpu>=1", "gpu-memory>=39GiB"]
    assert (runner.folder / "x.sarif").stat().st_size


def test_the_action_shuts_the_gate(runner: Runner) -> None:
    done = runner.step("doctor", require="gpu>=400")
    assert done.returncode == 1
    assert runner.outputs == {"verdict": "problem", "exit-status": "1"}
    assert re.search(r"^::error title=gpucheck requirement-unmet", done.stdout, re.M)
    assert runner.summary.read_text().count("requirement-unmet") >= 1


def test_the_action_judges_nothing_by_a_bad_demand(runner: Runner) -> None:
    done = runner.step("doctor", require="gpus>=1")
    assert done.returncode == 2
    assert runner.outputs == {"verdict": "", "exit-status": "2"}
    assert runner.summary.read_text() == "before\n"


def test_inputs_stay_words(runner: Runner) -> None:
    evil = '"; touch bad; $(touch bad) `touch bad` #'
    for inputs in (
        {"require": evil},
        {"policy": evil},
        {"on_missing_gpu": evil},
        {"formats": evil},
        {"python": evil},
    ):
        assert runner.step("doctor", **inputs).returncode == 2
    for inputs in ({"version": evil}, {"version": "-r/etc/passwd"}, {"python": "nowhere"}):
        done = runner.step("install", **inputs)
        assert done.returncode == 2
        assert "::error title=gpucheck::" in done.stderr
    assert not list(runner.folder.rglob("bad"))


@pytest.mark.slow
def test_the_action_installs_itself_and_trains(runner: Runner) -> None:
    shutil.rmtree(runner.folder / "gpucheck")
    done = runner.step("install")
    if done.returncode != 0 and re.search("No matching distribution|ConnectionError|Could not find", done.stderr):
        pytest.skip("the package index cannot be reached")
    assert done.returncode == 0, done.stderr
    assert runner.step("doctor", formats="text").returncode == 0
    done = runner.step("smoke", framework="torch")
    assert done.returncode == 0, done.stdout + done.stderr
    assert runner.outputs["exit-status"] == "0"


# An interpreter whose venv is a link to what is installed here, and whose pip does nothing.
STAND_IN = """#!/bin/sh
case "$*" in
  "-c "*) echo "$0" ;;
  "-m venv "*) mkdir -p "$3/bin" && cp "$0" "$3/bin/python" && cp "$STAND_IN_GPUCHECK" "$3/bin/gpucheck" ;;
  "-m pip "*) echo "$*" >>pip.log ;;
esac
"""


@pytest.mark.parametrize(("require", "status"), [("gpu>=0", 0), ("gpu>=400", 1), ("gpu>=1' $(touch bad)", 2)])
def test_the_gitlab_job(tmp_path: Path, require: str, status: int) -> None:
    if os.name != "posix":
        pytest.skip("the stand-in interpreter is a shell script")
    python = write(tmp_path / "bin/python3", STAND_IN)
    launcher = f'for word; do shift; set -- "$@" "$(echo "$word" | sed "s|{python}|{sys.executable}|")"; done'
    gpucheck = write(tmp_path / "launcher", f'#!/bin/sh\n{launcher}\nexec {shlex.join(COMMAND)} "$@"\n')
    for path in (python, gpucheck):
        path.chmod(0o755)
    job = GITLAB[".gpucheck"]
    variables = {**job["variables"], "GPUCHECK_REQUIRE": require, "STAND_IN_GPUCHECK": str(gpucheck)}
    path = f"{python.parent}{os.pathsep}{os.environ['PATH']}"
    env = clean_environment(**{**variables, "PATH": path})
    done = subprocess.run(
        ["sh", "-e", "-c", "\n".join(job["script"])],
        cwd=tmp_path, env=env, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == status, done.stderr
    assert f"gpucheck-doctor=={__version__}" in (tmp_path / "pip.log").read_text()
    assert not (tmp_path / "bad").exists()
    if status != 2:
        reports = job["artifacts"]["reports"]
        assert "<testsuite" in (tmp_path / reports["junit"]).read_text()
        assert isinstance(json.loads((tmp_path / reports["codequality"]).read_text()), list)


def test_the_health_check_knows_only_0_and_1(tmp_path: Path) -> None:
    text = (ROOT / "ci/docker/own-image.Dockerfile").read_text()
    words = json.loads(re.search(r"HEALTHCHECK.*?CMD (\[.*?\])$", text, re.M | re.S)[1])
    for status, expected in ((0, 0), (1, 1), (2, 1), (3, 1)):
        stand_in = write(tmp_path / "gpucheck", f"#!/bin/sh\nexit {status}\n")
        stand_in.chmod(0o755)
        script = words[2].replace("/opt/gpucheck/bin/gpucheck", str(stand_in))
        assert subprocess.run([*words[:2], script], check=False).returncode == expected
