"""Runs probes under one guard each: a probe that fails or hangs leaves the reason, and never stops the others."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, Any, TypeVar

from gpucheck.facts import ProbeRun
from gpucheck.probe.interpreter import InterpreterError

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")


class Runner:
    """Runs probes and notes how each went.

    Args:
        deadline: Seconds that any one probe may take.
    """

    def __init__(self, deadline: float) -> None:
        self.deadline = deadline
        self.runs: list[ProbeRun] = []

    def at_once(self, name: str, failed: Callable[[str], T], probe: Callable[..., T], *arguments: Any) -> T:
        """Run a probe that cannot hang: it reads the kernel's own files, or has deadlines of its own."""
        begin, outcome = time.perf_counter(), _Outcome()
        outcome.of(probe, arguments)
        return self._noted(name, failed, begin, outcome)

    def run(self, name: str, failed: Callable[[str], T], probe: Callable[..., T], *arguments: Any) -> T:
        """Run a probe; when it raises or takes too long, return what ``failed`` makes of the reason.

        It runs in a thread, since a read from a dead network drive or a named pipe cannot be ended.

        Raises:
            InterpreterError: The probe found that the interpreter named cannot be used.
        """
        begin, outcome = time.perf_counter(), _Outcome()
        thread = threading.Thread(target=outcome.of, args=(probe, arguments), daemon=True)
        thread.start()
        thread.join(self.deadline)
        if isinstance(outcome.error, InterpreterError):
            raise outcome.error
        late = f"the probe {name!r} gave no answer within {self.deadline:g} s" if thread.is_alive() else None
        return self._noted(name, failed, begin, outcome, late)

    def _noted(
        self, name: str, failed: Callable[[str], T], begin: float, outcome: _Outcome, reason: str | None = None
    ) -> T:
        error = outcome.error
        if reason is None and error is not None:
            reason = f"the probe {name!r} failed: {type(error).__name__}: {error}"
        elapsed = round((time.perf_counter() - begin) * 1000, 3)
        self.runs.append(ProbeRun(name=name, milliseconds=elapsed, error=reason))
        return failed(reason) if reason is not None else outcome.value

    def note(self, name: str, begin: float) -> None:
        """Note how long something took that has deadlines of its own; ``begin`` is of `time.perf_counter`."""
        elapsed = round((time.perf_counter() - begin) * 1000, 3)
        self.runs.append(ProbeRun(name=name, milliseconds=elapsed))


class _Outcome:
    """What a thread brought back."""

    value: Any = None
    error: BaseException | None = None

    def of(self, probe: Callable[..., Any], arguments: tuple[Any, ...]) -> None:
        try:
            self.value = probe(*arguments)
        except Exception as error:  # noqa: BLE001 - one guard per probe: its crash is a fact
            self.error = error
