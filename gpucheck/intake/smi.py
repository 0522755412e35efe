"""What the readers of nvidia-smi's outputs share: cells into facts, and the GPUs that it could not ask.

Labels, units and states: nvidia-smi's manual, and its output from driver 367 to 610.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, NamedTuple

from gpucheck.facts import Driver, Fact, Facts, Gpu, GpuProcess, ProbeRun, System, absent, blank, seen

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

NOT_HERE = "not in this report"
MOST_GPUS = 256
PCI_ADDRESS = r"[0-9A-Fa-f]{4,8}:[0-9A-Fa-f]{2}:[0-9A-Fa-f]{2}\.[0-9A-Fa-f]"
VERSION = r"\d{1,4}(?:\.\d{1,5}){1,3}"
WINDOWS_DRIVER_MODELS = ("WDDM", "TCC", "MCDM")
LACKING = ("", "n/a", "-", "not supported", "requested functionality has been deprecated")
# nvmlErrorString, nvml.h, and the codes of nvmlReturn_t that belong to them; None: the table's own word.
ERRORS = {
    "err!": None,
    "insufficient permissions": 4,
    "gpu is lost": 15,
    "gpu requires reset": 16,
    "unknown error": 999,
}
# The names of child_driver.CLOCK_REASONS, by nvidia-smi's label in lower case, in the order of NVML's bits.
CLOCK_REASONS = {
    "idle": "idle",
    "applications clocks setting": "application-clocks",
    "sw power cap": "software-power-cap",
    "hw slowdown": "hardware-slowdown",
    "sync boost": "sync-boost",
    "sw thermal slowdown": "software-thermal-slowdown",
    "hw thermal slowdown": "hardware-thermal-slowdown",
    "hw power brake slowdown": "hardware-power-brake",
    "display clock setting": "display-clocks",
}
COMPUTE_MODES = {
    "default": "default",
    "e. thread": "exclusive-thread",
    "exclusive_thread": "exclusive-thread",
    "prohibited": "prohibited",
    "e. process": "exclusive-process",
    "exclusive_process": "exclusive-process",
}
FABRIC_STATES = ("not-supported", "not-started", "in-progress", "completed")
SWITCH = {"enabled": True, "on": True, "yes": True, "disabled": False, "off": False, "no": False}
UNITS = {"B": 1, "KB": 2**10, "KIB": 2**10, "MB": 2**20, "MIB": 2**20, "GB": 2**30, "GIB": 2**30}


class Running(NamedTuple):
    """A process as nvidia-smi shows it; ``kind`` is ``C`` (computes), ``G`` (draws), ``C+G``, ``M+C`` (MPS)."""

    pid: int
    kind: str
    name: str
    memory: int | None


_UNREACHABLE = re.compile(
    r"Unable to determine the device handle for gpu ?(?:(\d{1,3}): ?)?"
    r"([0-9a-f]{1,8}:[0-9a-f]{2}:[0-9a-f]{2}\.[0-9a-f]): ?"
    rf"({'|'.join(ERRORS)}|[a-z]{{1,20}}(?: [a-z]{{1,20}}){{0,6}})",
    re.IGNORECASE,
)


def cell(text: str | None) -> str | None:
    """Return a value as nvidia-smi means it, without the square brackets of some formats."""
    if text is None:
        return None
    text = text.strip()
    return text[1:-1].strip() if text.startswith("[") and text.endswith("]") else text


def size(text: str) -> int | None:
    """Return bytes; nvidia-smi's older ``MB`` and ``Mb`` are MiB too."""
    found = re.fullmatch(r"(\d{1,15}) ?([KMG]i?)?B", text, re.IGNORECASE)
    return int(found.group(1)) * UNITS[(found.group(2) or "").upper() + "B"] if found is not None else None


def switch(text: str) -> bool | None:
    """Return whether something is on; None for another word."""
    return SWITCH.get(text.lower())


def compute_mode(text: str) -> str | None:
    """Return a compute mode by its name in our facts."""
    return COMPUTE_MODES.get(text.lower())


