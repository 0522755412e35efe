"""The connections between the gpucheck processes of a distributed run: one JSON object a line, over TCP.

Rank 0 listens; every other rank connects, and says who it is, its script's stages and signs of life, and how it
ended. The frameworks' own connections cannot do that: they hang, or die with the script.
"""

from __future__ import annotations

import contextlib
import json
import os
import queue
import selectors
import socket
import threading
import time
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from gpucheck.smoketest.ranks.launchers import Launch
    from gpucheck.smoketest.ranks.roster import Roster

LONGEST_LINE = 1 << 22  # bytes; the list of 100,000 members is the longest
RETRY, ANSWER = 0.2, 5.0  # seconds between two tries to connect, and for the first answer
HEAD_START = 0.5  # seconds in which rank 0 ends first: launchers end the others, and show the first one's status
HELLO = "gpucheck-ranks-1"


class MeetingError(OSError):
    """There is no connection to rank 0; the message says why."""


def greeting(launch: Launch, framework: str) -> dict[str, Any]:
    """Return what a rank says first; but for its rank and host, it must be what rank 0 would say."""
    return {
        "hello": HELLO,
        "framework": framework,
        "size": launch.size,
        "run": launch.run,
        "rank": launch.rank,
        "host": socket.gethostname(),
        "pid": os.getpid(),
    }


class Line:
    """One connection, read line by line."""

    def __init__(self, connection: socket.socket, address: str) -> None:
        self.connection, self.address = connection, address
        self.rank: int | None = None
        self.rest = b""
        self.early: list[dict[str, Any]] = []
        self.writing = threading.Lock()

    def send(self, message: dict[str, Any]) -> None:
        """Send one message; nothing happens where the other side has gone, which is noticed in reading."""
        with contextlib.suppress(OSError), self.writing:
            self.connection.sendall(json.dumps(message).encode() + b"\n")

    def read(self) -> list[dict[str, Any]] | None:
        """Return the messages that have come; None once the connection has ended.

        Raises:
            ValueError: What has come is no message.
        """
        try:
            part = self.connection.recv(65_536)
        except OSError:
            return None
        if not part:
            return None
        *lines, self.rest = (self.rest + part).split(b"\n")
        if len(self.rest) > LONGEST_LINE:
            raise ValueError("a line without an end")
        messages = [json.loads(line) for line in lines]
        if not all(isinstance(message, dict) for message in messages):
            raise ValueError("an object expected")
        return messages


class Host(threading.Thread):
    """Rank 0's side: takes in what all others tell."""

    def __init__(self, launch: Launch, framework: str, roster: Roster) -> None:
        """Begin to listen.

        Raises:
            MeetingError: The port is not to be had.
        """
        super().__init__(daemon=True)
        self.roster, self.own = roster, greeting(launch, framework)
        self.lines: list[Line] = []
        self.selector = selectors.DefaultSelector()
        try:
            self.listener = _listen(launch)
        except OSError as error:
            place = f"{launch.master}:{launch.meeting_port}"
            raise MeetingError(
                f"rank 0 cannot listen on {place} for the other ranks: {error.strerror or error}; "
                "another MASTER_PORT may be free"
            ) from None
        self.selector.register(self.listener, selectors.EVENT_READ)
        self.start()

    def run(self) -> None:
        """Read until the listener is closed: then everything is decided."""
        while self.listener.fileno() >= 0:
            for key, _ in self.selector.select(timeout=0.5):
                with contextlib.suppress(OSError, ValueError, KeyError):  # closed meanwhile
                    self._accept() if key.fileobj is self.listener else self._hear(key.data)

    def tell(self, message: dict[str, Any]) -> None:
        """Send a message to every other rank."""
        for line in [line for line in self.lines if line.rank is not None]:
            line.send(message)

    def stop(self) -> None:
        """Take nobody in any more, and free the port; the connections stay."""
        self.listener.close()

    def close(self) -> None:
        """End all connections."""
        self.listener.close()
        for line in self.lines:
            with contextlib.suppress(OSError):
                line.connection.shutdown(socket.SHUT_RDWR)
            line.connection.close()

    def _accept(self) -> None:
        connection, address = self.listener.accept()
        connection.settimeout(ANSWER)
        line = Line(connection, str(address[0]).removeprefix("::ffff:"))
        self.lines.append(line)
        self.selector.register(connection, selectors.EVENT_READ, line)

    def _hear(self, line: Line) -> None:
        try:
            messages = line.read()
            for message in messages or ():
                if line.rank is None:
                    self._welcome(line, message)
                else:
                    self.roster.hear(line.rank, message)
        except (ValueError, KeyError, TypeError, OverflowError, RecursionError):  # not ours, or refused
            messages = None
        if messages is None:
            self.selector.unregister(line.connection)
            line.connection.close()
            self.lines.remove(line)
            if line.rank is not None:
                self.roster.lose(line.rank)

    def _welcome(self, line: Line, message: dict[str, Any]) -> None:
        if message["hello"] != HELLO:
            raise ValueError("not one of ours")
        rank, host = int(message["rank"]), str(message["host"])
        try:
            self._check(rank, message)
            self.roster.join(rank, host, line.address)
        except ValueError as error:
            self.roster.refuse(f"rank {rank} from {host} was refused: {error}")
            line.send({"refused": str(error)})
            raise
        line.rank = rank
        line.send({"welcome": True})

    def _check(self, rank: int, message: dict[str, Any]) -> None:
        for name, what in (("run", "launch"), ("framework", "framework"), ("size", "world size")):
            if message[name] != self.own[name]:
                raise ValueError(f"its {what} is {str(message[name])[:80]!r}, rank 0's is {self.own[name]!r}")
        if not 0 < rank < self.own["size"]:
            raise ValueError(f"there is no rank {rank} of {self.own['size']}")


