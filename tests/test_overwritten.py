"""Packages that pip and uv really installed over each other: cuDNN for CUDA 12 and for 13 are the same files."""

from __future__ import annotations

import base64
import functools
import hashlib
import shutil
import subprocess
import sys
import zipfile
from importlib.util import find_spec
from pathlib import Path

import pytest
from conftest import StandIn, clean_environment, library

SLUG = "package-files-overwritten"
LIBRARIES = "nvidia/cudnn/lib"
MAIN, PART, SAME = (f"{LIBRARIES}/{name}.so.9" for name in ("libcudnn", "libcudnn_ops", "libcudnn_adv"))
CU12, CU13 = ("nvidia-cudnn-cu12", "9.10.2.21"), ("nvidia-cudnn-cu13", "9.20.0.48")
NUMBERS = {CU12: 91002, CU13: 92000}
TOLD = {CU12: "9.10.2", CU13: "9.20.0"}
INSTALLERS = ("pip", "uv")


def shown(package: tuple[str, str]) -> str:
    return " ".join(package)


def code(package: tuple[str, str], padding: int = 0) -> str:
    """A cuDNN that tells a version; its other contents differ in size."""
    filling = f"char padding[{padding}] = {{1}};\n" if padding else ""
    return f"#include <stddef.h>\n{filling}size_t cudnnGetVersion(void) {{ return {NUMBERS[package]}; }}\n"


