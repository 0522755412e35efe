"""`gpucheck fleet gate`: only what is certain drains a node, within a cap; only our own reasons are cleared."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
import time
from pathlib import Path

import pytest
from conftest import COMMAND, ROOT, clean_environment, write
from machine_data import load
from slurm_stand_in import Controller

from gpucheck.demands import read as read_demands
from gpucheck.diagnosis import diagnose
from gpucheck.findings import FailOn
from gpucheck.fleet.gate import SHUT, kept
from gpucheck.fleet.gate.controller import CapError, Standing, read_cap, reason
from gpucheck.fleet.gate.decision import OF_THE_NODE, Decision, decide, from_json, to_json
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


# What drains.


@pytest.mark.parametrize(
    ("title", "drains"),
    [
        ("health: a failed row remapping", ["uncorrectable-ecc"]),
        ("health: a row remapping that waits for a reset", []),  # a warning
        ("health: a GPU that has not joined the NVLink fabric", []),  # likely
        ("diagnostics: a card that DCGM wants isolated", ["hardware-diagnostic-failed"]),
        ("diagnostics: Health Validation finds a critical trouble", []),  # perhaps only a sensor that was not read
        ("diagnostics: a verdict under the driver of before", []),  # unknown
        ("health: an exclusive GPU with a program on it", []),  # somebody's own business
    ],
)
def test_only_certain_errors_of_the_node_drain_it(title: str, drains: list[str]) -> None:
    assert [slug for slug, _ in decision_on(title).drains] == drains


def test_no_healthy_machine_and_no_broken_environment_drains_a_node() -> None:
    for title in MACHINES:
        decision = decision_on(title)
        assert {slug for slug, _ in decision.drains} <= set(OF_THE_NODE)
        assert not {slug for slug, _ in decision.drains} & set(decision.sound)
        if title.startswith(("frameworks:", "packages:", "libraries:", "smoke:")):
            assert {slug for slug, _ in decision.drains} <= {"gpu-unsupported-by-driver"}, title


def test_what_was_not_looked_at_clears_nothing() -> None:
    healthy, unread = (
        decision_on("health: a healthy data-centre GPU, idle"),
        decision_on("diagnostics: a verdict under the driver of before"),
    )
    assert {"gpu-lost", "driver-library-mismatch"} <= set(healthy.sound)
    assert "uncorrectable-ecc" not in healthy.sound, "the kernel's log was not read"
    assert "hardware-diagnostic-failed" not in healthy.sound, "no diagnostic was handed in"
    assert "hardware-diagnostic-failed" not in unread.sound
    assert any("hardware-diagnostics-passed" in line for line in unread.unsure)


def test_an_undetermined_demand_drains_nobody_and_an_unmet_one_does() -> None:
    facts = MACHINES["health: a GPU that is too hot"]  # how much memory it has was not told

    def of(demand: str) -> Decision:
        return decide(read_demands([demand], None, None, None).report(facts, Matrix(), FailOn.ERROR))

    unknown, unmet, met = of("gpu-memory>=39GiB"), of("gpu>=2"), of("gpu>=1")
    assert unknown.drains == ()
    assert "requirement-unmet" not in unknown.sound
    assert any("gpu-memory" in line for line in unknown.unsure)
    assert [slug for slug, _ in unmet.drains] == ["requirement-unmet"]
    assert "requirement-unmet" in met.sound


def test_a_decision_goes_through_json() -> None:
    decision = decision_on("health: a failed row remapping")
    assert from_json(json.loads(json.dumps(to_json(decision)))) == decision
    with pytest.raises(ValueError, match="no decision"):
        from_json({"drains": 3})


@pytest.mark.parametrize(
    ("text", "ours", "slugs"),
    [
        ("gpucheck: gpu-lost: GPU 1 is lost (gpucheck)", True, ("gpu-lost",)),
        ("gpucheck: gpu-lost, gpu-missing: GPU 1 (gpucheck)", True, ("gpu-lost", "gpu-missing")),
        ("gpucheck: gpu-lost: GPU 1 is lost (gpucheck) : Not responding", True, ("gpu-lost",)),
        ("gpucheck: gpu-lost: GPU 1 is lost (gpucheck) : reboot requested", True, ("gpu-lost",)),
        ("gpucheck: gpu-lost: GPU 1 is lost (gpucheck); KEEP OUT, RMA 4711", False, ()),
        ("gpucheck: gpu-lost: GPU 1 is lost (gpucheck) : Low RealMemory", False, ()),
        ("gpucheck: gpu-lost: see the ticket", False, ()),
        ("fan broken", False, ()),
        ("gpucheckers are coming", False, ()),
    ],
)
def test_whose_reason_it_is(text: str, ours: bool, slugs: tuple[str, ...]) -> None:
    standing = Standing(drained=True, reason=text)
    assert standing.ours is ours
    assert standing.slugs == slugs
    assert not Standing(drained=False, reason=text).ours


def test_a_reason_is_one_plain_line() -> None:
    text = reason((("gpu-lost", "GPU \x1b[31m1\n is 'lost' : [gone] @home" + "x" * 300), ("gpu-missing", "")))
    assert text.startswith("gpucheck: gpu-lost, gpu-missing: GPU")
    assert len(text) <= 200
    assert not set("\x1b\n'[]@") & set(text)
    assert Standing(drained=True, reason=text).ours


@pytest.mark.parametrize(
    ("text", "nodes", "most"), [("5%", 1000, 50), ("5%", 8, 1), ("3", 8, 3), ("0", 8, 0), ("0%", 8, 0)]
)
def test_the_cap(text: str, nodes: int, most: int) -> None:
    assert read_cap(text).of(nodes) == most


@pytest.mark.parametrize("text", ["", "x", "-1", "101%", "5 nodes"])
def test_a_wrong_cap(text: str) -> None:
    with pytest.raises(CapError, match="a number of nodes, or per cent"):
        read_cap(text)


# What it does with a scheduler.


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


# What is kept.


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


# The scripts.


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
