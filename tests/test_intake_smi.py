"""nvidia-smi's outputs as facts: every real capture, and small texts in each layout and each kind of damage."""

from __future__ import annotations

import json
import random
import time

import pytest
from conftest import SHARED
from smi_texts import LAYOUTS, QUERY, RUNNING, SAMPLES, TWO, XML, bars, processes, table

from gpucheck.facts import Facts, Gpu
from gpucheck.intake import smi_list, smi_query, smi_table, smi_xml

READERS = (smi_table, smi_query, smi_xml, smi_list)
MIB = 2**20


def only(facts: Facts | None) -> Gpu:
    assert facts is not None
    assert len(facts.gpus.value or ()) == 1
    return (facts.gpus.value or ())[0]


@pytest.mark.parametrize("collapsed", [False, True])
@pytest.mark.parametrize("layout", LAYOUTS)
def test_the_table_in_its_layouts(layout: str, collapsed: bool) -> None:
    header, first, version, cuda = LAYOUTS[layout]
    text = "Hello,\nthis is on my machine:\n\n" + table(header, TWO, first, tail=RUNNING) + "\nThanks!"
    facts = smi_table.read(" ".join(text.split()) if collapsed else text)
    assert facts is not None
    assert (facts.driver.version.value, facts.driver.driver_cuda.value) == (version, cuda)
    assert facts.driver.nvml_status.value == 0
    assert facts.driver.module_loaded.missing == "not in this report"
    one, two = facts.gpus.value or ()
    assert (one.index, one.name.value, one.pci_address.value) == (0, "NVIDIA A10", "00000000:3B:00.0")
    assert (one.memory_total.value, one.memory_free.value) == (23028 * MIB, 22004 * MIB)
    assert (one.ecc_uncorrected.value, two.ecc_uncorrected.value, one.ecc.value) == (0, 3, True)
    assert (one.persistence.value, two.persistence.value) == (False, True)
    assert (one.compute_mode.value, two.compute_mode.value) == ("default", "exclusive-process")
    assert "not supported" in (one.mig.missing or "").lower()
    assert one.uuid.missing == one.throttle.missing == "not in this report"
    assert one.processes.value == ()
    # What only draws does not take a GPU whose mode admits one program.
    assert [(each.pid, each.name, each.memory) for each in two.processes.value or ()] == [
        (4242, "python3", 22000 * MIB)
    ]


def test_line_prefixes_and_a_missing_header_do_not_hurt() -> None:
    text = table(LAYOUTS["550"][0], TWO, tail=RUNNING)
    told = "\n".join(f"[10:0{number % 6}] bob: {each}" for number, each in enumerate(text.splitlines()))
    assert smi_table.read(told) == smi_table.read(text)
    rows = smi_table.read(text[text.index("|   0") :])
    assert [gpu.name.value for gpu in rows.gpus.value or ()] == ["NVIDIA A10", "NVIDIA A10"]
    assert rows.driver.version.missing == "not in this report"


def test_names_cut_short_are_not_guessed_but_a_list_completes_them() -> None:
    rows = [("   0  NVIDIA GeForce RTX 2080 ...  Off ", "00000000:01:00.0 / N/A", "10MiB / 8192MiB : Default")]
    text = table(LAYOUTS["550"][0], rows)
    name = only(smi_table.read(text)).name
    assert (name.value, name.raw) == (None, "NVIDIA GeForce RTX 2080")
    listed = "GPU 0: NVIDIA GeForce RTX 2080 Ti (UUID: GPU-1b2c)\n"
    gpu = only(smi_table.read(listed + text))
    assert (gpu.name.value, gpu.uuid.value) == ("NVIDIA GeForce RTX 2080 Ti", "GPU-1b2c")


