"""Reads ``nvidia-smi -q -x``: document types v10 to v13, also where a document is cut off."""

from __future__ import annotations

import contextlib
import re
from typing import TYPE_CHECKING, Any
from xml.etree.ElementTree import Element, ParseError, XMLPullParser

from gpucheck.facts import absent, seen
from gpucheck.intake import smi
from gpucheck.intake.smi import NOT_HERE, Running
from gpucheck.record import record

if TYPE_CHECKING:
    from gpucheck.facts import Fact, Facts, Gpu, System

SOURCE = "nvidia-smi -q -x"
_ROOT, _END = "<nvidia_smi_log", "</nvidia_smi_log>"
_FORBIDDEN = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")
_HEAD = re.compile(r"<(kmd_version|driver_version|cuda_umd_version|cuda_version|attached_gpus)>([^<]{0,120})<")
_GPU = re.compile(r"<gpu[\s>]")
# Places of the fields of `smi.FIELDS`; of several the first that there is.
CELLS = {
    "name": ("product_name",),
    "uuid": ("uuid",),
    "memory_total": ("fb_memory_usage/total",),
    "memory_free": ("fb_memory_usage/free",),
    "mig": ("mig_mode/current_mig",),
    "ecc": ("ecc_mode/current_ecc",),
    "remap_pending": ("remapped_rows/remapped_row_pending", "remapped_rows"),
    "remap_failed": ("remapped_rows/remapped_row_failure", "remapped_rows"),
    "retirement_pending": ("retired_pages/pending_blacklist", "retired_pages/pending_retirement", "retired_pages"),
    "persistence": ("persistence_mode",),
    "compute_mode": ("compute_mode",),
    "fabric_state": ("fabric/state", "fabric"),
    "vbios": ("vbios_version",),
    "temperature": ("temperature/gpu_temp",),
}
UNCORRECTED = (
    "sram_uncorrectable",
    "sram_uncorrectable_parity",
    "sram_uncorrectable_secded",
    "dram_uncorrectable",
    "double_bit/total",
)
REASONS = {
    "idle": "gpu_idle",
    "applications clocks setting": "applications_clocks_setting",
    "sw power cap": "sw_power_cap",
    "hw slowdown": "hw_slowdown",
    "sync boost": "sync_boost",
    "sw thermal slowdown": "sw_thermal_slowdown",
    "hw thermal slowdown": "hw_thermal_slowdown",
    "hw power brake slowdown": "hw_power_brake_slowdown",
    "display clock setting": "display_clocks_setting",
}


@record
class Document:
    """One document.

    Attributes:
        head: Texts before its first GPU, by tag.
        gpus: Its GPUs.
        fault: What is missing of it, or None.
    """

    head: dict[str, str]
    gpus: tuple[Element, ...]
    fault: str | None = None


def read(text: str) -> Facts | None:
    """Read the document anywhere in a text; of several the last that shows a GPU. None where there is none.

    A document that declares entities is not read: nvidia-smi declares none.
    """
    if _ROOT not in text or "<!ENTITY" in text:
        return None
    documents = [_document(part) for part in text.split(_ROOT)[1:]]
    document = next((one for one in reversed(documents) if one.gpus), documents[-1])
    if not document.gpus and not document.head:
        return None
    gpus = smi.with_unreachable([_gpu(index, one) for index, one in enumerate(document.gpus)], text, SOURCE)
    none = document.head.get("attached_gpus") == "0"
    return smi.report(
        SOURCE,
        seen(gpus, SOURCE) if gpus or none else absent(NOT_HERE),
        _driver(document.head),
        system=_system(document.gpus),
        cut_off=document.fault,
    )


def _document(part: str) -> Document:
    """Each GPU is parsed alone: a fault in one leaves the others, and no document type is ever processed."""
    body, end, _ = part.partition(_END)
    starts = [found.start() for found in _GPU.finditer(body)]
    head = {tag: value.strip() for tag, value in _HEAD.findall(body[: starts[0] if starts else len(body)])}
    pieces = [_element(body[start:stop]) for start, stop in zip(starts, [*starts[1:], None], strict=False)]
    gpus = tuple(element for element, _ in pieces if element is not None and len(element))
    attached = head.get("attached_gpus", "")
    if end and all(whole for _, whole in pieces):
        return Document(head=head, gpus=gpus)
    of = f" of {attached}" if attached.isdecimal() else ""
    whole = sum(1 for _, whole in pieces if whole)
    return Document(
        head=head, gpus=gpus, fault=f"the document is cut off or damaged: {whole}{of} GPUs could be read whole"
    )


