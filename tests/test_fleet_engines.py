"""`gpucheck fleet run` through real engines: Slurm's daemons, and sshd on loopback; the faults in each."""

from __future__ import annotations

import getpass
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import fleet_slurm
import pytest
from conftest import as_from_a_terminal, clean_environment
from fleet_faults import Stub, attended, begin, check_run, reasons, states, wait_for

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform != "linux", reason="the engines' daemons need Linux"),
]
SIZE = 50
FIVE = {"n3": "hang", "n11": "die", "n17": "deaf", "n29": "half", "n42": "two"}
OTHERS = {"n5": "garbage", "n6": "wrong", "n7": "full", "n8": "exit", "n9": "fail"}


@pytest.fixture(scope="module")
def slurm():
    why = fleet_slurm.why_not()
    if why is not None:
        pytest.skip(f"no Slurm: {why}")
    folder = Path(tempfile.mkdtemp(prefix="gpcs-", dir="/tmp"))  # its sockets need short names
    try:
        with fleet_slurm.Slurm(folder, SIZE) as cluster:
            yield cluster
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def test_slurm_names_five_faults_of_fifty_nodes(gpucheck, slurm, tmp_path: Path) -> None:
    stub, nodes = Stub(tmp_path, FIVE), [f"n{number}" for number in range(SIZE)]
    ran = gpucheck("fleet", "run", "--via", "srun", "-w", f"n[0-{SIZE - 1}]", "--command", stub.path,
                   "--deadline", "15s", "--out", tmp_path / "run", env=slurm.environment)  # fmt: skip
    assert ran.status == 3, ran.out + ran.err
    assert ran.out.startswith("45 of 50 nodes ok.\n")
    check_run(tmp_path / "run", nodes, FIVE)
    assert not stub.left_running(3)


def test_slurm_names_the_other_faults_and_resumes(gpucheck, slurm, tmp_path: Path) -> None:
    stub, nodes = Stub(tmp_path, OTHERS), [f"n{number}" for number in range(10)]
    ran = gpucheck("fleet", "run", "--via", "srun", "-w", "n[0-9]", "--command", stub.path,
                   "--deadline", "10s", "--out", tmp_path / "run", env=slurm.environment)  # fmt: skip
    assert ran.status == 1, ran.out + ran.err
    check_run(tmp_path / "run", nodes, OTHERS)
    assert "reports came that nobody expects: somebody" in reasons(tmp_path / "run")["n6"]
    stub.write({})
    ran = gpucheck("fleet", "run", "--resume", "--out", tmp_path / "run", env=slurm.environment)
    assert ran.status == 1, "who failed has a whole report"
    check_run(tmp_path / "run", nodes, {"n9": "fail"})
    assert sorted(stub.started) == sorted([*nodes, "n5", "n6", "n7", "n8"])


def test_slurm_with_the_real_agent_and_a_drained_node(gpucheck, slurm, tmp_path: Path) -> None:
    slurm.ask("scontrol", "update", "NodeName=n1", "State=DRAIN", "Reason=fan broken")
    try:
        ran = gpucheck("fleet", "run", "--via", "srun", "-w", "n[0-2]", "--out", tmp_path / "run",
                       env={**slurm.environment, "SECRET_OF_THE_LOGIN_NODE": "x"})  # fmt: skip
    finally:
        slurm.ask("scontrol", "update", "NodeName=n1", "State=RESUME")
        slurm.all_idle()
    assert states(tmp_path / "run")["n1"] == "unreachable"
    assert "fan broken" in reasons(tmp_path / "run")["n1"]
    for node in ("n0", "n2"):
        text = (tmp_path / f"run/nodes/{node}.json").read_text()
        assert f'"SLURMD_NODENAME":"{node}"' in text
        assert "SECRET_OF_THE_LOGIN_NODE" not in text
    assert ran.status in (1, 3)
    assert not list((tmp_path / "run").glob(".shared-*"))


