"""NVIDIA's own driver libraries and CUDA runtimes on a machine without a GPU: its own rules against ours.

The driver libraries are Debian's non-free packages, unpacked and never installed; the runtimes are NVIDIA's
wheels. Both are fetched by their ordinary clients; where one cannot be had, its tests are skipped.
"""

from __future__ import annotations

import functools
import os
import platform
import shutil
import subprocess
import sys
import zipfile
from ctypes.util import find_library
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import pytest
from conftest import ROOT, StandIn, clean_environment, library
from machine_data import build

from gpucheck.diagnosis import diagnose
from gpucheck.facts import Dependency, Fact, Framework, Library, absent, seen
from gpucheck.facts.versions import cuda_version
from gpucheck.matrix import Matrix
from gpucheck.probe import versions

if TYPE_CHECKING:
    from collections.abc import Callable

pytestmark = pytest.mark.slow
KEYRING = Path("/usr/share/keyrings/debian-archive-keyring.gpg")


class Source(NamedTuple):
    """Where a driver comes from, and the CUDA version that it offers."""

    suite: str
    cuda: str
    packages: tuple[str, ...]


def tesla(branch: str, *more: str) -> tuple[str, ...]:
    return tuple(f"libnvidia-tesla-{branch}-{part}" for part in ("cuda1", "ml1", *more))


DRIVERS = {
    "418": Source("bullseye", "10.1", tesla("418", "fatbinaryloader")),
    "450": Source("bullseye", "11.0", tesla("450")),
    "470": Source("bookworm", "11.4", tesla("470")),
    "535": Source("bookworm", "12.2", ("libcuda1", "libnvidia-ml1")),
    "550": Source("trixie", "12.4", ("libcuda1", "libnvidia-ml1")),
}
# Requirement, soname, folder below site-packages.
RUNTIMES = {
    "11.8": ("nvidia-cuda-runtime-cu11==11.8.*", "libcudart.so.11.0", "nvidia/cuda_runtime/lib"),
    "12.9": ("nvidia-cuda-runtime-cu12==12.9.*", "libcudart.so.12", "nvidia/cuda_runtime/lib"),
    "13": ("nvidia-cuda-runtime==13.*", "libcudart.so.13", "nvidia/cu13/lib"),
}
INSUFFICIENT_DRIVER, NO_DEVICE = 35, 100  # cudaError_t
ACCEPTED = {("11.8", "450"), ("11.8", "470"), ("11.8", "535"), ("11.8", "550"), ("12.9", "535"), ("12.9", "550")}
ASK_RUNTIME = """
import ctypes, sys
from gpucheck.probe.child_driver import drop_root
runtime, number = ctypes.CDLL(sys.argv[1]), ctypes.c_int()
drop_root()
print(runtime.cudaGetDeviceCount(ctypes.byref(number)))
print(runtime.cudaDriverGetVersion(ctypes.byref(number)), number.value)
"""
# It answers like a driver without a device, and notes which user asked.
NOTING_LIBCUDA = """
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
int cuDriverGetVersion(int *version) { *version = 12020; return 0; }
int cuInit(unsigned flags) {
    FILE *notes = fopen(getenv("GPUSIM_NOTES"), "a");
    if (notes) { fprintf(notes, "%d\\n", (int)geteuid()); fclose(notes); }
    return 100;
}
"""


def nodes() -> list[str]:
    return sorted(map(str, Path("/dev").glob("nvidia*")))


@pytest.fixture(autouse=True)
def untouched():
    """No test may leave a device node behind: root's nvmlInit and cuInit would make one."""
    if sys.platform != "linux" or platform.machine() != "x86_64":
        pytest.skip("the packages are those of Linux on x86-64")
    cards = Path("/sys/bus/pci/devices").glob("*/vendor")
    if Path("/sys/module/nvidia").exists() or any(card.read_text().strip() == "0x10de" for card in cards):
        pytest.skip("this machine has an NVIDIA card or its driver")
    if find_library("cuda"):
        pytest.skip("this machine has a driver's libraries of its own")
    before = nodes()
    yield
    assert nodes() == before


def readable(folder: Path) -> Path:
    """Let every user read a folder and what is below it."""
    for path in (folder, *folder.rglob("*")):
        if not path.is_symlink():
            path.chmod(0o755 if path.is_dir() else 0o644)
    return folder


