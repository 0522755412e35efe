"""Nodes of a Slurm cluster: one srun over all of them, each report in a file of its own or as framed lines."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import math
import os
import re
import secrets
import signal
import time
from collections import defaultdict
from typing import TYPE_CHECKING

from gpucheck.fleet.contract import NODES, file_name
from gpucheck.fleet.launch import slurm
from gpucheck.fleet.launch.agent import MARK
from gpucheck.fleet.launch.heard import Document, Heard, answered, judged, last_line, parse, read
from gpucheck.fleet.launch.processes import MOST, hear
from gpucheck.fleet.launch.states import End, LaunchError, State

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from gpucheck.fleet.launch.job import Job

WAITING = 30.0  # seconds for an allocation
PER_NODE = 0.1  # seconds that starting one more may take
LOOK = 0.5  # seconds
ENDING = 4.0  # seconds for srun to end what it started
LARGEST = 8 * 2**20  # bytes of stdout that are read again and again while it goes on
PER_REPORT = 2**20  # bytes that a node may add to what srun may say
FATE = re.compile(r"srun: error: (\S+): tasks? [0-9,\-]+: (.+)")
FAILED_NODE = re.compile(r"Node failure on (\S+)")
EXITED = re.compile(r"Exited with exit code (\d+)")
SIGNALS = {"Killed": signal.SIGKILL, "Terminated": signal.SIGTERM, "Segmentation fault": signal.SIGSEGV,
           "Aborted": signal.SIGABRT, "Bus error": signal.SIGBUS}  # fmt: skip
NOT_BEGUN = re.compile(r"allocat|immediate|nvalid|queued|denied|not permitted|ontact")


def check(nodes: Sequence[str]) -> None:
    """See that there is an srun, and that Slurm knows the nodes.

    Raises:
        LaunchError: There is none, or it does not.
    """
    slurm.known(nodes)


def command(nodes: Sequence[str], job: Job, folder: Path, token: str, more: Sequence[str]) -> list[str]:
    """Return the srun over some nodes; the user's own arguments come last, so they win."""
    from gpucheck.fleet.nodes import fold

    count = len(nodes)
    minutes = math.ceil((job.patience + count * PER_NODE) / 60) + 1
    return [
        "srun", f"--nodes={count}", f"--ntasks={count}", "--ntasks-per-node=1",
        f"--nodelist={fold(nodes, tails=False)}",
        "--export=NONE", "--kill-on-bad-exit=0", "--wait=0", "--chdir=/", "--job-name=gpucheck", "--mpi=none",
        "--cpu-bind=none", f"--time={minutes}", *more,
        *job.guarded(None, "--out", str(folder.absolute()), "--token", token, "--framed", "--lifeline"),
    ]  # fmt: skip


async def launch(
    nodes: Sequence[str],
    job: Job,
    told: Callable[[str | End], None],
    arguments: Sequence[str] = (),
    folder: Path | None = None,
) -> None:
    """Run one srun for the nodes with the same number of GPUs; those that Slurm has closed are unreachable."""
    if folder is None:
        raise LaunchError("--via srun needs the run's folder")
    inside, reserved = slurm.inside(os.environ, arguments), slurm.reserved(os.environ, arguments)
    constrained = slurm.constrained()
    groups: dict[int, list[str]] = {}
    for name, node in slurm.known(nodes).items():
        why = node.closed(inside=inside, reserved=reserved)
        if why is not None:
            told(End(node=name, state=State.UNREACHABLE, reason=why))
        else:
            groups.setdefault(node.gpus if constrained else 0, []).append(name)
    token = secrets.token_hex(8)
    mark = folder / f"{MARK}{token}"
    mark.touch()
    waiting = ["--overlap"] if inside else [f"--immediate={WAITING:g}"]
    try:
        steps = [
            _Step(group, job, folder, told).run(
                command(group, job, folder, token, [*waiting, *slurm.with_gpus(number, arguments), *arguments])
            )
            for number, group in groups.items()
        ]
        await asyncio.gather(*steps)
    finally:
        mark.unlink(missing_ok=True)


