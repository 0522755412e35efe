"""The scripts of the gate, and the decision that is kept between them: nothing but a verdict shuts it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import ROOT, write
from machine_data import load

from gpucheck.diagnosis import diagnose
from gpucheck.findings import FailOn
from gpucheck.fleet.gate import SHUT, kept
from gpucheck.fleet.gate.decision import Decision, decide
from gpucheck.matrix import Matrix

pytestmark = pytest.mark.skipif(os.name != "posix", reason="Slurm's nodes are POSIX systems")
MACHINES = {machine.title: machine.facts for machine in load()}
# Judging starts a Python and reads the disk: on a busy machine of ours more than 2 s.
WORDS = ("--budget", "60s")
BROKEN, SOUND = ("--require", "python<3"), ("--require", "python>=3")


def decision_on(title: str) -> Decision:
    return decide(diagnose(MACHINES[title], Matrix(), fail_on=FailOn.ERROR))


def test_only_a_decision_of_this_boot_driver_and_policy_counts(tmp_path: Path, monkeypatch) -> None:
    wanted = kept.key(("0.1", "policy"))
    store, decision = kept.Store(tmp_path / "new", wanted), Decision(sound=("gpu-lost",))
    assert store.read() is None
    assert store.write(decision, None) is None
    found = store.read()
    assert (found.decision, found.drained) == (decision, None)
    assert 0 <= found.age < 60
    assert kept.Store(tmp_path / "new", kept.key(("0.1", "other"))).read() is None
    monkeypatch.setattr(kept, "boot_id", lambda: "another boot")
    assert kept.key(("0.1", "policy")) != wanted
    monkeypatch.setattr(kept, "boot_id", lambda: None)
    assert kept.key(()) is None
    assert kept.Store(tmp_path / "new", None).read() is None


@pytest.mark.parametrize("damage", ["", "{", "[]", '{"key": 1}', "null", "\0" * 10])
def test_a_damaged_file_is_no_decision(tmp_path: Path, damage: str) -> None:
    store = kept.Store(tmp_path, "key")
    write(tmp_path / kept.FILE, damage)
    assert store.read() is None
    store.write(Decision(), None)
    store.path.chmod(0o666)
    assert store.read() is None, "others could have written it"


def test_a_folder_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    write(tmp_path / "file")
    assert "cannot be written" in kept.Store(tmp_path / "file/folder", "key").write(Decision(), None)


def test_a_folder_of_others_is_not_used(tmp_path: Path) -> None:
    store = kept.Store(tmp_path / "open", "key")
    store.path.parent.mkdir()
    store.path.parent.chmod(0o777)
    assert "is not ours alone" in store.write(Decision(), None)
    os.mkfifo(store.path)
    assert store.read() is None
    target = write(tmp_path / "target", "precious")
    mine = kept.Store(tmp_path / "mine", "key")
    mine.path.parent.mkdir(mode=0o700)
    mine.path.with_name(f".{kept.FILE}.{os.getpid()}").symlink_to(target)
    assert mine.write(Decision(), None) is not None
    assert target.read_text() == "precious"


def script(name: str, folder: Path, gpucheck: str, options: str) -> Path:
    text = (ROOT / "ci/slurm" / name).read_text()
    text = text.replace("GPUCHECK=/opt/gpucheck/bin/gpucheck", f"GPUCHECK={gpucheck}")
    lines = [f'OPTIONS="{options}"' if line.startswith("OPTIONS=") else line for line in text.splitlines()]
    log = write(folder / "bin/logger", f"#!/bin/sh\ncat >>{folder}/log\n")
    log.chmod(0o755)
    path = write(folder / name, "\n".join(lines).replace("PATH=/usr", f"PATH={folder}/bin:/usr") + "\n")
    path.chmod(0o755)
    return path


@pytest.mark.parametrize("status", [0, 1, 2, 3, SHUT, 127, 137])
def test_the_scripts_fail_for_one_status_of_the_prolog_alone(tmp_path: Path, status: int) -> None:
    stand_in = write(tmp_path / "gpucheck", f'#!/bin/sh\necho "said $3" >&2\nexit {status}\n')
    stand_in.chmod(0o755)
    for name, shut in (("healthcheck.sh", False), ("prolog.sh", status == SHUT)):
        path = script(name, tmp_path, str(stand_in), "--cap 3")
        done = subprocess.run([path], env={"SLURMD_NODENAME": "n1"}, capture_output=True, check=False)
        assert (done.returncode != 0) is shut
        assert done.stdout + done.stderr == b""
    assert (tmp_path / "log").read_text() == "said slurm-health\nsaid slurm-prolog\n"


def test_a_gpucheck_that_cannot_start_shuts_nothing(tmp_path: Path) -> None:
    broken = write(tmp_path / "gpucheck", f"#!{sys.executable}\nfrom gpucheck.no_such_module import main\n")
    broken.chmod(0o755)
    for program in (str(broken), "/no/such/gpucheck"):
        for name in ("healthcheck.sh", "prolog.sh"):
            path = script(name, tmp_path, program, "")
            assert subprocess.run([path], env={}, check=False).returncode == 0
    log = (tmp_path / "log").read_text()
    assert log.count("no_such_module") >= 2
    assert log.count("/no/such/gpucheck") == 2
