"""MNIST from its public mirrors into the user's cache: resumed, checked, and put in place in one step."""

from __future__ import annotations

import contextlib
import errno
import gzip
import hashlib
import os
import time
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from gpucheck.smoketest.data import FILES, MNIST_SHA256, DataError
from gpucheck.smoketest.scratch import cache_folder

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from http.client import HTTPResponse
    from urllib.request import OpenerDirector

    Listener = Callable[[dict[str, Any]], None]

MIRRORS = (
    "https://ossci-datasets.s3.amazonaws.com/mnist/",
    "https://storage.googleapis.com/cvdf-datasets/mnist/",
)
VARIABLE = "GPUCHECK_MNIST_MIRROR"
LIMIT = 32_000_000  # bytes of a packed file; the largest has 9,912,422
UNPACKED_LIMIT = 64_000_000  # bytes of an unpacked file; the largest has 47,040,016
NEEDED = 12  # MB of the four packed files
BLOCK = 1 << 16
TIMEOUT = 30.0  # seconds without a byte
TICK = 0.1  # seconds between two events
REASON_LENGTH = 200


class _MirrorError(Exception):
    """A mirror did not deliver; what has come may be gone on with."""


class _DamagedError(_MirrorError):
    """What has come is not the file, and is of no use."""


def fetch_mnist(listen: Listener = lambda _: None) -> Path:
    """Return the folder of the cache that holds MNIST's four .gz files, after fetching what is missing or damaged.

    Args:
        listen: Called with ``{"event": "stage", "name": "download"}`` if something is fetched, with
            ``{"event": "download", "file", "done", "total"}`` (bytes; total may be None) on the way, and once with
            ``{"event": "stage", "name": "download_wait"}`` if another process is fetching already.

    Raises:
        DataError: A file could not be fetched, or there is no place for it; one line says what to do.
    """
    try:
        folder = cache_folder() / "mnist"
    except RuntimeError as error:
        raise _data_error(f"there is no home folder for the cache: {error}; name one by XDG_CACHE_HOME") from error
    if _missing(folder):
        mirrors = _mirrors()
        try:
            _fill(folder, mirrors, listen)
        except OSError as error:
            raise _no_place(folder, error) from error
    return folder


def _fill(folder: Path, mirrors: tuple[str, ...], listen: Listener) -> None:
    """Fetch what is missing, one process at a time.

    Raises:
        OSError: The folder cannot be written.
        DataError: No mirror delivered a file.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with _locked(folder, listen):
        missing = _missing(folder)  # again: the process that we waited for has fetched it
        if missing:
            listen({"event": "stage", "name": "download"})
        fetcher = _Fetcher(folder, mirrors, listen)
        for name in missing:
            fetcher.fetch(name)


@contextlib.contextmanager
def _locked(folder: Path, listen: Listener) -> Iterator[None]:
    """Hold the folder's lock, and tell once if another process has it."""
    from filelock import FileLock, Timeout

    lock = FileLock(folder / "download.lock")
    try:
        try:
            lock.acquire(timeout=0)
        except Timeout:
            listen({"event": "stage", "name": "download_wait"})
            lock.acquire()
    except NotImplementedError as error:  # older filelock on a file system without flock
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK)) from error
    try:
        yield
    finally:
        lock.release()


def _missing(folder: Path) -> list[str]:
    return [name for name in FILES if _fault(folder / f"{name}.gz", name) is not None]


def _fault(path: Path, name: str) -> str | None:
    """Return why a packed file is not MNIST's, or None if it is."""
    try:
        if not path.is_file():
            return "no file"
        if path.stat().st_size > LIMIT:
            return f"more than {LIMIT // 10**6} MB"
        with gzip.open(path) as file:
            return _content_fault(file, name)
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        return f"no sound gzip file: {error}"
    except OSError as error:
        return f"cannot be read back: {error.strerror or error}"


def _content_fault(file: gzip.GzipFile, name: str) -> str | None:
    """Sum the unpacked bytes up: the packed ones differ between copies by the time in their head (RFC 1952)."""
    digest, size = hashlib.sha256(), 0
    while block := file.read(BLOCK):
        size += len(block)
        if size > UNPACKED_LIMIT:
            return f"more than {UNPACKED_LIMIT // 10**6} MB when unpacked"
        digest.update(block)
    return None if digest.hexdigest() == MNIST_SHA256[name] else "damaged: its SHA-256 is not that of MNIST"


