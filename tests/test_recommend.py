"""`gpucheck recommend`: a working answer for every kind of machine, and commands that a resolver accepts."""

from __future__ import annotations

import json
import os
import shlex
import shutil
import subprocess
import sys

import pytest

from gpucheck import api
from gpucheck.recommend import commands

# A machine, and the start of what must be recommended for torch, TensorFlow and both; None: nothing fits.
MACHINES = {
    "K80": (
        {"gpus": ["K80"], "driver": "470.256.02", "python": "3.11"},
        ["torch==2.3.* --index-url https://download.pytorch.org/whl/cu118", "tensorflow[and-cuda]==2.14.*"],
        None,  # 2.14 needs Python 3.10 for its extra
    ),
    "P100": (
        {"gpus": ["P100"], "driver": "580.65.06", "python": "3.11"},
        ["torch==2.14.* --index-url https://download.pytorch.org/whl/cu126",
         "tensorflow[and-cuda]==2.21.* nvidia-cudnn-cu12<9.11"],
        "torch==2.7.* tensorflow[and-cuda]==2.20.* nvidia-cudnn-cu12<9.11",
    ),
    "V100": (
        {"gpus": ["V100"], "driver": "580.65.06", "python": "3.11"},
        ["torch==2.14.* --index-url https://download.pytorch.org/whl/cu126",
         "tensorflow[and-cuda]==2.21.* nvidia-cudnn-cu12<9.11"],
        "torch==2.10.* tensorflow[and-cuda]==2.20.* nvidia-cudnn-cu12<9.11",
    ),
    "V100 on a driver that dropped it": (
        {"gpus": ["V100"], "driver": "595.45.04", "python": "3.11"}, [None, None], None
    ),
    "T4 on 535": (
        {"gpus": ["T4"], "driver": "535.129.03", "python": "3.11"},
        ["torch==2.14.* --index-url https://download.pytorch.org/whl/cu126", "tensorflow[and-cuda]==2.21.*"],
        "torch==2.10.* tensorflow[and-cuda]==2.20.*",
    ),
    "RTX 3090": (
        {"gpus": ["RTX 3090"], "driver": "580.65.06", "python": "3.12"},
        ["torch==2.15.*", "tensorflow[and-cuda]==2.21.*"],
        "torch==2.10.* tensorflow[and-cuda]==2.20.*",
    ),
    "RTX 5090": (
        {"gpus": ["RTX 5090"], "driver": "580.65.06", "python": "3.12"}, ["torch==2.15.*", None], None
    ),
    "H200": (
        {"gpus": ["H200"], "driver": "580.159.03", "python": "3.12"},
        ["torch==2.15.*", "tensorflow[and-cuda]==2.21.*"],
        "torch==2.10.* tensorflow[and-cuda]==2.20.*",
    ),
    "Jetson Orin": ({"gpus": ["Jetson AGX Orin"], "python": "3.12"}, [None, None], None),
    "a server with driver 450": (
        {"gpus": ["T4"], "driver": "450.80.02", "python": "3.11"},
        ["torch==2.7.* --index-url https://download.pytorch.org/whl/cu118", "tensorflow[and-cuda]==2.14.*"],
        None,
    ),
    "Windows": (
        {"gpus": ["RTX 3090"], "driver": "581.29", "python": "3.11", "os": "windows"},
        ["torch==2.14.* --index-url https://download.pytorch.org/whl/cu132", "tensorflow==2.10.* numpy<1.24"],
        None,
    ),
    "WSL": (
        {"gpus": ["RTX 4090"], "driver": "581.29", "python": "3.12", "os": "wsl"},
        ["torch==2.15.*", "tensorflow[and-cuda]==2.21.*"],
        "torch==2.10.* tensorflow[and-cuda]==2.20.*",
    ),
    "macOS": (
        {"os": "macos", "python": "3.12"}, ["torch==2.15.*", "tensorflow==2.21.*"],
        "torch==2.15.* tensorflow==2.21.*",
    ),
    "Linux without a GPU": (
        {"os": "linux", "python": "3.12"},
        ["torch==2.15.* --index-url https://download.pytorch.org/whl/cpu", "tensorflow==2.21.*"],
        "torch==2.15.* tensorflow==2.21.* --extra-index-url https://download.pytorch.org/whl/cpu",
    ),
}  # fmt: skip