def wheel(folder: Path, package: tuple[str, str], files: dict[str, bytes]) -> None:
    """Build a wheel as NVIDIA's are: libraries below nvidia/, every file in RECORD."""
    name, version = package[0].replace("-", "_"), package[1]
    info = f"{name}-{version}.dist-info"
    content = {
        **files,
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {package[0]}\nVersion: {version}\n".encode(),
        f"{info}/WHEEL": b"Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    lines = []
    with zipfile.ZipFile(folder / f"{name}-{version}-py3-none-any.whl", "w") as archive:
        for path, data in content.items():
            digest = base64.urlsafe_b64encode(hashlib.sha256(data).digest()).decode().rstrip("=")
            lines.append(f"{path},sha256={digest},{len(data)}")
            archive.writestr(path, data)
        archive.writestr(f"{info}/RECORD", "\n".join([*lines, f"{info}/RECORD,,", ""]))


@pytest.fixture(scope="module")
def wheels(tmp_path_factory) -> Path:
    """A folder with both packages; three libraries, one of them the same in both, and one Python file."""
    folder = tmp_path_factory.mktemp("wheels")
    same = library(folder / "libcudnn_adv.so.9").read_bytes()
    for package, padding in ((CU12, 5000), (CU13, 20000)):
        files = {
            MAIN: library(folder / "libcudnn.so.9", code=code(package, padding)).read_bytes(),
            PART: library(folder / "libcudnn_ops.so.9", code=code(package, 3 * padding)).read_bytes(),
            SAME: same,
            "nvidia/cudnn/__init__.py": b"",
        }
        wheel(folder, package, files)
    return folder


@pytest.fixture(scope="module")
def wheels_of_one_size(tmp_path_factory) -> Path:
    """The same with libraries that differ in their contents alone."""
    folder = tmp_path_factory.mktemp("wheels-of-one-size")
    contents = [library(folder / "libcudnn.so.9", code=code(package)).read_bytes() for package in (CU12, CU13)]
    assert len(contents[0]) == len(contents[1])
    for package, data in zip((CU12, CU13), contents, strict=True):
        wheel(folder, package, {MAIN: data})
    return folder


def run(installer: str, stand_in: StandIn, action: str, *arguments: object) -> None:
    package = find_spec(installer)
    if package is None or package.origin is None:
        pytest.skip(f"{installer} is not installed")
    # What `pip --python` does, in one process.
    pip = [stand_in.python, Path(package.origin).parent, "--isolated", "--disable-pip-version-check", action]
    uv = [sys.executable, "-m", "uv", "--no-config", "--no-cache", "pip", action, "--python", stand_in.python]
    command = [*map(str, (*(pip if installer == "pip" else uv), *arguments))]
    subprocess.run(command, check=True, capture_output=True, env=clean_environment())


def install(installer: str, stand_in: StandIn, wheels: Path, package: tuple[str, str], *more: str) -> None:
    given = ("--no-index", "--no-deps", "--find-links", wheels, *more, "==".join(package))
    run(installer, stand_in, "install", *given)


@pytest.fixture(scope="module")
def installed(wheels, tmp_path_factory):
    """An environment with torch and these packages, installed one after the other; nobody may change it."""

    @functools.cache
    def environment(packages: tuple[tuple[str, str], ...], installer: str, source: Path) -> StandIn:
        made = StandIn(tmp_path_factory.mktemp("installed") / "environment")
        if packages:
            *before, last = packages
            shutil.copytree(environment(tuple(before), installer, source).site, made.site, dirs_exist_ok=True)
            install(installer, made, source, last)
        else:
            made.torch()
        return made

    return lambda *packages, installer="pip", source=wheels: environment(packages, installer, source)


@pytest.fixture
def changeable(stand_in, installed):
    """A copy of such an environment."""

    def copy(*packages: tuple[str, str]) -> StandIn:
        shutil.copytree(installed(*packages).site, stand_in.site, dirs_exist_ok=True)
        return stand_in

    return copy


@pytest.fixture(scope="module")
def driver_alone(stub_folder, public_folder) -> str:
    """The stub driver without the stub's cuDNN."""
    folder = public_folder / "driver-alone"
    folder.mkdir()
    for name in ("libcuda.so.1", "libnvidia-ml.so.1"):
        shutil.copy(stub_folder / name, folder)
    return str(folder)


@pytest.fixture(scope="module")
def told() -> dict:
    """Reports on environments that nobody changes."""
    return {}


@pytest.fixture
def doctor(gpucheck, stub, driver_alone, told, stand_in):
    """The doctor's report on an environment, on a machine with two GPUs."""

    def report(environment: StandIn, *arguments: str) -> dict:
        command = ("doctor", "--format", "json", "--python", environment.python, *arguments)
        if command not in told or environment is stand_in:
            told[command] = gpucheck(*command, env=stub(LD_LIBRARY_PATH=driver_alone)).report
        return told[command]

    return report


def found(report: dict) -> dict:
    """The finding that rests on files; names are compared as pip shows them."""
    (finding,) = [
        one
        for one in report["findings"]
        if one["slug"] == SLUG and any("site-packages" in (shown["source"] or "") for shown in one["evidence"])
    ]
    return {**finding, **{key: hyphened(finding[key]) for key in ("title", "cause", "subject")}}


def hyphened(text: str | None) -> str:
    return (text or "").replace("nvidia_cudnn_", "nvidia-cudnn-")


def troubles(report: dict) -> set[str]:
    return {one["slug"] for one in report["findings"] if one["severity"] != "info"}


def titled(report: dict, slug: str) -> list[str]:
    return [one["title"] for one in report["findings"] if one["slug"] == slug]


def commands(report: dict) -> list[str]:
    """What the user is told to type."""
    told = [fix["commands"] for one in report["findings"] for fix in one["fixes"] if one["severity"] != "info"]
    return [hyphened(command) for some in told for command in some]


def changed(report: dict) -> list[str]:
    """Files that are not as installed, below site-packages."""
    return [one["path"].partition("site-packages/")[2] for one in report["facts"]["package_files"]["value"]]


def cudnn(report: dict) -> dict:
    torch = next(one for one in report["facts"]["frameworks"] if one["name"] == "torch")
    return torch["cudnn_loaded"]["value"]


def status(report: dict, name: str) -> str:
    (check,) = [one for one in report["checks"] if one["name"] == name and one["subject"] in (None, "torch")]
    return check["status"]


@pytest.mark.parametrize("installer", INSTALLERS)
@pytest.mark.parametrize("order", [(CU12, CU13), (CU13, CU12)], ids=["cu13-last", "cu12-last"])
def test_both_packages_are_named_and_the_one_whose_files_lie_there(
    doctor, installed, order, installer: str
) -> None:
    environment = installed(*order, installer=installer)
    report = doctor(environment)
    finding, (first, last) = found(report), map(shown, order)
    assert finding["severity"] == ("warn" if order[-1] == CU13 else "error")  # torch asks for cu13's
    assert finding["title"] == f"{shown(CU12)} and {shown(CU13)} overwrite each other's files"
    assert f"What lies there now belongs to {last}." in finding["cause"]
    evidence = [hyphened(one["text"]) for one in finding["evidence"]]
    assert f"overwritten: {first}" in evidence
    assert not [text for text in evidence if last in text]
    assert changed(report) == [MAIN, PART]
    loaded = cudnn(report)
    assert loaded["path"] == str(environment.site / MAIN)
    assert (loaded["version"]["value"], loaded["version"]["source"]) == (TOLD[order[-1]], "cudnnGetVersion")


def test_what_torch_needs_was_installed_last(doctor, installed) -> None:
    report = doctor(installed(CU12, CU13))
    assert troubles(report) == {SLUG}
    assert (report["root_causes"], report["exit_status"]) == ([SLUG], 0)
    assert status(report, "cudnn-loaded-as-built") == "pass"


def test_what_torch_needs_was_overwritten(doctor, installed) -> None:
    report = doctor(installed(CU13, CU12))
    assert titled(report, "cudnn-version-mismatch") == ["PyTorch was built with cuDNN 9.20.0 but loads 9.10.2"]
    assert (troubles(report), report["exit_status"]) == ({"cudnn-version-mismatch", SLUG}, 1)
    assert report["root_causes"] == [SLUG]
    assert found(report)["explains"] == ["cudnn-version-mismatch"]


def test_one_trouble_is_told_once(doctor, installed) -> None:
    assert len(titled(doctor(installed(CU12, CU13)), SLUG)) == 1


def test_an_overwritten_cudnn_is_cured_by_installing_torchs_own_again(doctor, changeable, wheels) -> None:
    environment = changeable(CU13, CU12)
    told = commands(doctor(environment))
    assert any("--force-reinstall" in command and "==".join(CU13) in command for command in told)
    install("pip", environment, wheels, CU13, "--force-reinstall")
    assert cudnn(doctor(environment))["version"]["value"] == TOLD[CU13]


@pytest.mark.parametrize("removed", [CU12, CU13], ids=["cu12", "cu13"])
def test_removing_one_package_takes_the_others_files_away(doctor, changeable, wheels, removed) -> None:
    left = CU13 if removed == CU12 else CU12
    environment = changeable(CU12, CU13)
    run("pip", environment, "uninstall", "--yes", removed[0])
    report = doctor(environment)
    finding = found(report)
    assert finding["title"] == f"3 files of {shown(left)} are gone"
    assert {evidence["text"] for evidence in finding["evidence"]} == {"is missing"}
    assert sorted(changed(report)) == sorted([MAIN, PART, SAME])
    assert any("--force-reinstall" in command and "==".join(left) in command for command in commands(report))
    assert report["exit_status"] == 1
    if left == CU13:
        install("pip", environment, wheels, left, "--force-reinstall")
        report = doctor(environment)
        assert (troubles(report), report["exit_status"]) == (set(), 0)
        assert status(report, "package-files-as-installed") == "pass"


def test_a_cudnn_whose_files_were_taken_away_is_not_called_uninstalled(doctor, changeable) -> None:
    environment = changeable(CU12, CU13)
    run("pip", environment, "uninstall", "--yes", CU12[0])
    report = doctor(environment)
    assert "cudnn-missing" in found(report)["explains"]
    assert report["root_causes"] == [SLUG]
    assert "--force-reinstall" in commands(report)[0]


def test_files_of_one_size_are_told_apart_by_their_contents(doctor, installed, wheels_of_one_size) -> None:
    report = doctor(installed(CU13, CU12, installer="uv", source=wheels_of_one_size))
    assert f"What lies there now belongs to {shown(CU12)}." in found(report)["cause"]
    assert cudnn(report)["version"]["value"] == TOLD[CU12]


def test_a_sound_environment(doctor, installed) -> None:
    report = doctor(installed(CU13))
    assert (troubles(report), report["root_causes"]) == (set(), [])
    assert status(report, "package-files-as-installed") == "pass"
    assert status(report, "cudnn-loaded-as-built") == "pass"


def cut(file: Path) -> None:
    file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])


