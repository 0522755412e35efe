"""Other tools' environment reports: collect_env of torch and vllm, and sglang's check_env."""

from __future__ import annotations

import json
import platform
import re
import subprocess
import sys
from importlib.util import find_spec

import pytest
from conftest import SHARED

from gpucheck.facts import Facts, from_json, to_json
from gpucheck.intake import collect_env, package_lists, tf_env

READERS = {"collect_env": collect_env.read, "tf_env": tf_env.read}
CASES = [json.loads(path.read_text()) for path in sorted((SHARED / "cases").glob("*.json"))]
OURS = [case for case in CASES if case["kind"] in READERS]
needs_cases = pytest.mark.skipif(not CASES, reason="the collected texts are not at ../shared/cases")

TORCH = """\
Our training job hangs. Python version: 3.8 is on the laptop, this is the server:

Collecting environment information...
/opt/env/lib/python3.10/site-packages/torch/cuda/__init__.py:138: UserWarning: something
PyTorch version: 2.3.1+cu118
Is debug build: False
CUDA used to build PyTorch: 11.8
ROCM used to build PyTorch: N/A

OS: Rocky Linux 9.3 (Blue Onyx) (x86_64)
GCC version: (GCC) 11.4.1 20230605 (Red Hat 11.4.1-2)
Libc version: glibc-2.34

Python version: 3.10.14 (main, May  6 2024, 19:42:50) [GCC 11.2.0] (64-bit runtime)
Python platform: Linux-5.14.0-362.8.1.el9_3.x86_64-x86_64-with-glibc2.34
Is CUDA available: True
CUDA runtime version: 12.2.140
CUDA_MODULE_LOADING set to: LAZY
GPU models and configuration:
GPU 0: NVIDIA A100-SXM4-40GB
  MIG 3g.20gb     Device  0: (UUID: MIG-2e9a0a25-9c2c-5ce6-9d9a-1f7e0c8d2f11)
GPU 1: NVIDIA A100-SXM4-40GB

Nvidia driver version: 535.129.03
cuDNN version: Probably one of the following:
/usr/lib64/libcudnn.so.8.9.2
Is XNNPACK available: True

CPU:
Architecture:          x86_64
Flags:                 fpu vme sse2 sse4_1 avx fma
                       avx2 avx512f

Versions of relevant libraries:
[pip3] numpy==1.26.4
[pip3] nvidia-cudnn-cu11==8.7.0.84
[pip3] torch==2.3.1+cu118
[conda] Could not collect

OS: the other machine runs Windows
Thanks for any help!
"""
FIRST = """\
PyTorch version: 1.0.0
Is debug build: No
CUDA used to build PyTorch: 9.0.176

OS: Ubuntu 16.04.4 LTS
GCC version: (Ubuntu 5.4.0-6ubuntu1~16.04.10) 5.4.0 20160609
CMake version: version 3.5.1

Python version: 3.6
Is CUDA available: Yes
CUDA runtime version: 9.0.176
GPU models and configuration: GPU 0: GeForce GTX 1080 Ti
Nvidia driver version: 390.30
cuDNN version: Could not collect

Versions of relevant libraries:
[pip] numpy (1.15.4)
[conda] pytorch                   1.0.0           py3.6_cuda9.0.176_cudnn7.4.1_1    pytorch
"""
VLLM = """\
==============================
        System Info
==============================
OS                           : Ubuntu 22.04.5 LTS (x86_64)
GCC version                  : (Ubuntu 11.4.0-1ubuntu1~22.04) 11.4.0

==============================
       PyTorch Info
==============================
PyTorch version              : 2.8.0+cu128
Is debug build               : False
CUDA used to build PyTorch   : 12.8

==============================
       CUDA / GPU Info
==============================
Is CUDA available            : True
GPU models and configuration : GPU 0: NVIDIA L4
Nvidia driver version        : Could not collect

==============================
Versions of relevant libraries
==============================
[pip3] torch==2.8.0

==============================
     Environment Variables
==============================
CUDA_VISIBLE_DEVICES=0
HF_TOKEN=hf_notforus
LD_LIBRARY_PATH=/usr/local/nvidia/lib64
NVIDIA_VISIBLE_DEVICES=all
"""
SGLANG = """\
Python: 3.12.3 (main, Jan 22 2026, 20:57:42) [GCC 13.3.0]
CUDA available: True
GPU 0,1: NVIDIA H100 80GB HBM3
GPU 0,1 Compute Capability: 9.0
CUDA_HOME: /usr/local/cuda
NVCC: Cuda compilation tools, release 12.9, V12.9.86
CUDA Driver Version: 570.124.06
PyTorch: 2.9.1+cu129
sglang: 0.5.9
sgl_kernel: 0.3.21
vllm: Module Not Found
NVIDIA Topology:
        GPU0    GPU1
"""