def test_slurm_knows_its_nodes(gpucheck, slurm, tmp_path: Path) -> None:
    ran = gpucheck("fleet", "run", "--via", "srun", "-w", "n[0-1],m[7-8]", env=slurm.environment, cwd=tmp_path)
    assert (ran.status, ran.err.count("\n")) == (2, 1)
    assert "Slurm does not know m[7-8]" in ran.err


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL], ids=lambda number: number.name)
def test_slurm_is_left_clean(slurm, tmp_path: Path, number: signal.Signals) -> None:
    stub = Stub(tmp_path, {"n0": "hang", "n1": "deaf"})
    coordinator = begin("--via", "srun", "-w", "n[0-3]", "--command", stub.path, "--deadline", "12s", "--out",
                        tmp_path / "run", env=clean_environment(**slurm.environment),
                        preexec_fn=as_from_a_terminal)  # fmt: skip
    wait_for(lambda: len(stub.started) == 4)
    coordinator.send_signal(number)
    coordinator.communicate(timeout=30)
    assert coordinator.returncode == (130 if number == signal.SIGINT else -9)
    # Even where the coordinator had no chance to say goodbye, the nodes' own guard ends it.
    assert not stub.left_running(8 if number == signal.SIGINT else 25)


def test_fifty_slurm_nodes_start_nearly_as_fast_as_srun_alone(gpucheck, slurm, tmp_path: Path) -> None:
    stub = Stub(tmp_path)
    best = {"srun": 1e9, "gpucheck": 1e9}
    for number in range(3):
        begun = time.monotonic()
        slurm.ask("srun", f"-N{SIZE}", "--export=NONE", "--chdir=/", "--mpi=none", str(stub.path), "fleet", "node")
        best["srun"] = min(best["srun"], time.monotonic() - begun)
        begun = time.monotonic()
        ran = gpucheck("fleet", "run", "--via", "srun", "-w", f"n[0-{SIZE - 1}]", "--command", stub.path,
                       "--out", tmp_path / f"run{number}", env=slurm.environment)  # fmt: skip
        best["gpucheck"] = min(best["gpucheck"], time.monotonic() - begun)
        assert ran.status == 0, ran.out
    # benchmarks/ measures the promise of 1.3; here it is only seen that nothing has gone astray.
    assert best["gpucheck"] < 2.5 * best["srun"]


HOSTS = [f"gpu{number:02}" for number in range(1, 13)]
AT_HOSTS = {"gpu02": "hang", "gpu04": "die", "gpu06": "deaf", "gpu08": "garbage", "gpu10": "wrong"}
SSHD = """\
Port {port}
ListenAddress 127.0.0.1
HostKey {folder}/host_key
AuthorizedKeysFile {folder}/authorized_keys
PasswordAuthentication no
KbdInteractiveAuthentication no
UsePAM no
StrictModes no
PermitRootLogin prohibit-password
PidFile {folder}/sshd.pid
MaxStartups 200
MaxSessions 200
"""
SSH = """\
Host gpu*
  HostName 127.0.0.1
  Port {port}
  User {user}
  IdentityFile {folder}/key
  IdentitiesOnly yes
  UserKnownHostsFile {folder}/known_hosts
  StrictHostKeyChecking yes
  HostKeyAlias gpucheck-test
Host closed*
  HostName 127.0.0.1
  Port 1
"""


@pytest.fixture(scope="module")
def ssh_config():
    """A real sshd that answers under several names; its client configuration."""
    program = shutil.which("sshd") or shutil.which("/usr/sbin/sshd")
    if program is None or shutil.which("ssh-keygen") is None or shutil.which("ssh") is None:
        pytest.skip("no sshd: apt-get install openssh-server openssh-client")
    folder = Path(tempfile.mkdtemp(prefix="gpcssh-", dir="/tmp"))
    for name in ("host_key", "key"):
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", folder / name], check=True)
    shutil.copy(folder / "key.pub", folder / "authorized_keys")
    (folder / "known_hosts").write_text("gpucheck-test " + (folder / "host_key.pub").read_text())
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        port = one.getsockname()[1]
    if os.geteuid() == 0:
        Path("/run/sshd").mkdir(exist_ok=True)  # privilege separation wants it
    (folder / "sshd_config").write_text(SSHD.format(port=port, folder=folder))
    (folder / "ssh_config").write_text(SSH.format(port=port, folder=folder, user=getpass.getuser()))
    daemon = subprocess.Popen(
        [program, "-D", "-f", folder / "sshd_config", "-E", folder / "log"],
        start_new_session=True,
        preexec_fn=fleet_slurm.end_with_parent,
    )
    try:
        answers = ["ssh", "-F", folder / "ssh_config", "-o", "BatchMode=yes", "gpu01", "true"]
        wait_for(lambda: subprocess.run(answers, capture_output=True, check=False).returncode == 0)
        yield folder / "ssh_config"
    finally:
        daemon.terminate()
        daemon.wait(10)
        shutil.rmtree(folder)


