"""`gpucheck run`: real programs, real signals, the real TensorFlow on the stub driver."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest
from conftest import StandIn, clean_environment, library, write

pytestmark = pytest.mark.skipif(os.name != "posix", reason="exec and signals are POSIX's")
NEEDS_TENSORFLOW = pytest.mark.skipif(find_spec("tensorflow") is None, reason="TensorFlow is not installed")
PRINT_MASK = (
    "import os; print(os.environ.get('CUDA_VISIBLE_DEVICES'), os.environ.get('TF_FORCE_GPU_ALLOW_GROWTH'))"
)
# What a careless program does: growth on the first of several GPUs, then an operation.
MIXED = """
import sys
import tensorflow as tf
gpus = tf.config.list_physical_devices("GPU")
tf.config.experimental.set_memory_growth(gpus[0], True)
print(len(tf.config.list_logical_devices("GPU")))
"""


@pytest.fixture
def mixed(tmp_path: Path) -> Path:
    return write(tmp_path / "train.py", MIXED)


@NEEDS_TENSORFLOW
def test_mixed_growth_fails_by_itself_and_under_the_variable_and_is_cured_by_one_gpu(
    gpucheck, stub, mixed
) -> None:
    env = stub()
    plain = subprocess.run(
        [sys.executable, mixed], env=clean_environment(**env), capture_output=True, text=True, check=False
    )
    assert plain.returncode == 1
    assert "Memory growth cannot differ between GPU devices" in plain.stderr
    variable = gpucheck("run", "--", sys.executable, mixed, env=env)
    assert variable.status == 1
    assert "Memory growth cannot differ between GPU devices" in variable.err
    assert "+ TF_FORCE_GPU_ALLOW_GROWTH=true" in variable.err
    assert "still fails" in variable.err.split("Memory growth cannot")[0]
    cured = gpucheck("run", "--gpus", "1", "--", sys.executable, mixed, env=env)
    assert (cured.status, cured.out) == (0, "1\n")


@NEEDS_TENSORFLOW
def test_a_failure_is_explained_from_its_output(gpucheck, stub, mixed) -> None:
    ran = gpucheck("run", "--explain", "--", sys.executable, mixed, env=stub())
    assert ran.status == 1
    assert "ValueError: Memory growth cannot differ between GPU devices" in ran.err
    told = ran.err.split("the program ended: exit status 1")[1]
    assert "✗ memory-growth-mixed" in told
    assert "gpucheck run --gpus 1" in told


def test_the_freest_gpu_and_named_ones(gpucheck, stub) -> None:
    program = ("--", sys.executable, "-c", PRINT_MASK)
    assert gpucheck("run", "--gpus", "1", *program, env=stub()).out.split()[0] == "0"  # 1 is full in two.env
    assert gpucheck("run", "--devices", "1", *program, env=stub()).out.split()[0] == "1"
    assert gpucheck("run", "--devices", "GPU-00000002", *program, env=stub()).out.split()[0] == "GPU-00000002"
    assert gpucheck("run", "--devices", "none", *program, env=stub()).out.split()[0] == "-1"
    assert gpucheck("run", *program, env=stub()).out.split()[0] == "None"


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--devices", "0,7"), "--devices 0,7: there is no GPU 7; here are 0 (NVIDIA H200), 1 (NVIDIA H200)"),
        (("--devices", "0,0"), "names a GPU twice"),
        (("--gpus", "3"), "--gpus 3: only 2 usable"),
        (("--gpus", "1", "--devices", "0"), "--gpus and --devices exclude each other"),
        (("--gpus", "two"), "'two' is not a valid int"),
        (("--fix", "visible-devices-hide-gpu"), "did you mean visible-devices-hides-gpu?"),
        (("--nope",), "No such option: --nope"),
        (("--python", "/nope/python"), "/nope/python"),
    ],
)
def test_bad_input_is_one_line_and_125(gpucheck, stub, tmp_path, options, words) -> None:
    trace = tmp_path / "started"
    ran = gpucheck("run", *options, "--", "touch", trace, env=stub())
    assert ran.status == 125
    assert words in ran.err
    assert ran.err.count("\n") == 1
    assert "Traceback" not in ran.err
    assert not trace.exists()


def test_a_mask_without_any_gpu_is_told_before_the_program_starts(gpucheck, stub, tmp_path) -> None:
    trace = tmp_path / "started"
    ran = gpucheck("run", "--", "touch", trace, env=stub(CUDA_VISIBLE_DEVICES="7"))
    assert ran.status == 125
    assert "CUDA_VISIBLE_DEVICES='7' shows no GPU: there is no GPU 7" in ran.err
    assert not trace.exists()


def test_a_mask_that_the_driver_would_cut_is_repaired(gpucheck, stub) -> None:
    ran = gpucheck("run", "--", sys.executable, "-c", PRINT_MASK, env=stub(CUDA_VISIBLE_DEVICES="0,a,1"))
    assert ran.out.split()[0] == "0,1"
    assert "was '0,a,1'" in ran.err
    assert "'a' is not an index" in ran.err


def test_gpus_that_the_driver_does_not_show_are_not_promised(gpucheck, stub) -> None:
    """NVML lists two, CUDA counts one: what was asked for is asked of CUDA before the start."""
    ran = gpucheck("run", "--devices", "0,1", "--", "true", env=stub(GPUSIM_COUNT="1"))
    assert ran.status == 125
    assert "2 GPUs were asked for, and with that device mask CUDA sees 1" in ran.err
    broken = gpucheck("run", "--devices", "0", "--", "true", env=stub(GPUSIM_CUINIT="999"))
    assert broken.status == 125
    assert "could not be verified" in broken.err


def test_a_dry_run_starts_nothing(gpucheck, stub, tmp_path) -> None:
    trace = tmp_path / "started"
    ran = gpucheck("run", "--dry-run", "--gpus", "1", "--", "touch", trace, env=stub())
    assert (ran.status, ran.out) == (0, "")
    assert "+ CUDA_VISIBLE_DEVICES=0" in ran.err
    assert not trace.exists()


ASKS_CUDNN = """
import ctypes, sys
ctypes.CDLL(sys.argv[1])
cudnn = ctypes.CDLL("libcudnn.so.9")
cudnn.cudnnGetVersion.restype = ctypes.c_size_t
version = cudnn.cudnnGetVersion()
if version < 90300:
    sys.exit(f"Loaded runtime CuDNN library: {version} but source was compiled with: 90300")
