"""Damaged facts and damaged files: whatever comes in, what goes out is a report or one line, never a traceback."""

from __future__ import annotations

import contextlib
import copy
import functools
import io
import json
import math
import random
import struct
import types
import typing
from dataclasses import fields, is_dataclass
from pathlib import Path

import pytest
from conftest import VALIDATOR, library, write
from machine_data import load

from gpucheck import probe
from gpucheck.diagnosis import diagnose
from gpucheck.facts import Fact, Facts, FactsError, from_json, to_json
from gpucheck.intake import IntakeError
from gpucheck.intake.own import read
from gpucheck.matrix import Matrix
from gpucheck.probe import distributions, elf, fatbin, interpreter
from gpucheck.report import document, text

MATRIX = Matrix()
MACHINES = [json.dumps(to_json(machine.facts)) for machine in load()]
GROUPS, CASES = 20, 500  # 10,000 in all, 2,500 of them in `make test`
TEXTS = [
    "", " ", "banana", "13", "13.0", "9.99.99rc1", "0", "-1", "1!2.0", "v1.0", "12.", ".", "9999999.1", "1" * 400,
    "٥٨٠.١", "²", "\x00", "\x1b[31m", "a\nb", "\u202eevil", "🦜", "x" * 900, "../..", "/", "C:\\cuda", "none",
    "sm_", "sm_banana", "sm_90a", "compute_120", "libcudnn.so.9", "GPU-", "MIG-GPU-", "0,,1", ",", "0,0", "all",
    "2.99.0", "2.13.0+cu130", "2.13.0+banana", "2.13.0.dev20990101+cu999", "torch @ file:///x ; extra == ",
    "nvidia-cudnn-cu13==", "nvidia-cudnn-cu12<", 'numpy<2; python_version < "x"', "torch", "macos", "[red]x[/red]",
    "crashed with SIGSEGV", "6,339,1,-;NVRM: Xid (PCI:0000:2a:00): 79", "NVRM: Xid (", "580.159.03", "470",
]  # fmt: skip
VARIABLES = [
    "CUDA_VISIBLE_DEVICES",
    "NVIDIA_VISIBLE_DEVICES",
    "LD_LIBRARY_PATH",
    "XLA_FLAGS",
    "PYTHONPATH",
    "TF_X",
]
INTEGERS = [0, 1, -1, 2, 18, 100, 803, 999, 10**6, 2**31, 2**62, -(2**62), 2**63 - 1]
FLOATS = [0.0, -1.0, 0.5, 1e-300, 1e308, -1e308, 3]


def places(kind: object, data: object, path: tuple = ()) -> list[tuple[tuple, object]]:
    """Every place of a document below its top, with the type that stands there."""
    found = [(path, kind)] if path else []
    origin, arguments = typing.get_origin(kind) or kind, typing.get_args(kind)
    if origin in (types.UnionType, typing.Union):
        origin = arguments[0]
        return found + (places(origin, data, path)[1:] if data is not None else [])
    if is_dataclass(origin):
        hints = typing.get_type_hints(origin)
        for item in fields(origin):
            name = item.name.rstrip("_")
            own = arguments[0] | None if origin is Fact and item.name == "value" else hints[item.name]
            found += places(own, data[name], (*path, name))
    elif origin is tuple:
        for number, item in enumerate(data):
            found += places(arguments[0], item, (*path, number))
    elif origin is dict:
        for key, item in data.items():
            found += places(arguments[1], item, (*path, key))
    return found


@functools.cache
def known_places(number: int) -> list[tuple[tuple, object]]:
    return places(Facts, json.loads(MACHINES[number]))


@functools.cache
def elsewhere() -> dict[tuple, list]:
    """What stands at the same place of all machines."""
    pool: dict[tuple, list] = {}
    for number, machine in enumerate(MACHINES):
        data = json.loads(machine)
        for path, _ in known_places(number):
            value = functools.reduce(lambda inner, key: inner[key], path, data)
            pool.setdefault(general(path), []).append(value)
    return pool


def general(path: tuple) -> tuple:
    return tuple(0 if isinstance(key, int) else key for key in path)