def test_ssh_names_five_faults(gpucheck, ssh_config: Path, tmp_path: Path) -> None:
    stub = Stub(tmp_path, AT_HOSTS)
    ran = gpucheck("fleet", "run", "--via", "ssh", "-w", "gpu[01-12]", "--ssh-args", f"-F {ssh_config}",
                   "--command", stub.path, "--deadline", "10s", "--out", tmp_path / "run")  # fmt: skip
    assert ran.status == 3, ran.out + ran.err
    assert ran.out.startswith("7 of 12 nodes ok.\n")
    check_run(tmp_path / "run", HOSTS, AT_HOSTS)
    assert not stub.left_running(3)


def test_ssh_names_who_cannot_be_reached(gpucheck, ssh_config: Path, tmp_path: Path) -> None:
    faults = {"gpu01": "half", "gpu02": "two", "gpu03": "full", "gpu04": "exit", "gpu05": "fail"}
    stub = Stub(tmp_path, faults)
    ran = gpucheck("fleet", "run", "--via", "ssh", "-w", "gpu[01-06],closed1,no-such-host.invalid",
                   "--ssh-args", f"-F {ssh_config}", "--command", stub.path,
                   "--out", tmp_path / "run")  # fmt: skip
    assert ran.status == 1, ran.out + ran.err
    found, why = states(tmp_path / "run"), reasons(tmp_path / "run")
    assert found.pop("closed1") == found.pop("no-such-host.invalid") == "unreachable"
    assert "Connection refused" in why["closed1"]
    assert "resolve" in why["no-such-host.invalid"]
    assert found == {"gpu01": "no-report", "gpu02": "no-report", "gpu03": "crashed", "gpu04": "crashed",
                     "gpu05": "fail", "gpu06": "ok"}  # fmt: skip


def test_ssh_with_the_real_agent_and_a_missing_one(gpucheck, ssh_config: Path, tmp_path: Path) -> None:
    real = f"{sys.executable} -m gpucheck"
    words = ("fleet", "run", "--via", "ssh", "-w", "gpu[01-02]", "--ssh-args", f"-F {ssh_config}", "--out")
    ran = gpucheck(*words, tmp_path / "run", "--command", real)
    assert {"gpu01", "gpu02"} == {path.stem for path in (tmp_path / "run/nodes").iterdir()}, ran.out
    ran = gpucheck(*words, tmp_path / "other", "--command", "/no/such/gpucheck")
    assert ran.status == 3
    assert set(states(tmp_path / "other").values()) == {"no-report"}
    assert "name its path with --command" in ran.out


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL], ids=lambda number: number.name)
def test_nothing_is_left_behind_ssh(ssh_config: Path, tmp_path: Path, number: signal.Signals) -> None:
    stub = Stub(tmp_path, {"gpu01": "hang", "gpu02": "deaf"})
    coordinator = begin("--via", "ssh", "-w", "gpu[01-03]", "--ssh-args", f"-F {ssh_config}",
                        "--command", stub.path,
                        "--deadline", "6s", "--out", tmp_path / "run", preexec_fn=as_from_a_terminal)  # fmt: skip
    wait_for(lambda: len(stub.started) == 3)
    coordinator.send_signal(number)
    coordinator.communicate(timeout=30)
    assert coordinator.returncode == (130 if number == signal.SIGINT else -9)
    # The stand-in watches no lifeline, so it is the guard on the node that ends it.
    assert not stub.left_running(12)


def killed_alone(tmp_path: Path, *words: object, nodes: str, env: dict[str, str]) -> Stub:
    """Kill a coordinator that has no chance to end anything; the agents' deadline is far away."""
    stub = Stub(tmp_path, dict.fromkeys(("n0", "n1", "gpu01", "gpu02"), "deaf"))
    coordinator = begin(*words, "-w", nodes, "--command", attended(stub), "--deadline", "5m", "--out",
                        tmp_path / "run", env=env)  # fmt: skip
    wait_for(lambda: len(stub.started) == 2)
    coordinator.kill()
    coordinator.communicate(timeout=30)
    return stub


def test_ssh_agents_end_with_their_coordinator(ssh_config: Path, tmp_path: Path) -> None:
    words = ("--via", "ssh", "--ssh-args", f"-F {ssh_config}")
    assert not killed_alone(tmp_path, *words, nodes="gpu[01-02]", env=clean_environment()).left_running(5)


def test_slurm_agents_end_with_their_coordinator(slurm, tmp_path: Path) -> None:
    env = clean_environment(**slurm.environment)
    assert not killed_alone(tmp_path, "--via", "srun", nodes="n[0-1]", env=env).left_running(10)
