"""What a node hands in: its report with who it is, as a file of its own or as framed lines on a shared stream."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gpucheck.fleet.flat import flat, numbers
from gpucheck.fleet.framing import frames, unframed

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = [
    "ContractError",
    "encoded",
    "file_name",
    "frames",
    "node_report",
    "pseudonym",
    "unframed",
    "write_report",
]
NODES = "nodes"  # folder of the reports in that of a run
BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
# Where the node stands among its peers; no other variable of a scheduler is told: some carry secrets.
SCHEDULER = (
    "SLURM_JOB_ID", "SLURM_NODEID", "SLURM_JOB_PARTITION", "SLURM_CLUSTER_NAME", "SLURMD_NODENAME", "RAY_JOB_ID",
    "RAY_NODE_ID", "KUBERNETES_NODE_NAME", "PBS_JOBID", "LSB_JOBID",
)  # fmt: skip
NAMING = ("SLURMD_NODENAME", "KUBERNETES_NODE_NAME")  # they say the node's name, and so nothing where it is hidden
LONGEST_NAME = 180  # of a file, in bytes: file systems take 255
PLAIN = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.")


class ContractError(ValueError):
    """A report that cannot be made or kept; the message says why."""


def node_report(
    document: dict[str, Any],
    *,
    node: str,
    started: float,
    seconds: float,
    redact: bool = False,
    environment: Mapping[str, str] | None = None,
) -> dict[str, Any]:
    """Return a node's report: the document, ``node``, and ``complete`` as its last key.

    Args:
        document: What `gpucheck.report.document` makes; redacted already, where that is wanted.
        node: The name by which the node is expected, a scheduler's or a host list's.
        started: When the work began, seconds since 1970.
        seconds: How long it took.
        redact: Put a pseudonym in the name's place, the same in each run.
        environment: Where the scheduler's variables stand; None: this process's.
    """
    from gpucheck.facts import Facts, from_json

    facts = from_json(Facts, document["facts"])
    about = {
        "name": pseudonym(node) if redact else node,
        "boot_id": boot_id(),
        "scheduler": scheduler(os.environ if environment is None else environment, redact=redact),
        "started": _iso(started),
        "seconds": round(seconds, 3),
        "facts": flat(facts),
        "numbers": numbers(document),
    }
    kept = {key: value for key, value in document.items() if key not in ("node", "complete")}
    return {**kept, "node": about, "complete": True}


def encoded(report: dict[str, Any]) -> bytes:
    """Return a node's report as it is written and sent: one line of JSON."""
    return json.dumps(report, separators=(",", ":"), allow_nan=False).encode() + b"\n"


def pseudonym(node: str) -> str:
    """Return a name that tells nothing about the node and is always the same."""
    import hashlib

    return f"node-{hashlib.sha256(f'gpucheck {node}'.encode()).hexdigest()[:10]}"


def boot_id() -> str | None:
    """Return what the kernel calls this boot; None where there is no such file."""
    try:
        return BOOT_ID.read_text(encoding="ascii").strip()
    except (OSError, ValueError):
        return None


def scheduler(environment: Mapping[str, str], *, redact: bool = False) -> dict[str, str]:
    """Return the scheduler's context: named variables alone."""
    names = [name for name in SCHEDULER if not (redact and name in NAMING)]
    return {name: environment[name][:200] for name in names if environment.get(name)}


def _iso(moment: float) -> str:
    from datetime import datetime, timezone

    return datetime.fromtimestamp(moment, tz=timezone.utc).isoformat(timespec="milliseconds")


def file_name(node: str) -> str:
    """Return the name of a node's file: everything but letters, digits, ``-``, ``_`` and ``.`` as ``%XX``."""
    whole = "".join(
        chr(byte) if chr(byte) in PLAIN and (place or byte != ord(".")) else f"%{byte:02X}"
        for place, byte in enumerate(node.encode("utf-8", "backslashreplace"))
    )
    if len(whole) > LONGEST_NAME:
        whole = f"{whole[:LONGEST_NAME]}%{pseudonym(node)}"
    return f"{whole or '%'}.json"


def write_report(folder: Path, node: str, document: bytes) -> Path:
    """Write a node's report into ``nodes/`` of a run's folder: whole or not at all.

    Args:
        folder: The run's.
        node: The node's name.
        document: What it handed in, as it is: damaged ones are named when the pile is collected.

    Returns:
        The file.

    Raises:
        ContractError: It cannot be written; what was there before is still there.
    """
    import tempfile

    path = folder / NODES / file_name(node)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=path.parent, prefix=".", suffix=".part", delete=False) as file:
            written = Path(file.name)
            try:
                file.write(document)
                file.flush()
                os.fsync(file.fileno())
            except OSError:
                written.unlink()
                raise
        written.chmod(0o644)
        written.replace(path)
    except OSError as error:
        raise ContractError(f"{path}: {error.strerror}") from None
    return path
