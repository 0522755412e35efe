"""What stands around the frameworks, on made-up roots: kernel, PCI bus, resources, interpreters."""

from __future__ import annotations

import os
import sys
import threading
from pathlib import Path

import pytest
from conftest import write

from gpucheck.facts import PciCard
from gpucheck.probe import interpreter, kernel, pci, resources, shadowing, xla
from gpucheck.probe.runner import Runner

OPEN_MODULE = (
    "NVRM version: NVIDIA UNIX Open Kernel Module for x86_64  580.159.03  Release Build  (dvs-builder@U22)  Fri\n"
    "GCC version:  gcc version 12.2.0\n"
)
CLOSED_MODULE = "NVRM version: NVIDIA UNIX x86_64 Kernel Module  470.256.02  Thu May  2 14:37:44 UTC 2024\n"
FRAMEWORKS = ("torch", "tensorflow")


@pytest.mark.parametrize(
    ("text", "flavor"),
    [(OPEN_MODULE, "open"), (CLOSED_MODULE, "proprietary"), ("", None), ("NVRM version: something new\n", None)],
)
def test_the_flavor_of_the_kernel_module(tmp_path: Path, text: str, flavor: str | None) -> None:
    write(tmp_path / "proc/driver/nvidia/version", text)
    found = kernel.side(tmp_path).module_flavor
    assert found.value == flavor
    assert found.known is (flavor is not None)


def test_without_a_driver_no_flavor_is_claimed(tmp_path: Path) -> None:
    assert "does not tell" in kernel.side(tmp_path).module_flavor.missing


def test_cudas_own_module_is_looked_for(tmp_path: Path) -> None:
    (tmp_path / "sys/module/nvidia").mkdir(parents=True)
    assert kernel.side(tmp_path).uvm_loaded.value is False
    (tmp_path / "sys/module/nvidia_uvm").mkdir()
    assert kernel.side(tmp_path).uvm_loaded.value is True


def test_nouveau_is_seen_beside_an_absent_driver(tmp_path: Path) -> None:
    (tmp_path / "sys/module/nouveau").mkdir(parents=True)
    found = kernel.side(tmp_path)
    assert (found.nouveau_loaded.value, found.module_loaded.value, found.uvm_loaded.value) == (True, False, False)


def test_device_nodes_are_listed_and_folders_are_not(tmp_path: Path) -> None:
    for name, mode in (("nvidiactl", 0o666), ("nvidia0", 0o660), ("nvidia-uvm", 0o600)):
        write(tmp_path / "dev" / name).chmod(mode)
    (tmp_path / "dev/nvidia-caps").mkdir()
    write(tmp_path / "dev/null")
    (tmp_path / "dev/nvidia9").symlink_to("gone")
    found = kernel.side(tmp_path).device_nodes.value
    assert [(node.path, node.mode) for node in found] == [
        ("/dev/nvidia-uvm", "-rw-------"),
        ("/dev/nvidia0", "-rw-rw----"),
        ("/dev/nvidiactl", "-rw-rw-rw-"),
    ]
    import grp

    assert {node.group for node in found} == {grp.getgrgid((tmp_path / "dev/nvidia0").stat().st_gid).gr_name}


def test_a_node_of_a_group_without_a_name_shows_its_number(tmp_path: Path) -> None:
    node = write(tmp_path / "dev/nvidia0")
    try:
        os.chown(node, -1, 54321)
    except PermissionError:
        pytest.skip("giving a file to another group needs root")
    assert [one.group for one in kernel.side(tmp_path).device_nodes.value] == ["54321"]


def test_a_node_that_this_user_may_not_use(tmp_path: Path) -> None:
    if os.geteuid() == 0:
        pytest.skip("root may use every node")
    for name, mode in (("nvidia0", 0o000), ("nvidia1", 0o444), ("nvidiactl", 0o666)):
        write(tmp_path / "dev" / name).chmod(mode)
    usable = {node.path: node.usable for node in kernel.side(tmp_path).device_nodes.value}
    assert usable == {"/dev/nvidia0": False, "/dev/nvidia1": False, "/dev/nvidiactl": True}


def test_a_real_node_is_shown_as_ls_shows_it(tmp_path: Path) -> None:
    (tmp_path / "dev").mkdir()
    try:
        os.mknod(tmp_path / "dev/nvidia0", 0o020666, os.makedev(195, 0))
    except PermissionError:
        pytest.skip("making a device node needs root and the right to do so")
    (tmp_path / "dev/nvidia0").chmod(0o660)
    assert [node.mode for node in kernel.side(tmp_path).device_nodes.value] == ["crw-rw----"]


LOG = """\
6,338,5140800,-;pci 0000:2a:00.0: [10de:2335] type 00 class 0x030200
 SUBSYSTEM=pci
 DEVICE=+pci:0000:2a:00.0
4,339,5140900,-;NVRM: Xid (PCI:0000:2a:00): 79, pid='<unknown>', name=<unknown>, GPU has fallen off the bus.
6,340,5141000,-;usb 1-1: new high-speed USB device; nvidia is a word here
5,341,5142000,-;nvidia: loading out-of-tree module taints kernel.
4,342,5142100,-;nvidia: module verification failed: signature and/or required key missing - tainting kernel
6,343,5142200,c;Lockdown: modprobe: unsigned module loading is restricted; see man kernel_lockdown.7
"""


def test_of_the_kernels_log_only_the_telling_lines_are_kept(tmp_path: Path) -> None:
    write(tmp_path / "dev/kmsg", LOG)
    assert kernel.messages(tmp_path).value == (
        "NVRM: Xid (PCI:0000:2a:00): 79, pid='<unknown>', name=<unknown>, GPU has fallen off the bus.",
        "nvidia: loading out-of-tree module taints kernel.",
        "nvidia: module verification failed: signature and/or required key missing - tainting kernel",
        "Lockdown: modprobe: unsigned module loading is restricted; see man kernel_lockdown.7",
    )


