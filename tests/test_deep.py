"""`--deep`: the real frameworks are asked, on this machine and on the stub driver."""

from __future__ import annotations

import shutil
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest
from conftest import StandIn

JSON = ("doctor", "--deep", "--format", "json")


@pytest.fixture
def driver_only(stub_folder: Path, public_folder: Path) -> Path:
    """A driver without any of CUDA's libraries: what most machines have."""
    folder = public_folder / "driver-only"
    folder.mkdir(exist_ok=True)
    for name in ("libcuda.so.1", "libnvidia-ml.so.1"):
        shutil.copy(stub_folder / name, folder / name)
    folder.chmod(0o755)
    return folder


def framework(report: dict, name: str) -> dict:
    return next(one for one in report["facts"]["frameworks"] if one["name"] == name)


@pytest.mark.skipif(find_spec("torch") is None, reason="torch is not installed")
@pytest.mark.skipif(find_spec("tensorflow") is None, reason="TensorFlow is not installed")
def test_both_frameworks_agree_with_us_on_this_machine(gpucheck) -> None:
    report = gpucheck(*JSON).report
    for name in ("torch", "tensorflow"):
        answer = framework(report, name)["answer"]["value"]
        assert answer["error"] is None
        assert answer["version"] == framework(report, name)["version"]["value"]
    checks = {(one["name"], one["subject"]): one["status"] for one in report["checks"]}
    assert checks["framework-agrees", "torch"] == checks["framework-agrees", "tensorflow"] == "pass"


@pytest.mark.skipif(find_spec("tensorflow") is None, reason="TensorFlow is not installed")
def test_the_words_of_tensorflow_that_mislead_are_put_right(gpucheck, stub, driver_only) -> None:
    env = {**stub(), "LD_LIBRARY_PATH": str(driver_only)}
    report = gpucheck(*JSON, env=env).report
    answer = framework(report, "tensorflow")["answer"]["value"]
    assert answer["available"] is False
    missing = next(one for one in report["findings"] if one["slug"] == "cuda-library-missing")
    assert "libcudart.so.12" in missing["title"]
    assert {"cudnn-missing", "framework-answer-differs"} <= set(missing["explains"])
    assert "cudnn-missing" not in report["root_causes"]
    differs = next(one for one in report["findings"] if one["slug"] == "framework-answer-differs")
    if any("Could not find cuda drivers" in line for line in answer["messages"]):
        assert "misleads" in differs["cause"]
        assert "libcudart" in differs["cause"]


@pytest.mark.skipif(find_spec("tensorflow") is None, reason="TensorFlow is not installed")
def test_tensorflow_that_sees_the_simulated_gpus_agrees(gpucheck, stub) -> None:
    report = gpucheck(*JSON, env=stub()).report
    assert framework(report, "tensorflow")["answer"]["value"]["available"] is True
    assert "framework-answer-differs" not in {one["slug"] for one in report["findings"]}
    assert "simulated-driver" in {one["slug"] for one in report["findings"]}


@pytest.mark.parametrize(
    ("code", "slug"),
    [
        ("raise ImportError('libcudart.so.13: cannot open shared object file')", "framework-import-failed"),
        ("import os; os.abort()", "framework-import-failed"),
        ("import os; os.write(1, b'noise on stdout\\n'); raise SystemExit(3)", "framework-import-failed"),
    ],
)
def test_a_framework_that_cannot_be_imported_is_told(gpucheck, stand_in: StandIn, code: str, slug: str) -> None:
    stand_in.torch("2.13.0+cpu", cuda=None)
    stand_in.write("torch/__init__.py", code + "\n")
    ran = gpucheck(*JSON, "--python", stand_in.python)
    assert ran.status == 1
    assert ran.report["root_causes"] == [slug]
    assert ran.err == ""


def test_a_framework_that_hangs_is_not_called_broken(gpucheck, stand_in: StandIn) -> None:
    stand_in.torch("2.13.0+cpu", cuda=None)
    stand_in.write("torch/__init__.py", "import time; time.sleep(600)\n")
    ran = gpucheck(*JSON, "--timeout", "0.2", "--python", stand_in.python)
    checks = {one["name"]: one for one in ran.report["checks"] if one["subject"] == "torch"}
    assert checks["framework-imports"]["status"] == "unknown"
    assert "no answer within 2 s" in checks["framework-imports"]["reason"]


def test_what_a_framework_prints_is_shown_as_text(gpucheck, stand_in: StandIn) -> None:
    stand_in.torch("2.13.0+cpu", cuda=None)
    stand_in.write("torch/__init__.py", "raise RuntimeError('[red]CUDA\\x1b[31m error')\n")
    out = gpucheck("doctor", "--deep", "--color", "always", "--python", stand_in.python).out
    assert "[red]CUDA\\x1b[31m error" in out


def test_another_machine_cannot_be_asked(gpucheck) -> None:
    ran = gpucheck("doctor", "--deep", "--from", "-", input="{}")
    assert ran.status == 2
    assert "exclude each other" in ran.err


@pytest.mark.skipif(find_spec("tensorflow") is None or sys.platform != "linux", reason="reads TensorFlow's binary")
def test_the_arch_list_is_read_out_of_the_binary() -> None:
    from gpucheck.probe import fatbin

    library = Path(find_spec("tensorflow").origin).parent / "libtensorflow_cc.so.2"
    found = fatbin.arch_list(library)
    assert {"sm_90", "compute_90"} <= set(found.value)  # build_info tells compute_90 alone
    assert found.source == str(library)