@pytest.mark.parametrize("path", [MAIN, PART])
def test_a_file_that_was_cut_off(doctor, changeable, path: str) -> None:
    environment = changeable(CU13)
    cut(environment.site / path)
    report = doctor(environment)
    finding = found(report)
    assert finding["title"] == f"A file of {shown(CU13)} is not what it installed"
    assert finding["subject"] == CU13[0]
    assert [evidence["source"] for evidence in finding["evidence"]] == [str(environment.site / path)]
    assert changed(report) == [path]


def test_a_cudnn_that_cannot_be_loaded_is_not_the_one_that_torch_was_built_with(doctor, changeable) -> None:
    environment = changeable(CU13)
    cut(environment.site / MAIN)
    report = doctor(environment)
    assert status(report, "cudnn-loaded-as-built") != "pass"
    assert report["exit_status"] != 0


def test_a_changed_file_of_the_same_size_is_found_by_deep_alone(doctor, changeable) -> None:
    environment = changeable(CU13)
    file = environment.site / PART
    content = bytearray(file.read_bytes())
    content[-1] ^= 1
    file.write_bytes(content)
    assert SLUG not in troubles(doctor(environment))
    report = doctor(environment, "--deep")
    assert changed(report) == [PART]
    assert "its hash is not that in the RECORD" in found(report)["evidence"][0]["text"]


def test_deep_finds_nothing_in_a_sound_environment(doctor, installed) -> None:
    report = doctor(installed(CU13), "--deep")
    assert SLUG not in troubles(report)
    assert changed(report) == []
