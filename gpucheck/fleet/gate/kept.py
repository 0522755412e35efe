"""The last decision on this node, kept for the prolog: it holds for this boot, driver and policy alone."""

from __future__ import annotations

import contextlib
import json
import os
import stat
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gpucheck.fleet.contract import boot_id
from gpucheck.fleet.gate.decision import Decision, from_json, to_json
from gpucheck.record import record

if TYPE_CHECKING:
    from collections.abc import Iterable

FILE = "gate.json"
MODULE = Path("/proc/driver/nvidia/version")  # its first line names the loaded kernel module
LARGEST = 2**20  # bytes


@record
class Kept:
    """A decision of before.

    Attributes:
        decision: The decision.
        age: Seconds.
        drained: Whether we had taken the node out then; None: the scheduler was not asked.
    """

    decision: Decision
    age: float
    drained: bool | None = None


def key(parts: Iterable[str]) -> str | None:
    """Return what a decision depends on: boot, loaded driver, and these parts; None: the boot has no name here.

    Args:
        parts: gpucheck's version, the policy's text, demands.
    """
    import hashlib

    boot = boot_id()
    if boot is None:
        return None
    try:
        driver = MODULE.read_text(encoding="utf-8", errors="replace").partition("\n")[0]
    except OSError:
        driver = ""
    return hashlib.sha256("\0".join((boot, driver, *parts)).encode("utf-8", "surrogateescape")).hexdigest()


class Store:
    """The file of the last decision.

    Args:
        folder: Where it is; made where it is missing, open to its owner alone.
        wanted: What decisions that count depend on; None: none is kept.
    """

    def __init__(self, folder: Path, wanted: str | None) -> None:
        self.path, self.key = folder / FILE, wanted

    def read(self) -> Kept | None:
        """Return the last decision; None: there is none that counts, or others could have written it."""
        content = self._content()
        try:
            age = time.monotonic() - float(content["monotonic"])
            if self.key is None or content["key"] != self.key or age < 0:
                return None
            drained = content["drained"]
            return Kept(
                decision=from_json(content), age=age, drained=drained if drained is None else bool(drained)
            )
        except (ValueError, KeyError, TypeError):
            return None

    def owed(self) -> tuple[str, ...]:
        """Return the troubles that the node had since we took it out, also before a reboot."""
        found = self._content().get("owed")
        return tuple(one for one in found if isinstance(one, str)) if isinstance(found, list) else ()

    def _content(self) -> dict[str, Any]:
        try:
            with os.fdopen(os.open(self.path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK), "rb") as file:
                about = os.fstat(file.fileno())
                if not stat.S_ISREG(about.st_mode) or _of_others(about) or _of_others(self.path.parent.stat()):
                    return {}
                content: Any = json.loads(file.read(LARGEST))
        except (OSError, ValueError, RecursionError):
            return {}
        return content if isinstance(content, dict) else {}

    def write(self, decision: Decision, drained: bool | None, owed: tuple[str, ...] = ()) -> str | None:
        """Keep a decision made now; return why that could not be done, which is no reason to fail.

        Args:
            decision: The decision.
            drained: Whether we have taken the node out; None: that is not known.
            owed: Troubles that it had since.
        """
        if self.key is None:
            return None
        # Monotonic time begins with the boot that the key names: a clock that is set does no harm.
        content = {"key": self.key, "monotonic": time.monotonic(), "drained": drained, "owed": list(owed),
                   **to_json(decision)}  # fmt: skip
        part = self.path.with_name(f".{FILE}.{os.getpid()}")
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            if _of_others(self.path.parent.stat()):
                return f"{self.path.parent}: is not ours alone, so no decision is kept there"
            with os.fdopen(
                os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600), "wb"
            ) as file:
                file.write(json.dumps(content).encode())
            part.replace(self.path)
        except OSError as error:
            with contextlib.suppress(OSError):
                part.unlink(missing_ok=True)
            return f"{self.path}: cannot be written: {error.strerror}"
        return None


def _of_others(about: os.stat_result) -> bool:
    """Whether another user may change it."""
    return about.st_uid != os.geteuid() or bool(about.st_mode & 0o022)
