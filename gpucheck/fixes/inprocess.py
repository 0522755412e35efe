"""Cures inside a running program, before or after its frameworks are imported: what can still be set, what not.

TensorFlow 2.21.0, measured: importing it starts nothing, the first operation does; after that memory growth and
visible devices are fixed. The driver reads CUDA_VISIBLE_DEVICES once, at cuInit (CUDA programming guide).
"""

from __future__ import annotations

import ctypes
import os
import sys
import threading
from enum import Enum
from typing import TYPE_CHECKING, Any

from gpucheck.fixes import postimport
from gpucheck.fixes.environment import GROWTH
from gpucheck.mask import ORDER, VARIABLE, by_indices
from gpucheck.record import record

if TYPE_CHECKING:
    from collections.abc import Iterator

NOT_INITIALIZED = 3  # CUDA_ERROR_NOT_INITIALIZED, cuda.h
LOCK = threading.RLock()


class Outcome(str, Enum):
    """What became of one cure."""

    APPLIED = "applied"
    ALREADY = "already"
    TOO_LATE = "too-late"
    SKIPPED = "skipped"


@record
class Result:
    """One cure.

    Attributes:
        fix: ``memory-growth`` or ``visible-devices``.
        outcome: What became of it.
        how: By which call or variable, or why not.
        framework: The framework that it concerns, or None.
    """

    fix: str
    outcome: Outcome
    how: str
    framework: str | None = None

    def __str__(self) -> str:
        about = f" ({self.framework})" if self.framework else ""
        return f"{self.fix}{about}: {self.outcome.value}: {self.how}"


class TooLateError(RuntimeError):
    """A cure came too late, and ``strict`` was asked for; the message says which, and why."""


def cure(*, memory_growth: bool, mask: str | None, note: str | None = None) -> tuple[Result, ...]:
    """Apply cures to this process. To apply them again changes nothing.

    Args:
        memory_growth: Whether TensorFlow's memory growth is switched on, for every GPU.
        mask: Value for CUDA_VISIBLE_DEVICES; None leaves it.
        note: What is to be said of the mask besides.
    """
    with LOCK:
        results = list(_visible(mask, note)) if mask is not None else []
        if memory_growth:
            results += _growth()
    return tuple(results)


def _visible(mask: str, note: str | None) -> Iterator[Result]:
    said = f"; {note}" if note else ""
    ordered = not by_indices(mask.split(",")) or ORDER in os.environ
    if os.environ.get(VARIABLE) == mask and ordered:
        yield _of_mask(Outcome.ALREADY, f"{VARIABLE}={mask}{said}")
        return
    started = cuda_started()
    if started:
        yield _of_mask(
            Outcome.TOO_LATE,
            f"CUDA has started in this process ({started}), and reads {VARIABLE} once; set it before, "
            f"e.g. by gpucheck run --devices {mask}",
        )
        return
    os.environ[VARIABLE] = mask
    if not ordered:
        os.environ[ORDER] = "PCI_BUS_ID"
    yield _of_mask(Outcome.APPLIED, f"{VARIABLE}={mask}{said}")


def _of_mask(outcome: Outcome, how: str) -> Result:
    return Result(fix="visible-devices", outcome=outcome, how=how)


def cuda_started() -> str | None:
    """Say by what CUDA has been started in this process, or return None.

    Asked of the driver's own library where it is loaded: cuDeviceGetCount refuses until cuInit was called.
    """
    torch = sys.modules.get("torch")
    if torch is not None and _asked(lambda: torch.cuda.is_initialized()):  # noqa: PLW0108 - it may have no cuda
        return "torch"
    tensorflow = _context()
    if tensorflow is not None and getattr(tensorflow, "_physical_devices", None):
        kinds = {getattr(one, "device_type", "") for one in tensorflow._physical_devices}
        if "GPU" in kinds:
            return "tensorflow"
    if not hasattr(os, "RTLD_NOLOAD"):
        return None
    try:
        library = ctypes.CDLL("libcuda.so.1", mode=os.RTLD_NOLOAD)
        status = library.cuDeviceGetCount(ctypes.byref(ctypes.c_int()))
    except (OSError, AttributeError):
        return None
    return "libcuda" if status != NOT_INITIALIZED else None


