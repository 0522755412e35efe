"""Ray's driver, a program of its own: run by `gpucheck fleet run --via ray`, ended by it, needs nothing of ours.

Reads one line of JSON, writes one line of JSON for each node that begins or ends. Its stdin is a lifeline.
"""

from __future__ import annotations

import base64
import json
import os
import sys
import threading
import time
from typing import Any

DEAD = ("NodeDiedError", "TaskUnschedulableError", "ActorUnschedulableError", "NodeAffinity", "RaySystemError")
CRASHED = ("WorkerCrashedError", "OutOfMemoryError", "TaskCancelledError")


def tell(**message: Any) -> None:
    """Write one line."""
    sys.stdout.write(json.dumps(message) + "\n")
    sys.stdout.flush()


def first_line() -> bytes:
    """Read one line of stdin, and nothing into a buffer behind it."""
    heard = b""
    while not heard.endswith(b"\n") and (part := os.read(0, 65536)):
        heard += part
    return heard


def end_with_stdin() -> None:
    """End when the coordinator does; Ray then ends the tasks."""
    while os.read(0, 4096):
        pass
    os._exit(1)


def work(words: list[str], deadline: float, node_id: str) -> dict[str, Any]:
    """Run the agent on a node: no GPU mask of Ray's, a process group that ends by SIGKILL."""
    import contextlib
    import os
    import signal
    import subprocess
    import time

    environment = {**os.environ, "RAY_NODE_ID": node_id}
    if not environment.get("CUDA_VISIBLE_DEVICES"):
        environment.pop("CUDA_VISIBLE_DEVICES", None)  # Ray's, for tasks that asked for no GPU
    begin = time.monotonic()
    try:
        process = subprocess.Popen(
            words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment,
            start_new_session=True,
        )  # fmt: skip
    except OSError as error:
        return {"out": b"", "err": str(error), "status": 127, "seconds": 0.0, "timed_out": False}
    timed_out, out, err = False, b"", b""
    # Not communicate() without a deadline: it closes stdin, the lifeline, which must stay open.
    heard: dict[str, bytes] = {}

    def read(name: str, stream: Any) -> None:
        heard[name] = b""
        while part := stream.read1(65536):
            heard[name] += part

    import threading

    readers = [
        threading.Thread(target=read, args=pair, daemon=True)
        for pair in (("out", process.stdout), ("err", process.stderr))
    ]
    for reader in readers:
        reader.start()
    try:
        process.wait(deadline)
    except subprocess.TimeoutExpired:
        timed_out = True
    with contextlib.suppress(OSError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    for reader in readers:
        reader.join(1)
    out, err = heard.get("out", b""), heard.get("err", b"")[-16384:]
    return {
        "out": out, "err": err.decode("utf-8", "replace"), "status": process.returncode,
        "seconds": time.monotonic() - begin, "timed_out": timed_out,
    }  # fmt: skip


def places(ray: Any) -> dict[str, list[dict[str, Any]]]:
    """Return Ray's nodes by every name that they have."""
    found: dict[str, list[dict[str, Any]]] = {}
    for node in ray.nodes():
        names = (node.get(key) for key in ("NodeID", "NodeName", "NodeManagerHostname", "NodeManagerAddress"))
        for name in {str(name) for name in names if name}:
            found.setdefault(name, []).append(node)
    return found


def choose(name: str, known: dict[str, list[dict[str, Any]]]) -> tuple[str | None, str]:
    """Return the id of the one living node of a name, or None and why not."""
    named = known.get(name, [])
    living = [node for node in named if node.get("Alive")]
    own = [node for node in living if node.get("NodeName") == name] or living
    if len(own) == 1:
        return str(own[0]["NodeID"]), ""
    if own:
        return None, f"Ray: {len(own)} nodes are called so; use their names or ids"
    return None, "Ray: the node is dead" if named else "Ray does not know it; ray list nodes names its nodes"


def main() -> None:
    """Run what was asked for."""
    asked = json.loads(first_line())
    threading.Thread(target=end_with_stdin, daemon=True).start()
    try:
        import ray
        from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

        ray.init(
            address=os.environ.get("RAY_ADDRESS") or "auto", log_to_driver=False, logging_level="ERROR",
            configure_logging=False,
        )  # fmt: skip
    except Exception as error:  # noqa: BLE001 - told, and ended
        tell(error=f"{type(error).__name__}: {error}".split("\n")[0])
        os._exit(1)
    tell(ready=True)
    known = places(ray)
    task = ray.remote(num_cpus=0, max_retries=0)(work)
    queue: list[tuple[str, list[str], str]] = []
    pending: dict[Any, tuple[str, float]] = {}
    for name, words in asked["nodes"].items():
        node_id, why = choose(name, known)
        if node_id is None:
            tell(node=name, state="unreachable", reason=why)
        else:
            queue.append((name, words, node_id))
    queue.reverse()
    while queue or pending:
        while queue and len(pending) < asked["fanout"]:
            name, words, node_id = queue.pop()
            pinned = task.options(scheduling_strategy=NodeAffinitySchedulingStrategy(node_id, soft=False))
            tell(node=name, begin=True)
            reference = pinned.remote(words, asked["deadline"], node_id)
            pending[reference] = (name, time.monotonic() + asked["patience"])
        settle(ray, pending)
    os._exit(0)  # ray.shutdown waits for nodes that are frozen


def settle(ray: Any, pending: dict[Any, tuple[str, float]]) -> None:
    """Tell of the tasks that have ended, and give up those that are late: a frozen node never tells itself."""
    ready, _ = ray.wait(list(pending), num_returns=1, timeout=0.2, fetch_local=False)
    for one in ready:
        name, _ = pending.pop(one)
        try:
            found = ray.get(one, timeout=5)
            tell(node=name, **{**found, "out": base64.b64encode(found["out"]).decode("ascii")})
        except Exception as error:  # noqa: BLE001 - a node's trouble is no matter of the others
            kinds = {type(error).__name__, type(getattr(error, "cause", None)).__name__}
            state = "unreachable" if kinds & set(DEAD) else "crashed" if kinds & set(CRASHED) else "timeout"
            tell(node=name, state=state, reason=f"Ray: {type(error).__name__}: {error}".split("\n")[0][:200])
    for one, (name, until) in list(pending.items()):
        if time.monotonic() >= until:
            del pending[one]
            tell(node=name, state="timeout", reason="Ray: the node has not answered in time")
            threading.Thread(target=ray.cancel, args=(one,), kwargs={"force": True}, daemon=True).start()


if __name__ == "__main__":
    main()
