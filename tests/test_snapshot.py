"""`gpucheck snapshot`: the same bytes for an unchanged machine, and nothing private in them."""

from __future__ import annotations

import getpass
import json
import os
import platform
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from machine_data import load
from remembered import UUIDS, machine

from gpucheck import explaining
from gpucheck.facts import Answer, Fact, Facts, GpuProcess, ProbeRun, absent, seen
from gpucheck.matrix import Matrix
from gpucheck.memory.snapshot import LEFT_OUT, VOLATILE, read, snapshot, steady
from gpucheck.report.cleaning import Redactor


def restless(number: int) -> Facts:
    """The same machine at different moments."""
    facts = machine()
    gpus = tuple(
        replace(
            gpu,
            memory_free=seen(number * 2**30, "NVML"),
            processes=seen((GpuProcess(pid=number, memory=number),), "NVML"),
            throttle=seen(("sw-power-cap",) * number, "NVML"),
        )
        for gpu in facts.gpus.value
    )
    answer = Answer(available=True, seconds=float(number), messages=(f"{number} W cuda",), mapped=("/b", "/a"))
    return replace(
        facts,
        gpus=seen(gpus, "NVML"),
        system=replace(facts.system, cache_free=seen(number, "/")),
        driver=replace(facts.driver, kernel_messages=seen((f"[{number}.0] NVRM: Xid",), "/dev/kmsg")),
        frameworks=tuple(replace(one, answer=seen(answer, "child")) for one in facts.frameworks),
        probes=(ProbeRun(name="driver", milliseconds=float(number)),),
    )


def test_what_changes_by_itself_is_left_out() -> None:
    assert snapshot(restless(1), None) == snapshot(restless(2), None)
    text = snapshot(restless(1), None)
    assert "milliseconds" not in text
    assert LEFT_OUT in text


@pytest.mark.parametrize("place", VOLATILE)
def test_every_volatile_place_is_blank(place: str) -> None:
    def values(value: object, parts: list[str]) -> list[object]:
        if isinstance(value, tuple):
            return [found for one in value for found in values(one, parts)]
        if isinstance(value, Fact) and parts:
            return values(value.value, parts)
        return values(getattr(value, parts[0]), parts[1:]) if parts else [value]

    before, after = (values(facts, place.split(".")) for facts in (restless(3), steady(restless(3), None)))
    assert VOLATILE[place]
    assert before != after or place in ("smoke", "distributed")
    for value in after:
        assert value == (absent(LEFT_OUT) if isinstance(value, Fact) else type(value)())


def test_it_is_read_back_as_facts() -> None:
    facts = steady(machine(), None)
    text = snapshot(machine(), None)
    assert read(text) == facts
    assert explaining.read(text, "x.json", Matrix()) == facts
    assert snapshot(facts, None) == text
    with pytest.raises(ValueError, match="is no snapshot"):
        read('{"facts": 3}')


def test_every_machine_survives_it() -> None:
    for described in load():
        text = snapshot(described.facts, None)
        assert snapshot(read(text), None) == text, described.title


def test_keys_are_sorted_and_uuids_short() -> None:
    text = snapshot(machine(environment={"CUDA_VISIBLE_DEVICES": UUIDS[1]}), None)
    content = json.loads(text)
    assert text == json.dumps(content, indent=2, sort_keys=True) + "\n"
    assert not any(uuid in text for uuid in UUIDS)
    gpus = content["facts"]["gpus"]["value"]
    assert [gpu["uuid"]["value"] for gpu in gpus] == ["GPU-0f3a1c2d", "GPU-1f3a1c2d"]
    assert content["facts"]["environment"]["value"] == {"CUDA_VISIBLE_DEVICES": "GPU-1f3a1c2d"}


