"""Distributed runs as a launcher starts them: real ranks on one machine, healthy ones and sabotaged ones."""

from __future__ import annotations

import json
import random
import shutil
import signal
import socket
import subprocess
import sys
import time
from importlib.util import find_spec
from pathlib import Path

import pytest
from conftest import COMMAND, Ran, StandIn, clean_environment
from test_smoke import needs

SMOKE = ("smoke", "--distributed", "--no-redact", "--format", "json")
OF_LAUNCHERS = ("RANK", "WORLD_SIZE", "LOCAL_", "MASTER_", "TORCHELASTIC_", "OMPI_", "PMI", "MPI_", "GROUP_RANK")
TORCHRUN = Path(sys.executable).with_name("torchrun")
PATIENT = 400  # seconds after which a test gives up; the machines of tests are slow
KILLED = "os.kill(os.getpid(), signal.SIGKILL)"
PARENT_KILLED = "import time; time.sleep(2); os.kill(os.getppid(), signal.SIGKILL); time.sleep(60)"
HUNG = "os.kill(os.getpid(), signal.SIGSTOP)"
WRONG = "answer = real(tensor, *rest, **options); tensor[0] += 1; return answer"
# A framework's script, broken at its start-up by a .pth file, when a rank comes to its first all-reduce.
SABOTAGE = """
import os, signal, sys
if 'distribute_torch' in ' '.join(sys.orig_argv) and os.environ.get('RANK') == '{rank}':
    import torch.distributed
    real = torch.distributed.all_reduce
    def broken(tensor, *rest, **options):
        {code}
    torch.distributed.all_reduce = broken
"""


def environment(**extra: str) -> dict[str, str]:
    """A clean environment, outside every launcher."""
    return {name: text for name, text in clean_environment(**extra).items()
            if name in extra or not name.startswith(OF_LAUNCHERS)}  # fmt: skip


def free_port() -> int:
    """A port that is free, as is the one on which the ranks meet; below those that connections take."""
    while True:
        port = random.randrange(21_000, 31_000)
        try:
            with socket.create_server(("127.0.0.1", port)), socket.create_server(("127.0.0.1", port + 100)):
                return port
        except OSError:
            continue


def torchrun(*options: object, size: int = 2) -> Ran:
    """Two ranks by the real torchrun; its stdout is that of all ranks."""
    if not TORCHRUN.exists():
        pytest.skip("torchrun is not installed")
    command = [TORCHRUN, "--nproc-per-node", size, "--master-port", free_port(), "--no-python", *COMMAND, *options]
    done = subprocess.run(
        [*map(str, command)], capture_output=True, text=True, env=environment(), timeout=PATIENT, check=False
    )
    return Ran(done)