def test_windows_wsl_and_a_container_without_cuda() -> None:
    rows = [("   0  NVIDIA RTX A2000  WDDM  ", "00000000:01:00.0 / N/A", "10MiB / 6144MiB : Default")]
    header = "NVIDIA-SMI 591.44     Driver Version: 591.44    CUDA Version: N/A   "
    facts = smi_table.read(
        table(header, rows, tail=processes("  0   N/A  N/A   7   C+G   ...am Files\\My App\\app.exe   N/A"))
    )
    gpu = only(facts)
    assert facts.system.os.value == "windows"
    assert "N/A" in (facts.driver.driver_cuda.missing or "")
    assert [(one.name, one.memory) for one in gpu.processes.value or ()] == [("app.exe", None)]
    assert not gpu.persistence.known
    wsl = smi_table.read(table("NVIDIA-SMI 550.40.06  Driver Version: 551.23  CUDA Version: 12.4 ", TWO))
    assert (wsl.driver.version.value, wsl.driver.library_version.value) == ("551.23", None)
    query = QUERY.replace("MIG Mode", "Driver Model\n        Current : WDDM\n    MIG Mode")
    assert smi_query.read(query).system.wsl.value is True
    windows = query.replace("Persistence Mode                      : Enabled", "Persistence Mode : N/A")
    windows = windows.replace("/usr/bin/python3 --flag", "C:\\python.exe")
    assert smi_query.read(windows).system.os.value == "windows"


def test_mig_in_the_table() -> None:
    rows = [("   0  NVIDIA H100 NVL     On  ", "00000000:01:00.0 / On", "N/A : Default")]
    shown = (
        f"{bars(89)}\n| MIG devices:    |\n|====|\n| 0  2  0  0 |  26MiB / 40448MiB  | 60  0 |  3  0  3  0  3 |\n"
    )
    gpu = only(smi_table.read(table(LAYOUTS["550"][0], rows, mig="Enabled", tail=shown)))
    assert (gpu.mig.value, gpu.ecc.value, gpu.memory_total.value) == (True, True, None)
    assert gpu.mig_devices.missing == "not in this report"
    none = table(LAYOUTS["550"][0], rows, mig="Enabled", tail="| MIG devices:  |\n|  No MIG devices found  |\n")
    assert only(smi_table.read(none)).mig_devices.value == ()
    assert only(smi_table.read(table(LAYOUTS["550"][0], rows, mig="Enabled*"))).mig.value is None


def test_cards_that_do_not_answer() -> None:
    rows = [*TWO, ("   2  ERR!               On  ", "00000000:D8:00.0 / ERR!", "0MiB / 23028MiB : Default")]
    facts = smi_table.read(table(LAYOUTS["525"][0], rows, 31, mig="ERR!"))
    assert facts is not None
    assert [gpu.status.value for gpu in facts.gpus.value or ()] == [0, 0, None]
    assert (facts.gpus.value or ())[2].name.missing == "nvidia-smi says ERR!"
    lost = "Unable to determine the device handle for GPU 0000:02:00.0: GPU is lost.  Reboot the system"
    assert (only(smi_table.read(lost)).status.value, only(smi_table.read(lost)).pci_address.value) == (
        15,
        "0000:02:00.0",
    )
    beside = smi_table.read(
        "Unable to determine the device handle for GPU5: 0000:D8:00.0: Unknown Error\nNo devices\n"
    )
    assert (only(beside).index, only(beside).status.value) == (5, 999)
    both = smi_table.read(lost + "\n" + table(LAYOUTS["535"][0], TWO))
    assert [(gpu.index, gpu.status.value) for gpu in both.gpus.value or ()] == [(0, 0), (1, 0), (2, 15)]
    assert smi_table.read("$ nvidia-smi\nNo devices were found\n").gpus.value == ()


@pytest.mark.parametrize(
    "text",
    [
        QUERY,
        "\n".join(f"> bob: {each}" for each in QUERY.splitlines()),
        "\n".join(map(str.strip, QUERY.splitlines())),
    ],
    ids=["plain", "prefixed", "not indented"],
)
def test_the_query(text: str) -> None:
    facts = smi_query.read("before\n" + text + "\nafter : 1\n")
    gpu = only(facts)
    assert (facts.driver.version.value, facts.driver.driver_cuda.value) == ("610.43.02", "13.3")
    assert (gpu.name.value, gpu.uuid.value, gpu.pci_address.value) == (
        "NVIDIA A10",
        "GPU-1b2c",
        "00000000:3B:00.0",
    )
    assert (gpu.memory_total.value, gpu.memory_free.value) == (23028 * MIB, 22500 * MIB)
    assert (gpu.mig.value, gpu.ecc.value, gpu.ecc_uncorrected.value) == (False, True, 3)
    assert (gpu.remap_pending.value, gpu.remap_failed.value) == (True, False)
    assert (gpu.compute_mode.value, gpu.fabric_state.value, gpu.persistence.value) == (
        "prohibited",
        "in-progress",
        True,
    )
    assert gpu.throttle.value == ("software-power-cap", "hardware-thermal-slowdown")
    assert [(one.pid, one.name, one.memory) for one in gpu.processes.value or ()] == [(77, "python3", 12 * MIB)]


