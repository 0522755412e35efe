"""Which rank this process is and where rank 0 is, as torchrun, srun and mpirun tell their processes."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from gpucheck.smoketest.request import RequestError

if TYPE_CHECKING:
    from collections.abc import Mapping

COMMAND = "torchrun --nproc-per-node 2 --no-python gpucheck smoke --distributed -f torch"
MOST_RANKS = 100_000
LOCAL = ("127.0.0.1", "localhost", "::1")
MPI_PORT = 29400
MEETING_ABOVE = (
    100  # the ranks' gpucheck processes meet this many ports above MASTER_PORT, which is the framework's
)


@dataclass(frozen=True, kw_only=True)
class Launch:
    """What a launcher told one of its processes.

    Attributes:
        launcher: ``torchrun``, ``srun``, ``mpirun``, or ``environment``: variables that somebody else has set.
        rank: This process's number, from 0.
        size: The world size: how many ranks there are.
        local_rank: Its number among the ranks of its machine.
        local_size: How many ranks its machine has; None where that is not told.
        master: Host of rank 0.
        port: Port for the framework on that host.
        run: A name that only the processes of one launch share; may be empty.
    """

    launcher: str
    rank: int
    size: int
    local_rank: int
    local_size: int | None
    master: str
    port: int
    run: str = ""

    @property
    def meeting_port(self) -> int:
        """Port on which rank 0's gpucheck listens for the others."""
        return self.port + (MEETING_ABOVE if self.port + MEETING_ABOVE < 65_536 else -MEETING_ABOVE)

    @property
    def one_machine(self) -> bool:
        """Whether rank 0 is reached by this machine's own name for itself."""
        return self.master in LOCAL

    @property
    def environment(self) -> dict[str, str]:
        """The variables by which PyTorch's ``env://`` learns the same."""
        return {
            "RANK": str(self.rank),
            "WORLD_SIZE": str(self.size),
            "LOCAL_RANK": str(self.local_rank),
            "MASTER_ADDR": self.master,
            "MASTER_PORT": str(self.port),
        }


def read(environ: Mapping[str, str]) -> Launch:
    """Return what the launcher told.

    mpirun and torchrun come before srun: both may be started by it, and then it tells of their own helpers.

    Raises:
        RequestError: No launcher started this process, or what it told cannot be.
    """
    environ = {name: text for name, text in environ.items() if text}
    if "RANK" in environ or "WORLD_SIZE" in environ:
        found = _torchrun(environ)
    elif "OMPI_COMM_WORLD_RANK" in environ:
        found = _mpirun(environ, "OMPI_COMM_WORLD_RANK", "OMPI_COMM_WORLD_SIZE", "OMPI_COMM_WORLD_LOCAL_RANK",
                        "OMPI_COMM_WORLD_LOCAL_SIZE")  # fmt: skip
    elif "PMI_RANK" in environ and environ["PMI_RANK"] != environ.get("SLURM_PROCID"):
        found = _mpirun(environ, "PMI_RANK", "PMI_SIZE", "MPI_LOCALRANKID", "MPI_LOCALNRANKS")
    elif "SLURM_PROCID" in environ:
        found = _srun(environ)
    else:
        raise RequestError(f"--distributed: torchrun, srun or mpirun starts it, once for each rank: {COMMAND}")
    if found.size < 2:
        raise RequestError(f"--distributed: needs at least two ranks, there is {found.size}: {COMMAND}")
    _check_cluster(environ.get("TF_CONFIG"), found)
    return found


def _torchrun(environ: Mapping[str, str]) -> Launch:
    rank, size = _place(environ, "RANK", "WORLD_SIZE")
    by_agent = "TORCHELASTIC_RUN_ID" in environ or "TORCHELASTIC_USE_AGENT_STORE" in environ
    if "MASTER_ADDR" not in environ:
        raise _wrong("RANK is set and MASTER_ADDR is not")
    return Launch(
        launcher="torchrun" if by_agent else "environment",
        rank=rank,
        size=size,
        local_rank=_number(environ, "LOCAL_RANK", MOST_RANKS) if "LOCAL_RANK" in environ else rank,
        local_size=_number(environ, "LOCAL_WORLD_SIZE", MOST_RANKS) if "LOCAL_WORLD_SIZE" in environ else None,
        master=environ["MASTER_ADDR"],
        port=_port(environ, None),
        run=environ.get("TORCHELASTIC_RUN_ID", ""),
    )