print(version)
"""


@pytest.fixture
def shadowed(stub, stand_in: StandIn, stub_folder: Path, public_folder: Path, tmp_path: Path):
    """A TensorFlow with its own cuDNN; LD_LIBRARY_PATH names a folder with an older one, then the driver's."""
    stand_in.tensorflow().cudnn("9.5.0.50", "nvidia-cudnn-cu12")
    asker = stand_in.site / "tensorflow/libtensorflow_framework.so.2"
    library(asker, needed=("libcudnn.so.9",), runpath="$ORIGIN/../nvidia/cudnn/lib")
    old = tmp_path / "old"
    library(old / "libcudnn.so.9", code="unsigned long cudnnGetVersion(void) { return 90100; }")
    driver = public_folder / "driver-alone"
    driver.mkdir(exist_ok=True)
    driver.chmod(0o755)
    for name in ("libcuda.so.1", "libnvidia-ml.so.1"):
        shutil.copy(stub_folder / name, driver / name)
    env = stub(LD_LIBRARY_PATH=f"{old}:{driver}")
    return stand_in.python, write(tmp_path / "ask.py", ASKS_CUDNN), asker, env, old, driver


@pytest.mark.parametrize("slug", ["ld-library-path-shadowing", "cudnn-version-mismatch"])
def test_a_shadowed_cudnn_is_cured_by_name_and_the_driver_stays(gpucheck, shadowed, slug: str) -> None:
    python, program, asker, env, old, driver = shadowed
    command = ("--", python, program, asker)
    report = gpucheck("doctor", "--format", "json", "--python", python, env=env).report
    assert "cudnn-version-mismatch" in report["root_causes"]
    plain = gpucheck("run", *command, env=env)
    assert plain.status == 1
    assert "Loaded runtime CuDNN library: 90100" in plain.err
    assert "--fix cudnn-version-mismatch cures it" in plain.err
    cured = gpucheck("run", "--fix", slug, *command, env=env)
    assert (cured.status, cured.out) == (0, "90500\n")
    assert f"LD_LIBRARY_PATH={driver}" in cured.err
    assert "still found" not in cured.err
    assert "cures it" not in cured.err
    assert str(old) in cured.err


def test_the_interpreter_is_the_programs_own(gpucheck, stub, stand_in, tmp_path) -> None:
    """Growth is set where the program's Python has TensorFlow, by whatever way it is started."""
    stand_in.tensorflow()
    script = write(
        tmp_path / "tool", f"#!{stand_in.python}\nimport os; print(os.environ.get('TF_FORCE_GPU_ALLOW_GROWTH'))"
    )
    script.chmod(0o755)
    assert gpucheck("run", "-q", "--", script, env=stub()).out == "true\n"
    for first in (
        f"#!/usr/bin/env -S {stand_in.python} -u\n",
        f"#!/bin/sh\n'''exec' \"{stand_in.python}\" \"$0\" \"$@\"\n' '''\n",
    ):
        write(script, f"{first}import os; print(os.environ.get('TF_FORCE_GPU_ALLOW_GROWTH'))")
        assert gpucheck("run", "-q", "--", script, env=stub()).out == "true\n"
    empty = StandIn(tmp_path / "empty")
    ran = gpucheck("run", "-q", "--", empty.python, "-c", PRINT_MASK, env=stub())
    assert ran.out.split() == ["None", "None"]
