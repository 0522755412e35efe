"""gpucheck in other programs' places: the files are valid by the services' own checkers, their commands exist."""

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
import typer
import yaml
from conftest import COMMAND, ROOT, clean_environment, write
from typer.core import TyperGroup

from gpucheck import __version__
from gpucheck.cli import app

HOOKS = yaml.safe_load((ROOT / ".pre-commit-hooks.yaml").read_text())
GITLAB = yaml.safe_load((ROOT / "ci/gitlab/gpucheck.yml").read_text())
POD = yaml.safe_load((ROOT / "ci/kubernetes/init-container.yaml").read_text())
SERVICE = (ROOT / "ci/systemd/gpucheck.service").read_text()
DOCKERFILES = sorted((ROOT / "ci/docker").glob("*Dockerfile"))
PAGE = (ROOT / "docs/places.md").read_text()
SCRIPT = ROOT / "ci/github/run.sh"
LABELS = yaml.safe_load((ROOT / "ci/kubernetes/node-labels.yaml").read_text())
DETECTION = ROOT / "ci/kubernetes/npd-gpucheck.sh"
DETECTOR = json.loads((ROOT / "ci/kubernetes/npd-gpucheck.json").read_text())


def tool(name: str) -> str:
    """A program beside this Python or on PATH; where it is in neither, the test is skipped."""
    found = shutil.which(name, path=os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]]))
    if found is None:
        pytest.skip(f"{name} is not installed here")
    return found


def passes(*command: object) -> None:
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True, check=False, cwd=ROOT)
    assert done.returncode == 0, done.stdout + done.stderr


# What the services' own checkers say.


@pytest.mark.parametrize(
    ("schema", "file"),
    [
        (("github-actions",), "action.yml"),
        (("gitlab-ci", "--data-transform", "gitlab-ci"), "ci/gitlab/gpucheck.yml"),
    ],
)
def test_schemas(schema: tuple[str, ...], file: str) -> None:
    passes(tool("check-jsonschema"), "--builtin-schema", *schema, file)


def test_the_hooks_are_a_manifest() -> None:
    assert {hook["id"] for hook in HOOKS} == {"gpucheck-policy", "gpucheck-doctor"}
    for hook in HOOKS:
        assert hook["language"] == "python"
        assert hook["pass_filenames"] is False
        assert hook["always_run"] is True
    passes(tool("pre-commit"), "validate-manifest", ".pre-commit-hooks.yaml")


def test_shell(tmp_path: Path) -> None:
    checker = tool("shellcheck")
    passes(checker, "--severity=style", SCRIPT, *sorted((ROOT / "ci/slurm").glob("*.sh")), DETECTION)
    gitlab = write(tmp_path / "gitlab.sh", "#!/bin/sh\n" + "\n".join(GITLAB[".gpucheck"]["script"]) + "\n")
    # SC2154: the variables are GitLab's
    passes(checker, "--exclude=SC2154", gitlab)


def test_dockerfiles() -> None:
    passes(tool("hadolint"), *DOCKERFILES)


def test_the_pods() -> None:
    for name in ("init-container", "node-labels"):
        passes(tool("kubernetes-validate"), "--strict", f"ci/kubernetes/{name}.yaml")


def test_the_detectors_configuration_starts() -> None:
    """What node-problem-detector refuses at its start: its pkg/custompluginmonitor/types/config.go."""
    config, (rule,) = DETECTOR["pluginConfig"], DETECTOR["rules"]
    assert set(DETECTOR) == {"plugin", "pluginConfig", "source", "metricsReporting", "conditions", "rules"}
    assert set(config) == {"invoke_interval", "timeout", "max_output_length", "concurrency",
                           "enable_message_change_based_condition_update", "skip_initial_status"}  # fmt: skip
    assert set(rule) == {"type", "condition", "reason", "path", "timeout"}
    assert Path(rule["path"]).name == DETECTION.name
    assert DETECTOR["plugin"] == "custom"
    assert rule["condition"] in {one["type"] for one in DETECTOR["conditions"]}
    durations = [config["invoke_interval"], config["timeout"], rule["timeout"]]
    assert all(re.fullmatch(r"[0-9]+[smh]", text) for text in durations)
    assert int(rule["timeout"][:-1]) <= int(config["timeout"][:-1])