def why_not(*command: object, folder: Path) -> str:
    """Run a command; return why it failed, or nothing."""
    try:
        done = subprocess.run(
            list(map(str, command)), cwd=folder, capture_output=True, text=True, check=False, timeout=300
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return str(error)
    said = (done.stderr or done.stdout).strip().splitlines() or ["no word"]
    return "" if done.returncode == 0 else said[-1]


def had(get: Callable[[str], Path | str], name: str) -> Path:
    """Return a folder, or skip with the reason why there is none."""
    found = get(name)
    if isinstance(found, str):
        pytest.skip(found)
    return found


def lists(suite: str, folder: Path) -> tuple[str, ...] | str:
    """Fetch Debian's package lists; return apt's options with them, or why there are none.

    apt gets folders of its own: the system's lists and sources stay as they are.
    """
    for name in ("apt-get", "dpkg"):
        if shutil.which(name) is None:
            return f"there is no {name}"
    if not KEYRING.exists():
        return "without Debian's keys its packages cannot be verified"
    (folder / "state/lists/partial").mkdir(parents=True)
    (folder / "cache/archives/partial").mkdir(parents=True)
    (folder / "status").touch()
    source = f"deb [arch=amd64 signed-by={KEYRING}] http://deb.debian.org/debian {suite} non-free\n"
    (folder / "sources.list").write_text(source)
    places = {
        "Dir::Etc::SourceList": folder / "sources.list",
        "Dir::Etc::SourceParts": "-",
        "Dir::State": folder / "state",
        "Dir::State::status": folder / "status",
        "Dir::Cache": folder / "cache",
        "APT::Architecture": "amd64",
        "APT::Sandbox::User": "root",
        "APT::Update::Error-Mode": "any",
        "Acquire::Languages": "none",
    }
    given = tuple(part for name, value in places.items() for part in ("-o", f"{name}={value}"))
    return why_not("apt-get", *given, "update", folder=folder) or given


def fetched(packages: tuple[str, ...], options: tuple[str, ...], folder: Path) -> str:
    """Download and unpack packages; return why it failed, or nothing."""
    failure = why_not("apt-get", *options, "download", *packages, folder=folder)
    for package in folder.glob("*.deb"):
        failure = failure or why_not("dpkg", "-x", package, folder, folder=folder)
    return failure


@pytest.fixture(scope="session")
def drivers(public_folder: Path, tmp_path_factory):
    """Return the folder with the libraries of a driver branch."""

    @functools.cache
    def options(suite: str) -> tuple[str, ...] | str:
        return lists(suite, tmp_path_factory.mktemp(suite))

    @functools.cache
    def driver(branch: str) -> Path | str:
        source, given = DRIVERS[branch], options(DRIVERS[branch].suite)
        unpacked = tmp_path_factory.mktemp("unpacked")
        failure = given if isinstance(given, str) else fetched(source.packages, given, unpacked)
        if failure:
            return f"Debian's {source.packages[0]} of {source.suite} cannot be had: {failure}"
        folder = public_folder / f"driver-{branch}"
        folder.mkdir()
        for path in unpacked.rglob("*.so*"):
            shutil.copy2(path, folder / path.name, follow_symlinks=False)
        return readable(folder)

    return functools.partial(had, driver)


@pytest.fixture(scope="session")
def runtimes(public_folder: Path, tmp_path_factory):
    """Return the folder that stands for site-packages with NVIDIA's wheel of a CUDA runtime."""

    @functools.cache
    def runtime(name: str) -> Path | str:
        packed = tmp_path_factory.mktemp("wheel")
        pip = (sys.executable, "-m", "pip", "--disable-pip-version-check", "download", "--no-deps")
        failure = why_not(*pip, "--only-binary", ":all:", "-d", packed, RUNTIMES[name][0], folder=packed)
        if failure:
            return f"{RUNTIMES[name][0]} cannot be had: {failure}"
        folder = public_folder / f"runtime-{name}"
        with zipfile.ZipFile(next(packed.glob("*.whl"))) as wheel:
            wheel.extractall(folder)
        return readable(folder)

    return functools.partial(had, runtime)


def cudart(site: Path, name: str) -> Path:
    _, soname, folder = RUNTIMES[name]
    return site / folder / soname


def package_version(site: Path) -> str:
    return next(site.glob("*.dist-info")).name.removesuffix(".dist-info").rpartition("-")[2]


def minor(version: str) -> str:
    return ".".join(version.split(".")[:2])


def asked(runtime: Path, driver: Path | None) -> tuple[int, str]:
    """What NVIDIA's runtime says of NVIDIA's driver, and the driver CUDA that it sees."""
    environment = clean_environment(**({"LD_LIBRARY_PATH": str(driver)} if driver else {}))
    command = [sys.executable, "-c", ASK_RUNTIME, str(runtime)]
    done = subprocess.run(
        command, env=environment, cwd=ROOT, capture_output=True, text=True, check=True, timeout=60
    )
    count, status, number = map(int, done.stdout.split())
    assert status == 0
    return count, cuda_version(number)


def judged(runtime: str, driver: dict[str, object]) -> tuple[str, list[str]]:
    """What gpucheck says of the same pair: the check's status and its findings."""
    framework = {"name": "torch", "version": "2.9.0", "build": "cuda", "cuda_runtime": runtime}
    facts = build({"driver": {"module_loaded": True, **driver}, "frameworks": [framework]})
    report = diagnose(facts, Matrix(), select=lambda check: check.name == "driver-supports-runtime")
    return report.checks[0].status.value, [finding.slug for finding in report.findings]


@pytest.mark.parametrize("branch", DRIVERS)
@pytest.mark.parametrize("name", RUNTIMES)
def test_gpucheck_accepts_a_driver_where_nvidias_runtime_does(drivers, runtimes, name: str, branch: str) -> None:
    folder, site = drivers(branch), runtimes(name)
    count, driver_cuda = asked(cudart(site, name), folder)
    assert driver_cuda == DRIVERS[branch].cuda
    assert count == (NO_DEVICE if (name, branch) in ACCEPTED else INSUFFICIENT_DRIVER)
    version = (folder / "libcuda.so.1").resolve().name.removeprefix("libcuda.so.")
    driver = {"version": version, "driver_cuda": driver_cuda, "nvml_status": 0, "cuinit_status": 0}
    expected = ("pass", []) if count == NO_DEVICE else ("fail", ["driver-too-old"])
    assert judged(minor(package_version(site)), driver) == expected


@pytest.mark.parametrize("name", RUNTIMES)
def test_nvidias_runtime_calls_a_missing_driver_too_old_and_gpucheck_does_not(runtimes, name: str) -> None:
    site = runtimes(name)
    assert asked(cudart(site, name), None) == (INSUFFICIENT_DRIVER, "0.0")
    missing = {"missing": "libcuda.so.1 is not here"}
    driver = {"module_loaded": False, "driver_cuda": missing, "nvml_status": missing, "cuinit_status": missing}
    assert judged(minor(package_version(site)), driver) == ("skip", [])


@pytest.fixture(scope="session")
def looked_at(gpucheck, drivers, tmp_path_factory):
    """The doctor's report of a machine without a card that has a driver's libraries."""
    python = StandIn(tmp_path_factory.mktemp("python") / "environment").python

    @functools.cache
    def look(branch: str):
        environment = {"LD_LIBRARY_PATH": str(drivers(branch))}
        return gpucheck("doctor", "--format", "json", "--python", python, env=environment)

    return look


@pytest.mark.parametrize("branch", DRIVERS)
def test_what_the_real_libraries_answer_without_a_device(drivers, looked_at, branch: str) -> None:
    driver = looked_at(branch).report["facts"]["driver"]
    assert driver["nvml_library"]["value"] == str(drivers(branch) / "libnvidia-ml.so.1")
    assert driver["cuda_library"]["value"] == str(drivers(branch) / "libcuda.so.1")
    assert driver["nvml_status"]["value"] == 9
    assert (driver["cuinit_status"]["value"], driver["cuinit_status"]["raw"]) == (100, "CUDA_ERROR_NO_DEVICE")
    assert driver["driver_cuda"]["value"] == DRIVERS[branch].cuda
    assert driver["driver_cuda"]["source"] == "cuDriverGetVersion"
    assert driver["visible_devices"]["value"] == 0
    assert driver["library_version"]["value"].startswith(f"{branch}.")
    assert driver["library_version"]["source"].endswith(f"libnvidia-ml.so.{driver['library_version']['value']}")


@pytest.mark.parametrize("branch", DRIVERS)
def test_libraries_without_a_card_are_no_driver_and_no_simulation(looked_at, branch: str) -> None:
    report = looked_at(branch).report
    found = {finding["slug"]: finding["severity"] for finding in report["findings"]}
    assert found["no-device"] == "info"
    assert "simulated-driver" not in found
    assert report["root_causes"] == []
    assert "crash" not in [check["status"] for check in report["checks"]]


@pytest.mark.parametrize("branch", DRIVERS)
def test_a_machine_without_a_card_is_healthy_though_a_driver_is_installed(looked_at, branch: str) -> None:
    ran = looked_at(branch)
    assert (ran.report["verdict"], ran.status) == ("healthy", 0)


def told(path: Path, version: Fact[str]) -> Fact[str]:
    """The version of a file after it was asked itself."""
    dependency = Dependency(soname=path.name, taken=seen(Library(path=str(path), version=version), str(path)))
    framework = Framework(name="torch", libraries=seen((dependency,), "test"))
    answered = versions.told(framework, versions.listen(versions.start([framework]), 60))
    return answered.libraries.value[0].taken.value.version


@pytest.mark.parametrize(("name", "start"), [("12.9", "12.9"), ("13", "13.")])
def test_a_runtime_tells_its_own_version(runtimes, name: str, start: str) -> None:
    site = runtimes(name)
    found = told(cudart(site, name), seen("1.2.3", "somebody's word"))
    assert found.source == "cudaRuntimeGetVersion"
    assert found.value.startswith(start)
    assert package_version(site).startswith(f"{found.value}.")


def test_the_runtime_of_11_8_is_not_asked_since_it_would_start_the_driver(runtimes) -> None:
    path = cudart(runtimes("11.8"), "11.8")
    nothing = absent("no package and no file name tells it")
    assert told(path, nothing) == nothing
    assert told(path, seen("11.8.89", "its package")).value == "11.8.89"


def with_runtime(stand_in: StandIn, site: Path, name: str) -> StandIn:
    """A torch that needs this runtime, and the runtime's package."""
    _, soname, folder = RUNTIMES[name]
    stand_in.torch(f"2.9.0+cu{name.replace('.', '')}", minor(package_version(site)))
    rpath = f"$ORIGIN/../../{folder}"
    library(stand_in.site / "torch/lib/libtorch_cuda.so", needed=(soname,), rpath=rpath)
    shutil.copytree(site, stand_in.site, dirs_exist_ok=True)
    return stand_in


def dependency(report: dict, soname: str) -> dict:
    torch = next(one for one in report["facts"]["frameworks"] if one["name"] == "torch")
    return next(one for one in torch["libraries"]["value"] if one["soname"] == soname)["taken"]["value"]


@pytest.mark.parametrize("name", RUNTIMES)
def test_the_doctor_tells_the_version_of_the_file_that_torch_would_load(
    gpucheck, stand_in, runtimes, name: str
) -> None:
    site = runtimes(name)
    with_runtime(stand_in, site, name)
    found = dependency(
        gpucheck("doctor", "--format", "json", "--python", stand_in.python).report, RUNTIMES[name][1]
    )
    assert found["path"] == str(cudart(stand_in.site, name))
    if name == "11.8":
        assert found["version"]["value"] == package_version(site)
        assert "dist-info" in found["version"]["source"]
    else:
        assert found["version"]["value"] == minor(package_version(site))
        assert found["version"]["source"] == "cudaRuntimeGetVersion"


def test_asking_a_runtime_for_its_version_does_not_start_a_driver_as_root(
    gpucheck, stand_in, runtimes, public_folder: Path
) -> None:
    # cudaRuntimeGetVersion of 11.8 calls cuInit, which as root makes /dev/nvidiactl and loads the kernel module.
    if os.geteuid() != 0:
        pytest.skip("only root's rights can be kept by mistake")
    with_runtime(stand_in, runtimes("11.8"), "11.8")
    folder = public_folder / "noting"
    library(folder / "libcuda.so.1", code=NOTING_LIBCUDA)
    notes = folder / "notes"
    notes.touch()
    notes.chmod(0o666)
    environment = {"LD_LIBRARY_PATH": str(folder), "GPUSIM_NOTES": str(notes)}
    gpucheck("doctor", "--format", "json", "--python", stand_in.python, env=environment)
    users = set(notes.read_text().split())
    assert users
    assert "0" not in users