def fabric_state(text: str) -> str | None:
    """Return a state of the registration with the NVLink fabric by its name in our facts."""
    name = text.lower().replace(" ", "-").replace("_", "-")
    return name if name in FABRIC_STATES else None


def version(text: str) -> str | None:
    """Return the version at the start of a text; 610 and later write a note behind it."""
    found = re.match(VERSION, text)
    return found.group() if found is not None else None


def fact(text: str | None, source: str, convert: Callable[[str], Any]) -> Fact[Any]:
    """Return a cell as a fact: its value, or why there is none.

    Args:
        text: The cell; None where the output does not show it.
        source: Which output it is.
        convert: Gives the value, or None for a text that it does not know.
    """
    text = cell(text)
    if text is None:
        return absent(NOT_HERE)
    if text.lower() in LACKING:
        return absent(f"Not Supported: nvidia-smi says {text or 'nothing'}", source)
    value = convert(text) if text.lower() not in ERRORS else None
    if value is None:
        return absent(f"nvidia-smi says {text[:60]}", source)
    return seen(value, source)


FIELDS: dict[str, Callable[[str], Any]] = {
    "name": str,
    "uuid": str,
    "pci_address": str,
    "memory_total": size,
    "memory_free": size,
    "mig": switch,
    "ecc": switch,
    "remap_pending": switch,
    "remap_failed": switch,
    "retirement_pending": switch,
    "persistence": switch,
    "compute_mode": compute_mode,
    "fabric_state": fabric_state,
    "vbios": str,
}


def gpu(
    index: int,
    cells: Mapping[str, str | None],
    source: str,
    running: Sequence[Running] | Fact[Any] | None = None,
    **ready: Fact[Any],
) -> Gpu:
    """Return a GPU from its cells.

    Args:
        index: Its place in the output.
        cells: Texts by the names of `FIELDS`; under other names further texts, which may say that it is lost.
        source: Which output it is.
        running: Its processes, or why there are none; None where the output does not show them.
        ready: Facts that are no single cell.
    """
    facts = {name: fact(cells.get(name), source, convert) for name, convert in FIELDS.items()}
    facts["status"] = _status([(cell(text) or "").lower() for text in cells.values()], source, facts["name"])
    if isinstance(running, Fact):
        facts["processes"] = running
    elif running is not None:
        facts["processes"] = _processes(running, source, facts["compute_mode"].value or "")
    return blank(Gpu, NOT_HERE, index=index, **{**facts, **ready})


def _status(texts: list[str], source: str, name: Fact[str]) -> Fact[int]:
    for words in ("gpu is lost", "gpu requires reset"):
        if words in texts:
            return seen(ERRORS[words] or 0, source, f"nvidia-smi says {words.replace('gpu', 'GPU')}")
    # A name needs no more than the handle: where even that is an error, NVML answers nothing for this GPU.
    said = name.missing or ""
    return absent(said, source) if said.startswith("nvidia-smi says") else seen(0, source)


def _processes(running: Sequence[Running], source: str, mode: str) -> Fact[tuple[GpuProcess, ...]]:
    """Under an exclusive compute mode those that only draw are left out: they do not take the GPU."""
    found = [one for one in running if not mode.startswith("exclusive") or one.kind != "G"]
    return seen(
        tuple(GpuProcess(pid=one.pid, memory=one.memory, name=process_name(one.name)) for one in found), source
    )


def process_name(text: str) -> str | None:
    """Return the last component of a program's path, without its options; None where it is not told or cut off.

    A name that is too long for the table begins with dots instead of its first letters.
    """
    text = cell(text) or ""
    if text.lower() in LACKING or text.lower() in ERRORS or text.lower() == "not found":
        return None
    name = re.split(r"[/\\]", re.split(r" --?\w", text, maxsplit=1)[0].rstrip())[-1]
    return None if not name or name.startswith("...") else name