def test_the_detectors_plugin_says_one_short_line(tmp_path: Path) -> None:
    ours = write(tmp_path / "ours", f'#!/bin/sh\nexec {shlex.join(COMMAND)} "$@" $MORE\n')
    broken = write(tmp_path / "broken", f"#!{sys.executable}\nimport no_such_module\n")
    for program, more, status, said in (
        (ours, "", 0, ""),
        (ours, "--require=python<3", 1, "requirement-unmet: python<3"),
        (ours, "--nope", 2, "gpucheck could not be run"),
        (broken, "", 2, "gpucheck could not be run"),
        (tmp_path / "none", "", 2, "gpucheck could not be run"),
    ):
        if program.exists():
            program.chmod(0o755)
        script = write(
            tmp_path / "npd.sh", DETECTION.read_text().replace("/opt/gpucheck/bin/gpucheck", str(program))
        )
        done = subprocess.run(["sh", script], env=clean_environment(MORE=more), capture_output=True, check=False)
        assert done.returncode == status, done.stderr
        assert done.stdout.decode().startswith(said)
        assert len(done.stdout) <= 81
        assert done.stdout.count(b"\n") == 1


def test_the_units(tmp_path: Path) -> None:
    analyse = tool("systemd-analyze")
    # The path in the unit is that of an installation; here another program stands for it.
    write(tmp_path / "gpucheck.service", re.sub(r"^ExecStart=\S+", "ExecStart=/bin/true", SERVICE, flags=re.M))
    shutil.copy(ROOT / "ci/systemd/gpucheck.timer", tmp_path)
    passes(analyse, "verify", tmp_path / "gpucheck.service", tmp_path / "gpucheck.timer")


def test_the_unit_is_closed_and_keeps_the_gpus() -> None:
    settings = dict(re.findall(r"^(\w+)=(.*)$", SERVICE, re.M))
    assert settings["DevicePolicy"] == "closed"
    assert settings["DeviceAllow"] == "char-nvidia* rw"
    assert not {"PrivateDevices", "ProcSubset", "MemoryDenyWriteExecute"} & set(settings)
    done = subprocess.run(
        [tool("systemd-analyze"), "security", "--offline=true", "--threshold=20", "ci/systemd/gpucheck.service"],
        capture_output=True, text=True, check=False, cwd=ROOT,
    )  # fmt: skip
    if "unrecognized option" in done.stderr:
        pytest.skip("systemd-analyze is older than 250")
    assert done.returncode == 0, done.stdout


# Their commands.


def parse(words: list[str]) -> None:
    """Let the parser read a command line; nothing is run.

    Raises:
        Exception: It is not accepted.
    """
    command = typer.main.get_command(app)
    context = typer.Context(command)
    while isinstance(command, TyperGroup):
        command = command.get_command(context, words[0])
        assert command is not None, f"no such command {words[0]!r}"
        words = words[1:]
    command.make_context(command.name, words)


def commands() -> dict[str, str]:
    """Every command line of ours in the files and on the page."""
    healthcheck = (ROOT / "ci/docker/own-image.Dockerfile").read_text().partition("HEALTHCHECK")[2]
    found = {hook["id"]: hook["entry"] for hook in HOOKS}
    found["healthcheck"] = re.search(r"gpucheck doctor[^|]*", healthcheck)[0]
    found["pod"] = shlex.join(["gpucheck", *POD["spec"]["initContainers"][0]["args"]])
    found["detector"] = "gpucheck " + re.search(r"doctor [^)]*", DETECTION.read_text())[0]
    labelling = LABELS["spec"]["template"]["spec"]["containers"][0]["args"][0]
    found["labels"] = re.search(r"gpucheck doctor[^|]*", labelling)[0].replace("/features.d/", "")
    found["unit"] = re.search(r"^ExecStart=(.*)$", SERVICE, re.M)[1]
    found["gitlab"] = re.sub(r"\$\{\w+:\+(\S+=)\"\$\w+\"\}", "", GITLAB[".gpucheck"]["script"][-1])
    # The folder is there on no other machine.
    gates = re.sub(r"=/etc/\S+/features\.d/", "=", (ROOT / "docs/fleet-gate.md").read_text())
    blocks = "\n".join(re.findall(r"^```sh\n(.*?)^```", PAGE + gates, re.M | re.S))
    for number, line in enumerate(re.findall(r"/gpucheck .*", blocks)):
        found[f"page {number}"] = line.partition("  #")[0]
    return found


@pytest.mark.parametrize("name", commands())
def test_every_command_is_accepted(name: str, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    words = shlex.split(commands()[name])
    assert Path(words[0]).name == "gpucheck"
    parse(words[1:])


def test_a_wrong_command_is_not_accepted() -> None:
    for words in (["doctor", "--nope"], ["policy", "nope"], ["nope"]):
        with pytest.raises(Exception, match=r"(?i)no such"):
            parse(words)


def test_the_version_is_this_one() -> None:
    for path in [*DOCKERFILES, ROOT / "ci/gitlab/gpucheck.yml", ROOT / "docs/places.md"]:
        text = path.read_text()
        versions = re.findall(r"(?:gpucheck-doctor[:=]=?|GPUCHECK_VERSION=)(\d[\w.]*\w)", text)
        assert set(versions) == {__version__}, path
