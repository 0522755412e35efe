"""Frameworks and their cuDNN as their files show them: stand-in packages, damaged files, search order."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from conftest import write
from hypothesis import given, settings
from hypothesis import strategies as st

from gpucheck import probe
from gpucheck.probe import distributions, frameworks


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


@given(st.text(max_size=300))
@settings(max_examples=200)
def test_any_python_file_can_be_met(text: str) -> None:
    place = Path(os.environ.get("TMPDIR", "/tmp")) / f"gpucheck-fuzz-{os.getpid()}.py"
    place.write_text(text, encoding="utf-8", errors="replace")
    try:
        for read in (frameworks._assignments, frameworks._build_info):
            values, problem = read(place)
            assert isinstance(values, dict)
            assert problem is None or not values
    finally:
        place.unlink()


@given(st.lists(st.text(max_size=60), max_size=5))
def test_any_requirement_line_can_be_met(lines: list[str]) -> None:
    found = distributions.pinned(lines, "nvidia-cudnn-cu")
    assert found is None or any(found[0] in line for line in lines)


def test_distribution_names_are_normalised(tmp_path: Path) -> None:
    for name in ("nvidia_cudnn_cu12-9.3.0.75", "Foo.Bar-1.0", "broken"):
        write(tmp_path / f"{name}.dist-info/METADATA")
    assert {"nvidia-cudnn-cu12", "foo-bar"} <= set(distributions.scan([tmp_path, tmp_path / "nowhere"]))


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
