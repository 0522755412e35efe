"""`gpucheck fleet gate`: only what is certain drains a node, within a cap; only our own reasons are cleared."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import time
from pathlib import Path

import pytest
from conftest import COMMAND, clean_environment, write
from machine_data import load
from slurm_stand_in import Controller

from gpucheck.diagnosis import diagnose
from gpucheck.findings import FailOn
from gpucheck.fleet.gate import SHUT
from gpucheck.fleet.gate.decision import Decision, decide
from gpucheck.matrix import Matrix

pytestmark = pytest.mark.skipif(os.name != "posix", reason="Slurm's nodes are POSIX systems")
MACHINES = {machine.title: machine.facts for machine in load()}
# Judging starts a Python and reads the disk: on a busy machine of ours more than 2 s.
WORDS = ("--budget", "60s")
BROKEN, SOUND = ("--require", "python<3"), ("--require", "python>=3")


def decision_on(title: str) -> Decision:
    return decide(diagnose(MACHINES[title], Matrix(), fail_on=FailOn.ERROR))


class Gate:
    """The gate of one node, before a controller."""

    def __init__(self, gpucheck, folder: Path, nodes: int = 40) -> None:
        self.gpucheck, self.folder = gpucheck, folder
        self.controller = Controller(folder, nodes)

    def __call__(self, place: str, *words: object, node: str = "n1", env: dict[str, str] | None = None):
        path = f"{self.controller.folder}{os.pathsep}{os.environ['PATH']}"
        environment = {"SLURMD_NODENAME": node, "PATH": path, **(env or {})}
        return self.gpucheck("fleet", "gate", place, *WORDS, "--cache", self.folder / f"state-{node}", *words,
                             env=environment, cwd=self.folder)  # fmt: skip


@pytest.fixture
def gate(gpucheck, tmp_path: Path) -> Gate:
    return Gate(gpucheck, tmp_path)


def test_it_drains_and_gives_back(gate: Gate) -> None:
    dry = gate("slurm-health", *BROKEN)
    assert (dry.status, gate.controller.reasons()) == (0, {})
    assert "would drain n1: gpucheck: requirement-unmet: python<3" in dry.err
    assert gate("slurm-health", "--act", *BROKEN).status == 0
    assert gate.controller.reasons()["n1"].startswith("gpucheck: requirement-unmet: python<3")
    again = gate("slurm-health", "--act", *BROKEN)
    assert (again.status, again.err) == (0, "")
    back = gate("slurm-health", "--act", *SOUND)
    assert (back.status, gate.controller.reasons()) == (0, {})
    assert "gave n1 back" in back.err


def test_a_lost_gpu_drains_until_it_is_back(gate: Gate, stub) -> None:
    lost, well = stub("gpu.1.fail.*=15"), {"CUDA_VISIBLE_DEVICES": "0", "SLURM_JOB_ID": "7", "SLURM_JOB_GPUS": "0"}
    assert gate("slurm-health", "--act", env=lost).status == 0
    assert gate.controller.reasons()["n1"].startswith("gpucheck: gpu-lost: GPU 1")
    # Within a job that has the other GPU the node is as broken.
    assert gate("slurm-prolog", "--act", env={**lost, **well}).status == SHUT
    told = gate("slurm-health", "--act", env=stub())
    assert "gave n1 back: gpucheck: gpu-lost" in told.err
    assert gate("slurm-prolog", "--act", env={**stub(), **well}).status == 0
    assert gate.controller.reasons() == {}


def test_the_reasons_of_others_are_left(gate: Gate) -> None:
    texts = {"n1": "fan broken", "n2": "gpucheck: gpu-lost: GPU 1 (gpucheck)"}
    gate.controller.put({node: ["drained", "2026-11-01T00:00:00", text] for node, text in texts.items()})
    assert "others have taken it out: fan broken" in gate("slurm-health", "--act", *BROKEN).err
    assert gate("slurm-health", "--act", *SOUND).err == ""
    told = gate("slurm-health", "--act", *SOUND, node="n2")  # no GPU here, so nobody can say that it is not lost
    assert "still drained: gpu-lost is not certainly gone" in told.err
    assert set(gate.controller.reasons()) == {"n1", "n2"}


def test_a_bad_rule_stops_at_the_cap(gate: Gate) -> None:
    said = [gate("slurm-health", "--act", "--cap", "5%", *BROKEN, node=f"n{number}").err for number in range(4)]
    assert set(gate.controller.reasons()) == {"n0", "n1"}  # 5 % of 40
    assert all("the cap of 2 is reached: n[0-1] out" in text for text in said[2:])
    shut, still = (gate("slurm-prolog", "--act", *BROKEN, node=node) for node in ("n1", "n3"))
    assert (shut.status, still.status) == (SHUT, 0)


def test_many_at_once_stop_at_the_cap(gate: Gate) -> None:
    path = f"{gate.controller.folder}{os.pathsep}{os.environ['PATH']}"
    together = [
        subprocess.Popen(
            [*COMMAND, "fleet", "gate", "slurm-health", "--act", "--cap", "1", *WORDS, *BROKEN, "--cache",
             gate.folder / f"state-{node}"],
            env=clean_environment(SLURMD_NODENAME=node, PATH=path), stderr=subprocess.DEVNULL,
        )
        for node in ("n0", "n1", "n2")
    ]  # fmt: skip
    assert [one.wait(120) for one in together] == [0, 0, 0]
    assert len(gate.controller.reasons()) <= 1


@pytest.mark.parametrize("place", ["slurm-health", "slurm-prolog"])
@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--require", "gpus>=4"), "did you mean"),
        (("--policy", "wrong.toml"), "wrong.toml:2"),
        (("--policy", "nowhere.toml"), "nowhere.toml"),
        (("--diagnostics", "wrong.toml"), "not known: hardware-diagnostics-passed: wrong.toml: "),
        (("--nope",), "No such option"),
        (("--cap", "much"), "--cap 'much'"),
        (("--patience", "5s"), "at least 8s"),
        (("--diagnostics", "damaged.json"), "not known: hardware-diagnostics-passed: "),
        (("--budget", "1s", "--require", "python<3"), ""),
    ],
)
def test_what_is_no_certainty_drains_nobody(gate: Gate, place: str, words: tuple[str, ...], said: str) -> None:
    write(gate.folder / "wrong.toml", 'fail-on = "error"\nrequired = 4\n')
    damaged = {"check_ids": [{}], "max_severity": {"a": 1}, "entities": {"gpu": 0}}
    write(gate.folder / "damaged.json", json.dumps({"overall_severity": "critical", "x": [damaged]}))
    ran = gate(place, "--act", *words)
    if "--budget" in words:  # in time or not, and then it is certain
        assert ran.status == (SHUT if place == "slurm-prolog" and gate.controller.reasons() else 0)
        return
    assert said in ran.err
    assert (ran.status, gate.controller.reasons()) == (0, {}), ran.err
    assert "Traceback" not in ran.err


def test_the_prolog_believes_a_young_good_word(gate: Gate) -> None:
    assert gate("slurm-health", "--act", *SOUND).status == 0
    gate.controller.folder.rename(gate.folder / "away")  # nobody is asked
    ran = gate("slurm-prolog", "--act", *SOUND, "--budget", "1s")
    assert (ran.status, ran.err) == (0, "")
    content = json.loads((gate.folder / "state-n1/gate.json").read_text())
    assert content["drained"] is False
    assert (gate.folder / "state-n1/gate.json").stat().st_mode & 0o077 == 0


def test_the_prolog_asks_again_before_it_shuts(gate: Gate) -> None:
    assert gate("slurm-health", "--act", *BROKEN).status == 0
    assert gate("slurm-prolog", "--act", *BROKEN).status == SHUT
    assert gate("slurm-prolog", "--act", *SOUND).status == 0  # another policy: what was kept does not count


def test_a_dead_controller_is_logged(gate: Gate) -> None:
    write(
        gate.controller.folder / "scontrol", "#!/bin/sh\necho 'Unable to contact slurm controller' >&2; exit 1\n"
    )
    for place in ("slurm-health", "slurm-prolog"):
        ran = gate(place, "--act", *BROKEN)
        assert (ran.status, ran.err.count("\n")) == (0, 1)
        assert "nothing more done: scontrol: Unable to contact slurm controller" in ran.err


def test_a_slow_controller_takes_nobody_out_unseen(gate: Gate) -> None:
    gate.controller.answer(slow=2)
    ran = gate("slurm-prolog", "--act", "--patience", "8s", *BROKEN)
    assert (ran.status, gate.controller.reasons()) == (0, {})
    # A machine that is slow itself may not even come so far.
    assert "the controller is too slow" in ran.err or "no answer within" in ran.err


def test_a_controller_that_dies_in_between_is_told(gate: Gate) -> None:
    gate.controller.answer(dies=True)
    ran = gate("slurm-prolog", "--act", *BROKEN)
    assert ran.status == 0
    assert "Unable to contact; drained, and the next health check looks at the cap" in ran.err
    gate.controller.answer()
    assert gate("slurm-health", "--act", "--cap", "0", *BROKEN).status == 0
    assert gate.controller.reasons() == {}


def test_who_stands_beyond_the_cap_steps_back_at_the_next_check(gate: Gate) -> None:
    # Somebody was killed between taking itself out and looking who else was.
    ours = "gpucheck: requirement-unmet: python<3 (gpucheck)"
    gate.controller.put({f"n{number}": ["drained", f"2026-11-01T00:00:0{number}", ours] for number in (0, 1)})
    assert "the cap of 1 is reached: n0 out" in gate("slurm-health", "--act", "--cap", "1", *BROKEN).err
    assert set(gate.controller.reasons()) == {"n0"}
    assert gate("slurm-health", "--act", "--cap", "1", *BROKEN, node="n0").err == ""
    assert set(gate.controller.reasons()) == {"n0"}


def test_what_others_have_added_stays(gate: Gate) -> None:
    text = "gpucheck: requirement-unmet: python<3 (gpucheck); KEEP OUT, RMA 4711"
    gate.controller.put({"n1": ["drained", "2026-11-01T00:00:00", text]})
    told = gate("slurm-health", "--act", *SOUND)
    assert "others have added to the reason" in told.err
    assert gate.controller.reasons() == {"n1": text}


def test_an_interrupted_check_forgets_what_it_knew(gate: Gate) -> None:
    assert gate("slurm-health", "--act", *SOUND).status == 0
    path = gate.folder / "state-n1/gate.json"
    assert json.loads(path.read_text())["drained"] is False
    # It is killed while the controller works.
    gate.controller.answer(slow=30)
    words = ["fleet", "gate", "slurm-health", "--act", *WORDS, *BROKEN, "--cache", str(path.parent)]
    search = f"{gate.controller.folder}{os.pathsep}{os.environ['PATH']}"
    one = subprocess.Popen(
        [*COMMAND, *words], env=clean_environment(SLURMD_NODENAME="n1", PATH=search), stderr=subprocess.DEVNULL
    )
    until = time.monotonic() + 60
    while json.loads(path.read_text())["drained"] is False:
        assert time.monotonic() < until
        time.sleep(0.05)
    one.kill()
    one.wait()
    assert json.loads(path.read_text())["drained"] is None


@pytest.mark.parametrize("state", ["DOWN", "IDLE+FAIL", "IDLE+REBOOT_REQUESTED"])
def test_the_reason_of_a_node_that_is_out_for_others_is_not_overwritten(gate: Gate, state: str) -> None:
    gate.controller.put({"n1": [state, "2026-11-01T00:00:00", "bad PSU, RMA 4711"]})
    ran = gate("slurm-health", "--act", *BROKEN)
    assert "others have taken it out: bad PSU, RMA 4711" in ran.err
    assert gate.controller.all()["n1"] == [state, "2026-11-01T00:00:00", "bad PSU, RMA 4711"]
    assert gate("slurm-prolog", "--act", *BROKEN).status == SHUT  # it is out, whoever has said so


def test_a_second_trouble_must_be_gone_too(gate: Gate, stub) -> None:
    assert gate("slurm-health", "--act", env=stub("gpu.1.fail.*=15")).status == 0
    second = gate("slurm-health", "--act", env=stub("gpu.0.remap.corr=0", "gpu.0.remap.failure=1"))
    assert (second.status, second.err) == (0, "")
    assert "uncorrectable-ecc" in (gate.folder / "state-n1/gate.json").read_text()
    assert gate.controller.reasons()["n1"].startswith("gpucheck: gpu-lost: ")
    unread = stub("gpu.*.fail.nvmlDeviceGetRemappedRows=999", "gpu.*.fail.nvmlDeviceGetTotalEccErrors=999")
    told = gate("slurm-health", "--act", env=unread)

    assert "still drained: uncorrectable-ecc is not certainly gone" in told.err
    assert "n1" in gate.controller.reasons()


def test_a_node_without_gpus_in_slurm_is_not_drained_for_its_display_card(gate: Gate, stub) -> None:
    gate.controller.answer(gres="(null)")
    ran = gate("slurm-health", "--act", env=stub("gpu.1.fail.*=15"))
    assert (ran.status, gate.controller.reasons()) == (0, {})
    assert "Slurm has no GPU to give there" in ran.err
    assert gate("slurm-health", "--act", *BROKEN, env=stub("gpu.1.fail.*=15")).status == 0
    assert gate.controller.reasons()["n1"].startswith("gpucheck: requirement-unmet: ")  # that was demanded


def test_what_a_policy_extends_is_part_of_it(gate: Gate) -> None:
    write(gate.folder / "base.toml", '[require]\npython = ">=3"\n')
    write(gate.folder / "policy.toml", 'extends = "base.toml"\n')
    assert gate("slurm-health", "--act", "--policy", "policy.toml").status == 0
    write(gate.folder / "base.toml", '[require]\npython = "<3"\n')
    assert gate("slurm-prolog", "--act", "--policy", "policy.toml").status == SHUT


def test_closed_streams(gate: Gate) -> None:
    line = f"exec {shlex.join(COMMAND)} fleet gate slurm-health {shlex.join(WORDS)} >&- 2>&-"
    environment = clean_environment(SLURMD_NODENAME="n1", XDG_STATE_HOME=str(gate.folder))
    assert subprocess.run(["sh", "-c", line], env=environment, check=False).returncode == 0