def replaced(text: str, **fields: str) -> str:
    """Give fields of a collect_env report other values; underscores stand for blanks."""
    for name, value in fields.items():
        label = name.replace("_", " ")
        text = re.sub(rf"^{label}: .*$", f"{label}: {value}", text, count=1, flags=re.MULTILINE)
    return text


def torch_of(text: str):
    facts = collect_env.read(text)
    return facts, facts.framework("torch")


@needs_cases
@pytest.mark.parametrize("case", OURS, ids=lambda case: case["id"])
def test_every_collected_report_is_read_wherever_it_is_cut(case: dict) -> None:
    text = case["text"]
    facts = READERS[case["kind"]](text)
    assert from_json(Facts, json.loads(json.dumps(to_json(facts)))) == facts
    assert facts.system.os.known or facts.frameworks or facts.interpreter.version.known
    assert not facts.framework("torch").cudnn_loaded.known
    if case["kind"] == "collect_env":
        torch = facts.framework("torch")
        assert torch.installed.value is (case["cause"] != "torch-not-installed")
        assert (torch.build.value == "cpu") is (case["cause"] == "cpu-only-build")
        assert facts.system.wsl.value is ("WSL2" in text)
        assert len(facts.gpus.value or ()) == len(re.findall(r"GPU \d: ", text))
        works = re.search(r"Is CUDA available *: True", text) is not None
        assert (facts.driver.cuinit_status.value == 0) is works
    for length in range(0, len(text), len(text) // 20):
        for part in (text[:length], text[length:]):
            READERS[case["kind"]](part)
            package_lists.read(part)


@needs_cases
def test_other_texts_are_no_reports() -> None:
    for case in CASES:
        for kind, read in READERS.items():
            assert case["kind"] == kind or read(case["text"]) is None, (case["id"], kind)


def test_torch_report_amid_prose() -> None:
    facts, torch = torch_of(TORCH)
    system, driver = facts.system, facts.driver
    assert (torch.installed.value, torch.version.value, torch.build.value) == (True, "2.3.1+cu118", "cuda")
    assert (torch.cuda_runtime.value, torch.distribution.value) == ("11.8", "torch 2.3.1+cu118")
    assert torch.answer.value.available is True
    assert torch.cudnn_loaded.missing == torch.cudnn_built.missing == "not in this report"
    assert (system.os.value, system.distribution.value, system.machine.value) == ("linux", "rocky 9.3", "x86_64")
    assert (system.kernel.value, system.glibc.value) == ("5.14.0-362.8.1.el9_3.x86_64", "2.34")
    assert (system.wsl.value, system.toolkit.value) == (False, "12.2")
    assert system.cpu_flags.value == ("sse4_1", "avx", "avx2", "fma", "avx512f")
    assert system.container.missing == "not in this report"
    assert facts.interpreter.version.value == "3.10.14"
    assert (driver.version.value, driver.nvml_status.value, driver.cuinit_status.value) == ("535.129.03", 0, 0)
    first, second = facts.gpus.value
    assert (first.index, first.status.value, first.name.value) == (0, 0, "NVIDIA A100-SXM4-40GB")
    assert first.mig.value is True
    assert first.mig_devices.value[0].startswith("MIG-2e9a")
    assert (second.index, second.mig.known) == (1, False)
    assert facts.packages.value == {"numpy": "1.26.4", "nvidia-cudnn-cu11": "8.7.0.84", "torch": "2.3.1+cu118"}
    assert facts.pci_cards.missing == "not in this report"


def test_the_first_form_with_a_conda_build() -> None:
    facts, torch = torch_of(FIRST)
    assert (torch.build.value, torch.cuda_runtime.value, torch.cudnn_built.value) == ("cuda", "9.0", "7.4.1")
    assert (torch.installer.value, torch.distribution.known) == ("conda", False)
    assert torch.answer.value.available is True
    assert (facts.system.os.value, facts.system.distribution.value) == ("linux", "ubuntu 16.04")
    assert facts.interpreter.version.value == "3.6"
    assert facts.gpus.value[0].name.value == "GeForce GTX 1080 Ti"
    assert facts.packages.value["numpy"] == "1.15.4"


def test_vllm_report_and_no_secret() -> None:
    facts, torch = torch_of(VLLM)
    assert (torch.version.value, torch.cuda_runtime.value) == ("2.8.0+cu128", "12.8")
    assert facts.environment.value == {
        "CUDA_VISIBLE_DEVICES": "0",
        "LD_LIBRARY_PATH": "/usr/local/nvidia/lib64",
        "NVIDIA_VISIBLE_DEVICES": "all",
    }
    assert "notforus" not in json.dumps(to_json(facts))
    # No nvidia-smi in the image, and CUDA works: that is no fault.
    assert facts.driver.version.missing == "Nvidia driver version: Could not collect"
    assert facts.driver.cuinit_status.value == 0
    assert facts.system.distribution.value == "ubuntu 22.04"


def test_sglang_report() -> None:
    facts, torch = torch_of(f"Reproduced.\n\n{SGLANG}\nThanks")
    assert [gpu.compute_capability.value for gpu in facts.gpus.value] == ["9.0", "9.0"]
    assert (facts.driver.version.value, facts.driver.visible_devices.value) == ("570.124.06", 2)
    assert (torch.cuda_runtime.value, torch.answer.value.devices) == ("12.9", ("NVIDIA H100 80GB HBM3",) * 2)
    assert (facts.interpreter.version.value, facts.system.toolkit.value) == ("3.12.3", "12.9")
    assert facts.packages.value == {"torch": "2.9.1+cu129", "sglang": "0.5.9", "sgl-kernel": "0.3.21"}


@pytest.mark.parametrize("told", ["None", "No CUDA", "Could not collect"])
def test_a_torch_without_cuda_is_a_cpu_build(told: str) -> None:
    text = replaced(TORCH, PyTorch_version="2.3.1", CUDA_used_to_build_PyTorch=told, Is_CUDA_available="False")
    facts, torch = torch_of(text.replace("+cu118", ""))
    assert (torch.build.value, torch.cuda_runtime.missing) == ("cpu", "a cpu build")
    assert torch.answer.value.available is False
    assert not facts.driver.cuinit_status.known
    assert torch.distribution.value == "torch 2.3.1"


def test_rocm_and_absent_torch() -> None:
    amd = replaced(TORCH, PyTorch_version="2.3.1+rocm6.0", CUDA_used_to_build_PyTorch="N/A")
    amd = replaced(amd, ROCM_used_to_build_PyTorch="6.0.32830", Nvidia_driver_version="Could not collect")
    amd = amd.replace("GPU 0: NVIDIA A100-SXM4-40GB\n", "AMD Instinct MI210 (gfx90a)\n")
    facts, torch = torch_of(amd)
    assert torch.build.value == "rocm"
    assert not facts.driver.cuinit_status.known
    assert not facts.gpus.known
    without = replaced(TORCH, PyTorch_version="N/A", CUDA_used_to_build_PyTorch="N/A", Is_CUDA_available="N/A")
    facts, torch = torch_of(without)
    assert torch.installed.value is False
    assert not torch.build.known
    assert facts.driver.nvml_status.value == 0


def test_what_a_cut_or_misleading_report_does_not_tell() -> None:
    cut = TORCH[: TORCH.index(" avx512f")]
    assert collect_env.read(cut).system.cpu_flags.missing == "the line of flags is cut off"
    tail = collect_env.read(TORCH[TORCH.index("CUDA used to") :])
    assert (tail.framework("torch").build.value, tail.framework("torch").cuda_runtime.value) == ("cuda", "11.8")
    old = replaced(TORCH, Python_version="3.7.4 (default)", Libc_version="glibc-2.10")
    assert "linked for" in collect_env.read(old).system.glibc.missing
    assert collect_env.read("OS: Ubuntu\nPython version: 3.8\nPyTorch version: 1.9\n\nIt hangs.") is None
    windows = replaced(
        TORCH, OS="Microsoft Windows 11 Pro (10.0.22631 64-bit)", Python_platform="Windows-10-10.0.22631-SP0"
    ).replace("Architecture:          x86_64", "Architecture=9")
    system = collect_env.read(windows).system
    assert (system.os.value, system.machine.value, system.wsl.value) == ("windows", "AMD64", False)


@pytest.mark.parametrize("text", [TORCH, FIRST, VLLM, SGLANG])
def test_every_cut_is_read(text: str) -> None:
    for length in range(0, len(text), 19):
        collect_env.read(text[:length])
        collect_env.read(text[length:])


@pytest.mark.skipif(find_spec("torch") is None, reason="torch is not installed")
def test_the_output_of_this_torch() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "torch.utils.collect_env"], capture_output=True, text=True, check=True, timeout=300
    )
    facts, torch = torch_of(done.stdout)
    from importlib.metadata import version

    assert torch.version.value.partition("+")[0] == version("torch").partition("+")[0]
    assert torch.build.value in ("cpu", "cuda", "rocm")
    assert isinstance(torch.answer.value.available, bool)
    assert facts.interpreter.version.value == platform.python_version()
    assert facts.packages.value["numpy"] == version("numpy")
    if platform.system() == "Linux":
        assert (facts.system.os.value, facts.system.kernel.value) == ("linux", platform.release())
        assert facts.system.machine.value == platform.machine()