def _element(text: str) -> tuple[Element | None, bool]:
    """Return a GPU's element with what could be read of it, and whether that is all."""
    body, end, _ = text.partition("</gpu>")
    parser: XMLPullParser[Any] = XMLPullParser(("start", "end"))
    whole = bool(end)
    with contextlib.suppress(ParseError):
        parser.feed(_FORBIDDEN.sub("", body + end))
    found: Element | None = None
    unfinished: list[Element] = []
    events: Any = parser.read_events()
    try:
        for kind, element in events:
            found = element if found is None else found
            if kind == "start":
                unfinished.append(element)
            else:
                unfinished.pop()
    except ParseError:
        # A fault in the text is handed over after the events before it.
        whole = False
    if len(unfinished) > 1 and not len(unfinished[-1]):
        # An element that was only begun tells nothing: <processes> would read as none running.
        unfinished[-2].remove(unfinished[-1])
    return found, whole


def _driver(head: dict[str, str]) -> dict[str, Fact[Any]]:
    return {
        "version": smi.fact(head.get("kmd_version", head.get("driver_version")), SOURCE, smi.version),
        "driver_cuda": smi.fact(head.get("cuda_umd_version", head.get("cuda_version")), SOURCE, smi.version),
    }


def _at(gpu: Element, *places: str) -> str | None:
    """Return the text at the first place that there is; that of an element which contains others is no value."""
    for place in places:
        found = gpu.find(place)
        if found is not None and not len(found) and found.text is not None:
            return found.text
    return None


def _system(gpus: tuple[Element, ...]) -> System:
    models = [(_at(gpu, "driver_model/current_dm"), _at(gpu, "persistence_mode")) for gpu in gpus]
    windows = [(model, mode) for model, mode in models if model in smi.WINDOWS_DRIVER_MODELS]
    programs = [one.text or "" for gpu in gpus for one in gpu.iterfind("processes/process_info/process_name")]
    model, mode = windows[0] if windows else (None, None)
    return smi.system(SOURCE, model, mode, programs)


def _gpu(index: int, gpu: Element) -> Gpu:
    cells = {name: _at(gpu, *places) for name, places in CELLS.items()}
    counts = [_at(gpu, f"ecc_errors/volatile/{name}") for name in UNCORRECTED]
    reasons = {
        label: _at(
            gpu,
            *(f"clocks_{word}_reasons/clocks_{word}_reason_{name}" for word in ("event", "throttle")),
            *(f"clocks_{word}_reasons" for word in ("event", "throttle")),
        )
        for label, name in REASONS.items()
    }
    return smi.gpu(
        index,
        {**cells, "pci_address": _at(gpu, "pci/pci_bus_id") or gpu.get("id")},
        SOURCE,
        _running(gpu),
        ecc_uncorrected=smi.ecc_total(counts, SOURCE),
        throttle=smi.throttle(reasons, SOURCE),
        mig_devices=_divisions(gpu),
    )


def _divisions(gpu: Element) -> Fact[tuple[str, ...]]:
    """The MIG devices themselves are shown without their UUIDs."""
    if (_at(gpu, "mig_devices") or "").strip() == "None":
        return seen((), SOURCE)
    return absent(NOT_HERE)


def _running(gpu: Element) -> list[Running] | Fact[Any] | None:
    processes = gpu.find("processes")
    if processes is None:
        return None
    text = (processes.text or "").strip()
    if text and not len(processes):
        return smi.fact(text, SOURCE, lambda _: None)
    found = [{part.tag: (part.text or "").strip() for part in one} for one in processes.iterfind("process_info")]
    return [
        Running(
            pid=int(one["pid"]),
            kind=one.get("type", ""),
            name=one.get("process_name", ""),
            memory=smi.size(one.get("used_memory", "")),
        )
        for one in found
        if re.fullmatch(r"\d{1,10}", one.get("pid", ""))
    ]
