"""A shell in a terminal of its own, for tests that press keys."""

from __future__ import annotations

import os
import pty
import select
import signal
import time


class Terminal:
    """An interactive shell in a terminal of its own."""

    def __init__(self, command: list[str], environment: dict[str, str]) -> None:
        self.pid, self.file = pty.fork()
        if self.pid == 0:
            os.chdir(environment["HOME"])
            os.execvpe(command[0], command, {**environment, "TERM": "dumb", "COLUMNS": "200"})
        self.said = b""

    def type(self, text: str, *awaited: str, seconds: float = 60) -> str:
        """Type, and wait until all these words have come; return what came."""
        self.said = b""
        os.write(self.file, text.encode())
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline and not all(word.encode() in self.said for word in awaited):
            if select.select([self.file], [], [], 0.2)[0]:
                self.said += os.read(self.file, 65536)
        return self.said.decode(errors="replace")

    def close(self) -> None:
        os.kill(self.pid, signal.SIGKILL)
        os.waitpid(self.pid, 0)
        os.close(self.file)
