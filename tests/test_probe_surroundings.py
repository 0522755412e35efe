"""Probes of what stands around the frameworks: processor, room, hidden modules, XLA's tools, interpreters."""

from __future__ import annotations

import os
import sys
import threading
from pathlib import Path

import pytest
from conftest import write

from gpucheck.probe import interpreter, resources, shadowing, xla
from gpucheck.probe.runner import Runner

FRAMEWORKS = ("torch", "tensorflow")


@pytest.mark.parametrize(
    ("text", "flags"),
    [
        (
            "processor: 0\nflags\t\t: fpu sse4_1 avx avx2 fma avx512f\n",
            ("sse4_1", "avx", "avx2", "fma", "avx512f"),
        ),
        ("flags : fpu sse2 avxish\n", ()),
        ("flags\t:\n", ()),
        ("Features\t: fp asimd\n", None),
        (None, None),
    ],
)
def test_the_processors_instruction_sets(tmp_path: Path, text: str | None, flags: tuple[str, ...] | None) -> None:
    if text is not None:
        write(tmp_path / "proc/cpuinfo", text)
    found = resources.cpu_flags(tmp_path)
    assert found.value == flags
    assert found.known is (flags is not None)


@pytest.mark.parametrize(
    ("content", "on"),
    [(b"\x06\0\0\0\x01", True), (b"\x06\0\0\0\0", False), (b"", None), (b"\x06\0\0\0", None), (None, None)],
)
def test_secure_boot_by_the_firmwares_variable(tmp_path: Path, content: bytes | None, on: bool | None) -> None:
    assert "no UEFI" in resources.secure_boot(tmp_path).missing
    (tmp_path / "sys/firmware/efi/efivars").mkdir(parents=True)
    if content is not None:
        (tmp_path / resources.SECURE_BOOT).write_bytes(content)
    assert resources.secure_boot(tmp_path).value is on


def test_shared_memory_is_measured_where_it_is(tmp_path: Path) -> None:
    assert "cannot be measured" in resources.shared_memory(tmp_path).missing
    (tmp_path / "dev/shm").mkdir(parents=True)
    room = os.statvfs(tmp_path)
    assert resources.shared_memory(tmp_path).value == room.f_blocks * room.f_frsize


def test_room_is_measured_where_the_caches_will_be(tmp_path: Path) -> None:
    assert "neither HOME nor XDG_CACHE_HOME" in resources.cache_free({}).missing
    (tmp_path / "cache").mkdir()
    for environ, place in (
        ({"HOME": str(tmp_path)}, tmp_path),  # .cache is not made yet
        ({"HOME": "/", "XDG_CACHE_HOME": str(tmp_path / "cache")}, tmp_path / "cache"),
        ({"HOME": str(tmp_path / "not/there")}, tmp_path),
    ):
        found = resources.cache_free(environ)
        assert found.source == str(place)
        assert found.value > 0


def test_files_that_hide_a_module_are_named(tmp_path: Path) -> None:
    here = tmp_path / "work"
    for name in ("torch.py", "types.py", "train.py", "tensorflow.txt", "test.py", "sys.py", "numpy/__init__.py"):
        write(here / name)
    for name in ("keras", "test", "google", "json.py"):
        (here / name).mkdir()
    write(here / "test/__init__.py")
    found = shadowing.hidden([here, tmp_path / "nowhere"], [])
    assert found == tuple(str(here / name) for name in ("numpy", "torch.py", "types.py"))


def test_the_interpreters_own_folders_hide_nothing(tmp_path: Path) -> None:
    write(tmp_path / "site/torch/__init__.py")
    write(tmp_path / "site/types.py")
    assert shadowing.hidden([tmp_path / "site/../site"], [tmp_path / "site"]) == ()
    library = Path(os.__file__).parent
    assert shadowing.hidden([library], [library]) == ()
    assert len(shadowing.hidden([tmp_path / "site"], [library])) == 2


def xla_tools(tmp_path: Path, **environ: str) -> list[str | None]:
    found = xla.tools(tmp_path / "site/tensorflow", tmp_path / "root", {"PATH": str(tmp_path / "bin"), **environ})
    return [one.value for one in found]


def test_xlas_tools_are_looked_for_where_xla_does(tmp_path: Path) -> None:
    assert xla_tools(tmp_path) == [None, None]

    def put(folder: str) -> list[str]:
        files = [tmp_path / folder / "nvvm/libdevice/libdevice.10.bc", tmp_path / folder / "bin/ptxas"]
        return [str(write(file)) for file in files]

    package = put("site/nvidia/cuda_nvcc")
    assert xla_tools(tmp_path) == package
    toolkit = put("root/usr/local/cuda")
    assert xla_tools(tmp_path) == toolkit
    own = put("own")
    flags = f"--xla_dump_to=/x --xla_gpu_cuda_data_dir={tmp_path}/own"
    assert xla_tools(tmp_path, XLA_FLAGS=flags) == own
    write(tmp_path / "bin/ptxas", "#!/bin/sh\n").chmod(0o755)
    assert xla_tools(tmp_path, XLA_FLAGS=flags) == [own[0], str(tmp_path / "bin/ptxas")]


