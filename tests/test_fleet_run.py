"""`gpucheck fleet run` on pretended nodes: every fault is named, nothing is lost, nothing is left running."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import time
from pathlib import Path

import pytest
from conftest import as_from_a_terminal, clean_environment, validate
from fleet_faults import STATES, Stub, attended, begin, check_run, events, reasons, running, states, wait_for

pytestmark = pytest.mark.skipif(os.name != "posix", reason="nodes are process groups")
FAULTS = {f"n{number:02}": fault for number, fault in enumerate(STATES, 2)}


def test_every_fault_is_named_and_nothing_is_left(gpucheck, tmp_path: Path) -> None:
    stub, nodes = Stub(tmp_path, FAULTS), [f"n{number:02}" for number in range(1, 15)]
    ran = gpucheck("fleet", "run", "--via", "local", "-w", "n[01-14]", "--command", stub.path, "--deadline", "2s",
                   "--out", tmp_path / "run")  # fmt: skip
    assert ran.status == 1, ran.err
    check_run(tmp_path / "run", nodes, FAULTS)
    assert not stub.left_running(0.5)
    assert sorted(stub.started) == nodes
    assert ran.out.startswith("4 of 14 nodes ok.\n")
    assert " n[02-03]: no answer within 2 s; killed" in ran.out
    why = reasons(tmp_path / "run")
    named = {fault: why.get(node, "") for node, fault in FAULTS.items()}
    assert named["die"] == "crashed with SIGKILL"
    assert named["garbage"] == "it sent something that is no report"
    assert named["half"].startswith("half a report: ")
    assert named["two"] == "2 reports instead of one"
    assert named["wrong"] == "the report of somebody came instead"
    assert "No space left on device" in named["full"]
    assert named["fail"] == "driver-too-old"
    # What came of them is kept, out of the way of the reports.
    kept = {path.name for path in (tmp_path / "run/partial").iterdir()}
    assert kept == {node for node, fault in FAULTS.items() if fault in ("garbage", "half", "two", "wrong")}


def test_absence_alone_is_inconclusive_and_resume_runs_who_is_missing(gpucheck, tmp_path: Path) -> None:
    stub = Stub(tmp_path, {"a2": "half"})
    words = ("fleet", "run", "--via", "local", "-w", "a[1-3]", "--command", stub.path, "--out", tmp_path / "run")
    ran = gpucheck(*words)
    assert ran.status == 3
    assert f"--resume --out {tmp_path}/run" in ran.out
    assert (tmp_path / "run/partial/a2").exists()
    assert "a run is there already; --resume goes on" in gpucheck(*words).err
    stub.write({})
    ran = gpucheck("fleet", "run", "--resume", "--out", tmp_path / "run")
    assert ran.status == 0, ran.err
    assert sorted(stub.started) == ["a1", "a2", "a2", "a3"]
    assert not (tmp_path / "run/partial/a2").exists()
    check_run(tmp_path / "run", ["a1", "a2", "a3"], {})


def test_a_killed_coordinator_leaves_nothing_running_and_its_run_goes_on(gpucheck, tmp_path: Path) -> None:
    stub = Stub(tmp_path, {"b3": "deaf", "b4": "hang"})
    # The real agent notices that its coordinator is gone; what it started must end then.
    agent = attended(stub)
    coordinator = begin("--via", "local", "-w", "b[1-4]", "--command", agent, "--deadline", "60s",
                        "--out", tmp_path / "run")  # fmt: skip
    with contextlib.closing(coordinator.stdout), contextlib.closing(coordinator.stderr):
        wait_for(
            lambda: len(stub.started) == 4 and list(states_so_far(tmp_path / "run").values()).count("ok") == 2
        )
        coordinator.kill()
        coordinator.wait()
    assert not stub.left_running()
    stub.write({})
    ran = gpucheck("fleet", "run", "--resume", "--out", tmp_path / "run")
    assert ran.status == 0, ran.out + ran.err
    check_run(tmp_path / "run", ["b1", "b2", "b3", "b4"], {})
    assert sorted(stub.started) == ["b1", "b2", "b3", "b3", "b4", "b4"]


def states_so_far(folder: Path) -> dict[str, str]:
    with contextlib.suppress(OSError, ValueError):
        return states(folder)
    return {}


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=lambda number: number.name)
def test_an_interruption_ends_everything(tmp_path: Path, number: signal.Signals) -> None:
    stub = Stub(tmp_path, {"c2": "deaf", "c3": "hang"})
    coordinator = begin("--via", "local", "-w", "c[1-3]", "--command", stub.path, "--out", tmp_path / "run",
                        preexec_fn=as_from_a_terminal)  # fmt: skip
    wait_for(lambda: len(stub.started) == 3 and states_so_far(tmp_path / "run").get("c1") == "ok")
    coordinator.send_signal(number)
    _, err = coordinator.communicate(timeout=20)
    assert coordinator.returncode == 128 + number
    assert "Traceback" not in err
    assert not stub.left_running(1.0)
    assert events(tmp_path / "run")[-1]["state"] == "interrupted"
    assert json.loads((tmp_path / "run/nodes/c1.json").read_text())["complete"] is True


def test_the_agent_ends_what_has_left_its_process_group(tmp_path: Path) -> None:
    stub = Stub(tmp_path, {"d1": "deaf"})
    words = [attended(stub), "fleet", "node", "--name", "d1", "--deadline", "1.5"]
    begun = time.monotonic()
    done = subprocess.run(words, capture_output=True, check=False, timeout=30)
    assert time.monotonic() - begun < 10
    assert done.returncode == 1
    assert stub.started == ["d1"]
    assert not stub.left_running(0.5)
    from gpucheck.fleet.contract import unframed

    ((node, document),) = unframed([done.stdout])
    told = json.loads(document)
    assert (node, told["state"], told["complete"]) == ("d1", "timeout", False)


def test_the_real_agent_reports_within_its_contract(gpucheck, tmp_path: Path) -> None:
    verdict = tmp_path / "dcgm.json"
    verdict.write_text('{"overall_severity": "CRITICAL"}')
    ran = gpucheck("fleet", "run", "--via", "local", "-w", "e[1-2]", "--out", tmp_path / "run", "--redact",
                   "--diagnostics", verdict)  # fmt: skip
    assert ran.status == 1, ran.err
    assert "hardware-diagnostic-failed" in ran.out
    from gpucheck.fleet.contract import pseudonym

    for node in ("e1", "e2"):
        document = json.loads((tmp_path / f"run/nodes/{node}.json").read_text())
        assert document["node"]["name"] == pseudonym(node)
        validate("node", document)
        assert document["complete"] is True
    manifest = json.loads((tmp_path / "run/manifest.json").read_text())
    assert (manifest["via"], manifest["nodes"]) == ("local", ["e1", "e2"])


def test_the_agent_writes_a_file_where_the_folder_is_the_runs_own(gpucheck, tmp_path: Path) -> None:
    words = ("fleet", "node", "--name", "f1", "--out", tmp_path)
    assert gpucheck(*words).out == ""
    written = json.loads((tmp_path / "nodes/f1.json").read_text())
    assert written["node"]["name"] == "f1"
    # A folder of the same name on the node, which is another one.
    ran = gpucheck(*words[:3], "f2", *words[4:], "--token", "abc")
    assert ran.out.startswith("gpucheck1 f2 ")
    assert not (tmp_path / "nodes/f2.json").exists()


def test_a_full_disk_of_the_coordinator_is_one_line(gpucheck, tmp_path: Path) -> None:
    small = tmp_path / "small"
    small.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=12k", "none", small], capture_output=True, check=False
    )
    if mounted.returncode:
        pytest.skip("a small tmpfs cannot be mounted here")
    try:
        stub = Stub(tmp_path, {})
        ran = gpucheck(
            "fleet", "run", "--via", "local", "-w", "g[1-9]", "--command", stub.path, "--out", small / "run"
        )
        assert ran.status == 2
        assert ran.err.count("\n") == 1
        assert "No space left on device" in ran.err
        assert not stub.left_running(0.5)
        for path in (small / "run/nodes").glob("*.json"):
            assert json.loads(path.read_text())["complete"] is True
    finally:
        subprocess.run(["umount", "-l", small], check=True)


LOCAL = ("--via", "local", "-w", "n1")
BAD = {
    "-w 'node-[001-064]' or --hostfile": ("--via", "local"),
    "this [ is not closed": ("--via", "local", "-w", "n[1-"),
    "one of local, ssh, srun, ray": ("--via", "pigeon", "-w", "n1"),
    "--via is missing": ("-w", "n1"),
    "a time such as 30s": (*LOCAL, "--deadline", "soon"),
    "torch, tf or all expected": (*LOCAL, "--smoke", "jax"),
    "give only one": (*LOCAL, "--hostfile", "x"),
    "--hosts.txt: cannot be read": ("--via", "local", "--hostfile", "--hosts.txt"),
    "a path is missing": (*LOCAL, "--command", ""),
    "no meaning with --via local": (*LOCAL, "--srun-args", "-p gpu"),
    "there is no run in gpucheck-fleet": ("--resume",),
    "nowhere/manifest.json: No such file": ("--resume", "--out", "nowhere"),
    "is not empty, and no run's folder": (*LOCAL, "--out", "full"),
    "is no name of a node": ("--via", "local", "--nodes=-oProxyCommand=x"),
}


@pytest.mark.parametrize("told", BAD)
def test_bad_usage_is_one_line(gpucheck, tmp_path: Path, told: str) -> None:
    (tmp_path / "full").mkdir()
    (tmp_path / "full/x").touch()
    ran = gpucheck("fleet", "run", *BAD[told], cwd=tmp_path)
    assert ran.status == 2
    assert told in ran.err
    assert ran.err.count("\n") == 1
    assert not (tmp_path / "gpucheck-fleet").exists()


ENGINES = {
    "ssh": "apt-get install openssh-client",
    "srun": "apt-get install slurm-client",
    "ray": "'gpucheck-doctor[ray]'",
}


@pytest.mark.parametrize("via", ENGINES)
def test_an_engine_that_is_not_installed_is_one_line_with_the_command(gpucheck, tmp_path: Path, via: str) -> None:
    if via == "ray":
        from importlib.util import find_spec

        if find_spec("ray") is not None:
            pytest.skip("ray is installed here")
    ran = gpucheck("fleet", "run", "--via", via, "-w", "n1", cwd=tmp_path, env={"PATH": str(tmp_path)})
    assert (ran.status, ran.err.count("\n")) == (2, 1)
    assert ENGINES[via] in ran.err


def test_two_coordinators_do_not_share_a_folder(gpucheck, tmp_path: Path) -> None:
    stub = Stub(tmp_path, {}, pause=5)
    first = begin("--via", "local", "-w", "h1", "--command", stub.path, "--out", tmp_path / "run",
                  env=clean_environment())  # fmt: skip
    wait_for(lambda: stub.started)
    ran = gpucheck("fleet", "run", "--resume", "--out", tmp_path / "run")
    assert (ran.status, ran.err.count("\n")) == (2, 1)
    assert "another gpucheck fleet run is at work there" in ran.err
    first.terminate()
    first.communicate(timeout=10)
    assert not running(str(stub.path))


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ('BASE["schema_version"] = 2', "a report of a newer schema"),
        ('BASE["findings"], BASE["exit_status"], BASE["root_causes"] = 7, 1, []', "a damaged report"),
        ('BASE["root_causes"] = 3', "a damaged report"),
    ],
)
def test_what_collect_cannot_read_is_no_answer(gpucheck, tmp_path: Path, change: str, reason: str) -> None:
    stub = Stub(tmp_path)
    text = stub.path.read_text()
    stub.path.write_text(text.replace("fault = FAULTS", f"if name == 'g2': {change}\nfault = FAULTS"))
    out = tmp_path / "run"
    ran = gpucheck("fleet", "run", "--via", "local", "-w", "g[1-2]", "--command", stub.path, "--out", out)
    assert ran.status == 3, ran.out + ran.err
    assert states(tmp_path / "run") == {"g1": "ok", "g2": "no-report"}
    assert reason in reasons(tmp_path / "run")["g2"]
    assert gpucheck("fleet", "collect", tmp_path / "run").out.startswith("Inconclusive: 1 of 2 expected nodes ok")
    stub.write({})
    assert gpucheck("fleet", "run", "--resume", "--out", tmp_path / "run").status == 0
    assert stub.started.count("g2") == 2


def test_a_half_written_diagnostic_is_unknown_and_not_the_reports_end(gpucheck, tmp_path: Path) -> None:
    verdict = tmp_path / "dcgm.json"
    for text in ("", '{"DCGM Diagnostic": {"test_cat'):
        verdict.write_text(text)
        ran = gpucheck("fleet", "node", "--name", "n1", "--out", tmp_path, "--diagnostics", verdict)
        assert ran.status == 0, ran.err
        checks = json.loads((tmp_path / "nodes/n1.json").read_text())["checks"]
        assert [one["status"] for one in checks if one["name"] == "hardware-diagnostics-passed"] == ["unknown"]


@pytest.mark.parametrize("more", [("--redact",), ("--fanout", "2"), ("--diagnostics", "x")])
def test_a_run_goes_on_as_it_was_begun(gpucheck, tmp_path: Path, more: tuple[str, ...]) -> None:
    stub = Stub(tmp_path, {"h1": "exit"})
    gpucheck("fleet", "run", "--via", "local", "-w", "h1", "--command", stub.path, "--out", tmp_path / "run")
    ran = gpucheck("fleet", "run", "--resume", "--out", tmp_path / "run", *more)
    assert (ran.status, ran.err.count("\n")) == (2, 1)
    assert f"leave {more[0]} out" in ran.err


def test_nothing_is_left_in_a_folder_of_others(gpucheck, tmp_path: Path) -> None:
    (tmp_path / "precious").write_text("x")
    ran = gpucheck("fleet", "run", "--via", "local", "-w", "h1", "--out", tmp_path)
    assert (ran.status, [path.name for path in tmp_path.iterdir()]) == (2, ["precious"])
