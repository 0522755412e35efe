"""Reads nvidia-smi's table, in the layouts of drivers 367 to 610 and also where its white space was collapsed."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from gpucheck.facts import absent, seen
from gpucheck.intake import smi
from gpucheck.intake.smi import NOT_HERE, PCI_ADDRESS, VERSION, WINDOWS_DRIVER_MODELS, Running
from gpucheck.intake.smi_list import listed
from gpucheck.record import record

if TYPE_CHECKING:
    from gpucheck.facts import Fact, Facts, Gpu

SOURCE = "nvidia-smi"
# All run over text in which each run of white space is one space, so that none can be split in two ways.
_HEADER = re.compile(
    rf"(?:NVIDIA-SMI {VERSION} )?(?:Driver|KMD) Version: ({VERSION}|N/A|ERR!)"
    rf"(?: CUDA (?:UMD )?Version: ({VERSION}|N/A|ERR!))? ?\|"
)
_ROW = re.compile(
    r"\| ?(\d{1,3}) ([^|]{1,60}?) (On|Off|N/A|WDDM|TCC|MCDM|ERR!) ?"
    rf"\| ?({PCI_ADDRESS}|N/A|ERR!) (?:On|Off|N/A|ERR!) ?\| ?([^|]{{1,24}}?) ?\|"
)
_ROW_END = re.compile(r"\+[-=]{3}|\|[-=]{3}")
_SECTION = re.compile(r"\| ?(MIG devices|Processes): ")
_MEMORY = re.compile(r"(\d{1,9}[KMG]i?B) ?/ ?(\d{1,9}[KMG]i?B)")
_MODE = re.compile(r"(E\. ?Process|E\. ?Thread|[A-Z][A-Za-z/!]{1,12})$")
_PROCESS = re.compile(
    r"\| ?(\d{1,3}) (?:(?:N/A|\d{1,4}) (?:N/A|\d{1,4}) )?(\d{1,10}) ([CGM](?:\+[CGM]){0,2}) "
    r"([^|]{1,160}?) (\d{1,9}[KMG]i?B|N/A|ERR!) ?(?=\|)"
)
# Columns of the second and third line of a row, behind the first line's.
MEMORY_CELL, MODE_CELL, MIG_CELL, FEWEST_CELLS = 1, 2, 6, 7


@record
class Table:
    """One table, cut into its parts.

    Attributes:
        header: Driver version and driver CUDA as they stand there; None where the header is missing.
        rows: The part with the GPUs.
        divisions: The part with the MIG devices.
        running: The part with the processes; None where it is missing.
    """

    header: tuple[str, str] | None = None
    rows: str = ""
    divisions: str = ""
    running: str | None = None


def read(text: str) -> Facts | None:
    """Read the table anywhere in a text; of several the last that shows a GPU. None where there is none.

    What nvidia-smi prints instead of a table when NVML works but gives no GPU counts as one.
    """
    flat = " ".join(text.split())
    tables = _tables(flat)
    table = next((one for one in reversed(tables) if _ROW.search(one.rows)), tables[-1] if tables else None)
    if table is None:
        return _without_table(text)
    found = {int(row.group(1)): row for row in _ROW.finditer(table.rows)}
    names = {gpu.index: gpu for gpu in listed(flat)}
    gpus = [
        _gpu(found[index], _cells(table.rows, found[index]), table, names.get(index)) for index in sorted(found)
    ]
    driver_models = [row.group(3) for row in found.values() if row.group(3) in WINDOWS_DRIVER_MODELS]
    programs = [match.group(4) for match in _PROCESS.finditer(table.running or "")]
    every = smi.with_unreachable(gpus, text, SOURCE)
    return smi.report(
        SOURCE,
        seen(every, SOURCE) if every else absent(NOT_HERE),
        _driver(table.header),
        system=smi.system(SOURCE, next(iter(driver_models), None), None, programs),
    )


def _without_table(text: str) -> Facts | None:
    gpus = smi.with_unreachable((), text, SOURCE)
    said = text.find("No devices were found")
    if not gpus and (said < 0 or "nvidia-smi" not in text[max(said - 400, 0) : said]):
        return None
    return smi.report(SOURCE, seen(gpus, SOURCE), {})


def _tables(flat: str) -> list[Table]:
    headers = list(_HEADER.finditer(flat))
    tables = [_table(part, (match.group(1), match.group(2) or "")) for match, part in _parts(headers, flat)]
    # Rows before the first header: the table's first lines were cut off.
    before = _table(flat[: headers[0].start() if headers else len(flat)], None)
    return [before, *tables] if _ROW.search(before.rows) else tables


def _table(part: str, header: tuple[str, str] | None) -> Table:
    marks = list(_SECTION.finditer(part))
    parts = {mark.group(1): content for mark, content in _parts(marks, part)}
    rows = part[: marks[0].start() if marks else len(part)]
    return Table(header=header, rows=rows, divisions=parts.get("MIG devices", ""), running=parts.get("Processes"))


def _parts(marks: list[re.Match[str]], text: str) -> list[tuple[re.Match[str], str]]:
    """Return each mark with the text from it to the next; a mark's last character may begin what follows."""
    ends = [mark.start() for mark in marks[1:]] + [len(text)]
    return [(mark, text[mark.end() - 1 : end]) for mark, end in zip(marks, ends[: len(marks)], strict=True)]


