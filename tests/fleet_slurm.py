"""A real Slurm on this machine: one slurmctld, and so many slurmd on ports of their own, in a temporary folder."""

from __future__ import annotations

import contextlib
import ctypes
import os
import shutil
import signal
import socket
import subprocess
import time
from pathlib import Path

CONFIG = """\
ClusterName=gpucheck
SlurmctldHost=localhost
SlurmctldPort={port}
AuthType=auth/none
CredType=cred/none
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
SlurmdParameters=config_overrides
SlurmUser=root
SlurmdUser=root
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool-%n
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd-%n.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd-%n.log
SlurmdTimeout=30
KillWait=2
ReturnToService=2
MpiDefault=none
SwitchType=switch/none
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
TreeWidth=100
{more}NodeName=DEFAULT CPUs=1 RealMemory=100 State=UNKNOWN{gres}
NodeName=n[0-{last}] NodeHostname=localhost NodeAddr=127.0.0.1 Port=[{first_port}-{last_port}]
PartitionName=all Nodes=ALL Default=YES MaxTime=INFINITE State=UP
"""
PROGRAMS = ("slurmctld", "slurmd", "srun", "sinfo", "scontrol", "scancel")


def end_with_parent() -> None:
    """For ``preexec_fn``: a test run that is killed takes its daemons along."""
    ctypes.CDLL(None).prctl(1, signal.SIGTERM)  # PR_SET_PDEATHSIG


def why_not() -> str | None:
    """Say why there can be no Slurm here."""
    missing = [name for name in PROGRAMS if shutil.which(name) is None]
    if missing:
        return f"not installed: {', '.join(missing)} (apt-get install slurmctld slurmd slurm-client)"
    if os.geteuid():
        return "slurmd needs root"
    return None


class Slurm:
    """A cluster while it is open as a context."""

    def __init__(self, folder: Path, nodes: int, more: str = "", gpus: int = 0) -> None:
        """Describe it.

        Args:
            folder: A short one: sockets are made in it.
            nodes: How many.
            more: Lines for slurm.conf.
            gpus: How many made-up GPUs each node has; Slurm then says that it constrains devices.
        """
        self.folder, self.nodes, self.more, self.gpus = folder, nodes, more, gpus
        self.conf = folder / "slurm.conf"
        self.of_nodes = folder / "nodes" / "slurm.conf"
        self.daemons: list[subprocess.Popen[bytes]] = []

    @property
    def environment(self) -> dict[str, str]:
        return {"SLURM_CONF": str(self.conf)}

    def __enter__(self) -> Slurm:
        for name in ("state", "nodes", *(f"spool-n{number}" for number in range(self.nodes))):
            (self.folder / name).mkdir()
        self._configure()
        self._start("slurmctld", "-D")
        for number in range(self.nodes):
            self._start("slurmd", "-f", str(self.of_nodes), "-N", f"n{number}", "-D")
        try:
            self.all_idle()
        except RuntimeError:
            self.__exit__()
            raise
        return self

    def _configure(self) -> None:
        """Write the configuration; the nodes' own cannot really constrain devices, for want of control groups."""
        first = 21_000 + os.getpid() % 500 * 60
        text = CONFIG.format(
            folder=self.folder, port=_free_port(), last=self.nodes - 1, first_port=first,
            last_port=first + self.nodes - 1, more=self.more + ("GresTypes=gpu\n" if self.gpus else ""),
            gres=f" Gres=gpu:{self.gpus}" if self.gpus else "",
        )  # fmt: skip
        told = text.replace("task/none", "task/cgroup") if self.gpus else text
        constrained = "yes" if self.gpus else "no"
        for conf, content, devices in ((self.conf, told, constrained), (self.of_nodes, text, "no")):
            conf.write_text(content + ("DebugFlags=NO_CONF_HASH\n" if self.gpus else ""))
            (conf.parent / "cgroup.conf").write_text(f"CgroupPlugin=cgroup/v1\nConstrainDevices={devices}\n")
            if self.gpus:
                files = f"{self.folder}/gpu[0-{self.gpus - 1}]"
                (conf.parent / "gres.conf").write_text(f"AutoDetect=off\nName=gpu File={files}\n")
        for number in range(self.gpus):
            (self.folder / f"gpu{number}").touch()

    def all_idle(self) -> None:
        """Wait until every node is idle and answers; a node that was resumed does so after a moment."""
        until = time.monotonic() + 60
        while self.ask("sinfo", "-h", "-N", "-o", "%T").split() != ["idle"] * self.nodes:
            if time.monotonic() > until or self.daemons[0].poll() is not None:
                raise RuntimeError(self.ask("sinfo", "-N", "-l") + (self.folder / "stderr").read_text()[-1500:])
            time.sleep(0.2)

    def __exit__(self, *error: object) -> None:
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.ask("scancel", "--signal=KILL", "--state=RUNNING")
        for daemon in reversed(self.daemons):
            daemon.terminate()
        for daemon in self.daemons:
            try:
                daemon.wait(10)
            except subprocess.TimeoutExpired:
                daemon.kill()
                daemon.wait()

    def _start(self, *words: str) -> None:
        with (self.folder / "stderr").open("ab") as log:
            self.daemons.append(
                subprocess.Popen(
                    words, env={**os.environ, **self.environment}, stdin=subprocess.DEVNULL, stdout=log,
                    stderr=log, start_new_session=True, preexec_fn=end_with_parent,
                )
            )  # fmt: skip

    def ask(self, *words: str) -> str:
        done = subprocess.run(
            words, env={**os.environ, **self.environment}, capture_output=True, text=True, timeout=60, check=False
        )
        return done.stdout + done.stderr


def _free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])
