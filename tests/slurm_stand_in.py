"""A stand-in for Slurm's controller: `scontrol` over a file, in the words of the real 22.05."""

from __future__ import annotations

import json
import sys
from pathlib import Path

PROGRAM = """#!{python}
import json, sys, time
from pathlib import Path
path = Path({state!r})
nodes = json.loads(path.read_text())
words = sys.argv[1:]
time.sleep({slow})
if words[:1] == ["show"]:
    if words[1] == "node" and words[2] not in nodes:
        sys.exit(f"Node {{words[2]}} not found")
    for node, (state, since, reason) in nodes.items():
        if words[1] == "nodes" or node == words[2]:
            flag = {{"drained": "IDLE+DRAIN", "idle": "IDLE"}}.get(state, state)
            told = f" Reason={{reason}} [root@{{since}}]" if reason else ""
            print(f"NodeName={{node}} Arch=x86_64 Gres={gres} State={{flag}} ThreadsPerCore=1{{told}}")
elif words[:1] == ["update"]:
    given = dict(word.split("=", 1) for word in words[1:])
    out = given["State"] == "DRAIN"
    since = time.strftime("%Y-%m-%dT%H:%M:%S")
    nodes[given["NodeName"]] = ["drained", since, given["Reason"]] if out else ["idle", "Unknown", ""]
    path.write_text(json.dumps(nodes))
    if {dies}:
        Path(sys.argv[0]).write_text("#!/bin/sh\\necho Unable to contact >&2; exit 1\\n")
"""


class Controller:
    """Nodes as they stand; its programs are in `folder`."""

    def __init__(self, folder: Path, nodes: int) -> None:
        self.state = folder / "nodes.json"
        self.folder = folder / "slurm"
        self.folder.mkdir()
        self.put({f"n{number}": ["idle", "Unknown", ""] for number in range(nodes)})
        self.answer()

    def answer(self, *, gres: str = "gpu:2", slow: float = 0.0, dies: bool = False) -> None:
        """Answer so, after so many seconds, and perhaps never again after a change."""
        program = self.folder / "scontrol"
        program.write_text(
            PROGRAM.format(python=sys.executable, state=str(self.state), gres=gres, slow=slow, dies=dies)
        )
        program.chmod(0o755)

    def put(self, nodes: dict[str, list[str]]) -> None:
        self.state.write_text(
            json.dumps({**(json.loads(self.state.read_text()) if self.state.exists() else {}), **nodes})
        )

    def all(self) -> dict[str, list[str]]:
        """Return every node's state, since when, and why."""
        return json.loads(self.state.read_text())

    def reasons(self) -> dict[str, str]:
        """Return the reason of every node that is drained."""
        nodes = json.loads(self.state.read_text())
        return {name: reason for name, (state, _, reason) in nodes.items() if state == "drained"}
