"""One process of a launcher: heard to its end or to a deadline, in a process group that ends by SIGKILL."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import time
from typing import TYPE_CHECKING

from gpucheck.fleet.launch.heard import Heard

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

MOST = 64 * 2**20  # bytes that one process may say of one node
KEPT = 16_384  # bytes of stderr
LOOK = 0.1  # seconds
LINGER = 1.0  # seconds in which the pipes of an ended process are still read


class Process:
    """A started process, and what it has said."""

    def __init__(
        self, process: asyncio.subprocess.Process, told: Callable[[str, bytes], None] | None, most: int
    ) -> None:
        self.process, self.told, self.most = process, told, most
        self.begin = time.monotonic()
        self.out, self.err = bytearray(), bytearray()

    async def read(self, stream: asyncio.StreamReader, name: str) -> None:
        """Read one stream to its end."""
        kept = self.out if name == "out" else self.err
        while part := await stream.read(65536):
            kept += part
            if name == "err":
                del kept[:-KEPT]
            elif len(kept) > self.most:
                end(self.process)
                return
            if self.told is not None:
                self.told(name, part)

    async def until(self, deadline: float) -> bool:
        """Wait for the end; return False where the deadline came first.

        What has left the process group may hold the pipes open for ever, so the process's own end counts too.
        """
        streams = [(self.process.stdout, "out"), (self.process.stderr, "err")]
        readers = {
            asyncio.ensure_future(self.read(stream, name)) for stream, name in streams if stream is not None
        }
        try:
            while readers and time.monotonic() < self.begin + deadline:
                left = min(LOOK, max(self.begin + deadline - time.monotonic(), 0.0))
                _, readers = await asyncio.wait(readers, timeout=left)
                if readers and self.process.returncode is not None:
                    _, readers = await asyncio.wait(readers, timeout=LINGER)
                    break
            while self.process.returncode is None and time.monotonic() < self.begin + deadline:
                await asyncio.sleep(0.005)
        finally:
            for reader in readers:
                reader.cancel()
        return self.process.returncode is not None


async def hear(
    command: Sequence[str],
    deadline: float,
    *,
    environment: Mapping[str, str] | None = None,
    told: Callable[[str, bytes], None] | None = None,
    given: bytes = b"",
    gentle: float = 0.0,
    most: int = MOST,
) -> Heard:
    """Run a command to its end or to the deadline, its stdin a pipe that ends with this program.

    Args:
        command: The command.
        deadline: Seconds.
        environment: Its environment; None: ours.
        told: Called with ``out`` or ``err`` and each piece that it says.
        given: What it finds on its stdin.
        gentle: Seconds between SIGTERM and SIGKILL, for a launcher that has to end what it started elsewhere.
        most: Bytes that it may say; it is ended where it says more.

    Raises:
        OSError: It cannot be started.
    """
    process = await asyncio.create_subprocess_exec(
        *command,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        start_new_session=True,
        env=dict(environment) if environment is not None else None,
    )
    one = Process(process, told, most)
    try:
        if given and process.stdin is not None:
            process.stdin.write(given)
        in_time = await one.until(deadline)
    finally:
        if gentle and process.returncode is None:
            await asyncio.shield(_asked(process, gentle))
        end(process)
        if process.stdin is not None:
            process.stdin.close()
        await asyncio.shield(_buried(process))
    return Heard(
        out=bytes(one.out),
        err=one.err.decode("utf-8", "replace"),
        status=process.returncode if in_time else None,
        seconds=time.monotonic() - one.begin,
        timed_out=not in_time,
    )


def end(process: asyncio.subprocess.Process) -> None:
    """Kill the process group, also where its leader has ended already."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)


async def _asked(process: asyncio.subprocess.Process, patience: float) -> None:
    """Ask a process to end, and wait for that a little."""
    with contextlib.suppress(ProcessLookupError):
        process.terminate()
    until = time.monotonic() + patience
    while process.returncode is None and time.monotonic() < until:
        await asyncio.sleep(0.02)


async def _buried(process: asyncio.subprocess.Process) -> None:
    """See the end of a killed process, and give its pipes back."""
    until = time.monotonic() + LINGER
    while process.returncode is None and time.monotonic() < until:
        await asyncio.sleep(0.005)
    process._transport.close()  # type: ignore[attr-defined]