def test_private_names_are_taken_out_everywhere() -> None:
    facts = machine(interpreter={"executable": "/home/zaphod/env/bin/python", "version": "3.12.1"})
    there = "/home/zaphod/env/torch/version.py"
    torch = replace(facts.frameworks[0], build=seen("cuda", there), folder=seen("/data/zaphod/torch", there))
    system = replace(facts.system, os=seen("linux", "heart-of-gold:/etc"))
    facts = replace(facts, frameworks=(torch,), system=system)
    text = snapshot(facts, Redactor(home="/home/zaphod", user="zaphod", host="heart-of-gold"))
    assert "zaphod" not in text
    assert "heart-of-gold" not in text
    assert "~/env/torch/version.py" in text
    assert "zaphod" in snapshot(facts, None)


def test_on_this_machine_twice_the_same_and_nothing_private(gpucheck, tmp_path: Path) -> None:
    home = tmp_path / "zaphod-home"
    python = home / "env/bin/python"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", home / "env"], check=True)
    env = {"HOME": str(home), "USER": "zaphod", "LOGNAME": "zaphod", "TMPDIR": str(tmp_path)}
    first = gpucheck("snapshot", "--python", python, env=env)
    second = gpucheck("snapshot", "--python", python, "-o", tmp_path / "b.json", env=env)
    assert (first.status, first.err) == (0, "")
    assert (second.status, second.out, second.err) == (0, "", "")
    assert (tmp_path / "b.json").read_bytes() == first.out.encode()
    assert str(home) not in first.out
    assert "zaphod" not in first.out.replace("zaphod-home", "")
    assert "~/env" in first.out
    assert platform.node() not in first.out or len(platform.node()) <= 2
    assert str(home) in gpucheck("snapshot", "--python", python, "--no-redact", env=env).out


def test_the_doctor_judges_it(gpucheck, tmp_path: Path) -> None:
    path = tmp_path / "broken.json"
    path.write_text(snapshot(machine(torch__cudnn_loaded="9.8.0"), None))
    told = gpucheck("doctor", "--from", path, "--format", "json")
    assert told.status == 1
    assert told.report["root_causes"] == ["cudnn-version-mismatch"]
    path.write_text(snapshot(machine(), None))
    assert gpucheck("doctor", "--from", path).status == 0


def test_a_file_that_cannot_be_written_is_told_before_the_probes(gpucheck, tmp_path: Path) -> None:
    for target, why in ((tmp_path / "no/x.json", "is not there"), (tmp_path, "is a folder")):
        told = gpucheck("snapshot", "--output", target, "--python", "/nowhere/python")
        assert (told.status, told.out) == (2, "")
        assert told.err.count("\n") == 1
        assert why in told.err
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(os.name != "posix", reason="devices and links are POSIX's")
def test_a_device_stays_and_a_link_s_target_is_replaced(gpucheck, tmp_path: Path) -> None:
    assert gpucheck("snapshot", "-o", "/dev/null").status == 0
    assert not Path("/dev/null").is_file()
    link, target = tmp_path / "link.json", tmp_path / "target.json"
    target.write_text("old")
    link.symlink_to(target)
    assert gpucheck("snapshot", "-o", link).status == 0
    assert link.is_symlink()
    assert json.loads(target.read_text())["kind"] == "snapshot"
    if getpass.getuser() != "root" or Path("/dev/full").exists():
        full = gpucheck("snapshot", "-o", "/dev/full")
        assert (full.status, full.err.count("\n")) == (2, 1)


def test_with_a_driver_twice_the_same_and_a_card_less_is_told(gpucheck, stub, tmp_path: Path) -> None:
    first, second = (gpucheck("snapshot", env=stub()) for _ in range(2))
    assert first.out == second.out
    assert json.loads(first.out)["facts"]["gpus"]["value"][1]["memory_free"]["missing"] == LEFT_OUT
    (tmp_path / "two.json").write_text(first.out)
    told = gpucheck("diff", tmp_path / "two.json", env=stub("system.count=1", GPUSIM_COUNT="1"))
    assert told.status == 1
    assert "GPU 1 (" in told.out
    assert ") is gone" in told.out