def odd(rng: random.Random, kind: object, old: object) -> object:
    """An odd value of the right type."""
    origin, arguments = typing.get_origin(kind) or kind, typing.get_args(kind)
    if origin in (types.UnionType, typing.Union):
        return None if rng.random() < 0.3 else odd(rng, arguments[0], old)
    if origin is Fact:
        inner = odd(rng, arguments[0], (old or {}).get("value"))
        return rng.choice([{"missing": rng.choice(TEXTS)}, {"value": inner}, {"value": inner, "raw": "banana"}])
    if origin is tuple:
        items = list(old or [])
        grown = [*items, *([odd(rng, arguments[0], None)] if not is_dataclass(arguments[0]) else [])]
        return rng.choice([[], items * 2, items[1:], items[::-1], grown, items * 9])
    if origin is dict:
        names = [*(old or {}), rng.choice(VARIABLES), rng.choice(TEXTS)]
        odder = {name: odd(rng, arguments[1], None) for name in names[rng.randrange(3) :]}
        return rng.choice([{}, {**(old or {}), **odder}, odder])
    choices = {str: TEXTS, int: INTEGERS, float: FLOATS, bool: [True, False]}
    return rng.choice(choices[origin]) if origin in choices else old


def damaged(rng: random.Random, number: int, hurt) -> dict:
    """A machine hurt at some places."""
    data = json.loads(MACHINES[number])
    for path, kind in rng.choices(known_places(number), k=rng.choice([1, 2, 4, 8, 30])):
        try:
            inside = functools.reduce(lambda inner, key: inner[key], path[:-1], data)
            inside[path[-1]] = hurt(rng, path, kind, inside[path[-1]])
        except (KeyError, IndexError, TypeError):
            continue  # what stood above it has been hurt before
    return data


def of_right_type(rng: random.Random, path: tuple, kind: object, old: object) -> object:
    if rng.random() < 0.3:
        return copy.deepcopy(rng.choice(elsewhere()[general(path)]))
    return odd(rng, kind, old)


def without_reasonless(value: object) -> object:
    """A fact must have a value or a reason."""
    if isinstance(value, dict):
        value = {key: without_reasonless(item) for key, item in value.items()}
        if {"value", "missing"} & set(value) and value.get("value") is None:
            value["missing"] = value.get("missing") or "no reason"
        return value
    return [without_reasonless(item) for item in value] if isinstance(value, list) else value


def names(data: dict) -> set[str]:
    """The frameworks that a document speaks of."""
    return {one["name"] for one in data["frameworks"]} | {one["framework"] for one in data["smoke"]}


@pytest.fixture
def fast_hints(monkeypatch) -> None:
    monkeypatch.setattr(typing, "get_type_hints", functools.cache(typing.get_type_hints))


@pytest.mark.parametrize(
    "group", [pytest.param(group, marks=[pytest.mark.slow] if group > 4 else []) for group in range(GROUPS)]
)
def test_ten_thousand_damaged_machines_are_judged_without_a_crash(group: int, fast_hints) -> None:
    screen = text.console(io.StringIO(), "never")
    for case in range(group * CASES, (group + 1) * CASES):
        rng = random.Random(case)
        data = without_reasonless(damaged(rng, case % len(MACHINES), of_right_type))
        if names(data) - {"torch", "tensorflow"} and complaint(data):
            continue  # a framework that gpucheck does not know may be refused when it is read
        report = diagnose(from_json(Facts, data), MATRIX)
        assert [check for check in report.checks if check.status.value == "crash"] == [], f"case {case}"
        assert report.exit_status in {0, 1, 3}, f"case {case}"
        shown = text.render(report, screen, verbosity=1 if case % 25 == 0 else rng.choice([-1, 0]))
        assert shown.strip(), f"case {case}"
        assert not set(shown) & {"\x1b", "\x00", "\u202e"}, f"case {case}"
        if case % 40 == 0:
            VALIDATOR.validate(json.loads(document.render(report, None)))
        else:
            json.dumps(document.document(report), allow_nan=False)