def test_the_document_whole_damaged_and_hostile() -> None:
    facts = smi_xml.read("log:\n" + XML + "\nend")
    assert facts is not None
    one, two = facts.gpus.value or ()
    assert (one.status.value, two.status.value, two.memory_total.missing) == (0, 15, "nvidia-smi says GPU is lost")
    assert (one.mig_devices.value, one.compute_mode.value, one.memory_free.value) == (
        (),
        "exclusive-process",
        23000 * MIB,
    )
    assert [each.name for each in one.processes.value or ()] == ["c.exe"]
    assert facts.system.os.value == "windows"
    assert not facts.probes
    cut = smi_xml.read(XML[: XML.index("<process_info>")])
    assert only(cut).processes.missing == "not in this report"
    assert "0 of 2 GPUs" in cut.probes[0].error
    broken = smi_xml.read(XML.replace("<uuid>GPU-1", "<uuid>&nope;<", 1))
    assert [gpu.status.value for gpu in broken.gpus.value or ()] == [0, 15]
    assert "1 of 2 GPUs" in broken.probes[0].error
    laughs = '<!DOCTYPE nvidia_smi_log [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;">]>'
    assert smi_xml.read(laughs + XML[XML.index("<nvidia_smi_log>") :].replace("NVIDIA A10", "&b;")) is None


def test_the_list_and_the_versions() -> None:
    text = (
        "GPU 0: Orin (nvgpu) (UUID: aaaa-1)\n  MIG 1g.5gb     Device  0: (UUID: MIG-1)\n\nGPU 1: X (UUID: GPU-2)\n"
    )
    one, two = smi_list.read(text).gpus.value
    assert (one.name.value, one.mig.value, one.mig_devices.value) == ("Orin (nvgpu)", True, ("MIG-1",))
    assert (two.uuid.value, two.mig.value) == ("GPU-2", None)
    versions = "NVIDIA-SMI version  : 590.48.01\nNVML version        : 590.48\n"
    versions += "DRIVER version      : 590.44.01\nCUDA Version        : 13.1\n"
    facts = smi_list.read(versions)
    assert facts is not None
    assert (facts.driver.version.value, facts.driver.driver_cuda.value) == ("590.44.01", "13.1")
    assert not facts.gpus.known


@pytest.mark.parametrize(
    "text", ["", "\n", "Driver Version: 5", "| 0 |", "<gpu", "nvidia-smi", "GPU 0: NVIDIA A10\n"]
)
def test_other_texts_are_none_of_them(text: str) -> None:
    assert [reader.read(text) for reader in READERS] == [None] * 4


def test_no_damage_raises() -> None:
    chance = random.Random(7)
    for text in SAMPLES:
        for _ in range(25):
            begin, end = sorted(chance.sample(range(len(text)), 2))
            spots = {chance.randrange(len(text)) for _ in range(chance.randrange(40))}
            damaged = "".join(sign for place, sign in enumerate(text) if place not in spots)
            for each in (text[:begin], text[begin:end], text[:begin] + text[end:], damaged):
                for reader in READERS:
                    reader.read(each)


def test_long_texts_take_linear_time() -> None:
    hostile = ["| 0 " * 300_000, "| 0 a " * 200_000, " " * 1_000_000, "| " + "x " * 500_000,
               "<nvidia_smi_log" * 30_000,
               "<nvidia_smi_log><gpu>" + "<a>" * 100_000, "GPU 0: " * 150_000, "a : b\n" * 200_000,
               "Unable to determine the device handle for GPU " * 20_000, "MIG 1 Device " * 80_000]  # fmt: skip
    begin = time.perf_counter()
    for text in [*hostile, *(sample * 30 for sample in SAMPLES)]:
        for reader in READERS:
            reader.read(text)
    assert time.perf_counter() - begin < 60  # seconds where it is linear, hours where it is not


def shared(folder: str, pattern: str) -> list[tuple[str, str]]:
    """Name and text of the real outputs; none where the data folder is not beside the checkout."""
    return [(path.name, path.read_text()) for path in sorted((SHARED / folder).glob(pattern))]