def _driver(header: tuple[str, str] | None) -> dict[str, Fact[Any]]:
    if header is None:
        return {}
    return {
        "version": smi.fact(header[0], SOURCE, smi.version),
        "driver_cuda": smi.fact(header[1] or None, SOURCE, smi.version),
    }


def _cells(rows: str, row: re.Match[str]) -> list[str]:
    """Return the cells behind a row's first line; between the lines stands nothing, or a chat's prefix."""
    window = rows[row.end() : row.end() + 400]
    ends = [found.start() for found in (_ROW.search(window), _ROW_END.search(window)) if found is not None]
    # What stands behind the last bar is not closed: nothing, or a cell that was cut through.
    return [one.strip() for one in window[: min(ends, default=len(window))].split("|")[1:-1]]


def _gpu(row: re.Match[str], below: list[str], table: Table, known: Gpu | None) -> Gpu:
    index, name, persistence, address, ecc = row.groups()
    total, free = _memory(below[MEMORY_CELL] if len(below) > MEMORY_CELL else None)
    mode = _MODE.search(below[MODE_CELL]) if len(below) > MODE_CELL else None
    cells = {
        "name": name,
        "pci_address": address,
        "mig": below[MIG_CELL] if len(below) >= FEWEST_CELLS else None,
        "ecc": "On" if ecc.isdecimal() else ecc,
        "persistence": "N/A" if persistence in WINDOWS_DRIVER_MODELS else persistence,
        "compute_mode": mode.group().replace("E.P", "E. P").replace("E.T", "E. T") if mode is not None else None,
    }
    ready: dict[str, Fact[Any]] = {"memory_total": total, "memory_free": free, "ecc_uncorrected": _errors(ecc)}
    if name.endswith("..."):
        ready["name"] = absent("nvidia-smi's table cuts it short", SOURCE, name.rstrip(". "))
    if known is not None and (known.name.value or "").startswith(name.rstrip(". ")):
        ready |= {"uuid": known.uuid, "mig_devices": known.mig_devices}
        ready |= {"name": known.name} if "name" in ready else {}
    if "No MIG devices found" in table.divisions:
        ready["mig_devices"] = seen((), SOURCE)
    return smi.gpu(int(index), cells, SOURCE, _running(table.running, int(index)), **ready)


def _memory(text: str | None) -> tuple[Fact[int], Fact[int]]:
    found = _MEMORY.fullmatch(text or "")
    used, total = (smi.size(part) for part in found.groups()) if found is not None else (None, None)
    if used is not None and total is not None:
        return seen(total, SOURCE), seen(max(total - used, 0), SOURCE)
    # A cell that was cut through says nothing; one that holds words instead of numbers says why.
    nothing = smi.fact(text if text and "/ " not in text and text[0].isalpha() else None, SOURCE, smi.size)
    return nothing, nothing


def _errors(ecc: str) -> Fact[int]:
    if ecc == "Off":
        return absent("Not Supported: ECC is off", SOURCE)
    return smi.ecc_total([None if ecc == "On" else ecc], SOURCE)


def _running(part: str | None, index: int) -> list[Running] | None:
    if part is None:
        return None
    return [
        Running(pid=int(pid), kind=kind, name=name, memory=smi.size(memory))
        for number, pid, kind, name, memory in _PROCESS.findall(part)
        if int(number) == index
    ]
