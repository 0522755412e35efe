"""`gpucheck matrix check`: the traps, right answers without false alarms, and unknown where the rows end."""

from __future__ import annotations

from pathlib import Path

import pytest

from gpucheck.matrix import Matrix
from gpucheck.together import pairs

H200 = ("--gpu", "H200", "--python", "3.11")
RTX_3090 = ("--gpu", "RTX 3090", "--python", "3.11")


def driver(version: str, *gpu: str) -> tuple[str, ...]:
    return ("--driver", version, *gpu)


@pytest.mark.parametrize(
    ("arguments", "status", "causes"),
    [
        # Minor-version compatibility: demanding the toolkit's own driver would be a false alarm.
        ((*driver("580.65.06", *H200), "torch==2.15"), 0, []),
        ((*driver("570.26", *H200), "torch==2.15"), 1, ["driver-too-old"]),
        ((*driver("535.129.03", *RTX_3090), "torch==2.13.0+cu126"), 0, []),
        ((*driver("535.129.03", *RTX_3090), "torch==2.13", "--cuda-variant", "12.6"), 0, []),
        ((*driver("535", *RTX_3090), "torch==2.9"), 0, []),
        ((*driver("535.288.01-grid", *RTX_3090), "torch==2.9"), 0, []),
        ((*driver("610.43.02"), "--gpu", "RTX 3090", "--python", "3.10", "tensorflow==2.14.1"), 0, []),
        ((*driver("450.80.02"), "--gpu", "T4", "--python", "3.10", "tensorflow==2.14.1"), 0, []),
        ((*driver("450.80.02"), "--gpu", "T4", "--python", "3.11", "tensorflow==2.20"), 1, ["driver-too-old"]),
        # Arch lists.
        ((*driver("580.65.06"), "--gpu", "V100", "--python", "3.11", "torch==2.11"), 1,
         ["compute-capability-unsupported"]),
        ((*driver("580.65.06"), "--gpu", "V100", "--python", "3.11", "torch==2.10"), 0, []),
        ((*driver("580.65.06"), "--gpu", "RTX 5090", "--python", "3.11", "torch==2.10+cu126"), 1,
         ["compute-capability-unsupported"]),
        ((*driver("580.65.06"), "--gpu", "RTX 5090", "--python", "3.11", "torch==2.10"), 0, []),
        ((*driver("580.65.06"), "--gpu", "RTX 5090", "--python", "3.11", "tensorflow==2.21"), 1,
         ["compute-capability-unsupported"]),
        ((*driver("595.45.04"), "--gpu", "V100", "--python", "3.11", "torch==2.10"), 1,
         ["gpu-unsupported-by-driver"]),
        ((*driver("580.65.06"), "--gpu", "P100", "--python", "3.11", "tensorflow==2.21"), 0,
         ["cudnn-gpu-unsupported"]),
        ((*driver("580.65.06"), "--gpu", "P100", "--python", "3.11", "tensorflow==2.21", "nvidia-cudnn-cu12<9.11"),
         0, []),
        (("--gpu", "Jetson AGX Orin", "--python", "3.12", "torch==2.14"), 1, ["compute-capability-unsupported"]),
        # Living together.
        ((*driver("580.65.06", *H200), "torch==2.9", "tensorflow==2.20"), 0, []),
        ((*driver("580.65.06", *H200), "torch==2.9", "tensorflow==2.21"), 1, ["package-conflict"]),
        ((*driver("580.65.06", *H200), "torch==2.15", "tensorflow==2.21"), 0, ["package-files-overwritten"]),
        (("--python", "3.11", "torch==2.2", "numpy==2.1.0"), 1, ["numpy-abi-mismatch"]),
        (("--python", "3.11", "tensorflow==2.14.0"), 0, ["numpy-abi-mismatch"]),
        (("--python", "3.11", "tensorflow==2.14.0", "numpy<2"), 0, []),
        # Systems.
        ((*driver("581.29", *RTX_3090), "--os", "windows", "torch==2.15"), 1, ["cpu-only-build"]),
        ((*driver("581.29", *RTX_3090), "--os", "windows", "tensorflow==2.20"), 1, ["windows-native-tf"]),
        ((*driver("581.29", *RTX_3090), "--os", "wsl", "tensorflow==2.20"), 0, []),
        ((*driver("527.41", *RTX_3090), "--os", "wsl", "torch==2.9"), 0, []),
        ((*driver("526.98", *RTX_3090), "--os", "wsl", "torch==2.9"), 1, ["driver-too-old"]),
        (("--os", "macos", "--python", "3.12", "torch==2.15"), 0, []),
        (("--os", "macos", "--machine", "x86_64", "--python", "3.12", "torch==2.9"), 1, ["platform-unsupported"]),
        (("--gpu", "T4", "--python", "3.11", "tensorflow==2.14.1"), 1, ["python-version-unsupported"]),
        (("--gpu", "T4", "--python", "3.10", "tensorflow==2.14.1"), 0, []),
        (("--python", "3.14", "torch==2.8"), 1, ["python-version-unsupported"]),
        # What is asked for, as pip reads it.
        ((*driver("580.65.06"), "--gpu", "RTX 3090", "torch==2.9"), 0, []),
        ((*H200, 'torch==2.9; sys_platform == "linux"', 'torch==2.2.2; sys_platform == "darwin"'), 0, []),
        ((*H200, "torch @ https://x.org/torch-2.10.0%2Bcu126-cp311-cp311-manylinux_2_28_x86_64.whl"), 0, []),
        ((*H200, "torch @ https://x.org/torch.tar.gz"), 3, []),
        ((*H200, "torch==2.9", "torch<3"), 0, []),
        ((*H200, "torch>2.15"), 3, []),
        ((*H200, "torch==2.9.0rc1"), 3, []),
        ((*H200, "torch==2.9", "torchvision==0.20"), 1, ["torch-torchvision-mismatch"]),
        ((*H200, "tensorflow==2.15.0"), 1, ["python-version-unsupported"]),
        (("--gpu", "GTX 1080", "--python", "3.11", "torch==2.7", "tensorflow==2.20"), 0, []),
        ((*driver("565.57.01"), "--gpu", "RTX5090", "--python", "3.11", "torch==2.9"), 1,
         ["gpu-unsupported-by-driver"]),
        ((*driver("470.42.01"), "--gpu", "RTX 4090", "--python", "3.11", "torch==2.0"), 1,
         ["gpu-unsupported-by-driver"]),
        # Where the rows end, nothing is called incompatible.
        ((*driver("580.65.06", *H200), "torch==2.99"), 3, []),
        ((*driver("580.65.06", *H200), "torch==2.10.0a0+b4e4ee81d3.nv25.11"), 3, []),
        ((*driver("525", *H200), "torch==2.9"), 3, []),
        ((*driver("999.99", *H200), "torch==2.15"), 0, []),
    ],
)  # fmt: skip
def test_the_verdict(gpucheck, arguments: tuple[str, ...], status: int, causes: list[str]) -> None:
    ran = gpucheck("matrix", "check", "--format", "json", *arguments)
    assert (ran.status, ran.report["root_causes"]) == (status, causes), ran.err
    assert ran.report["facts"]["described"] is True


