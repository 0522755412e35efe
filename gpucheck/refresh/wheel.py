"""Single files out of a wheel on the index, by range requests; the wheel itself is never downloaded."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from gpucheck.refresh.index import TIMEOUT, RefreshError, Wheel, session

if TYPE_CHECKING:
    from types import TracebackType

LARGEST = 80 * 2**20  # bytes of one compressed file that are worth a request


@dataclass
class Reader:
    """A wheel opened for reading, as a context.

    Args:
        wheel: The wheel.
        bytes_read: What its files took so far, compressed.
    """

    wheel: Wheel
    bytes_read: int = 0

    def __enter__(self) -> Reader:
        """Read the wheel's directory.

        Raises:
            RefreshError: It cannot be read.
        """
        from remotezip import RemoteZip

        self._http = session()
        self._answers: list[Any] = []
        # remotezip leaves an answer open when what it brings is no zip.
        self._http.hooks["response"].append(lambda answer, **_: self._answers.append(answer))
        try:
            self._zip: Any = RemoteZip(self.wheel.url, session=self._http, timeout=TIMEOUT)
        except Exception as error:  # noqa: BLE001 - HTTP, zip or network: each is told as one line
            self._close()
            raise RefreshError(f"{self.wheel.filename}: cannot be read: {type(error).__name__}") from None
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close it."""
        self._zip.close()
        self._close()

    def _close(self) -> None:
        for answer in self._answers:
            answer.close()
        self._http.close()

    def names(self) -> list[str]:
        """Return the names of all files in it."""
        found: list[str] = self._zip.namelist()
        return found

    def bytes(self, name: str) -> bytes | None:
        """Return the content of a file; None when it is missing or too large to be worth it.

        Raises:
            RefreshError: The request failed.
        """
        if name not in self._zip.NameToInfo:
            return None
        size = self._zip.getinfo(name).compress_size
        if size > LARGEST:
            return None
        try:
            content: bytes = self._zip.read(name)
        except Exception as error:  # noqa: BLE001
            raise RefreshError(f"{self.wheel.filename}: {name}: cannot be read: {type(error).__name__}") from None
        self.bytes_read += size
        return content

    def text(self, name: str) -> str | None:
        """Return a text file, or None when it is missing."""
        content = self.bytes(name)
        return content.decode("utf-8", errors="replace") if content is not None else None

    def first(self, *endings: str) -> str | None:
        """Return the first text file whose name ends like one of ``endings``, the earlier ending first."""
        for ending in endings:
            for name in self.names():
                if name.endswith(ending):
                    return self.text(name)
        return None

    def requirements(self) -> list[str]:
        """Return the Requires-Dist lines of its METADATA."""
        metadata = self.first(".dist-info/METADATA") or ""
        head = metadata.replace("\r\n", "\n").split("\n\n", 1)[0]
        return [line.partition(":")[2].strip() for line in head.splitlines() if line.startswith("Requires-Dist:")]