@dataclass
class _Fetcher:
    """Brings files from the mirrors into the folder.

    Attributes:
        folder: Where they go.
        mirrors: Base URLs in the order in which they are tried.
        listen: Hears how far a file is: about ten times a second, and at its end where that is known.
        next_event: When the next event is due, on the monotonic clock.
    """

    folder: Path
    mirrors: tuple[str, ...]
    listen: Listener
    next_event: float = 0.0

    def fetch(self, name: str, *, resume: bool = True) -> None:
        """Fetch one file from the first mirror that delivers it.

        Two mirrors may have packed it differently: what was begun at one, ended at another and came out damaged
        is fetched once more from each, whole.
        """
        part, reasons = self.folder / f"{name}.gz.part", []
        for mirror in self.mirrors:
            begin = part.stat().st_size if resume and part.exists() else 0
            try:
                self.receive(name, part, mirror, begin)
                part.replace(self.folder / f"{name}.gz")
                return
            except _MirrorError as error:
                reasons.append(f"{urlsplit(mirror).netloc}: {_plain(str(error))[:REASON_LENGTH]}")
                if isinstance(error, _DamagedError):
                    part.unlink(missing_ok=True)
                    if begin:
                        self.fetch(name, resume=False)
                        return
        advice = "copy the four files into a folder and name it with --data DIR"
        raise _data_error(f"{name}.gz could not be fetched: {'; '.join(reasons)}; {advice}")

    def receive(self, name: str, part: Path, mirror: str, begin: int) -> None:
        """Write a mirror's answer into the part, and check it when it is whole.

        Raises:
            _MirrorError: There is no answer, or it ends early.
            _DamagedError: The answer is not the file.
            OSError: The part cannot be written.
        """
        with _ask(f"{mirror}{name}.gz", begin) as answer:
            done = _offset(answer, begin)
            total = None if answer.length is None else done + answer.length
            _limit(total or 0)
            with part.open("ab" if done else "wb") as out:
                while block := _read(answer):
                    done += len(block)
                    _limit(done)
                    out.write(block)
                    self.tell(name, done, total)
        if total is not None and done < total:
            raise _MirrorError(f"the connection ended after {done} of {total} bytes")
        fault = _fault(part, name)
        if fault is not None:
            raise _DamagedError(fault)

    def tell(self, name: str, done: int, total: int | None) -> None:
        """Send an event if it is time for one."""
        now = time.monotonic()
        if done == total or now >= self.next_event:
            self.next_event = now + TICK
            self.listen({"event": "download", "file": name, "done": done, "total": total})


def _ask(url: str, begin: int) -> HTTPResponse:
    """Ask for a file from a byte on (RFC 9110, section 14)."""
    from urllib.error import HTTPError
    from urllib.request import Request

    wanted = {"Range": f"bytes={begin}-"} if begin else {}
    with _from_outside():
        try:
            answer: HTTPResponse = _opener().open(Request(url, headers=wanted), timeout=TIMEOUT)  # noqa: S310 - see _opener
        except HTTPError as error:
            error.close()
            kind = _DamagedError if begin and error.code == 416 else _MirrorError
            raise kind(f"HTTP {error.code} {error.reason}") from error
    return answer


def _opener() -> OpenerDirector:
    """Return an opener of http and https alone: urllib's own would follow a redirection to ftp."""
    from urllib import request

    opener = request.OpenerDirector()
    for handler in (
        request.ProxyHandler, request.UnknownHandler, request.HTTPHandler, request.HTTPSHandler,
        request.HTTPDefaultErrorHandler, request.HTTPRedirectHandler, request.HTTPErrorProcessor,
    ):  # fmt: skip
        opener.add_handler(handler())
    return opener


def _offset(answer: HTTPResponse, begin: int) -> int:
    """Return where the answer's bytes belong in the file."""
    if answer.status == 200:
        return 0
    if begin and answer.status == 206:  # another range than asked for shows in the sum
        return begin
    raise _DamagedError(f"HTTP {answer.status} {answer.reason}: neither the file nor the range asked for")


def _read(answer: HTTPResponse) -> bytes:
    with _from_outside():
        return answer.read1(BLOCK)


def _limit(size: int) -> None:
    if size > LIMIT:
        raise _DamagedError(f"more than {LIMIT // 10**6} MB")


@contextlib.contextmanager
def _from_outside() -> Iterator[None]:
    """Turn what can go wrong on the network into the mirror's error."""
    from http.client import HTTPException

    try:
        yield
    except (OSError, HTTPException, ValueError) as error:  # ValueError: an address that cannot be encoded
        cause = getattr(error, "reason", error)  # URLError wraps what happened
        raise _MirrorError(getattr(cause, "strerror", None) or str(cause) or type(cause).__name__) from error


def _mirrors() -> tuple[str, ...]:
    named = os.environ.get(VARIABLE)
    if not named:
        return MIRRORS
    try:
        parts = urlsplit(named)
    except ValueError:
        parts = urlsplit("")
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise _data_error(f"{VARIABLE}: http://HOST/FOLDER/ or https://HOST/FOLDER/ expected")
    if "@" in parts.netloc:  # urllib does not send them, and would show them in its errors
        raise _data_error(f"{VARIABLE}: a user name or a password in it is not supported")
    return (named.rstrip("/") + "/",)


def _no_place(folder: Path, error: OSError) -> DataError:
    reason = error.strerror or str(error)
    if error.errno in {errno.ENOSPC, errno.EDQUOT}:
        reason += f", the four files need {NEEDED} MB"
    return _data_error(f"{folder} cannot be written: {reason}; name another place by XDG_CACHE_HOME")


def _data_error(text: str) -> DataError:
    return DataError(_plain(f"--data mnist: {text}"))


def _plain(text: str) -> str:
    """Return one line that no terminal takes for a command."""
    return "".join(character if character.isprintable() else "?" for character in text)