def test_newer_than_the_matrix_is_said_so(gpucheck) -> None:
    ran = gpucheck("matrix", "check", *driver("580.65.06", *H200), "torch==2.99")
    assert ran.status == 3
    assert "newer than the matrix of" in ran.out
    assert "incompatible" not in ran.out


def test_the_screen_says_that_nothing_was_tried(gpucheck) -> None:
    ran = gpucheck("matrix", "check", *driver("580.65.06", *H200), "torch==2.15")
    assert ran.out.startswith("Fits: torch 2.15.0+cu132 on linux x86_64, NVIDIA H200, driver 580.65.06")
    assert "nothing was installed or tried" in ran.out
    assert "gpucheck smoke" not in ran.out


@pytest.mark.parametrize("name", ["requirements.txt", "uv.lock", "environment.yml"])
def test_files(gpucheck, tmp_path: Path, name: str) -> None:
    content = {
        "requirements.txt": "torch==2.9.0\ntensorflow==2.21.0\n",
        "uv.lock": '[[package]]\nname = "torch"\nversion = "2.9.0"\n'
        '[[package]]\nname = "tensorflow"\nversion = "2.21.0"\n',
        "environment.yml": "dependencies:\n  - pip:\n      - torch==2.9.0\n      - tensorflow==2.21.0\n",
    }[name]
    (tmp_path / name).write_text(content)
    ran = gpucheck("matrix", "check", "-r", tmp_path / name, *H200, "--format", "json")
    assert ran.report["root_causes"] == ["package-conflict"]
    assert ran.status == 1


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--driver", "12.4", "torch"), "that is a CUDA version"),
        (("--gpu", "RTX 3091", "torch"), "did you mean NVIDIA GeForce RTX 3090"),
        (("--os", "linus", "torch"), "did you mean linux?"),
        (("torhc==2.9",), "did you mean torch?"),
        ((), "write e.g. torch==2.9"),
        (
            ("torch==2.9", "torch==2.10"),
            "torch==2.9 (the command line) and torch==2.10 (the command line): no version",
        ),
        (("torch>=2.9,<2.5",), "no version can fit"),
        (("torch==2.9", "numpy>=2,<1"), "no version can fit"),
        (("torch==2.9+cu126", "torch==2.9+cu128"), "asked for as cu126 and as cu128"),
        (("tensorflow-gpu",), "write tensorflow"),
        (("-r", "/nowhere/requirements.txt"), "/nowhere/requirements.txt: cannot be read"),
        (("torch", "--cuda-variant", "hip"), "such as cu126"),
    ],
)
def test_bad_input_is_one_line_and_status_2(gpucheck, arguments: tuple[str, ...], words: str) -> None:
    ran = gpucheck("matrix", "check", *arguments)
    assert (ran.status, ran.out, ran.err.count("\n")) == (2, "", 1)
    assert words in ran.err