def target_of(prefix: Path | str) -> interpreter.Target:
    return interpreter._target([f"{prefix}/bin/python", "3.12.1", str(prefix), "/usr", []], "test")


def test_other_interpreters_and_their_frameworks(tmp_path: Path) -> None:
    for name in ("active", "conda", "shell"):
        write(tmp_path / name / "bin/python").chmod(0o755)
    write(tmp_path / "active/lib/python3.12/site-packages/torch/__init__.py")
    write(tmp_path / "conda/lib/python3.11/site-packages/tensorflow/__init__.py")
    write(tmp_path / "shell/lib/python3/dist-packages/torch/__init__.py")
    environ = {
        "VIRTUAL_ENV": str(tmp_path / "active"),
        "CONDA_PREFIX": str(tmp_path / "conda"),
        "PATH": str(tmp_path / "shell/bin"),
    }
    found = interpreter.others(target_of("/own"), environ, FRAMEWORKS)
    assert [(one.executable, one.found_by, one.frameworks) for one in found] == [
        (str(tmp_path / "active/bin/python"), "VIRTUAL_ENV", ("torch",)),
        (str(tmp_path / "conda/bin/python"), "CONDA_PREFIX", ("tensorflow",)),
        (str(tmp_path / "shell/bin/python"), "PATH", ("torch",)),
    ]


def test_the_interpreter_itself_and_what_is_not_there_are_no_others(tmp_path: Path) -> None:
    write(tmp_path / "own/bin/python").chmod(0o755)
    environ = {"VIRTUAL_ENV": str(tmp_path / "own"), "CONDA_PREFIX": "/gone", "PATH": str(tmp_path / "own/bin")}
    assert interpreter.others(target_of(tmp_path / "own"), environ, FRAMEWORKS) == ()


@pytest.mark.parametrize(
    ("place", "file", "text", "kind"),
    [
        ("venv", "pyvenv.cfg", "home = /usr/bin\nuv = 0.9.0\nversion_info = 3.12.1\n", "uv venv"),
        ("venv", "pyvenv.cfg", "home = /usr/bin\nprompt = uv = x\n", "venv"),
        ("venv", "other", "", "venv"),
        ("miniforge", "conda-meta/history", "", "conda"),
        ("pipx/venvs/x", "pyvenv.cfg", "", "pipx"),
        ("uv/tools/x", "pyvenv.cfg", "uv = 0.9.0\n", "uv"),
    ],
)
def test_kinds_of_interpreters(tmp_path: Path, place: str, file: str, text: str, kind: str) -> None:
    write(tmp_path / place / file, text)
    assert target_of(tmp_path / place).facts.kind.value == kind


@pytest.mark.parametrize("mark", ["NVIDIA_PYTORCH_VERSION", "NVIDIA_TENSORFLOW_VERSION"])
def test_nvidias_image_is_known_by_its_variable(monkeypatch, stand_in, mark: str) -> None:
    answer = ["/usr/bin/python", "3.12.3", "/usr", "/usr", sys.path[1:]]
    monkeypatch.setattr(interpreter, "_ask", lambda *_: answer)
    assert interpreter.look("python", {mark: "25.09"}, 30).facts.kind.value == "ngc"
    assert interpreter.look("python", {}, 30).facts.kind.value == "system"
    monkeypatch.undo()
    assert interpreter.look(str(stand_in.python), {mark: "25.09"}, 30).facts.kind.value == "venv"


def test_a_probe_that_raises_or_hangs_leaves_its_reason_and_the_next_one_runs() -> None:
    never = threading.Event()
    probes = Runner(0.2)

    def raising() -> str:
        raise LookupError("sysfs is on fire")

    try:
        found = [
            probes.run("raises", str.upper, raising),
            probes.run("hangs", str.upper, never.wait),
            probes.run("answers", str.upper, lambda one, two: one + two, "a", "b"),
        ]
    finally:
        never.set()
    assert found[0] == "THE PROBE 'RAISES' FAILED: LOOKUPERROR: SYSFS IS ON FIRE"
    assert found[1] == "THE PROBE 'HANGS' GAVE NO ANSWER WITHIN 0.2 S"
    assert found[2] == "ab"
    assert [(run.name, run.error is None) for run in probes.runs] == [
        ("raises", False),
        ("hangs", False),
        ("answers", True),
    ]


def test_an_interpreter_that_cannot_be_used_is_no_failed_probe() -> None:
    def refuse() -> str:
        raise interpreter.InterpreterError("there is no Python at /x")

    with pytest.raises(interpreter.InterpreterError, match="no Python at /x"):
        Runner(5).run("interpreter", str, refuse)