WRONG = [None, True, 7, 10**400, 0.5, "text", "\ud800", [], [None], {}, {"value": None}, {"nobody": 1}]


def fits(value: object, kind: object) -> bool:
    """Whether a value of `WRONG` would do; generous with what is nested."""
    origin, arguments = typing.get_origin(kind) or kind, typing.get_args(kind)
    if origin in (types.UnionType, typing.Union):
        return value is None or fits(value, arguments[0])
    if is_dataclass(origin) or origin is dict:
        return isinstance(value, dict)
    if origin is tuple:
        return isinstance(value, list)
    if origin is float:
        return isinstance(value, (int, float)) and not isinstance(value, bool)
    return type(value) is origin


def test_wrong_types_are_refused_with_their_place_and_nothing_else(fast_hints) -> None:
    refused = 0
    for case in range(3000):
        rng = random.Random(case)
        number = case % len(MACHINES)
        data = json.loads(MACHINES[number])
        path, kind = rng.choice(known_places(number))
        value = rng.choice(WRONG)
        inside = functools.reduce(lambda inner, key: inner[key], path[:-1], data)
        inside[path[-1]] = value
        said = complaint(data)
        refused += said is not None
        assert (fits(value, kind) and said is None) or str(path[0]) in said, f"case {case}: {value!r} at {path}"
    assert refused > 1000


def complaint(data: dict) -> str | None:
    try:
        from_json(Facts, data)
    except FactsError as error:
        return str(error)
    return None


def test_a_file_that_no_package_owns_is_judged_too() -> None:
    lone = {"path": "/site/nvidia/x.so", "owners": [], "recorded": [], "trouble": "size"}
    report = diagnose(from_json(Facts, {"package_files": {"value": [lone]}}), MATRIX)
    assert [check.reason for check in report.checks if check.status.value == "crash"] == []


@pytest.mark.parametrize("name", ["jax", "../..", "", "x" * 900])
def test_a_framework_that_is_not_known_is_refused_or_left_out(name: str, fast_hints) -> None:
    version = {"value": "2.13.0"}
    data = {
        "frameworks": [
            {"name": name, "installed": {"value": True}, "version": version, "build": {"value": "cuda"}}
        ]
    }
    if complaint(data) is None:
        report = diagnose(from_json(Facts, data), MATRIX)
        assert [check.reason for check in report.checks if check.status.value == "crash"] == []


@pytest.mark.parametrize("number", ["1e999", "-1e999", "NaN", "1" + "0" * 400])
def test_a_number_that_no_report_could_carry_is_refused(number: str) -> None:
    with pytest.raises(IntakeError, match=r"facts\.probes"):
        read('{"probes": [{"name": "x", "milliseconds": %s}]}' % number, "report.json")  # noqa: UP031


def bent(rng: random.Random, content: bytes) -> bytes:
    """A file with some bytes changed, cut, doubled, or numbers in it made senseless."""
    found = bytearray(content)
    for _ in range(rng.choice([1, 1, 3, 20])):
        place = rng.randrange(max(len(found), 1))
        if rng.random() < 0.5:
            place = rng.randrange(min(len(found), 400) or 1)  # headers are what readers trust
        kind = rng.randrange(6)
        if kind == 0:
            found[place : place + 1] = rng.randbytes(1)
        elif kind == 1:
            number = rng.choice([0, 1, 2**64 - 1, 2**63, 2**63 - 1, 2**32, len(content), len(content) - 1])
            found[place : place + 8] = struct.pack("<Q", number)
        elif kind == 2:
            found[place : place + 2] = b"\xff\xff"
        elif kind == 3:
            del found[place:]
        elif kind == 4:
            found[place:place] = found[place : place + rng.randrange(300)]
        else:
            found[place : place + 4] = rng.randbytes(4)
    return bytes(found)