# A resolver's answers (shared/reference/compatibility.md, f), which the rows' pins must give again; a sample of
# them is asked of a resolver in test_recommend.py.
ONE, CUDNN, NCCL = "one set", "cuDNN, NCCL", "NCCL"
ROWS = {
    "2.15": ["-"] * 9 + [NCCL] * 5,
    "2.16": ["-"] * 9 + [NCCL] * 5,
    "2.17": ["-"] * 9 + [NCCL] * 5,
    "2.18": ["-"] * 9 + [CUDNN] * 5,
    "2.19": ["-"] * 9 + [CUDNN] * 5,
    "2.20": ["-"] * 5 + [ONE] * 4 + [CUDNN] * 5,
    "2.21": ["-"] * 9 + [CUDNN] * 5,
}


def test_living_together_follows_from_the_pins() -> None:
    """torch 2.2 to 2.15 beside TensorFlow 2.15 to 2.21."""
    found = {row[0]: list(row[1:]) for row in pairs(Matrix()).rows}
    assert {name: cells[:14] for name, cells in found.items() if name in ROWS} == ROWS


def test_condas_python_counts(gpucheck, tmp_path: Path) -> None:
    path = tmp_path / "environment.yml"
    path.write_text("dependencies:\n  - python=3.14\n  - pip:\n      - torch==2.8.0\n")
    ran = gpucheck("matrix", "check", "-r", path, "--format", "json")
    assert ran.report["root_causes"] == ["python-version-unsupported"]
