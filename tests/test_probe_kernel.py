"""What the kernel and the PCI bus show, on made-up roots."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from conftest import write

from gpucheck.facts import PciCard
from gpucheck.probe import kernel, pci

OPEN_MODULE = (
    "NVRM version: NVIDIA UNIX Open Kernel Module for x86_64  580.159.03  Release Build  (dvs-builder@U22)  Fri\n"
    "GCC version:  gcc version 12.2.0\n"
)
CLOSED_MODULE = "NVRM version: NVIDIA UNIX x86_64 Kernel Module  470.256.02  Thu May  2 14:37:44 UTC 2024\n"


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
