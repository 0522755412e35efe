"""A stand-in for gpucheck on a node, which misbehaves on some; and what is left running of it."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path

from conftest import COMMAND, ROOT

STUB = """#!{python}
import os, signal, sys, time
sys.path.insert(0, {root!r})
from gpucheck.fleet.contract import encoded, frames
FAULTS, LOG, BASE = {faults!r}, {log!r}, {base!r}
name = sys.argv[sys.argv.index("--name") + 1] if "--name" in sys.argv else os.environ["SLURMD_NODENAME"]
with open(LOG, "a") as file:
    file.write(name + "\\n")
fault = FAULTS.get(name)

def send(of, number=0, end=None):
    about = {{"name": of, "boot_id": None, "scheduler": {{}}, "started": "2026-01-01T00:00:0%dZ" % number,
              "seconds": 0.1, "facts": {{}}, "numbers": {{}}}}
    document = encoded({{**BASE, "node": about, "complete": True}})
    for frame in list(frames(document, of))[:end]:
        sys.stdout.buffer.write(frame)
    sys.stdout.flush()

time.sleep({pause!r})
if fault == "hang":
    time.sleep(600)
elif fault == "die":
    os.kill(os.getpid(), signal.SIGKILL)
elif fault == "deaf":
    for one in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(one, signal.SIG_IGN)
    while True:
        time.sleep(1)
elif fault == "garbage":
    sys.stdout.buffer.write(bytes(range(256)) * 40)
elif fault == "half":
    send(name, end=1)
elif fault == "two":
    send(name)
    send(name, 1)
elif fault == "wrong":
    send("somebody")
elif fault == "full":
    sys.stdout = open("/dev/full", "w")
    from gpucheck.fleet.launch import agent, states
    try:
        agent.send(encoded(BASE), name, agent.Way(), whole=True)
    except states.LaunchError as error:
        sys.exit("gpucheck: %s" % error)
elif fault == "exit":
    sys.exit(5)
elif fault == "fail":
    BASE["exit_status"], BASE["root_causes"] = 1, ["driver-too-old"]
    send(name)
else:
    send(name)
"""
# What a report looks like to those who launch; large enough for several frames.
BASE = {
    "schema_version": 1, "verdict": "healthy", "root_causes": [], "findings": [], "exit_status": 0,
    "checks": [], "facts": {}, "smoke": [],
    "filler": [str(hash_) for hash_ in (pow(7, number, 10**30) for number in range(1, 200))],
}  # fmt: skip
STATES = {
    "hang": "timeout", "deaf": "timeout", "die": "crashed", "garbage": "no-report", "half": "no-report",
    "two": "no-report", "wrong": "no-report", "full": "crashed", "exit": "crashed", "fail": "fail",
}  # fmt: skip


SERVE = """
import subprocess, sys
sys.path.insert(0, {root!r})
from gpucheck.fleet.contract import unframed
from gpucheck.fleet.launch import agent, job
words = sys.argv[sys.argv.index("fleet"):]
name = words[words.index("--name") + 1] if "--name" in words else agent.own_name()
deadline = words[words.index("--deadline") + 1]

def work(hand_over):
    # Probes and trainings have sessions of their own, so no process group reaches them.
    done = subprocess.run([sys.argv[1], *words], stdout=subprocess.PIPE, start_new_session=True)
    for _, document in unframed([done.stdout]):
        hand_over(document.rstrip())

sys.exit(agent.serve(work, name, float(deadline), agent.Way(lifeline="--lifeline" in words)))
"""


class Stub:
    """The stand-in as a program of its own.

    It keeps a list of the nodes on which it was started.
    """

    def __init__(self, folder: Path, faults: dict[str, str] | None = None, *, pause: float = 0.0) -> None:
        self.path, self.log = folder / "gpucheck-stub", folder / "stub.log"
        self.log.touch()
        self.write(faults or {}, pause=pause)

    def write(self, faults: dict[str, str], *, pause: float = 0.0) -> None:
        self.faults = faults
        text = STUB.format(
            python=sys.executable, root=str(ROOT), faults=faults, log=str(self.log), base=BASE, pause=pause
        )
        self.path.write_text(text)
        self.path.chmod(0o755)

    @property
    def started(self) -> list[str]:
        return self.log.read_text().split()

    def left_running(self, patience: float = 5.0) -> list[str]:
        """Return the command lines of what still runs of it after a moment."""
        until = time.monotonic() + patience
        while (left := running(str(self.path))) and time.monotonic() < until:
            time.sleep(0.05)
        return left


def running(mark: str) -> list[str]:
    """Return the command lines of processes that have a text in them; zombies have none."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            words = path.read_bytes().replace(b"\0", b" ").decode("utf-8", "replace")
        except OSError:
            continue
        if mark in words and "fleet run" not in words:
            found.append(f"{path.parent.name}: {words}")
    return found


def events(folder: Path) -> list[dict]:
    return [json.loads(line) for line in (folder / "events.jsonl").read_text().splitlines()]


def states(folder: Path) -> dict[str, str]:
    """Return each node's last state."""
    return {one["node"]: one["state"] for one in events(folder) if one["node"] is not None}


def reasons(folder: Path) -> dict[str, str]:
    return {one["node"]: one["reason"] for one in events(folder) if one.get("reason")}


def begin(*arguments: object, **options) -> subprocess.Popen[str]:
    """Start a coordinator."""
    return subprocess.Popen(
        [*COMMAND, "fleet", "run", *map(str, arguments)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        **options,
    )


def check_run(folder: Path, nodes: list[str], faults: dict[str, str]) -> None:
    """See that exactly the faults are named, and that nobody's report is lost."""
    found = states(folder)
    assert found == {node: STATES[faults[node]] if node in faults else "ok" for node in nodes}, reasons(folder)
    whole = {node for node in nodes if node not in faults or faults[node] == "fail"}
    assert {path.stem for path in (folder / "nodes").glob("*.json")} == whole
    for node in whole:
        document = json.loads((folder / f"nodes/{node}.json").read_text())
        assert document["node"]["name"] == node
        assert list(document)[-1] == "complete"


def attended(stub: Stub) -> Path:
    """Return a program that runs the stand-in under the real agent's watchdog."""
    folder = stub.path.parent
    (folder / "serve.py").write_text(SERVE.format(root=str(ROOT)))
    agent = folder / "gpucheck-agent"
    agent.write_text(f'#!/bin/sh\nexec {sys.executable} {folder}/serve.py {stub.path} "$@"\n')
    agent.chmod(0o755)
    return agent


def wait_for(what, patience: float = 30.0) -> None:
    """Wait until something is so."""
    until = time.monotonic() + patience
    while not what():
        assert time.monotonic() < until, "it never came"
        time.sleep(0.02)
