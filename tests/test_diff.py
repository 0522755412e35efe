"""What differs between two machines, in the sentences that a user sees."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from machine_data import load
from remembered import HEALTHY, UUIDS, machine

from gpucheck.facts import PackageFile, absent, seen
from gpucheck.matrix import Matrix
from gpucheck.memory.diff import Difference, compare
from gpucheck.memory.snapshot import snapshot
from gpucheck.report.cleaning import Redactor

MATRIX = Matrix()
DRIVER = HEALTHY["driver"]


def differs(old, new) -> Difference:
    return compare(old, new, MATRIX)


def sentences(**changed: Any) -> list[str]:
    return [change.sentence for change in differs(machine(), machine(**changed)).changes]


def test_an_older_cudnn_explains_the_finding() -> None:
    found = differs(machine(), machine(torch__cudnn_loaded="9.8.0"))
    assert [change.sentence for change in found.changes] == [
        "cuDNN 9.10.2 -> 9.8.0, below what torch was built with: explains cudnn-version-mismatch"
    ]
    assert [finding.slug for finding in found.appeared] == ["cudnn-version-mismatch"]
    assert (found.gone, found.verdicts, found.same) == ((), ("healthy", "problem"), False)
    back = differs(machine(torch__cudnn_loaded="9.8.0"), machine())
    assert [change.sentence for change in back.changes] == [
        "cuDNN that torch loads 9.8.0 -> 9.10.2: explains why cudnn-version-mismatch is gone"
    ]


CHANGES: list[tuple[str, dict[str, Any], str]] = [
    (
        "driver too old",
        {"driver": {**DRIVER, "version": "470.82.01", "driver_cuda": "11.4"}},
        "driver version 580.159.03 -> 470.82.01, too old for a CUDA runtime here: explains driver-too-old",
    ),
    (
        "driver half updated",
        {
            "driver": {
                **DRIVER,
                "library_version": "590.48.01",
                "nvml_status": 18,
                "version": {"missing": "NVML does not answer"},
            },
            "gpus": {"missing": "NVML answers 18"},
        },
        "version of the driver's libraries 580.159.03 -> 590.48.01, while the loaded kernel module is still "
        "another: explains driver-library-mismatch",
    ),
    (
        "a CPU build",
        {"torch__version": "2.10.0+cpu", "torch__build": "cpu"},
        "build of torch cuda -> cpu, which cannot use a GPU: explains cpu-only-build",
    ),
    (
        "a mask",
        {"environment": {"CUDA_VISIBLE_DEVICES": "-1"}, "driver__visible_devices": 0},
        "CUDA_VISIBLE_DEVICES is set to -1, which hides GPUs: explains visible-devices-hides-gpu",
    ),
    (
        "a card lost from NVML",
        {"gpus": HEALTHY["gpus"][:1], "driver__visible_devices": 1},
        "GPU 1 (NVIDIA H200) is gone: explains gpu-missing",
    ),
    ("a lost card", {"gpus": [HEALTHY["gpus"][0], {**HEALTHY["gpus"][1], "status": 15}]},
     "answer of the driver of GPU 1 0 -> 15: explains gpu-lost"),
    ("memory errors", {"gpus": [{**HEALTHY["gpus"][0], "ecc_uncorrected": 3}, HEALTHY["gpus"][1]]},
     "uncorrectable memory errors of GPU 0 0 -> 3: explains uncorrectable-ecc"),
    ("not installed", {"torch__installed": False, "torch__version": {"missing": "not installed"}},
     "torch installed yes -> no: explains torch-not-installed"),
    ("a library gone", {"torch__libraries": [{"soname": "libcublas.so.12"}]},
     "libcublas.so.12 that torch loads 12.8.4 -> none (libcublas.so.12 is in none of the folders that the loader "
     "searches): explains cuda-library-missing"),
    ("a package", {"packages": {"torch": "2.10.0+cu128", "numpy": "2.2.0"}}, "package numpy 2.1.0 -> 2.2.0"),
    ("a package gone", {"packages": {"torch": "2.10.0+cu128"}}, "package numpy 2.1.0 is gone"),
    ("a package more", {"packages": {**HEALTHY["packages"], "six": "1.0"}}, "package six 1.0 is new"),
    ("torch", {"torch__version": "2.10.1+cu128"}, "torch version 2.10.0+cu128 -> 2.10.1+cu128"),
    ("runtime", {"torch__cuda_runtime": "12.9"}, "CUDA runtime of torch 12.8 -> 12.9"),
    ("the same cuDNN elsewhere", {"torch__cudnn_loaded": "/opt/libcudnn.so.9 9.10.2"},
     "cuDNN that torch loads /site/nvidia/cudnn/lib/libcudnn.so.9 -> /opt/libcudnn.so.9"),
    ("driver CUDA", {"driver__driver_cuda": "13.1"}, "driver CUDA 13.0 -> 13.1"),
    ("kernel", {"system__kernel": "6.9.0"}, "kernel 6.8.0-45 -> 6.9.0"),
    ("memory", {"system__shared_memory": 2**34}, "shared memory 8.0 GiB -> 16.0 GiB"),
    ("python", {"interpreter__version": "3.13.1"}, "Python version 3.12.1 -> 3.13.1"),
    ("mode", {"gpus": [HEALTHY["gpus"][0], {**HEALTHY["gpus"][1], "mig": True}]}, "MIG of GPU 1 no -> yes"),
    ("a card new on the bus", {"pci_cards": [*HEALTHY["pci_cards"], {"address": "0000:a8:00.0", "vendor": "10de",
      "device": "2335"}]}, "NVIDIA card 0000:a8:00.0 on the PCI bus is new: explains gpu-missing"),
]  # fmt: skip


@pytest.mark.parametrize(("changed", "sentence"), [one[1:] for one in CHANGES], ids=[one[0] for one in CHANGES])
def test_each_kind_of_change(changed: dict[str, Any], sentence: str) -> None:
    assert sentences(**changed)[0] == sentence


def test_gpus_are_compared_by_uuid_and_else_by_index_and_name() -> None:
    assert sentences(gpus=HEALTHY["gpus"][::-1]) == ["index of GPU 0 1 -> 0", "index of GPU 1 0 -> 1"]
    first = HEALTHY["gpus"][0]
    bare = [{key: value for key, value in gpu.items() if key != "uuid"} for gpu in HEALTHY["gpus"]]
    assert sentences(gpus=bare) == []
    other = [{**bare[0], "name": "NVIDIA H100"}, bare[1]]
    assert sentences(gpus=other)[:2] == ["GPU 0 (NVIDIA H100) is new", "GPU 0 (NVIDIA H200) is gone"]
    replaced = [{**first, "uuid": UUIDS[0].replace("0f3a", "9f3a")}, HEALTHY["gpus"][1]]
    assert sentences(gpus=replaced) == ["GPU 0 (NVIDIA H200) is new", "GPU 0 (NVIDIA H200) is gone"]


def test_what_was_not_looked_at_is_no_change() -> None:
    old, new = machine(), machine()
    new = replace(new, packages=absent("not looked at"), gpus=absent("not looked at"))
    assert not [one for one in differs(old, new).changes if one.place.startswith(("packages", "gpus"))]
    answer = replace(old.frameworks[0], answer=absent("it gave no answer within 300 s"))
    assert differs(old, replace(old, frameworks=(answer,))).changes == ()
    listed = replace(new, packages=seen({"torch": "2.10.0+cu128"}, "pip"), reports=("list of packages",))
    assert not [one for one in differs(old, listed).changes if one.place == "packages.numpy"]


def test_files_of_packages() -> None:
    old = replace(machine(), package_files=seen((), "RECORD"))
    damaged = (PackageFile(path="/site/nvidia/x.so", owners=("a", "b"), recorded=("b",), trouble="hash"),)
    found = differs(old, replace(old, package_files=seen(damaged, "RECORD")))
    assert found.changes[0].sentence.startswith(
        "files of NVIDIA's packages that are not as installed none -> /site/nvidia/x.so"
    )


def test_a_machine_is_the_same_as_itself() -> None:
    for described in load()[::5]:
        assert differs(described.facts, described.facts).same, described.title


def test_a_redacted_snapshot_is_the_same_as_its_machine() -> None:
    facts = machine(interpreter={"executable": "/home/zaphod/env/bin/python", "version": "3.12.1"})
    redactor = Redactor(home="/home/zaphod", user="zaphod", host="heart")
    from gpucheck.memory.snapshot import read

    assert compare(read(snapshot(facts, redactor)), facts, MATRIX, redactor).same


@pytest.fixture
def files(tmp_path: Path) -> dict[str, Path]:
    made = {"works": machine(), "broken": machine(torch__cudnn_loaded="9.8.0")}
    for name, facts in made.items():
        (tmp_path / f"{name}.json").write_text(snapshot(facts, None))
    return {name: tmp_path / f"{name}.json" for name in made}


def test_the_command(gpucheck, files: dict[str, Path]) -> None:
    same = gpucheck("diff", files["works"], files["works"])
    assert (same.status, same.out.strip()) == (0, "Same: nothing that lasts has changed")
    changed = gpucheck("diff", files["works"], files["broken"])
    assert changed.status == 1
    assert changed.out.splitlines() == [
        "Changed: 1 change, healthy -> problem",
        " ✗ cuDNN 9.10.2 -> 9.8.0, below what torch was built with: explains cudnn-version-mismatch",
    ]
    told = gpucheck("diff", files["works"], files["broken"], "--format", "json")
    content = json.loads(told.out)
    assert (told.status, content["same"], content["changes"][0]["explains"]) == (
        1,
        False,
        ["cudnn-version-mismatch"],
    )
    assert content["appeared"][0]["slug"] == "cudnn-version-mismatch"
    whole = gpucheck("doctor", "--from", files["broken"], "--format", "json").out
    files["works"].with_name("report.json").write_text(whole)
    assert gpucheck("diff", files["broken"], files["works"].with_name("report.json")).status == 0


def test_this_machine(gpucheck, tmp_path: Path) -> None:
    gpucheck("snapshot", "-o", tmp_path / "now.json")
    assert gpucheck("diff", tmp_path / "now.json", "now").status == 0
    content = json.loads((tmp_path / "now.json").read_text())
    content["facts"]["system"]["kernel"]["value"] = "1.0"
    told = gpucheck("diff", "-", input=json.dumps(content))
    assert told.status == 1
    assert "kernel 1.0 -> " in told.out


def test_packages_that_came_are_one_line(gpucheck, files: dict[str, Path]) -> None:
    many = machine(packages={**HEALTHY["packages"], **{f"p{n}": "1.0" for n in range(6)}})
    files["broken"].write_text(snapshot(many, None))
    told = gpucheck("diff", files["works"], files["broken"]).out
    assert "6 packages are new: p0 1.0, p1 1.0" in told


@pytest.mark.parametrize(
    ("content", "arguments", "why"),
    [
        ("hello", (), "tells of a machine"),
        ("{}", (), "x.json"),
        ('{"schema_version": 1, "facts": {}}', (), "tells of a machine"),
        ('{"schema_version": 9, "facts": {}}', (), "schema_version"),
        ('{"schema_version": 1, "facts": {"gpus": 3}}', (), "gpus"),
        (None, (), "cannot be read"),
        ("{}", ("x.json", "--deep"), "`now`"),
    ],
)
def test_bad_input_is_one_line(gpucheck, tmp_path: Path, content: str | None, arguments, why: str) -> None:
    if content is not None:
        (tmp_path / "x.json").write_text(content)
    told = gpucheck("diff", "x.json", *arguments, cwd=tmp_path)
    assert (told.status, told.out) == (2, "")
    assert told.err.count("\n") == 1
    assert why in told.err
    assert gpucheck("diff", "now", "now").status == 2
