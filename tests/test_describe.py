"""Machines and packages in words: what is clear is understood, everything else is one line that helps."""

from __future__ import annotations

from pathlib import Path

import pytest

from gpucheck.describe import DescriptionError, Pin, Wanted, installed_into, machine, parse
from gpucheck.describe.files import read
from gpucheck.describe.machine import driver_version, python_version, system_name, variant
from gpucheck.matrix import Matrix
from gpucheck.matrix.products import named, plain


@pytest.fixture(scope="module")
def matrix() -> Matrix:
    return Matrix()


@pytest.mark.parametrize(
    ("text", "version"),
    [("535.288.01-grid", "535.288.01"), ("535", "535"), ("R550", "550"), (" 580.65.06 ", "580.65.06"),
     ("535.129", "535.129"), ("572.16", "572.16"), ("550.54.14-server", "550.54.14")],
)  # fmt: skip
def test_driver_versions(text: str, version: str) -> None:
    assert driver_version(text) == version


@pytest.mark.parametrize("text", ["12.4", "cu124", "CUDA 12.4", "12", "13.0.2"])
def test_a_cuda_version_is_no_driver_version(text: str) -> None:
    with pytest.raises(DescriptionError, match="that is a CUDA version"):
        driver_version(text)


@pytest.mark.parametrize("text", ["", "new", "5350.1", "535.", "-1"])
def test_other_words_are_no_driver_version(text: str) -> None:
    with pytest.raises(DescriptionError, match=r"such as 550\.54\.14"):
        driver_version(text)


@pytest.mark.parametrize(
    ("text", "version"), [("3.11", "3.11"), ("3.11.7", "3.11.7"), ("py312", "3.12"), ("cp310", "3.10")]
)
def test_python_versions(text: str, version: str) -> None:
    assert python_version(text) == version


@pytest.mark.parametrize(("text", "label"), [("cu126", "cu126"), ("12.6", "cu126"), ("CUDA 12.6", "cu126"),
                                             ("126", "cu126"),
                                             ("cpu", "cpu"), ("11.8", "cu118"), ("13.0", "cu130")])  # fmt: skip
def test_variants(text: str, label: str) -> None:
    assert variant(text) == label


@pytest.mark.parametrize(
    "call", [lambda: python_version("three"), lambda: variant("rocm"), lambda: system_name("beos")]
)
def test_bad_words(call) -> None:
    with pytest.raises(DescriptionError, match="write"):
        call()


def test_systems() -> None:
    assert [system_name(text) for text in ("Linux", "WSL2", "mac", "win")] == ["linux", "wsl", "macos", "windows"]


# Names as drivers, clouds and people write them (nvidia-smi, NVML, issue threads).
@pytest.mark.parametrize(
    ("name", "capability"),
    [
        ("RTX 3090", "8.6"), ("NVIDIA GeForce RTX 3090", "8.6"), ("geforce rtx 3090", "8.6"),
        ("Tesla V100-SXM2-16GB", "7.0"), ("V100", "7.0"), ("Tesla T4", "7.5"), ("T4", "7.5"),
        ("NVIDIA A100-SXM4-80GB", "8.0"), ("NVIDIA A100 80GB PCIe", "8.0"),
        ("NVIDIA H100 80GB HBM3 MIG 1g.10gb", "9.0"), ("H200", "9.0"), ("NVIDIA GB200", "10.0"),
        ("NVIDIA GeForce RTX 5090 Laptop GPU", "12.0"), ("Tesla K80", "3.7"), ("GeForce GTX 1080 Ti", "6.1"),
        ("Quadro RTX 6000", "7.5"), ("RTX 6000 Ada", "8.9"), ("GeForce GTX TITAN X", "5.2"),
        ("TITAN X (Pascal)", "6.1"),
        ("RTX A2000", "8.6"), ("RTX 2000 Ada", "8.9"), ("A10G", "8.6"), ("L40S", "8.9"),
        ("Jetson AGX Orin", "8.7"),
        ("RTX3090", "8.6"), ("Jetson Thor", "11.0"), ("sm_86", "8.6"), ("8.6", "8.6"),
        ("compute_90a", "9.0"), ("sm_120", "12.0"),
    ],
)  # fmt: skip
def test_gpu_names(matrix: Matrix, name: str, capability: str) -> None:
    (card,) = machine(matrix, gpus=[name]).gpus.value
    assert card.compute_capability.value == capability


@pytest.mark.parametrize("name", ["RTX 6000", "RTX 309", "Radeon VII", "", "NVIDIA"])
def test_a_name_that_means_several_products_or_none_is_not_guessed(matrix: Matrix, name: str) -> None:
    with pytest.raises(DescriptionError, match="a compute capability does too"):
        machine(matrix, gpus=[name])