def ecc_total(counts: Iterable[str | None], source: str) -> Fact[int]:
    """Add up the uncorrectable errors of a GPU's memories; a card tells only some of them."""
    shown = [text for text in map(cell, counts) if text is not None]
    numbers = [int(text) for text in shown if re.fullmatch(r"\d{1,15}", text)]
    return seen(sum(numbers), source) if numbers else fact(next(iter(shown), None), source, lambda _: None)


def throttle(reasons: Mapping[str, str | None], source: str) -> Fact[tuple[str, ...]]:
    """Return why the clocks are lowered, from ``Active`` or ``Not Active`` by nvidia-smi's label in lower case."""
    texts = {name: (cell(reasons.get(label)) or "").lower() for label, name in CLOCK_REASONS.items()}
    if any(text in ("active", "not active") for text in texts.values()):
        return seen(tuple(name for name, text in texts.items() if text == "active"), source)
    shown = [text for text in reasons.values() if text is not None]
    return fact(next(iter(shown), None), source, lambda _: None)


def with_unreachable(gpus: Sequence[Gpu], text: str, source: str) -> tuple[Gpu, ...]:
    """Add the GPUs that nvidia-smi names beside its output because NVML gives no handle for them.

    One without a number takes the first that is free: nvidia-smi lists the others under their own.
    """
    found = list(gpus)
    for number, address, words in list(dict.fromkeys(_UNREACHABLE.findall(text)))[:MOST_GPUS]:
        if address.lower()[-12:] in [(gpu.pci_address.value or "").lower()[-12:] for gpu in found]:
            continue
        taken = {gpu.index for gpu in found}
        index = int(number) if number else next(free for free in range(len(taken) + 1) if free not in taken)
        if index in taken:
            continue
        code = ERRORS.get(words.lower())
        said = f"nvidia-smi says {words}"
        status: Fact[int] = absent(said, source) if code is None else seen(code, source, said)
        found.append(blank(Gpu, said, index=index, status=status, pci_address=seen(address, source)))
    return tuple(sorted(found, key=lambda gpu: gpu.index))


def report(
    source: str,
    gpus: Fact[tuple[Gpu, ...]],
    driver: Mapping[str, Fact[Any]],
    *,
    system: System | None = None,
    cut_off: str | None = None,
) -> Facts:
    """Put an output's facts together.

    nvidia-smi prints these outputs only after nvmlInit has succeeded.

    Args:
        source: Which output it is.
        gpus: Its GPUs.
        driver: What it says of the driver.
        system: What it says of the system, if anything.
        cut_off: What is missing of it, where it is not whole.
    """
    probes = (ProbeRun(name=source, milliseconds=0.0, error=cut_off),) if cut_off is not None else ()
    system = system or System()
    # In WSL the driver answers through /dev/dxg alone: CUDA on WSL User Guide,
    # https://docs.nvidia.com/cuda/wsl-user-guide/index.html, checked 2026-11-22.
    door = {"dxg": seen(True, source)} if system.wsl.value else {}
    known = {"nvml_status": seen(0, source), **door, **driver}
    return Facts(driver=blank(Driver, NOT_HERE, **known), gpus=gpus, system=system, probes=probes)


def system(source: str, driver_model: str | None, persistence: str | None, programs: Iterable[str] = ()) -> System:
    """Return what an output shows of the operating system.

    Args:
        source: Which output it is.
        driver_model: ``WDDM`` or the like.
        persistence: Persistence mode, which only Linux has (nvidia-smi's manual).
        programs: Names of processes.
    """
    programs = list(programs)
    if (driver_model or "") not in WINDOWS_DRIVER_MODELS:
        return System(os=seen("windows", source)) if any(map(_of_windows, programs)) else System()
    if switch(cell(persistence) or "") is not None:
        # A Linux on Windows' driver: so nvidia-smi -q looks in WSL,
        # https://github.com/NVIDIA/nvidia-container-toolkit/issues/271, checked 2026-11-25.
        return System(os=seen("linux", source), wsl=seen(True, source))
    return System() if any(name.startswith("/") for name in programs) else System(os=seen("windows", source))


def _of_windows(program: str) -> bool:
    return program.lower().endswith(".exe") and not program.startswith("/")