class Guest(threading.Thread):
    """Every other rank's side: what rank 0 says comes into a queue, None once it is gone."""

    def __init__(self, launch: Launch, framework: str, seconds: float) -> None:
        """Connect.

        Raises:
            MeetingError: Rank 0 does not answer within these seconds, or refuses.
        """
        super().__init__(daemon=True)
        self.heard: queue.Queue[dict[str, Any] | None] = queue.Queue()
        self.line = _connect(launch, greeting(launch, framework), seconds)
        self.start()

    def run(self) -> None:
        """Read until rank 0 is gone."""
        messages: list[dict[str, Any]] | None = self.line.early
        with contextlib.suppress(ValueError):
            while messages is not None:
                for message in messages:
                    self.heard.put(message)
                messages = self.line.read()
        self.heard.put(None)

    def part(self, seconds: float) -> None:
        """Wait until rank 0 has gone, and end the connection."""
        end = time.monotonic() + seconds
        with contextlib.suppress(queue.Empty):
            while self.heard.get(timeout=max(0.0, end - time.monotonic())) is not None:
                pass
            time.sleep(HEAD_START)
        with contextlib.suppress(OSError):
            self.line.connection.shutdown(socket.SHUT_RDWR)
        self.line.connection.close()


def _listen(launch: Launch) -> socket.socket:
    """Listen where the others can come from: only here, or on every interface, as the frameworks' stores do."""
    if launch.one_machine:
        six = launch.master == "::1"
        place = ("::1" if six else "127.0.0.1", launch.meeting_port)
        return socket.create_server(place, family=socket.AF_INET6 if six else socket.AF_INET)
    both = socket.has_dualstack_ipv6()
    family = socket.AF_INET6 if both else socket.AF_INET
    return socket.create_server(("", launch.meeting_port), family=family, dualstack_ipv6=both, backlog=1024)


def _connect(launch: Launch, hello: dict[str, Any], seconds: float) -> Line:
    end, why = time.monotonic() + seconds, "no answer"
    while True:
        try:
            line = Line(socket.create_connection((launch.master, launch.meeting_port), ANSWER), launch.master)
            answer = _introduce(line, hello)
        except (OSError, ValueError) as error:
            why = getattr(error, "strerror", None) or str(error)
        else:
            if "refused" in answer:
                line.connection.close()
                raise MeetingError(f"rank 0 refused this rank: {str(answer['refused'])[:500]}")
            line.connection.settimeout(None)
            return line
        if time.monotonic() >= end:
            place = f"{launch.master}:{launch.meeting_port}"
            raise MeetingError(f"rank 0 did not answer at {place} within {seconds:.0f} s: {why}")
        time.sleep(RETRY)


def _introduce(line: Line, hello: dict[str, Any]) -> dict[str, Any]:
    """Say who this is, and return rank 0's answer.

    Raises:
        ValueError: What answers is not rank 0's gpucheck.
    """
    line.send(hello)
    messages = line.read()
    if messages and ("refused" in messages[0] or "welcome" in messages[0]):
        line.early = messages[1:]
        return messages[0]
    line.connection.close()
    raise ValueError("what answers there is not gpucheck")
