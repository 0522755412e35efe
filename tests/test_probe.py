"""Probes on made-up roots: /sys, /proc, site-packages and library folders that lie in a temporary folder."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gpucheck import probe
from gpucheck.facts import absent
from gpucheck.probe import cudnn, distributions, driver, frameworks, interpreter, pci
from gpucheck.probe import system as system_probe

OPEN_MODULE = (
    "NVRM version: NVIDIA UNIX Open Kernel Module for x86_64  580.159.03  Release Build  (dvs-builder@U22)  Fri\n"
    "GCC version:  gcc version 12.2.0\n"
)
CLOSED_MODULE = "NVRM version: NVIDIA UNIX x86_64 Kernel Module  470.256.02  Thu May  2 14:37:44 UTC 2024\n"


def write(path: Path, text: str = "") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


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
    found = pci.cards(tmp_path).value
    assert [(one.address, one.vendor, one.kernel_driver) for one in found] == [
        ("0000:18:00.0", "1002", "amdgpu"),
        ("0000:2a:00.0", "10de", "nvidia"),
    ]


def test_a_bus_that_is_not_there_is_unknown(tmp_path: Path) -> None:
    found = pci.cards(tmp_path)
    assert found.value is None
    assert "cannot be read" in found.missing


@pytest.mark.parametrize(("text", "version"), [(OPEN_MODULE, "580.159.03"), (CLOSED_MODULE, "470.256.02")])
def test_the_kernel_modules_version(tmp_path: Path, text: str, version: str) -> None:
    (tmp_path / "sys/module/nvidia").mkdir(parents=True)
    write(tmp_path / "proc/driver/nvidia/version", text)
    found = driver.kernel_side(tmp_path, {})
    assert found.module_loaded.value is True
    assert found.module_version.value == version


def test_a_version_that_is_not_understood_is_missing_not_guessed(tmp_path: Path) -> None:
    write(tmp_path / "proc/driver/nvidia/version", "NVRM version: something new\n")
    found = driver.kernel_side(tmp_path, {}).module_version
    assert found.value is None
    assert found.raw == "NVRM version: something new\n"


def test_without_modules_to_read_nothing_is_claimed(tmp_path: Path) -> None:
    found = driver.kernel_side(tmp_path, {})
    assert found.module_loaded.value is None
    assert found.nouveau_loaded.value is None


def test_the_library_is_found_where_the_loader_looks_first(tmp_path: Path) -> None:
    system = tmp_path / "usr/lib/x86_64-linux-gnu"
    write(system / "libnvidia-ml.so.535.288.01")
    (system / "libnvidia-ml.so.1").symlink_to("libnvidia-ml.so.535.288.01")
    found = driver.kernel_side(tmp_path, {})
    assert found.nvml_library.value == str(system / "libnvidia-ml.so.1")
    assert found.library_version.value == "535.288.01"
    first = write(tmp_path / "own/libnvidia-ml.so.1")
    found = driver.kernel_side(tmp_path, {"LD_LIBRARY_PATH": f"relative:{tmp_path}/none:{first.parent}"})
    assert found.nvml_library.value == str(first)
    assert found.library_version.missing == "the library's file name carries no version"


def test_without_a_kernel_module_the_systems_driver_is_not_touched(tmp_path: Path) -> None:
    (tmp_path / "sys/module").mkdir(parents=True)
    write(tmp_path / "usr/lib64/libnvidia-ml.so.1")
    write(tmp_path / "usr/lib64/libcuda.so.1")
    for asked in driver.ask(driver.kernel_side(tmp_path, {})):
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
    found = system_probe.environment({"CUDA_VISIBLE_DEVICES": "0", "AWS_SECRET_ACCESS_KEY": "s3cret"})
    assert found.value == {"CUDA_VISIBLE_DEVICES": "0"}


def look(python: Path) -> interpreter.Target:
    return interpreter.look(str(python), {}, 30)


def framework_of(stand_in, name: str, environ: dict[str, str] | None = None):
    facts = probe.gather(str(stand_in.python), environ=environ or {}, deadline=30)
    return facts.framework(name)


def test_torch_is_read_from_its_files(stand_in) -> None:
    found = framework_of(stand_in.torch().cudnn(), "torch")
    assert (found.version.value, found.build.value, found.cuda_runtime.value) == ("2.13.0+cu130", "cuda", "13.0")
    assert found.cudnn_built.value == "9.20.0"
    assert found.cudnn_built.raw == "nvidia-cudnn-cu13==9.20.0.48"
    assert found.cudnn_loaded.value.version.value == "9.20.0"
    assert found.cudnn_loaded.value.path.endswith("nvidia/cudnn/lib/libcudnn.so.9")


def test_tensorflow_is_read_from_its_files(stand_in) -> None:
    found = framework_of(stand_in.tensorflow(), "tensorflow")
    assert (found.version.value, found.build.value, found.cuda_runtime.value) == ("2.21.0", "cuda", "12.5")
    assert found.arch_list.value[-1] == "compute_90"
    assert found.cudnn_built.value is None


@pytest.mark.parametrize("text", ["", "def", "\x00", "cuda = (" * 300, "cuda: Optional[str] = compute()"])
def test_a_version_file_that_is_damaged_is_a_reason_or_a_cpu_build(stand_in, text: str) -> None:
    stand_in.torch()
    stand_in.write("torch/version.py", text)
    found = framework_of(stand_in, "torch")
    assert found.version.value == "2.13.0"
    assert found.cuda_runtime.value is None
    assert found.build.value in (None, "cpu")


def test_a_build_info_that_is_damaged_is_a_reason(stand_in) -> None:
    stand_in.tensorflow()
    stand_in.write("tensorflow/python/platform/build_info.py", "build_info = dict(x=1)\n")
    found = framework_of(stand_in, "tensorflow")
    assert found.build.missing == "it holds no table of build settings"
    assert found.version.value == "2.21.0"


def test_the_first_cudnn_on_the_search_path_is_taken(tmp_path: Path) -> None:
    site, early = tmp_path / "site", tmp_path / "early"
    own = write(site / "nvidia/cudnn/lib/libcudnn.so.9")
    write(early / "libcudnn.so.8.9.7")
    (early / "libcudnn.so.8").symlink_to("libcudnn.so.8.9.7")
    write(tmp_path / "later/libcudnn.so.9.1.0")
    (tmp_path / "later/libcudnn.so.9").symlink_to("libcudnn.so.9.1.0")
    write(site / "nvidia_cudnn_cu12-9.3.0.75.dist-info/METADATA", "Name: x\n")
    installed = distributions.scan([site])
    (site / "tensorflow").mkdir()

    def taken(*folders, major: int | None = 9):
        environ = {"LD_LIBRARY_PATH": ":".join(map(str, folders))}
        return cudnn.loaded(site / "tensorflow", major, tmp_path, installed, tmp_path / "root", environ, 5).value

    assert (taken().path, taken().version.value) == (str(own), "9.3.0")
    found = taken(early, tmp_path / "later")
    assert found.version.value == "9.1.0"
    assert found.shadows == (str(own),)
    assert taken(early).path == str(own)  # the loader looks for libcudnn.so.9 and passes another major by
    assert taken(early, major=None).version.value == "8.9.7"


def test_the_loaders_cache_is_searched(tmp_path: Path) -> None:
    (tmp_path / "root/etc").mkdir(parents=True)
    folder = tmp_path / "root/opt/cudnn"
    write(folder / "libcudnn.so.9.8.0")
    (folder / "libcudnn.so.9").symlink_to("libcudnn.so.9.8.0")
    (tmp_path / "root/etc/ld.so.cache").write_bytes(b"glibc\0/opt/cudnn/libcudnn.so.9\0more\0")
    found = cudnn.loaded(tmp_path / "site/torch", 9, tmp_path, {}, tmp_path / "root", {}, 5)
    assert found.value.version.value == "9.8.0"


def test_no_cudnn_anywhere_is_a_missing_file_with_a_source(tmp_path: Path) -> None:
    found = cudnn.loaded(tmp_path / "torch", 9, tmp_path, {}, tmp_path, {}, 5)
    assert found.value is None
    assert found.source


def test_a_cudnn_that_is_no_library_has_no_version(tmp_path: Path) -> None:
    write(tmp_path / "libcudnn.so.9", "text")
    found = cudnn.loaded(tmp_path / "torch", None, tmp_path, {}, tmp_path, {"LD_LIBRARY_PATH": str(tmp_path)}, 20)
    assert "cannot be loaded" in found.value.version.missing


@given(st.text(max_size=300))
@settings(max_examples=200)
def test_any_python_file_can_be_met(text: str) -> None:
    place = Path(os.environ.get("TMPDIR", "/tmp")) / f"gpucheck-fuzz-{os.getpid()}.py"
    place.write_text(text, encoding="utf-8", errors="replace")
    try:
        frameworks._assignments(place)
        frameworks._build_info(place)
    finally:
        place.unlink()


@given(st.lists(st.text(max_size=60), max_size=5))
def test_any_requirement_line_can_be_met(lines: list[str]) -> None:
    distributions.pinned(lines, "nvidia-cudnn-cu")


def test_distribution_names_are_normalised(tmp_path: Path) -> None:
    for name in ("nvidia_cudnn_cu12-9.3.0.75", "Foo.Bar-1.0", "broken"):
        write(tmp_path / f"{name}.dist-info/METADATA")
    assert {"nvidia-cudnn-cu12", "foo-bar"} <= set(distributions.scan([tmp_path, tmp_path / "nowhere"]))


@pytest.mark.parametrize(
    ("prefix", "own"),
    [
        ("/home/u/.local/pipx/venvs/gpucheck-doctor", True),
        ("/home/u/.local/share/uv/tools/gpucheck-doctor", True),
        ("/home/u/.cache/uv/archive-v0/abc", True),
        ("/home/u/project/.venv", False),
        ("/usr", False),
    ],
)
def test_a_tool_environment_is_known(prefix: str, own: bool) -> None:
    assert interpreter.own_tool_environment(prefix) is own


@pytest.mark.parametrize(
    ("environ", "why"),
    [
        ({"VIRTUAL_ENV": "/v", "CONDA_PREFIX": "/c"}, "VIRTUAL_ENV"),
        ({"CONDA_PREFIX": "/c"}, "CONDA_PREFIX"),
        ({}, "PATH"),
    ],
)
def test_from_a_tool_environment_the_active_one_is_looked_at(monkeypatch, environ, why) -> None:
    monkeypatch.setattr(interpreter, "own_tool_environment", lambda: True)
    assert interpreter.choose(None, environ)[1] == why
    assert interpreter.choose("/x/python", environ) == ("/x/python", "--python")


@pytest.mark.parametrize("kind", ["missing", "not a python", "silent", "not executable"])
def test_an_interpreter_that_cannot_be_used_is_refused(tmp_path: Path, kind: str) -> None:
    script = tmp_path / "python"
    if kind != "missing":
        script.write_text("#!/bin/sh\nexit 3\n" if kind == "not a python" else "#!/bin/sh\necho\n")
        script.chmod(0o644 if kind == "not executable" else stat.S_IRWXU)
    with pytest.raises(interpreter.InterpreterError, match="--python"):
        look(script)


def test_a_local_file_is_not_imported_by_a_probe(stand_in, tmp_path: Path, monkeypatch) -> None:
    write(tmp_path / "json.py", "raise SystemExit('a local json.py was imported')\n")
    monkeypatch.chdir(tmp_path)
    assert look(stand_in.python).facts.kind.value == "venv"


def test_a_probe_that_fails_leaves_its_reason(monkeypatch) -> None:
    def crash(root):
        raise RuntimeError("sysfs is on fire")

    monkeypatch.setattr(pci, "cards", crash)
    facts = probe.gather(environ={})
    assert "sysfs is on fire" in facts.pci_cards.missing
    assert [run.name for run in facts.probes if run.error] == ["pci"]
    assert facts.system.os.known


@pytest.mark.parametrize("name", ["look", "choose"])
def test_even_the_interpreters_probe_may_fail(monkeypatch, name) -> None:
    def crash(*arguments):
        raise OSError("no")

    monkeypatch.setattr(interpreter, name, crash)
    facts = probe.gather(environ={})
    assert "no" in facts.interpreter.version.missing
    assert facts.framework("torch").installed.value is False


def test_every_driver_probe_may_fail(monkeypatch) -> None:
    def crash(*arguments):
        raise OSError("no")

    for name in ("kernel_side", "ask", "listen"):
        monkeypatch.setattr(driver, name, crash)
    monkeypatch.setattr(probe, "_frameworks", crash)
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
    assert driver.kernel_side(tmp_path, {}).cuda_library.value == str(tmp_path / "opt/nvidia/lib64/libcuda.so.1")


def test_jetsons_module_counts_as_a_driver(tmp_path: Path) -> None:
    (tmp_path / "sys/module/nvgpu").mkdir(parents=True)
    write(tmp_path / "usr/lib/aarch64-linux-gnu/tegra/libcuda.so.1")
    found = driver.kernel_side(tmp_path, {})
    assert found.module_loaded.value is True
    assert found.cuda_library.known


def test_an_editable_install_is_not_called_missing(stand_in, gpucheck) -> None:
    stand_in.distribution("torch", "2.15.0a0+git123")
    found = framework_of(stand_in, "torch")
    assert found.installed.value is None
    assert "editable" in found.installed.missing
    ran = gpucheck("smoke", "--framework", "torch", "--python", stand_in.python, "--format", "json")
    assert ran.report["root_causes"] == ["smoke-not-started"]  # tried, and numpy is not there


def test_a_shadowing_folder_does_not_take_anothers_version(stand_in, tmp_path: Path) -> None:
    stand_in.torch()
    early = write(tmp_path / "early/torch/version.py", "__version__ = '1.0'\ncuda = '11.0'\n").parents[1]
    place = frameworks.locate("torch", (early, stand_in.site), distributions.scan([early, stand_in.site]))
    assert place.folder == early / "torch"
    assert place.distribution is None


@pytest.mark.parametrize(("text", "major"), [("9", 9), ("64_8", 8), ("9.3.0", 9), (None, None), ("x", None)])
def test_the_wanted_major_of_cudnn(stand_in, text: str | None, major: int | None) -> None:
    stand_in.tensorflow()
    path = "tensorflow/python/platform/build_info.py"
    stand_in.write(path, f"build_info = dict([('is_cuda_build', True), ('cudnn_version', {text!r})])\n")
    place = frameworks.locate("tensorflow", (stand_in.site,), distributions.scan([stand_in.site]))
    assert frameworks.cudnn_major(frameworks.framework("tensorflow", place, place.distribution)) == major


def test_a_child_that_leaves_a_daemon_does_not_hold_us(tmp_path: Path) -> None:
    import time

    from gpucheck import children

    begin = time.monotonic()
    outcome = children.run(["sh", "-c", "echo early; setsid sleep 30 & sleep 30"], 1.0)
    assert outcome.timed_out
    assert time.monotonic() - begin < 20
    assert "no answer within" in (outcome.failure or "")