def test_of_a_long_log_the_last_lines_are_kept(tmp_path: Path) -> None:
    write(tmp_path / "dev/kmsg", "".join(f"4,{n},1,-;NVRM: Xid (PCI:0000:2a:00): {n}\n" for n in range(120)))
    found = kernel.messages(tmp_path).value
    assert len(found) < 120
    assert found[-1].endswith(": 119")


@pytest.mark.parametrize("kind", ["not there", "a folder", "forbidden"])
def test_a_log_that_cannot_be_read_is_a_reason_or_empty(tmp_path: Path, kind: str) -> None:
    if kind == "a folder":
        (tmp_path / "dev/kmsg").mkdir(parents=True)
        assert not kernel.messages(tmp_path).value
        return
    if kind == "forbidden":
        if os.geteuid() == 0:
            pytest.skip("root may read every file")
        write(tmp_path / "dev/kmsg", LOG).chmod(0)
    assert "the kernel's log cannot be read: " in kernel.messages(tmp_path).missing


def test_a_log_without_a_reader_does_not_hold_us(tmp_path: Path) -> None:
    (tmp_path / "dev").mkdir()
    os.mkfifo(tmp_path / "dev/kmsg")
    assert kernel.messages(tmp_path).value == ()


@pytest.mark.parametrize(
    ("line", "there"),
    [
        ("updates/dkms/nvidia.ko.zst: kernel/drivers/acpi/video.ko.zst", True),
        ("updates/dkms/nvidia-current.ko.xz:", True),
        ("kernel/nvidia-580/nvidia.ko:", True),
        ("nvidia.ko:", True),
        ("kernel/drivers/usb/typec/altmodes/typec_nvidia.ko:", False),
        ("kernel/drivers/net/ethernet/nvidia/forcedeth.ko:", False),
        ("kernel/drivers/gpu/drm/nouveau/nouveau.ko:", False),
        ("", False),
    ],
)
def test_the_module_installed_for_the_running_kernel(tmp_path: Path, line: str, there: bool) -> None:
    write(tmp_path / "lib/modules/6.8.0-45/modules.dep", f"kernel/fs/ext4/ext4.ko: kernel/lib/crc16.ko\n{line}\n")
    assert kernel.installed_module(tmp_path, "6.8.0-45").value is there


@pytest.mark.parametrize("release", ["6.8.0-46", None])
def test_the_modules_of_another_kernel_say_nothing(tmp_path: Path, release: str | None) -> None:
    write(tmp_path / "lib/modules/6.8.0-45/modules.dep", "updates/dkms/nvidia.ko:\n")
    found = kernel.installed_module(tmp_path, release)
    assert found.value is None
    assert "modules.dep" in found.missing


def test_the_fabric_manager_among_the_processes(tmp_path: Path) -> None:
    write(tmp_path / "proc/1/comm", "systemd\n")
    write(tmp_path / "proc/self/comm", "nv-fabricmanage\n")
    (tmp_path / "proc/9").mkdir()
    assert kernel.fabric_manager(tmp_path).value is False
    write(tmp_path / "proc/77/comm", "nv-fabricmanage\n")
    assert kernel.fabric_manager(tmp_path).value is True
    assert "cannot be listed" in kernel.fabric_manager(tmp_path / "nowhere").missing


def device(root: Path, address: str, vendor: str, kind: str, number: str = "0x2335") -> None:
    for name, text in (("class", kind), ("vendor", vendor), ("device", number)):
        write(root / "sys/bus/pci/devices" / address / name, text + "\n")


def test_nvswitches_are_nvidias_bridges_and_no_others(tmp_path: Path) -> None:
    device(tmp_path, "0000:05:00.0", "0x10de", "0x068000", "0x22a3")
    device(tmp_path, "0000:06:00.0", "0x10de", "0x068000", "0x22a3")
    device(tmp_path, "0000:00:1f.0", "0x8086", "0x068000")
    device(tmp_path, "0000:00:01.0", "0x10de", "0x060400")
    device(tmp_path, "0000:2a:00.0", "0x10de", "0x030200")
    cards, switches = pci.scan(tmp_path)
    assert switches.value == 2
    assert [card.address for card in cards.value] == ["0000:2a:00.0"]


DATABASE = """\
# a comment
1002  Advanced Micro Devices, Inc. [AMD/ATI]
\t2335  Not ours
10de  NVIDIA Corporation
# another
\t1b80  GP104 [GeForce GTX 1080]
\t\t1043 8591  GP104 [GeForce GTX 1080] of a board's maker
\t2335  GH100 [H200 SXM 141GB]
10df  Emulex Corporation
\t1b81  Not ours either
"""


@pytest.mark.parametrize("place", ["usr/share/misc/pci.ids", "usr/share/hwdata/pci.ids"])
def test_cards_are_named_by_the_systems_database(tmp_path: Path, place: str) -> None:
    write(tmp_path / place, DATABASE)
    asked = [("10de", "1b80"), ("10de", "2335"), ("10de", "1b81"), ("1002", "2335"), ("10de", ".*"), ("10de", "")]
    cards = [PciCard(address=str(n), vendor=vendor, device=number) for n, (vendor, number) in enumerate(asked)]
    names = [card.name for card in pci.named(cards, tmp_path)]
    assert names == ["GP104 [GeForce GTX 1080]", "GH100 [H200 SXM 141GB]", None, None, None, None]
    assert [card.name for card in pci.named(cards, tmp_path / "nowhere")] == [None] * 6


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