class _Step:
    """One srun, and what came of its nodes so far."""

    def __init__(self, nodes: list[str], job: Job, folder: Path, told: Callable[[str | End], None]) -> None:
        self.nodes, self.job, self.folder, self.told = dict.fromkeys(nodes), job, folder, told
        self.begin = time.monotonic()
        self.ended: set[str] = set()
        self.out, self.err, self.seen = bytearray(), "", 0
        self.fates: dict[str, tuple[str, float]] = {}

    async def run(self, words: list[str]) -> None:
        """Run it, and tell every node's end."""
        for node in self.nodes:
            (self.folder / NODES / file_name(node)).unlink(missing_ok=True)
            self.told(node)
        limit = WAITING + self.job.patience + len(self.nodes) * PER_NODE
        watching = asyncio.ensure_future(self._watch())
        try:
            heard = await hear(words, limit, environment=slurm.environment(), told=self._hear, gentle=ENDING,
                               most=MOST + PER_REPORT * len(self.nodes))  # fmt: skip
        except OSError as error:
            raise LaunchError(f"srun: {error.strerror or error}") from None
        finally:
            watching.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await watching
        self._end(heard)

    def _hear(self, name: str, part: bytes) -> None:
        if name == "out":
            self.out += part
            return
        self.err += part.decode("utf-8", "replace")
        *lines, self.err = self.err.split("\n")
        now = time.monotonic() - self.begin
        for line in lines:
            for node, fate in fates(line):
                self.fates.setdefault(node, (fate, now))

    async def _watch(self) -> None:
        """Tell of the reports as they come."""
        while True:
            await asyncio.sleep(LOOK)
            self._files()
            if self.seen != len(self.out) <= LARGEST:
                self.seen = len(self.out)
                self._reports(read(bytes(self.out))[0])

    def _files(self) -> None:
        for node in self.nodes:
            path = self.folder / NODES / file_name(node)
            if node in self.ended or not path.exists():
                continue
            found = parse(node, path.read_bytes())
            if found is not None and found.whole_from(node):
                self._tell(answered(node, found, time.monotonic() - self.begin))

    def _reports(self, documents: list[Document]) -> None:
        """Tell of reports that came on the stream; a second one of a node corrects that in the end."""
        for one in documents:
            if one.sender in self.nodes and one.sender not in self.ended and one.whole_from(one.sender):
                self._tell(answered(one.sender, one, time.monotonic() - self.begin))

    def _tell(self, end: End) -> None:
        self.ended.add(end.node)
        self.told(end)

    def _end(self, heard: Heard) -> None:
        """Judge who has not been told of yet."""
        self._files()
        documents, faults = read(heard.out)
        sent_by: dict[str, list[Document]] = defaultdict(list)
        wrong_by: dict[str, list[str]] = defaultdict(list)
        for one in documents:
            sent_by[one.sender].append(one)
        for sender, what in faults:
            wrong_by[sender].append(what)
        strange = sorted(set(sent_by) - set(self.nodes))
        for node in self.nodes:
            sent = sent_by.get(node, [])
            if node in self.ended and sum(one.whole_from(node) for one in sent) < 2:
                continue
            fate, seconds = self.fates.get(node, ("", heard.seconds))
            status = _status(fate) if fate else None
            own = Heard(
                out=b"".join(one.raw for one in sent),
                status=status,
                seconds=seconds,
                limit=self.job.deadline,
                err=fate if status is None else "",
                timed_out=heard.timed_out and not fate,
            )
            self._tell(self._placed(judged(node, own, sent, wrong_by.get(node, [])), heard, strange))

    def _placed(self, end: End, heard: Heard, strange: list[str]) -> End:
        """Add what only the whole step tells: that it never began, and whose reports nobody has expected."""
        fate = self.fates.get(end.node, ("",))[0]
        reason = end.reason
        if end.report is None and end.partial is None:
            if fate.startswith("Slurm: "):
                return dataclasses.replace(end, state=State.UNREACHABLE, reason=fate)
            if not fate and heard.status and NOT_BEGUN.search(heard.err):
                return dataclasses.replace(end, state=State.UNREACHABLE, reason=last_line(heard.err))
            if strange and end.state is State.NO_REPORT:
                reason = f"{reason}; reports came that nobody expects: {', '.join(strange[:3])}"
        return dataclasses.replace(end, reason=reason)


def fates(line: str) -> Iterator[tuple[str, str]]:
    """Yield the nodes that a line of srun's is about, and what it says of them."""
    from gpucheck.fleet.nodes import NodesError, expand

    found, lost = FATE.search(line), FAILED_NODE.search(line)
    text = found[1] if found else lost[1] if lost else ""
    what = found[2].strip() if found else "Slurm: node failure"
    with contextlib.suppress(NodesError):
        for node in expand(text) if text else ():
            yield node, what


def _status(fate: str) -> int | None:
    """Return what srun told of a task's end as an exit status; negative: a signal."""
    exited = EXITED.search(fate)
    if exited:
        return int(exited[1])
    return next((-number for text, number in SIGNALS.items() if fate.startswith(text)), None)