def test_every_product_is_found_by_its_own_name(matrix: Matrix) -> None:
    rows = matrix.products()
    assert len(rows) >= 150
    for row in rows:
        for text in (row.name, *row.aliases):
            assert named(rows, text) is row, text
            assert plain(text)


def test_grace_and_jetson_have_an_arm_processor(matrix: Matrix) -> None:
    for name, processor in (("GH200", "aarch64"), ("Jetson Orin NX", "aarch64"), ("H200", "x86_64")):
        assert machine(matrix, gpus=[name]).system.machine.value == processor
    assert machine(matrix, os="macos").system.machine.value == "arm64"
    assert machine(matrix, gpus=["GH200"], processor="amd64").system.machine.value == "x86_64"


def test_requirements_in_words() -> None:
    wanted = parse("torch==2.10.0+cu126")
    assert (wanted.framework, wanted.specifier, wanted.variant) == ("torch", "==2.10.0", "cu126")
    wanted = parse("tf[and-cuda]~=2.20")
    assert (wanted.framework, wanted.distribution, wanted.extras) == ("tensorflow", "tensorflow", {"and-cuda"})
    assert parse("tensorflow-gpu==1.15").distribution == "tensorflow-gpu"
    assert parse("torch 2.9").specifier == "==2.9"
    assert parse("pytorch=2.9").specifier == "==2.9"
    assert parse("NumPy<2") == Pin(name="numpy", specifier="<2")
    with pytest.raises(DescriptionError, match="did you mean torch"):
        parse("torch>>2")


def frameworks(matrix: Matrix, *wanted: str, **described) -> dict[str, str]:
    facts = installed_into(machine(matrix, **described), matrix, [parse(text) for text in wanted])
    return {one.name: one.version.value for one in facts.frameworks}


def test_pip_takes_the_newest_that_has_a_wheel(matrix: Matrix) -> None:
    assert frameworks(matrix, "torch==2.9")["torch"] == "2.9.0+cu128"
    assert frameworks(matrix, "torch==2.9.*")["torch"] == "2.9.1+cu128"
    assert frameworks(matrix, "torch<2.9")["torch"] == "2.8.0+cu128"
    assert frameworks(matrix, "torch", python="3.10")["torch"] == "2.14.1+cu130"  # 2.15 has no wheel for 3.10
    assert frameworks(matrix, "torch==2.9", os="windows")["torch"] == "2.9.0"
    assert frameworks(matrix, "tensorflow==1.15")["tensorflow"] == "1.15.0"
    assert frameworks(matrix, "torch==9.1")["torch"] == "9.1"


def test_plain_tensorflow_is_cuda_in_1_15_0_only(matrix: Matrix) -> None:
    """1.15.2 to 1.15.5 and 2.0.x on PyPI are CPU builds: the trap behind many a "downgrade"."""
    described = {"gpus": ["V100"], "driver": "450.80.02", "python": "3.7"}
    builds = {}
    for text in (
        "tensorflow==1.15",
        "tensorflow==1.15.5",
        "tensorflow==2.0",
        "tensorflow==2.1",
        "tensorflow-gpu==2.0",
    ):
        facts = installed_into(machine(matrix, **described), matrix, [parse(text)])
        builds[text] = facts.frameworks[0].build.value
    assert builds == {
        "tensorflow==1.15": "cuda", "tensorflow==1.15.5": "cpu", "tensorflow==2.0": "cpu",
        "tensorflow==2.1": "cuda", "tensorflow-gpu==2.0": "cuda",
    }  # fmt: skip


REQUIREMENTS = """\
# a comment
--extra-index-url https://download.pytorch.org/whl/cu126
torch==2.10.0 \\
    --hash=sha256:00
numpy<2  # another
-r more.txt
-e .
requests ; python_version > "3"
"""


def test_requirements_txt(tmp_path: Path) -> None:
    (tmp_path / "requirements.txt").write_text(REQUIREMENTS)
    (tmp_path / "more.txt").write_text("-r requirements.txt\ntensorflow[and-cuda]==2.20.0\n")
    found = read(tmp_path / "requirements.txt")
    wanted = {one.framework: one for one in found if isinstance(one, Wanted)}
    assert (wanted["torch"].variant, wanted["torch"].specifier) == ("cu126", "==2.10.0")
    assert wanted["torch"].origin.endswith("requirements.txt:3")
    assert wanted["tensorflow"].origin.endswith("more.txt:2")
    assert Pin(name="numpy", specifier="<2", origin=f"{tmp_path}/requirements.txt:5") in found


LOCK = """\
version = 1
[[package]]
name = "torch"
version = "2.9.1+cu126"
source = { registry = "https://download.pytorch.org/whl/cu126" }
[[package]]
name = "numpy"
version = "2.1.0"
source = { registry = "https://pypi.org/simple" }
[[package]]
name = "mine"
source = { virtual = "." }
"""