def line(choices) -> str:
    return " ".join(commands.arguments(choices))


@pytest.mark.parametrize("name", MACHINES)
def test_a_working_answer(name: str) -> None:
    described, alone, together = MACHINES[name]
    answer = api.recommend("all", **described)
    found = [line([advice.choice]) if advice.choice else None for advice in answer.advice]
    for got, wanted in zip(found, alone, strict=True):
        assert got is None if wanted is None else (got or "").startswith(wanted), found
    assert (line(answer.pair) if answer.pair else None) == together
    assert answer.exit_status == int(None in found)


@pytest.mark.parametrize("name", [name for name in MACHINES if name != "Linux without a GPU"])
def test_what_is_recommended_passes_matrix_check(name: str) -> None:
    described = MACHINES[name][0]
    answer = api.recommend("all", **described)
    groups = [[advice.choice] for advice in answer.advice if advice.choice] + (
        [answer.pair] if answer.pair else []
    )
    for choices in groups:
        python = next((one.python for one in choices if one.python), described["python"])
        wanted = [word for word in commands.arguments(choices) if "==" in word or "<" in word]
        variant = next((one.build.variant for one in choices if commands.index(one)), None)
        report = api.matrix_check(wanted, variant=variant, **{**described, "python": python})
        assert report.verdict == "healthy", (wanted, report.root_causes)
        assert report.root_causes == ()


def test_why_newer_ones_do_not_work_and_what_a_driver_would_open_up() -> None:
    (advice,) = api.recommend("torch", gpus=["RTX 3090"], driver="535.129.03", python="3.11").advice
    assert (advice.rejected[0].version, advice.rejected[0].slug) == ("2.15.0", "driver-too-old")
    driver, newer = advice.with_driver
    assert (driver, newer.version) == ("580", "2.15.0")


def test_a_python_without_wheels_is_told_with_another(gpucheck) -> None:
    ran = gpucheck("recommend", "--gpu", "K80", "--driver", "470.256.02", "--python", "3.13", "-f", "torch")
    assert ran.status == 0
    assert "In an environment with Python 3.12" in ran.out
    assert "uv venv --python 3.12 && uv pip install" in ran.out


def test_a_variant_can_be_demanded() -> None:
    (advice,) = api.recommend("torch", gpus=["H200"], driver="580.65.06", python="3.11", variant="cu118").advice
    assert line([advice.choice]) == "torch==2.7.* --index-url https://download.pytorch.org/whl/cu118"


def test_numpy_is_named_where_metadata_leaves_it_open() -> None:
    (advice,) = api.recommend("torch", gpus=["K80"], driver="470.256.02", python="3.11", variant="cu117").advice
    assert "numpy<2" in line([advice.choice])


def test_the_screen_and_the_documents(gpucheck) -> None:
    arguments = ("recommend", "--gpu", "V100", "--driver", "580.65.06", "--python", "3.11")
    ran = gpucheck(*arguments)
    assert ran.out.startswith(
        "For: linux x86_64, NVIDIA V100 (compute capability 7.0), driver 580.65.06, Python 3.11"
    )
    assert "python -m pip install 'torch==2.14.*' --index-url https://download.pytorch.org/whl/cu126" in ran.out
    assert "2.15.0 (cu132): PyTorch 2.15.0+cu132 does not support compute capability 7.0" in ran.out
    content = json.loads(gpucheck(*arguments, "--format", "json").out)
    assert content["frameworks"][0]["choice"]["wheels"][0]["version"] == "2.14.1"
    assert content["together"]["arguments"][0] == "torch==2.10.*"
    bare = gpucheck(*arguments, "--format", "command", "-f", "torch")
    assert shlex.split(bare.out) == ["torch==2.14.*", "--index-url", "https://download.pytorch.org/whl/cu126"]