def _srun(environ: Mapping[str, str]) -> Launch:
    total = next(
        (name for name in ("SLURM_STEP_NUM_TASKS", "SLURM_NTASKS", "SLURM_NPROCS") if environ.get(name)), ""
    )
    rank, size = _place(environ, "SLURM_PROCID", total or "SLURM_NTASKS")
    nodes = (
        environ.get("SLURM_STEP_NODELIST") or environ.get("SLURM_JOB_NODELIST") or environ.get("SLURM_NODELIST")
    )
    master = environ.get("MASTER_ADDR") or first_host(nodes or "")
    if not master:
        raise _wrong("SLURM_PROCID is set, and neither SLURM_STEP_NODELIST nor SLURM_JOB_NODELIST names a host")
    job = _number(environ, "SLURM_JOB_ID", 2**63) if "SLURM_JOB_ID" in environ else None
    return Launch(
        launcher="srun",
        rank=rank,
        size=size,
        local_rank=_number(environ, "SLURM_LOCALID", MOST_RANKS) if "SLURM_LOCALID" in environ else rank,
        local_size=None,
        master=master,
        port=_port(environ, 20_000 + job % 40_000 if job is not None else None),
        run=".".join(filter(None, (environ.get("SLURM_JOB_ID"), environ.get("SLURM_STEP_ID")))),
    )


def _mpirun(environ: Mapping[str, str], *names: str) -> Launch:
    rank, size = _place(environ, names[0], names[1])
    local = {name: _number(environ, name, MOST_RANKS) for name in names[2:] if name in environ}
    alone = local.get(names[3]) == size
    if not alone and not {"MASTER_ADDR", "MASTER_PORT"} <= set(environ):
        many = f"{names[3]} is {local.get(names[3], 'not set')} and {names[1]} is {size}"
        raise _wrong(
            f"{many}, so the ranks may be on several machines: set MASTER_ADDR to the host of rank 0 and "
            "MASTER_PORT to a free port there (mpirun -x MASTER_ADDR=... -x MASTER_PORT=...; MPICH: -genv)"
        )
    return Launch(
        launcher="mpirun",
        rank=rank,
        size=size,
        local_rank=local.get(names[2], rank),
        local_size=local.get(names[3]),
        master=environ.get("MASTER_ADDR") or "127.0.0.1",
        port=_port(environ, MPI_PORT),
        run=environ.get("PMIX_NAMESPACE") or environ.get("PMI_JOBID", ""),
    )


def first_host(nodes: str) -> str:
    """Return the first host of a Slurm list such as ``gpu[003-007,9]-ib,login1``; empty for an empty list."""
    depth, end = 0, len(nodes)
    for place, letter in enumerate(nodes):
        depth += (letter == "[") - (letter == "]")
        if letter == "," and depth == 0:
            end = place
            break
    return re.sub(r"\[([^\],-]*)[^\]]*\]", r"\1", nodes[:end]).strip()


def _place(environ: Mapping[str, str], rank: str, size: str) -> tuple[int, int]:
    ranks = _number(environ, size, MOST_RANKS)
    own = _number(environ, rank, MOST_RANKS)
    if own >= ranks:
        raise _wrong(f"{rank} is {own} and {size} is {ranks}; ranks count from 0")
    return own, ranks


def _port(environ: Mapping[str, str], otherwise: int | None) -> int:
    if "MASTER_PORT" in environ or otherwise is None:
        port = _number(environ, "MASTER_PORT", 65_535)
        if port < 1024:
            raise _wrong(f"MASTER_PORT is {port}; a port from 1024 to 65535 expected")
        return port
    return otherwise


def _number(environ: Mapping[str, str], name: str, most: int) -> int:
    text = environ.get(name)
    if not text:
        raise _wrong(f"{name} is not set, although others of the launcher's variables are")
    if not (text.isascii() and text.isdecimal() and len(text) < 20 and int(text) <= most):
        raise _wrong(f"{name} is {text[:40]!r}; a number from 0 to {most} expected")
    return int(text)


def _wrong(text: str) -> RequestError:
    return RequestError(f"--distributed: {text}; the simplest start is: {COMMAND}")


def _check_cluster(text: str | None, launch: Launch) -> None:
    """A TF_CONFIG of the user's own is taken as it is, so it must speak of the same ranks."""
    if not text:
        return
    try:
        content: Any = json.loads(text)
        workers, index = content["cluster"]["worker"], content["task"]["index"]
        fits = len(workers) == launch.size and index == launch.rank and content["task"]["type"] == "worker"
    except (ValueError, KeyError, TypeError):
        fits = False
    if not fits:
        raise _wrong(
            f"TF_CONFIG does not name {launch.size} workers and task {launch.rank}; without it gpucheck makes one"
        )