ENVIRONMENT = """\
name: x
channels: [conda-forge]
dependencies:
  - python=3.11
  - conda-forge::numpy=1.26
  - pip
  - pip:
      - torch==2.9.0
      - --no-cache-dir
"""


def test_uv_lock(tmp_path: Path) -> None:
    (tmp_path / "uv.lock").write_text(LOCK)
    torch, numpy = read(tmp_path / "uv.lock")
    assert (torch.framework, torch.variant, torch.specifier) == ("torch", "cu126", "==2.9.1")
    assert (numpy.name, numpy.specifier) == ("numpy", "==2.1.0")


def test_environment_yml(tmp_path: Path) -> None:
    path = tmp_path / "environment.yml"
    path.write_text(ENVIRONMENT)
    found = {getattr(one, "framework", None) or one.name: one.specifier for one in read(path)}
    assert found == {"python": "==3.11.*", "numpy": "==1.26.*", "torch": "==2.9.0"}


def test_condas_own_pytorch_is_not_a_wheel(tmp_path: Path, matrix: Matrix) -> None:
    path = tmp_path / "environment.yml"
    path.write_text("dependencies:\n  - pytorch=2.5\n  - pytorch-cuda=12.4\n")
    facts = installed_into(machine(matrix), matrix, read(path))
    assert "conda package" in facts.frameworks[0].build.missing


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("requirements.txt", b"\xff\xfe\x00", "is not UTF-8 text"),
        ("requirements.txt", b"torch>>1\n", r"requirements\.txt:1"),
        ("requirements.txt", b"-r nowhere.txt\n", "nowhere.txt: cannot be read"),
        ("requirements.txt", b"numpy\n", "names neither torch nor tensorflow"),
        ("uv.lock", b"version = \n", "is not valid TOML"),
        ("uv.lock", b"version = 1\n", "is it a uv.lock"),
        ("uv.lock", b"package = [1]\n", "has no name"),
        ("environment.yml", b"a: [", "line 1: is not valid YAML"),
        ("environment.yml", b"dependencies:\n  - pip: 3\n", "'pip' must be a list"),
        ("environment.yml", b"- 1", "has no list 'dependencies'"),
        ("environment.yml", b"dependencies: !!python/object/apply:os.system ['true']\n", "is not valid YAML"),
    ],
)
def test_a_bad_file_is_named_with_its_place(tmp_path: Path, name: str, content: bytes, words: str) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(DescriptionError, match=words):
        read(tmp_path / name)


def test_a_framework_twice_is_told_with_both_places(matrix: Matrix) -> None:
    with pytest.raises(
        DescriptionError, match=r"torch==2.9 .* and torch==2.10 \(requirements.txt:3\): no version"
    ):
        installed_into(machine(matrix), matrix, [parse("torch==2.9"), parse("torch==2.10", "requirements.txt:3")])


def versions(path: Path, matrix: Matrix, **described) -> dict[str, str]:
    facts = installed_into(machine(matrix, **described), matrix, read(path))
    return {one.name: one.version.value for one in facts.frameworks}


def test_constraints_only_bound_what_is_asked_for(tmp_path: Path, matrix: Matrix) -> None:
    (tmp_path / "c.txt").write_text("torch<2.9\ntensorflow==2.20\n")
    (tmp_path / "r.txt").write_text(
        "-c c.txt\n./local/pkg.whl\ngit+https://x.org/y\ntorch --config-settings a=b\n"
    )
    assert versions(tmp_path / "r.txt", matrix) == {"torch": "2.8.0+cu128"}


def test_torchs_index_is_torchs_alone(tmp_path: Path, matrix: Matrix) -> None:
    path = tmp_path / "r.txt"
    path.write_text("--extra-index-url https://download.pytorch.org/whl/cu126\ntorch==2.9.*\ntensorflow==2.20\n")
    assert versions(path, matrix) == {"torch": "2.9.1+cu126", "tensorflow": "2.20.0"}
    path.write_text("--extra-index-url https://download.pytorch.org/whl/nightly/cu130\ntorch\n")
    assert versions(path, matrix) == {"torch": "from elsewhere"}


def test_a_lock_that_forks_by_platform(tmp_path: Path, matrix: Matrix) -> None:
    entry = '[[package]]\nname = "torch"\nversion = "{}"\nresolution-markers = ["sys_platform {} \'darwin\'"]\n'
    (tmp_path / "uv.lock").write_text(entry.format("2.9.1+cu126", "!=") + entry.format("2.9.1", "=="))
    assert versions(tmp_path / "uv.lock", matrix) == {"torch": "2.9.1+cu126"}
    assert versions(tmp_path / "uv.lock", matrix, os="macos") == {"torch": "2.9.1"}