def with_gpu_code(path: Path) -> Path:
    """A library with machine code for 9.0 and PTX for 12.0 in its fatbin section, as nvcc lays it out."""
    entries = b"".join(
        struct.pack("<HHIQIIII", kind, 0, 64, 16, 0, 0, 0, arch) + b"\0" * 32 + b"\0" * 16
        for kind, arch in ((2, 90), (1, 120))
    )
    content = b"\x50\xed\x55\xba" + struct.pack("<HHQ", 1, 16, len(entries)) + entries
    numbers = ",".join(map(str, content))
    code = f'const unsigned char code[] __attribute__((section(".nv_fatbin"))) = {{{numbers}}};'
    return library(path, needed=("libcudnn.so.9",), runpath="$ORIGIN/../nvidia/cudnn/lib:$ORIGIN", code=code)


def test_the_gpu_code_of_a_whole_library_is_read(tmp_path: Path) -> None:
    assert fatbin.arch_list(with_gpu_code(tmp_path / "libx.so")).value == ("compute_120", "sm_90")


@pytest.mark.parametrize("group", range(4))
def test_damaged_libraries_are_refused_not_believed(tmp_path: Path, group: int) -> None:
    whole = with_gpu_code(tmp_path / "libx.so").read_bytes()
    path = tmp_path / "liby.so"
    for case in range(group * 1000, (group + 1) * 1000):
        rng = random.Random(case)
        path.write_bytes(bent(rng, whole) if case % 10 else rng.randbytes(rng.randrange(200)))
        with contextlib.suppress(elf.ElfError):
            assert all(isinstance(name, str) for name in elf.dynamic(path).needed)
        codes = fatbin.arch_list(path)
        assert codes.known is (codes.value is not None), f"case {case}"


@pytest.mark.parametrize(
    "place",
    [
        pytest.param(slice(60, 64), id="no section headers, as sstrip leaves it"),
        pytest.param(slice(62, 64), id="no index of names"),
        pytest.param(slice(0, 0), id="an empty file"),
    ],
)
def test_a_library_without_sections_has_no_list_of_codes(tmp_path: Path, place: slice) -> None:
    content = bytearray(with_gpu_code(tmp_path / "libx.so").read_bytes())
    content[place] = b"\xff" * 2 if place.start == 62 else b"\0" * (place.stop - place.start)
    (tmp_path / "libx.so").write_bytes(content if place.stop else b"")
    assert fatbin.arch_list(tmp_path / "libx.so").missing


LINES = {
    "RECORD": b'nvidia/cudnn/lib/libcudnn.so.9,sha256=abc,123\n"a,b.so",,\ntorch/version.py,sha256=x,9\n',
    "METADATA": b"Metadata-Version: 2.4\nName: torch\nVersion: 2.13.0\nRequires-Dist: filelock\n"
    b'Requires-Dist: nvidia-cudnn-cu13==9.20.0.48 ; platform_system == "Linux"\n\nText\n',
}  # fmt: skip


def rotten(rng: random.Random, content: bytes) -> bytes:
    """A text with odd characters between its words, or damaged as bytes."""
    if rng.random() < 0.5:
        return bent(rng, content)
    words = content.split(b" ")
    for _ in range(rng.randrange(1, 4)):
        words.insert(rng.randrange(len(words) + 1), rng.choice(TEXTS).encode("utf-8", "replace"))
    pieces = b" ".join(words).split(b",")
    pieces[rng.randrange(len(pieces))] = rng.choice(["²\n", "٣\n", "9" * 5000 + "\n", "\0", "\n", "-1\n"]).encode()
    return b",".join(pieces)


def test_damaged_packages_are_read_as_far_as_they_go(tmp_path: Path) -> None:
    folder = tmp_path / "torch-2.13.0.dist-info"
    folder.mkdir()
    for case in range(2000):
        rng = random.Random(case)
        for name, content in LINES.items():
            (folder / name).write_bytes(rotten(rng, content))
        found = distributions.scan([tmp_path])["torch"]
        assert all(isinstance(line, str) for line in found.requirements), f"case {case}"
        for path, (digest, size) in found.files.items():
            assert (type(path), type(digest)) == (str, str), f"case {case}"
            assert size is None or size >= 0, f"case {case}"
        assert distributions.versions({"torch": found}, ["torch"]) is not None


