"""Probes of the machine on made-up roots: /sys, /proc and library folders in a temporary folder."""

from __future__ import annotations

from pathlib import Path

import pytest
from conftest import write

from gpucheck import probe
from gpucheck.facts import absent
from gpucheck.probe import driver, environment, kernel, pci
from gpucheck.probe import system as system_probe
from gpucheck.probe.loader import Loader

OPEN_MODULE = (
    "NVRM version: NVIDIA UNIX Open Kernel Module for x86_64  580.159.03  Release Build  (dvs-builder@U22)  Fri\n"
    "GCC version:  gcc version 12.2.0\n"
)

CLOSED_MODULE = "NVRM version: NVIDIA UNIX x86_64 Kernel Module  470.256.02  Thu May  2 14:37:44 UTC 2024\n"


def seen_on(root: Path, environ: dict[str, str] | None = None):
    return driver.with_files(kernel.side(root), Loader(root, environ or {}))


def card(root: Path, address: str, vendor: str, kind: str = "0x030200", bound: str | None = None) -> None:
    folder = root / "sys/bus/pci/devices" / address
    for name, text in (("class", kind), ("vendor", vendor), ("device", "0x2335")):
        write(folder / name, text + "\n")
    if bound is not None:
        target = root / "sys/bus/pci/drivers" / bound
        target.mkdir(parents=True, exist_ok=True)
        (folder / "driver").symlink_to(target)


def test_the_bus_names_display_controllers_and_who_holds_them(tmp_path: Path) -> None:
    card(tmp_path, "0000:2a:00.0", "0x10de", bound="nvidia")
    card(tmp_path, "0000:18:00.0", "0x1002", kind="0x030000", bound="amdgpu")
    card(tmp_path, "0000:01:00.0", "0x8086", kind="0x020000")
    found = pci.scan(tmp_path)[0].value
    assert [(one.address, one.vendor, one.kernel_driver) for one in found] == [
        ("0000:18:00.0", "1002", "amdgpu"),
        ("0000:2a:00.0", "10de", "nvidia"),
    ]


def test_a_bus_that_is_not_there_is_unknown(tmp_path: Path) -> None:
    found, _ = pci.scan(tmp_path)
    assert found.value is None
    assert "cannot be read" in found.missing


@pytest.mark.parametrize(("text", "version"), [(OPEN_MODULE, "580.159.03"), (CLOSED_MODULE, "470.256.02")])
def test_the_kernel_modules_version(tmp_path: Path, text: str, version: str) -> None:
    (tmp_path / "sys/module/nvidia").mkdir(parents=True)
    write(tmp_path / "proc/driver/nvidia/version", text)
    found = seen_on(tmp_path, {})
    assert found.module_loaded.value is True
    assert found.module_version.value == version


def test_a_version_that_is_not_understood_is_missing_not_guessed(tmp_path: Path) -> None:
    write(tmp_path / "proc/driver/nvidia/version", "NVRM version: something new\n")
    found = seen_on(tmp_path, {}).module_version
    assert found.value is None
    assert found.raw == "NVRM version: something new\n"


def test_without_modules_to_read_nothing_is_claimed(tmp_path: Path) -> None:
    found = seen_on(tmp_path, {})
    assert found.module_loaded.value is None
    assert found.nouveau_loaded.value is None


def test_without_a_kernel_module_the_systems_driver_is_not_touched(tmp_path: Path) -> None:
    (tmp_path / "sys/module").mkdir(parents=True)
    write(tmp_path / "usr/lib64/libnvidia-ml.so.1")
    write(tmp_path / "usr/lib64/libcuda.so.1")
    for asked in driver.ask(seen_on(tmp_path, {})):
        assert asked.process is None
        assert asked.reason == driver.NOT_TOUCHED