def ranks(variables: list[dict[str, str]], *options: object) -> list[Ran]:
    """Ranks that this test starts itself, each with the variables of a launcher."""
    started = [
        subprocess.Popen([*COMMAND, *map(str, options)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                         env=environment(**own))
        for own in variables
    ]  # fmt: skip
    ended = []
    for process in started:
        out, err = process.communicate(timeout=PATIENT)
        ended.append(Ran(subprocess.CompletedProcess(process.args, process.returncode, out, err)))
    return ended


def slurm(rank: int, port: int, size: int = 2) -> dict[str, str]:
    """The variables of a task that srun starts; the port follows from the job."""
    return {
        "SLURM_PROCID": str(rank), "SLURM_NTASKS": str(size), "SLURM_LOCALID": str(rank), "SLURM_STEP_ID": "0",
        "SLURM_JOB_NODELIST": "localhost", "SLURM_JOB_ID": str(port - 20_000 + 7 * 40_000),
    }  # fmt: skip


def open_mpi(rank: int, port: int, size: int = 2) -> dict[str, str]:
    """The variables of a process that Open MPI's mpirun starts on one machine."""
    names = {"RANK": rank, "SIZE": size, "LOCAL_RANK": rank, "LOCAL_SIZE": size}
    own = {f"OMPI_COMM_WORLD_{name}": str(value) for name, value in names.items()}
    return {**own, "PMIX_NAMESPACE": "prterun-1", "MASTER_PORT": str(port)}


def mpich(rank: int, port: int, size: int = 2) -> dict[str, str]:
    """The variables of a process that MPICH's mpiexec starts."""
    own = {"PMI_RANK": str(rank), "PMI_SIZE": str(size), "MPI_LOCALRANKID": str(rank)}
    return {**own, "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}


def sabotaged(stand_in: StandIn, code: str, rank: int = 1) -> Path:
    """The real torch in an interpreter that breaks a rank."""
    site = Path(find_spec("torch").origin).parents[1]
    stand_in.write("real.pth", str(site) + "\nimport sabotage\n")
    stand_in.write("sabotage.py", SABOTAGE.replace("{code}", code).replace("{rank}", str(rank)))
    return stand_in.python


def processes() -> list[str]:
    """The parent and the arguments of all that runs."""
    listed = subprocess.run(["ps", "-eww", "-o", "ppid,args"], capture_output=True, text=True, check=True)
    return listed.stdout.splitlines()


def left_running(python: Path) -> list[str]:
    """Processes of an interpreter, after a moment for the last ones to be gone."""
    for _ in range(50):
        found = [line for line in processes() if str(python) in line and "distribute" in line]
        if not found:
            return []
        time.sleep(0.2)
    return found


def passed(ran: Ran, framework: str) -> dict:
    """What a healthy run on two CPU ranks tells."""
    assert ran.status == 0, ran.err
    report = ran.report
    (run,) = report["facts"]["distributed"]
    assert (run["framework"], run["rank"], run["size"], run["device"]) == (framework, 0, 2, "cpu")
    assert [one["rank"] for one in run["ranks"]] == [0, 1]
    assert {one["host"] for one in run["ranks"]} == {socket.gethostname()}
    assert min(one["late"] for one in run["ranks"]) == 0
    assert (run["absent"], run["blamed"], run["failure"], run["log"]) == ([], [], None, [])
    assert [one["bytes"] for one in run["all_reduce"]] == [1 << 10, 1 << 20, 1 << 24]
    for one in run["all_reduce"]:
        assert one["exact"]
        # Over two ranks 2 (n - 1) / n is 1.
        assert one["bus_bandwidth"] == one["algorithm_bandwidth"] == pytest.approx(one["bytes"] / one["seconds"])
    assert run["gradient_error"] < 1e-5
    statuses = {one["name"]: one["status"] for one in report["checks"] if one["family"] == "distributed"}
    assert statuses.pop("ranks-on-gpu") == "fail"  # ran-on-cpu, which is information
    assert set(statuses.values()) == {"pass"}
    assert [finding["slug"] for finding in report["findings"]] == ["ran-on-cpu"]
    return run


def failed(ran: Ran, slug: str) -> tuple[dict, dict]:
    """The report and the run of rank 0, which failed."""
    assert ran.status == 1, ran.err
    report = ran.report
    assert report["root_causes"][0] == slug, report["findings"]
    return report, report["facts"]["distributed"][0]


def test_torchrun_with_torch() -> None:
    needs("torch")
    run = passed(torchrun(*SMOKE, "-f", "torch"), "torch")
    assert (run["launcher"], run["backend"]) == ("torchrun", "gloo")
    assert run["mirrored_error"] is None


def test_torchrun_with_tensorflow() -> None:
    needs("tf")
    run = passed(torchrun(*SMOKE, "-f", "tf"), "tensorflow")
    assert run["backend"] == "ring"
    assert run["mirrored_devices"] == 2
    assert run["mirrored_error"] < 1e-5


@pytest.mark.parametrize(
    ("launcher", "variables"),
    [
        ("srun", slurm),
        pytest.param("mpirun", open_mpi, marks=pytest.mark.slow),
        pytest.param("mpirun", mpich, marks=pytest.mark.slow),
    ],
)
def test_the_variables_of_other_launchers(launcher: str, variables) -> None:
    needs("torch")
    port = free_port()
    first, second = ranks([variables(rank, port) for rank in (0, 1)], *SMOKE, "-f", "torch")
    assert passed(first, "torch")["launcher"] == launcher
    assert (second.status, second.out, second.err) == (0, "", "")


@pytest.mark.parametrize("launcher", ["mpirun", "srun"])
def test_a_real_launcher(launcher: str) -> None:
    needs("torch")
    if shutil.which(launcher) is None:
        pytest.skip(f"{launcher} is not installed")
    if launcher == "srun" and subprocess.run(["sinfo"], capture_output=True, check=False).returncode != 0:
        pytest.skip("srun is installed, but no Slurm controller answers")
    command = [launcher, "-n", "2", *COMMAND, *SMOKE, "-f", "torch"]
    as_root = {"OMPI_ALLOW_RUN_AS_ROOT": "1", "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1"}
    env = environment(**as_root, PRTE_MCA_rmaps_default_mapping_policy=":oversubscribe")
    done = subprocess.run(command, capture_output=True, text=True, env=env, timeout=PATIENT, check=False)
    assert passed(Ran(done), "torch")["launcher"] == launcher


@pytest.mark.slow
def test_all_frameworks_one_after_the_other_and_the_screen() -> None:
    needs("torch")
    needs("tf")
    port = free_port()
    first, second = ranks([slurm(rank, port) for rank in (0, 1)], "smoke", "--distributed")
    assert (first.status, second.status, second.out) == (0, 0, ""), first.err + second.err
    for words in ("torch 2.", "tensorflow 2.", "ranks: ", "all-reduce, GB/s: 1 KiB ", "MirroredStrategy over 2"):
        assert words in first.out
    assert first.out.startswith("Healthy: torch with 2 ranks over gloo, tensorflow with 2 ranks over ring: ")


@pytest.mark.parametrize("framework", ["torch", pytest.param("tf", marks=pytest.mark.slow)])
def test_an_absent_rank_is_named(framework: str) -> None:
    needs(framework)
    (ran,) = ranks([slurm(0, free_port(), size=3)], *SMOKE, "-f", framework, "--timeout", "60")
    report, run = failed(ran, "rank-absent")
    assert run["absent"] == run["blamed"] == [1, 2]
    assert "ranks 1 and 2 of 3 did not arrive within 24 s" in run["failure"]
    assert run["seconds"] < 60
    assert ran.err == ""
    assert "rank 0 on" in report["findings"][0]["evidence"][0]["text"]


def test_without_rank_0_the_others_say_so() -> None:
    needs("torch")
    (ran,) = ranks([slurm(1, free_port())], *SMOKE, "-f", "torch", "--timeout", "10")
    assert (ran.status, ran.out) == (1, "")
    assert ran.err.startswith("rank 1: rank 0 did not answer at localhost:")
    assert ran.err.count("\n") == 1


@pytest.mark.parametrize(
    ("code", "words"),
    [
        (KILLED, "failed in stage 'all_reduce': the process ended without a result: crashed with SIGKILL"),
        (HUNG, "hung in stage 'all_reduce', or cannot be reached: no sign of life for"),
        pytest.param(
            PARENT_KILLED, "ended without a word, gpucheck and all, or the machine with it", marks=pytest.mark.slow
        ),
        pytest.param(
            "raise RuntimeError('no memory left')",
            "failed in stage 'all_reduce': RuntimeError: no memory left",
            marks=pytest.mark.slow,
        ),
    ],
)
def test_a_rank_that_breaks_is_named_and_nothing_is_left(stand_in, code: str, words: str) -> None:
    needs("torch")
    python, port = sabotaged(stand_in, code), free_port()
    options = (*SMOKE, "-f", "torch", "--python", python, "--timeout", "75")
    first, second = ranks([slurm(rank, port) for rank in (0, 1)], *options)
    _, run = failed(first, "distributed-failed")
    assert run["blamed"] == [1]
    assert run["failure"].startswith(f"rank 1 on {socket.gethostname()} {words}")
    assert run["failure_stage"] == "all_reduce"
    assert run["seconds"] < 75
    assert second.out == ""
    if second.status != -signal.SIGKILL:
        assert second.status == 1
        assert second.err.startswith("rank 1: ")
        assert second.err.count("\n") == 1
    assert left_running(python) == []


@pytest.mark.slow
def test_without_rank_0_s_gpucheck_the_others_end(stand_in) -> None:
    needs("torch")
    python, port = sabotaged(stand_in, PARENT_KILLED, rank=0), free_port()
    options = (*SMOKE, "-f", "torch", "--python", python)
    first, second = ranks([slurm(rank, port) for rank in (0, 1)], *options)
    assert (first.status, first.out, second.status, second.out) == (-signal.SIGKILL, "", 1, "")
    assert second.err.startswith("rank 1: ")
    assert second.err.count("\n") == 1
    assert left_running(python) == []


@pytest.mark.parametrize("code", [KILLED, pytest.param(PARENT_KILLED, marks=pytest.mark.slow)])
def test_the_report_comes_out_although_torchrun_ends_all_ranks(stand_in, code: str) -> None:
    needs("torch")
    python = sabotaged(stand_in, code)
    ran = torchrun(*SMOKE, "-f", "torch", "--python", python, "--timeout", "120")
    _, run = failed(ran, "distributed-failed")
    assert run["blamed"] == [1]
    assert left_running(python) == []


def test_a_wrong_sum_is_told_with_its_rank(stand_in) -> None:
    needs("torch")
    python, port = sabotaged(stand_in, WRONG), free_port()
    first, second = ranks([slurm(rank, port) for rank in (0, 1)], *SMOKE, "-f", "torch", "--python", python)
    report, run = failed(first, "all-reduce-wrong")
    assert report["root_causes"] == ["all-reduce-wrong"]
    assert [one["exact"] for one in run["all_reduce"]] == [False] * 3
    assert {tuple(one["wrong_ranks"]) for one in run["all_reduce"]} == {(1,)}
    assert {finding["slug"] for finding in report["findings"]} >= {"all-reduce-wrong", "gradients-differ"}
    assert (second.status, second.out) == (1, "")
    assert second.err.startswith("rank 1: An all-reduce over gloo gave a wrong sum on rank 1: ")


@pytest.mark.slow
def test_ranks_of_another_launch_are_refused() -> None:
    needs("torch")
    port = free_port()
    first, other = ranks(
        [slurm(0, port), {**slurm(1, port), "SLURM_STEP_ID": "5"}], *SMOKE, "-f", "torch", "--timeout", "40"
    )
    _, run = failed(first, "rank-absent")
    assert "rank 1 from" in run["failure"]
    assert "was refused: its launch is" in run["failure"]
    assert (other.status, other.out) == (1, "")
    assert other.err.startswith("rank 1: rank 0 refused this rank: its launch is")


def test_a_port_that_is_taken_is_one_line() -> None:
    needs("torch")
    port = free_port()
    with socket.create_server(("127.0.0.1", port + 100)):
        (ran,) = ranks([slurm(0, port)], *SMOKE, "-f", "torch", "--timeout", "20")
    _, run = failed(ran, "distributed-failed")
    assert f"rank 0 cannot listen on localhost:{port + 100}" in run["failure"]
    assert "MASTER_PORT" in run["failure"]


def test_the_interruption_of_all_ranks_is_no_finding() -> None:
    """A scheduler that ends a job ends every rank: nothing is to blame, and nothing is left."""
    needs("torch")
    own = environment(**slurm(0, free_port()))
    process = subprocess.Popen([*COMMAND, *SMOKE, "-f", "torch"], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                               text=True, env=own)  # fmt: skip
    try:
        while not any(line.split()[0] == str(process.pid) and "distribute_torch" in line for line in processes()):
            assert process.poll() is None
            time.sleep(0.1)
    finally:
        process.send_signal(signal.SIGTERM)
    out, _ = process.communicate(timeout=PATIENT)
    assert (process.returncode, out) == (128 + signal.SIGTERM, "")


@pytest.mark.parametrize(
    ("variables", "words"),
    [
        ({}, "torchrun, srun or mpirun starts it, once for each rank: torchrun --nproc-per-node 2"),
        ({"RANK": "one", "WORLD_SIZE": "2"}, "RANK is 'one'; a number from 0"),
        ({"RANK": "-1", "WORLD_SIZE": "2"}, "RANK is '-1'; a number from 0"),
        ({"RANK": "2", "WORLD_SIZE": "2"}, "RANK is 2 and WORLD_SIZE is 2; ranks count from 0"),
        ({"RANK": "0"}, "WORLD_SIZE is not set"),
        ({"RANK": "0", "WORLD_SIZE": "2"}, "RANK is set and MASTER_ADDR is not"),
        ({"RANK": "0", "WORLD_SIZE": "2", "MASTER_ADDR": "h"}, "MASTER_PORT is not set"),
        ({"RANK": "0", "WORLD_SIZE": "2", "MASTER_ADDR": "h", "MASTER_PORT": "99999"}, "MASTER_PORT is '99999'"),
        ({"RANK": "0", "WORLD_SIZE": "1", "MASTER_ADDR": "h", "MASTER_PORT": "29500"}, "at least two ranks"),
        ({"SLURM_PROCID": "0", "SLURM_NTASKS": "2"}, "neither SLURM_STEP_NODELIST nor SLURM_JOB_NODELIST"),
        ({"SLURM_PROCID": "0", "SLURM_JOB_NODELIST": "n1"}, "SLURM_NTASKS is not set"),
        ({"PMI_RANK": "0", "PMI_SIZE": "4"}, "set MASTER_ADDR to the host of rank 0"),
        (
            {
                **{name: text for name, text in open_mpi(0, 29_400).items() if name != "MASTER_PORT"},
                "OMPI_COMM_WORLD_LOCAL_SIZE": "1",
            },
            "LOCAL_SIZE is 1 and OMPI_COMM_WORLD_SIZE is 2",
        ),
        ({**open_mpi(0, 29_400), "TF_CONFIG": "{}"}, "TF_CONFIG does not name 2 workers and task 0"),
    ],
)
def test_what_a_launcher_cannot_have_told_is_one_line(variables: dict[str, str], words: str) -> None:
    (ran,) = ranks([variables], *SMOKE, "-f", "torch")
    assert (ran.status, ran.out) == (2, "")
    assert words in ran.err
    assert "torchrun --nproc-per-node 2 --no-python gpucheck smoke --distributed" in ran.err
    assert ran.err.count("\n") == 1


@pytest.mark.parametrize(
    "options",
    [("--all-gpus",), ("--folds", "5"), ("--model", "cnn-64"), ("--plot", "x.png"), ("--csv", "x.csv"),
     ("--arithmetic", "fp32"), ("--data", "mnist"), ("--batch-size", "3"), ("--compiled",)],
)  # fmt: skip
def test_options_that_have_no_meaning_together(gpucheck, options: tuple[str, ...]) -> None:
    ran = gpucheck(*SMOKE, "-f", "torch", *options)
    assert (ran.status, ran.out) == (2, "")
    assert f"{options[0]} and --distributed: give only one" in ran.err


def test_other_hosts_and_lines_without_sense_do_not_harm_the_meeting() -> None:
    from gpucheck.smoketest.ranks.launchers import Launch
    from gpucheck.smoketest.ranks.meeting import Guest, Host, MeetingError, greeting
    from gpucheck.smoketest.ranks.roster import Roster

    port = free_port()
    one = {"launcher": "srun", "size": 3, "local_size": 3, "master": "127.0.0.1", "port": port, "run": "7"}
    launches = [Launch(rank=rank, local_rank=rank, **one) for rank in range(3)]
    roster = Roster(size=3)
    roster.join(0, "here", "127.0.0.1")
    host = Host(launches[0], "torch", roster)
    hello = greeting(launches[1], "torch")
    deep = b"[" * 100_000
    junk = [b"GET / HTTP/1.1\r\n\r\n", b"\xff\n", b"[]\n", b"{}\n", deep + b"\n", b"1" * 5000 + b"\n"]
    junk += [json.dumps({**hello, key: value}).encode() + b"\n" for key, value in
             (("rank", 0), ("rank", 3), ("rank", 10**400), ("rank", None), ("run", 8), ("size", 2))]  # fmt: skip
    for content in junk:
        with socket.create_connection(("127.0.0.1", port + 100)) as connection:
            connection.sendall(content)
            connection.shutdown(socket.SHUT_WR)
            while connection.recv(1000):
                pass
    assert set(roster.members) == {0}
    guest = Guest(launches[1], "torch", 5)
    with pytest.raises(MeetingError, match="a rank 1 is here already"):
        Guest(launches[1], "torch", 5)
    guest.line.send({"stage": "\x1b[31m" + "x" * 5000, "arrived": {"port": 7}})
    assert roster.wait(lambda: roster.members[1].arrived is not None, time.monotonic() + 30)
    assert len(roster.members[1].stage) == 40
    guest.line.send({"measured": {"all_reduce": [], "gradient_error": float("nan")}})
    assert roster.wait(lambda: roster.members[1].lost is not None, time.monotonic() + 30)
    host.close()
    guest.part(30)


@pytest.mark.parametrize(
    ("nodes", "first"),
    [("n1", "n1"), ("gpu[003-007,9]", "gpu003"), ("gpu[7,9]-ib,login1", "gpu7-ib"), ("a1,b[1-2]", "a1"),
     ("rack[1-2]n[04-05]", "rack1n04"), ("", "")],
)  # fmt: skip
def test_the_first_host_of_a_slurm_list(nodes: str, first: str) -> None:
    from gpucheck.smoketest.ranks.launchers import first_host

    assert first_host(nodes) == first


def test_launchers_within_launchers() -> None:
    """torchrun under srun, mpirun under Slurm: the inner one counts; srun with PMI is srun."""
    from gpucheck.smoketest.ranks.launchers import read

    outer = {**slurm(1, 25_000, size=4), "SLURM_JOB_NODELIST": "n[1-2]"}
    agent = {"RANK": "3", "WORLD_SIZE": "8", "MASTER_ADDR": "n1", "MASTER_PORT": "29500"}
    agent["TORCHELASTIC_RUN_ID"] = "x"
    inner = read({**outer, **agent})
    assert (inner.launcher, inner.rank, inner.size, inner.port, inner.run) == ("torchrun", 3, 8, 29_500, "x")
    assert read({**outer, **open_mpi(2, 30_000, size=4)}).launcher == "mpirun"
    plain = read({**outer, "PMI_RANK": "1", "PMI_SIZE": "4"})
    assert (plain.launcher, plain.master, plain.port, plain.run) == ("srun", "n1", 25_000, "285000.0")
    assert read({**outer, "MASTER_ADDR": "m", "MASTER_PORT": "65500"}).meeting_port == 65_400