FILES = {
    "proc/driver/nvidia/version": b"NVRM version: NVIDIA UNIX Open Kernel Module for x86_64  580.159.03  Rel\n",
    "sys/module/nvidia/version": b"580.159.03\n",
    "proc/cpuinfo": b"processor\t: 0\nflags\t\t: fpu sse4_1 avx avx2 fma\n",
    "proc/sys/kernel/osrelease": b"6.1.0-30-amd64\n",
    "proc/1/cgroup": b"0::/init.scope\n",
    "proc/77/comm": b"nv-fabricmanage\n",
    "dev/kmsg": b"6,339,5140900,-;NVRM: Xid (PCI:0000:2a:00): 79, GPU has fallen off the bus.\n",
    "etc/ld.so.cache": b"glibc-ld.so.cache1.1\0libcudnn.so.9\0/opt/cuda/lib64/libcudnn.so.9\0",
    "opt/cuda/lib64/libcudnn.so.9": b"\x7fELF\x02\x01",
    "usr/share/misc/pci.ids": b"10de  NVIDIA Corporation\n\t2335  GH100 [H200 SXM 141GB]\n\t\t10de 18be  x\n",
    "sys/bus/pci/devices/0000:2a:00.0/class": b"0x030200\n",
    "sys/bus/pci/devices/0000:2a:00.0/vendor": b"0x10de\n",
    "sys/bus/pci/devices/0000:2a:00.0/device": b"0x2335\n",
    "sys/firmware/efi/efivars/SecureBoot-8be4df61-93ca-11d2-aa0d-00e098032b8c": b"\x06\0\0\0\x01",
    "environment/pyvenv.cfg": b"home = /usr/bin\nuv = 0.9.0\n",
    "site/torch/version.py": b"import x\n__version__ = '2.13.0+cu130'\ncuda: Optional[str] = '13.0'\n",
    "site/tensorflow/python/platform/build_info.py": b"import collections\nbuild_info = collections.OrderedDict("
    b"[('is_cuda_build', True), ('cuda_version', '12.5.1'), ('cudnn_version', '9'),"
    b" ('cuda_compute_capabilities', ['sm_90'])])\n",
    "site/tensorflow-2.21.0.dist-info/METADATA": b"Name: tensorflow\nRequires-Dist: nvidia-cufft-cu12<12.0\n\n",
    "site/nvidia_cudnn_cu13-9.20.0.48.dist-info/RECORD": LINES["RECORD"],
    "site/torch-2.13.0.dist-info/METADATA": LINES["METADATA"],
}  # fmt: skip


@pytest.mark.parametrize("group", range(4))
def test_a_machine_whose_files_are_damaged_is_read_and_judged(tmp_path: Path, monkeypatch, group: int) -> None:
    libraries = with_gpu_code(tmp_path / "libx.so").read_bytes()
    binaries = ["site/torch/lib/libtorch_cuda.so", "site/tensorflow/libtensorflow_framework.so.2"]
    contents = {**FILES, **dict.fromkeys(binaries, libraries)}
    answer = ["/x/bin/python", "3.12.1", str(tmp_path / "environment"), "/usr", [str(tmp_path / "site")]]
    monkeypatch.setattr(interpreter, "look", lambda *_: interpreter._target(answer, "test"))
    release = probe.system_probe.platform.release()
    contents[f"lib/modules/{release}/modules.dep"] = b"updates/dkms/nvidia.ko.zst: kernel/x.ko\n"
    for name in contents:
        write(tmp_path / name)
    for case in range(group * 50, (group + 1) * 50):
        rng = random.Random(case)
        for name, content in contents.items():
            damage = bent if name in binaries else rotten
            (tmp_path / name).write_bytes(damage(rng, content) if rng.random() < 0.4 else content)
        facts = probe.gather(root=tmp_path, environ={})
        assert all(run.error is None or run.error.strip() for run in facts.probes), f"case {case}"
        assert all(math.isfinite(run.milliseconds) for run in facts.probes)
        assert from_json(Facts, json.loads(json.dumps(to_json(facts)))) == facts, f"case {case}"
        report = diagnose(facts, MATRIX)
        assert [check for check in report.checks if check.status.value == "crash"] == [], f"case {case}"