def needs(found: list) -> list:
    return found or [pytest.param("", "", marks=pytest.mark.skip(reason="the captures are not at ../shared"))]


@pytest.mark.parametrize(
    ("name", "text"), needs(shared("captures", "exporter__*")), ids=lambda text: text.partition("\n")[0][:60]
)
def test_captures_of_all_commands(name: str, text: str) -> None:
    """Each file has the table and the query, idle and under load, and the list."""
    version = name.removesuffix(".txt").rpartition("__")[2]
    by_table, query, listing = smi_table.read(text), smi_query.read(text), smi_list.read(text)
    one, two, three = only(by_table), only(query), only(listing)
    for facts in (by_table, query, listing):
        assert facts.driver.version.value == version
        assert facts.driver.driver_cuda.value.startswith("13.")
        assert facts.driver.nvml_status.value == facts.gpus.value[0].status.value == 0
    assert one.name.value == two.name.value == three.name.value
    assert one.uuid.value == two.uuid.value == three.uuid.value
    for field in ("pci_address", "memory_total", "mig", "ecc", "persistence", "compute_mode"):
        assert getattr(one, field).value == getattr(two, field).value, field
    assert len(one.processes.value) == len(two.processes.value) >= 2
    assert {each.name for each in two.processes.value} & {"ffmpeg", "memhog", "ffmpeg.exe"}
    divided = "-mig__" in name
    assert (one.mig.value is True, len(three.mig_devices.value or ())) == ((True, 4) if divided else (False, 0))
    system = "windows" if name.startswith("exporter__windows") else None
    assert by_table.system.os.value == query.system.os.value == system
    assert two.fabric_state.value == ("completed" if "nvidia-h" in name else None)
    assert isinstance(two.throttle.value, tuple)


@pytest.mark.parametrize(
    ("name", "text"), needs(shared("captures", "*.xml")), ids=lambda text: text.partition("\n")[0][:60]
)
def test_captured_documents(name: str, text: str) -> None:
    facts = smi_xml.read(text)
    gpus = facts.gpus.value
    assert len(gpus) == text.count("<gpu id=")
    assert all(gpu.name.value and gpu.uuid.value and gpu.pci_address.value for gpu in gpus)
    assert facts.driver.version.known == ("<driver_version>" in text)
    assert facts.driver.driver_cuda.known == ("<cuda_version>" in text)
    lost = [gpu.index for gpu in gpus if gpu.status.value == 15]
    assert lost == ([1] if name.endswith("lost.xml") else [])
    assert all(gpu.memory_total.value for gpu in gpus if gpu.index not in lost)
    worn = [gpu.ecc_uncorrected.value for gpu in gpus if gpu.remap_failed.value]
    assert worn == ([5] if name.endswith(("lost.xml", "ecc-injected.xml")) else [])
    assert any(gpu.mig.value for gpu in gpus) == (name == "telegraf__a100-sxm4-v12.xml")
    assert sum(len(gpu.processes.value or ()) for gpu in gpus) == text.count("<process_info>")
    for part in range(20):
        cut = smi_xml.read(text[: len(text) * part // 20])
        assert cut is None or cut.probes
        assert part < 3 if cut is None else len(cut.gpus.value or ()) <= len(gpus)


def test_cases() -> None:
    """Every table and query that users posted: its GPUs and both versions."""
    cases = [(name, json.loads(text)) for name, text in shared("cases", "*.json")]
    if not cases:
        pytest.skip("the cases are not at ../shared")
    for name, case in cases:
        if case["kind"] != "nvidia_smi":
            continue
        found = [facts for reader in READERS if (facts := reader.read(case["text"])) is not None]
        assert len(found) == 1, name
        gpus = found[0].gpus.value
        rows = sum("| 0000" in each.replace("  ", "") for each in case["text"].splitlines())
        assert len(gpus) == (rows or case["text"].count("GPU 00000000:")) > 0, name
        assert found[0].driver.version.known, name
        assert found[0].driver.driver_cuda.known, name
        assert all(gpu.status.value == 0 for gpu in gpus), name
        if "xid" not in name:
            assert all(gpu.memory_total.value and gpu.memory_free.known for gpu in gpus), name
            assert all(gpu.name.value or gpu.name.raw for gpu in gpus), name
