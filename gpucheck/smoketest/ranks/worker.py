"""One rank's script, in a process of its own, and what it tells its gpucheck."""

from __future__ import annotations

import contextlib
import json
import threading
import time
from typing import TYPE_CHECKING, Any

from gpucheck import children
from gpucheck.smoketest import child
from gpucheck.smoketest.reading import LOG_SHOWN

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Callable, Mapping

    Post = Callable[[dict[str, Any]], None]
    Listener = Callable[[dict[str, Any]], None]

SCRIPTS = {"torch": "distribute_torch.py", "tensorflow": "distribute_tensorflow.py"}
LONGEST = 500  # characters
ENDING = 10.0  # seconds that a script which has been killed, or has measured everything, may take to be gone


class Worker(threading.Thread):
    """Runs the script, and TensorFlow's second one for MirroredStrategy once the first has measured.

    Attributes:
        heard: What the script told, once it has ended.
    """

    def __init__(
        self,
        framework: str,
        python: str,
        request: dict[str, Any],
        environment: Mapping[str, str],
        seconds: float,
        *,
        post: Post,
        listen: Listener,
    ) -> None:
        """Prepare.

        Args:
            framework: ``torch`` or ``tensorflow``.
            python: The interpreter that has it.
            request: What the script reads from stdin.
            environment: Environment variables to set on top of this process's.
            seconds: Until its process group is killed.
            post: Called with what the roster of rank 0 should know.
            listen: Called with the script's events.
        """
        super().__init__(daemon=True)
        self.framework, self.python, self.request, self.environment = framework, python, request, environment
        self.post, self.listen = post, listen
        self.end_at = time.monotonic() + seconds
        self.heard = child.Heard()
        self.ending = False
        self.processes: list[subprocess.Popen[bytes]] = []
        self.lock = threading.Lock()

    @property
    def mirrors(self) -> bool:
        """Whether this rank proves MirroredStrategy too: the first of its machine."""
        return self.framework == "tensorflow" and self.request["local_rank"] == 0

    def run(self) -> None:
        """Run the script to its end, and tell how it ended."""
        self.heard = self._train(mirrored=False, listen=self._relay)
        self._ended(self.heard, "")

    def obey(self, message: dict[str, Any]) -> bool:
        """Do what rank 0 says; return whether nothing more is to come from it."""
        if "go" in message:
            self._tell({"members": message["go"]})
        elif "leave" in message:
            self._tell({"leave": True})
            self.join(ENDING)
            self.end()
        elif "end" in message:
            self.end()
        return "go" not in message

    def end(self) -> None:
        """Kill what is running."""
        with self.lock:
            self.ending = True
            for process in self.processes:
                if process.poll() is None:
                    children.kill(process)

    def _train(self, *, mirrored: bool, listen: Listener) -> child.Heard:
        return child.train(
            self.framework,
            self.python,
            {**self.request, "mirrored": mirrored},
            self.environment,
            max(1.0, self.end_at - time.monotonic()),
            listen,
            script=SCRIPTS[self.framework],
            started=self._note_process,
        )

    def _note_process(self, process: subprocess.Popen[bytes]) -> None:
        with self.lock:
            self.processes.append(process)
            if self.ending:
                children.kill(process)

    def _tell(self, message: dict[str, Any]) -> None:
        with self.lock:
            stdin = self.processes[0].stdin if self.processes else None
            with contextlib.suppress(OSError, ValueError):  # it has ended: its status tells
                if stdin is not None:
                    stdin.write(json.dumps(message).encode() + b"\n")
                    stdin.flush()

    def _relay(self, event: dict[str, Any]) -> None:
        kind = event["event"]
        if kind == "stage":
            self.post({"stage": event["name"]})
        elif kind == "alive":
            self.post({"alive": True})
        elif kind == "arrived":
            self.post({"arrived": {"port": event["port"]}})
        elif kind == "measured":
            self.post({"measured": {name: event[name] for name in ("all_reduce", "gradient_error")}})
            if self.mirrors:
                threading.Thread(target=self._mirror, daemon=True).start()
            else:
                self.post({"finished": True})
        self.listen(event)

    def _mirror(self) -> None:
        self.post({"stage": "mirrored"})
        self.listen({"event": "stage", "name": "mirrored"})
        heard = self._train(mirrored=True, listen=lambda _: None)
        if heard.failure is not None:
            self._ended(heard, "MirroredStrategy: ")
            return
        told = heard.facts["result"]
        self.post({"mirrored": {name: told[name] for name in ("gradient_error", "devices")}})
        self.post({"finished": True})

    def _ended(self, heard: child.Heard, which: str) -> None:
        failed = heard.failure is not None
        self.post(
            {
                "ended": {
                    "failure": shortened(f"{which}{heard.failure}") if failed else None,
                    "died": failed and "failed" not in heard.facts,
                    "terminated": False,
                    "log": list(heard.log[-LOG_SHOWN:]) if failed else [],
                }
            }
        )


def shortened(text: str) -> str:
    """Return a text in one line; of a long one its end too, where TensorFlow names the cause."""
    line = " ".join(text.split())
    return line if len(line) <= LONGEST else f"{line[: LONGEST // 2 - 3]} ... {line[3 - LONGEST // 2 :]}"