def _growth() -> list[Result]:
    """The variable, for what is not imported yet; the calls, for what is; both mean every GPU."""
    if os.environ.get(GROWTH) == "false":  # it comes before the program's own calls, gpu_bfc_allocator.cc
        return [_of_growth(Outcome.SKIPPED, f"{GROWTH}=false is set in the environment, and TensorFlow obeys it")]
    tensorflow = sys.modules.get("tensorflow")
    if tensorflow is None:
        waiting = postimport.expected("tensorflow")
        already = os.environ.get(GROWTH) == "true" and waiting
        os.environ[GROWTH] = "true"
        postimport.call_after("tensorflow", _after_import)
        outcome = Outcome.ALREADY if already else Outcome.APPLIED
        return [_of_growth(outcome, f"{GROWTH}=true, and set_memory_growth for every GPU when it is imported")]
    if getattr(getattr(tensorflow, "__spec__", None), "_initializing", False):
        os.environ[GROWTH] = "true"
        how = f"{GROWTH}=true; it is being imported just now: call gpucheck.apply() again for set_memory_growth"
        return [_of_growth(Outcome.APPLIED, how)]
    return [_imported(tensorflow)]


def _after_import(tensorflow: Any) -> None:
    """A program's own calls come later; a failure here must not be the program's.

    Without our lock: the import system holds one of its own, and another thread may hold ours and wait for that.
    """
    _asked(lambda: _imported(tensorflow))


def _imported(tensorflow: Any) -> Result:
    try:
        gpus = list(tensorflow.config.list_physical_devices("GPU"))
        limited = [gpu for gpu in gpus if _has_limit(tensorflow, gpu)]
        growing = [
            bool(tensorflow.config.experimental.get_memory_growth(gpu)) for gpu in gpus if gpu not in limited
        ]
    except (AttributeError, RuntimeError, ValueError) as error:
        return _of_growth(Outcome.SKIPPED, f"this TensorFlow cannot be asked: {error}")
    if not gpus:
        return _of_growth(Outcome.SKIPPED, "TensorFlow sees no GPU")
    if limited:
        return _of_growth(
            Outcome.SKIPPED,
            f"a memory limit is set on {', '.join(gpu.name for gpu in limited)}, and TensorFlow then drops growth "
            "on all GPUs; choose one of the two",
        )
    if all(growing):
        return _of_growth(Outcome.ALREADY, f"on for all {len(gpus)} GPUs")
    return _switch_on(tensorflow, gpus)


def _switch_on(tensorflow: Any, gpus: list[Any]) -> Result:
    """Every physical GPU, the hidden ones too: what differs among those that are visible is an error."""
    if getattr(_context(), "_context_handle", None) is not None:
        return _late()
    try:
        for gpu in gpus:
            tensorflow.config.experimental.set_memory_growth(gpu, True)
    except RuntimeError:
        return _late()
    os.environ[GROWTH] = "true"
    return _of_growth(Outcome.APPLIED, f"set_memory_growth for {len(gpus)} GPU{'s' * (len(gpus) > 1)}")


def _late() -> Result:
    why = "TensorFlow has started its GPUs in this process: call gpucheck.apply() before the first operation"
    return _of_growth(Outcome.TOO_LATE, why)


def _has_limit(tensorflow: Any, gpu: Any) -> bool:
    return bool(tensorflow.config.get_logical_device_configuration(gpu))


def _of_growth(outcome: Outcome, how: str) -> Result:
    return Result(fix="memory-growth", outcome=outcome, how=how, framework="tensorflow")


def _context() -> Any:
    """TensorFlow's own context, private and therefore only ever asked; None where it cannot be."""
    module = sys.modules.get("tensorflow.python.eager.context")
    return _asked(module.context) if module is not None else None


def _asked(question: Any) -> Any:
    try:
        return question()
    except Exception:  # noqa: BLE001 - a framework's inside may raise anything, and means then: not known
        return None