def test_this_machine_is_read(gpucheck, stub) -> None:
    ran = gpucheck("recommend", env=stub())
    assert "NVIDIA H200 (compute capability 9.0)" in ran.out
    assert "driver 580" in ran.out
    assert f"Python {sys.version_info.major}.{sys.version_info.minor}" in ran.out


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--framework", "jax"), "write torch, tf or all"),
        (("--driver", "cu124"), "that is a CUDA version"),
        (("--gpu", "RTX"), "a compute capability does too"),
        (("--python", "/nowhere/python"), "/nowhere/python"),
        (("--matrix", "/nowhere"), "is not a folder"),
    ],
)
def test_bad_input(gpucheck, arguments: tuple[str, ...], words: str) -> None:
    ran = gpucheck("recommend", *arguments)
    assert (ran.status, ran.out, ran.err.count("\n")) == (2, "", 1)
    assert words in ran.err


def plain_commands() -> list[tuple[str, str, str, list[str]]]:
    """Every command that is printed for these machines and needs no index but the plain one."""
    found = []
    for name, (described, _, _) in MACHINES.items():
        answer = api.recommend("all", **described)
        groups = [[advice.choice] for advice in answer.advice if advice.choice]
        groups += [answer.pair] if answer.pair else []
        for choices in groups:
            words = commands.arguments(choices)
            if not any("index-url" in word for word in words):
                python = next((one.python for one in choices if one.python), described["python"])
                found.append((name, python, described.get("os", "linux"), words))
    return found


UV_PLATFORMS = {"linux": "x86_64-manylinux_2_28", "wsl": "x86_64-manylinux_2_28",
                "windows": "x86_64-pc-windows-msvc",
                "macos": "aarch64-apple-darwin"}  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "python", "system", "words"), plain_commands(), ids=lambda value: str(value)[:40]
)
def test_a_resolver_accepts_every_command(name: str, python: str, system: str, words: list[str], tmp_path) -> None:
    """A dry run over the network: metadata only, nothing is downloaded or installed."""
    if shutil.which("uv") is None:
        pytest.skip("uv is not installed")
    (tmp_path / "wanted.in").write_text("\n".join(words))
    done = subprocess.run(
        ["uv", "pip", "compile", "--no-config", "--quiet", "--python-version", python,
         "--python-platform", UV_PLATFORMS[system], "--only-binary", ":all:", tmp_path / "wanted.in"],
        capture_output=True, text=True, timeout=300, check=False,
        env={**os.environ, "MACOSX_DEPLOYMENT_TARGET": "14.0"},  # the wheels' least macOS, told in a note
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    for word in words:
        assert word.partition("[")[0].partition("=")[0].partition("<")[0] in done.stdout


@pytest.mark.slow
@pytest.mark.parametrize(
    ("torch", "tensorflow", "fits"),
    [("2.9.0", "2.20.0", True), ("2.9.0", "2.21.0", False), ("2.15.0", "2.21.0", True), ("2.6.0", "2.20.0", False),
     ("2.7.1", "2.20.0", True), ("2.15.0", "2.15.1", True), ("2.10.0", "2.19.1", False),
     ("2.5.1", "2.18.1", False)],
)  # fmt: skip
def test_pins_that_conflict_for_us_conflict_for_a_resolver(
    torch: str, tensorflow: str, fits: bool, tmp_path
) -> None:
    """A sample of the pairs; the whole table is derived in test_matrix_check.py."""
    if shutil.which("uv") is None:
        pytest.skip("uv is not installed")
    words = [f"torch=={torch}", f"tensorflow[and-cuda]=={tensorflow}"]
    (tmp_path / "wanted.in").write_text("\n".join(words))
    done = subprocess.run(
        ["uv", "pip", "compile", "--no-config", "--quiet", "--python-version", "3.11",
         "--python-platform", UV_PLATFORMS["linux"], tmp_path / "wanted.in"],
        capture_output=True, text=True, timeout=300, check=False,
    )  # fmt: skip
    report = api.matrix_check(words, gpus=["sm_86"], python="3.11")
    ours = not any(finding.slug == "package-conflict" for finding in report.findings)
    assert (done.returncode == 0, ours) == (fits, fits), done.stderr