def test_a_library_that_cannot_be_loaded_is_a_reason(tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    library = write(tmp_path / "libcuda.so.1", "not a library")
    (tmp_path / "sys/module/nvidia").mkdir(parents=True)
    facts = probe.gather(root=tmp_path, environ={"LD_LIBRARY_PATH": str(library.parent)}, deadline=20)
    assert "exit status 1" in facts.driver.cuinit_status.missing
    assert "OSError" in facts.driver.cuinit_status.missing
    assert facts.driver.visible_devices.value is None


@pytest.mark.parametrize(
    ("environ", "files", "container", "scheduler"),
    [
        ({}, [], "none", "none"),
        ({}, [".dockerenv"], "docker", "none"),
        ({}, ["run/.containerenv"], "podman", "none"),
        ({"KUBERNETES_SERVICE_HOST": "10.0.0.1"}, [".dockerenv"], "kubernetes", "kubernetes"),
        ({"SLURM_JOB_ID": "7"}, [], "none", "slurm"),
        ({"APPTAINER_NAME": "x"}, [], "apptainer", "none"),
        ({"container": "lxc"}, [], "lxc", "none"),
        ({"PBS_JOBID": "7"}, [], "none", "pbs"),
        ({"_CONDOR_SLOT": "slot1"}, [], "none", "htcondor"),
    ],
)
def test_container_and_scheduler(tmp_path: Path, environ, files, container, scheduler) -> None:
    for file in files:
        write(tmp_path / file)
    found = system_probe.system(tmp_path, environ)
    assert (found.container.value, found.scheduler.value) == (container, scheduler)


@pytest.mark.parametrize(("release", "wsl"), [("6.6.87-microsoft-standard-WSL2", True), ("6.1.0-30-amd64", False)])
def test_wsl(tmp_path: Path, release: str, wsl: bool) -> None:
    write(tmp_path / "proc/sys/kernel/osrelease", release + "\n")
    assert system_probe.system(tmp_path, {}).wsl.value is wsl


def test_only_named_variables_are_read() -> None:
    found = environment.environment({"CUDA_VISIBLE_DEVICES": "0", "AWS_SECRET_ACCESS_KEY": "s3cret"})
    assert found.value == {"CUDA_VISIBLE_DEVICES": "0"}


def test_a_probe_that_fails_leaves_its_reason(monkeypatch) -> None:
    def crash(root):
        raise RuntimeError("sysfs is on fire")

    monkeypatch.setattr(pci, "scan", crash)
    facts = probe.gather(environ={})
    assert "sysfs is on fire" in facts.pci_cards.missing
    assert [run.name for run in facts.probes if run.error] == ["pci"]
    assert facts.system.os.known


def test_every_driver_probe_may_fail(monkeypatch) -> None:
    def crash(*arguments):
        raise OSError("no")

    for name in ("ask", "listen"):
        monkeypatch.setattr(driver, name, crash)
    monkeypatch.setattr(kernel, "side", crash)
    monkeypatch.setattr(probe.frameworks, "locate", crash)
    facts = probe.gather(environ={})
    assert facts.driver.module_loaded.missing
    assert facts.gpus.missing
    assert {run.name for run in facts.probes if run.error} == {"kernel", "driver-start", "frameworks", "driver"}


def test_answers_that_are_no_answers() -> None:
    def heard(stdout: str) -> object:
        import subprocess
        import sys

        process = subprocess.Popen([sys.executable, "-c", f"print({stdout!r})"], stdout=-1, stderr=-1)
        return driver.listen(driver.Asked(process=process), 30)

    assert heard("") == "the answer could not be read"
    assert heard("[]") == "the answer could not be read"
    assert heard("{") == "the answer could not be read"
    assert heard('{"a": 1}') == {"a": 1}


def test_absent_is_not_known() -> None:
    assert not absent("why").known


@pytest.mark.parametrize(
    ("file", "text", "name"),
    [
        ("run/systemd/container", "systemd-nspawn", "systemd-nspawn"),
        ("proc/1/cgroup", "0::/kubepods/besteffort/pod1", "kubernetes"),
        ("proc/1/cgroup", "0::/lxc.payload.web", "lxc"),
        ("proc/1/cgroup", "0::/init.scope", "none"),
        ("run/systemd/container", "wsl", "none"),
    ],
)
def test_containers_by_what_the_system_says(tmp_path: Path, file: str, text: str, name: str) -> None:
    write(tmp_path / file, text + "\n")
    assert system_probe.system(tmp_path, {}).container.value == name


def test_the_driver_is_found_by_the_loaders_cache(tmp_path: Path) -> None:
    (tmp_path / "sys/module/nvidia").mkdir(parents=True)
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc/ld.so.cache").write_bytes(b"x\0/opt/nvidia/lib64/libcuda.so.1\0")
    write(tmp_path / "opt/nvidia/lib64/libcuda.so.1")
    assert seen_on(tmp_path, {}).cuda_library.value == str(tmp_path / "opt/nvidia/lib64/libcuda.so.1")


def test_jetsons_module_counts_as_a_driver(tmp_path: Path) -> None:
    (tmp_path / "sys/module/nvgpu").mkdir(parents=True)
    write(tmp_path / "usr/lib/aarch64-linux-gnu/tegra/libcuda.so.1")
    found = seen_on(tmp_path, {})
    assert found.module_loaded.value is True
    assert found.cuda_library.known


def test_a_child_that_leaves_a_daemon_does_not_hold_us(tmp_path: Path) -> None:
    import time

    from gpucheck import children

    begin = time.monotonic()
    outcome = children.run(["sh", "-c", "echo early; setsid sleep 30 & sleep 30"], 1.0)
    assert outcome.timed_out
    assert time.monotonic() - begin < 20
    assert "no answer within" in (outcome.failure or "")


def test_the_library_is_found_where_the_loader_looks_first(tmp_path: Path) -> None:
    system = tmp_path / "usr/lib/x86_64-linux-gnu"
    write(system / "libnvidia-ml.so.535.288.01")
    (system / "libnvidia-ml.so.1").symlink_to("libnvidia-ml.so.535.288.01")
    found = seen_on(tmp_path, {})
    assert found.nvml_library.value == str(system / "libnvidia-ml.so.1")
    assert found.library_version.value == "535.288.01"
    first = write(tmp_path / "own/libnvidia-ml.so.1")
    found = seen_on(tmp_path, {"LD_LIBRARY_PATH": f"relative:{tmp_path}/none:{first.parent}"})
    assert found.nvml_library.value == str(first)
    assert found.library_version.missing == "the library's file name carries no version"
