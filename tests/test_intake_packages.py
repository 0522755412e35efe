"""Lists of packages, and TensorFlow's tf_env_collect.sh."""

from __future__ import annotations

import subprocess
import sys
from importlib.metadata import version

import pytest

from gpucheck.intake import package_lists, tf_env

PIP = """\
I ran pip list:

Package                  Version          Editable project location
------------------------ ---------------- -------------------------
Jinja2                   3.1.4
my_project               0.1.0            /home/me/project
~orch                    2.2.0
nvidia-cudnn-cu12        8.9.2.26
torch                    2.3.0+cu121

and it still fails.
"""
FREEZE = """\
numpy==1.26.4
-e git+https://example.org/x@0123#egg=x
triton @ https://download.pytorch.org/whl/triton-3.0.0-1-cp310-cp310-linux_x86_64.whl#sha256=00
torch @ https://download.pytorch.org/whl/cu124/torch-2.4.1%2Bcu124-cp310-cp310-linux_x86_64.whl
protobuf==4.25.3
"""
CONDA = """\
# packages in environment at /home/me/miniconda3/envs/dl:
#
# Name                    Version                   Build  Channel
_libgcc_mutex             0.1                        main
cudatoolkit               11.3.1               h2bc3f7f_2
numpy                     1.23.5                   pypi_0    pypi
python                    3.9.16               h7a1cb2a_2
pytorch                   1.12.1          py3.9_cuda11.3_cudnn8.3.2_0    pytorch
tensorflow                2.10.0          cuda112py39h01bd6f0_0    conda-forge
"""
MAMBA = """\
List of packages in environment: "/opt/conda"

  Name          Version  Build                    Channel
────────────────────────────────────────────────────────────
  python        3.10.13  hd12c33a_0_cpython       conda-forge
  pytorch       2.1.0    cpu_generic_py310h77d5f2a_0  conda-forge
"""
TF = """\
== check python ===================================================
python version: 3.6.9
python branch:
python implementation: CPython

== check os platform ===============================================
os: Linux
os kernel version: #1 SMP Thu Nov 8 23:39:32 UTC 2018
os release version: 4.15.0-112-generic
os platform: Linux-4.15.0-112-generic-x86_64-with-Ubuntu-18.04-bionic
linux distribution: ('Ubuntu', '18.04', 'bionic')
uname: uname_result(system='Linux', node='secret-host', release='4.15.0-112-generic')
machine: x86_64

== are we in docker =============================================
Yes

== check pips ===================================================
numpy                  1.18.5
protobuf               3.12.4
tensorflow-gpu         2.3.0

== check for virtualenv =========================================
False

== tensorflow import ============================================
tf.version.VERSION = 2.3.0
tf.version.GIT_VERSION = v2.3.0-rc2-23-gb36436b087

== env ==========================================================
LD_LIBRARY_PATH /usr/local/cuda/lib64:/opt/lib
DYLD_LIBRARY_PATH is unset

== nvidia-smi ===================================================
./tf_env_collect.sh: line 147: nvidia-smi: command not found

== cuda libs  ===================================================
/usr/local/cuda-10.1/targets/x86_64-linux/lib/libcudart.so.10.1.243
/usr/local/cuda-10.1/targets/x86_64-linux/lib/libcudart_static.a
/usr/local/cuda-10.1/doc/man/man7/libcudart.so.7

== tensorflow installed from info ==================
"""
OLD_TF = """\
== cat /etc/issue ===============================================
Linux secret-host 4.4.0-43-Microsoft #1-Microsoft Wed Dec 31 14:42:53 PST 2014 x86_64 x86_64 x86_64 GNU/Linux
VERSION="16.04.3 LTS (Xenial Xerus)"

== check pips ===================================================
numpy (1.13.3)
tensorflow (1.4.0)

== tensorflow import ============================================
Traceback (most recent call last):
  File "<string>", line 1, in <module>
ImportError: libcublas.so.8.0: cannot open shared object file: No such file or directory
"""


def test_pip_list() -> None:
    facts = package_lists.read(PIP)
    torch = facts.framework("torch")
    assert (torch.installed.value, torch.version.value, torch.build.value) == (True, "2.3.0+cu121", "cuda")
    assert (torch.cuda_runtime.value, torch.distribution.value) == ("12.1", "torch 2.3.0+cu121")
    assert facts.packages.value["my-project"] == "0.1.0"
    assert facts.packages.value["jinja2"] == "3.1.4"
    assert facts.packages.value["nvidia-cudnn-cu12"] == "8.9.2.26"
    assert facts.packages.source == "pip list"
    assert facts.driver.version.missing == facts.interpreter.version.missing == "not in this report"


def test_a_plain_version_tells_nothing_of_the_build() -> None:
    torch = package_lists.read(PIP.replace("+cu121", "")).framework("torch")
    assert torch.version.value == "2.3.0"
    assert torch.build.missing == torch.cuda_runtime.missing == "not in this report"


def test_pip_freeze() -> None:
    facts = package_lists.read(FREEZE)
    assert facts.packages.value == {
        "numpy": "1.26.4", "triton": "3.0.0", "torch": "2.4.1+cu124", "protobuf": "4.25.3",
    }  # fmt: skip
    assert facts.framework("torch").cuda_runtime.value == "12.4"


def test_conda_list() -> None:
    facts = package_lists.read(CONDA)
    torch, tensorflow = facts.framework("torch"), facts.framework("tensorflow")
    assert (torch.installer.value, torch.version.value, torch.build.value) == ("conda", "1.12.1", "cuda")
    assert (torch.cuda_runtime.value, torch.cudnn_built.value) == ("11.3", "8.3.2")
    assert (tensorflow.build.value, tensorflow.cuda_runtime.value) == ("cuda", "11.2")
    assert (facts.interpreter.version.value, facts.interpreter.kind.value) == ("3.9.16", "conda")
    assert facts.interpreter.prefix.value == "/home/me/miniconda3/envs/dl"


def test_mamba_list() -> None:
    facts = package_lists.read(MAMBA)
    assert facts.framework("torch").build.value == "cpu"
    assert facts.interpreter.version.value == "3.10.13"
    assert facts.interpreter.prefix.value == "/opt/conda"


@pytest.mark.parametrize(
    ("name", "number", "build", "kind", "runtime"),
    [
        ("pytorch", "1.10.2", "py3.9_cpu_0", "cpu", None),
        ("pytorch", "2.1.0", "cuda118py310h91d1e1d_300", "cuda", "11.8"),
        ("pytorch", "2.5.1", "cuda126_mkl_py311h_301", "cuda", "12.6"),
        ("pytorch", "1.3.1", "cuda92py37hb0ba70e_0", "cuda", "9.2"),
        ("pytorch", "2.3.0", "gpu_cuda118py311h_100", "cuda", "11.8"),
        ("tensorflow", "2.4.1", "gpu_py39h8236f22_0", "cuda", None),
        ("tensorflow", "2.4.1", "mkl_py39h4683426_0", "cpu", None),
        ("pytorch", "2.0.1", "py310h_0", None, None),
    ],
)
def test_conda_build_strings(name: str, number: str, build: str, kind: str | None, runtime: str | None) -> None:
    row = f"{name}  {number}  {build}  conda-forge"
    (found,) = package_lists.read(f"# packages in environment at /x:\n#\n# Name Version Build\n{row}\n").frameworks
    assert (found.build.value, found.cuda_runtime.value) == (kind, runtime)


@pytest.mark.parametrize(
    ("lines", "kind"),
    [
        (["tensorflow-gpu (1.13.1)"], "cuda"),
        (["tensorflow-cpu (2.4.0)"], "cpu"),
        (["intel-tensorflow (2.4.0)"], "cpu"),
        (["tensorflow (2.10.0)", "tensorflow-intel (2.10.0)"], "cpu"),
        (["tensorflow (1.15.0)", "tensorflow-gpu (1.15.0)"], None),
        (["tensorflow (2.16.1)"], None),
    ],
)
def test_tensorflow_by_its_distribution(lines: list[str], kind: str | None) -> None:
    text = "\n".join(["numpy (1.16.4)", *lines, "six (1.12.0)"])
    assert package_lists.read(text).framework("tensorflow").build.value == kind


@pytest.mark.parametrize(
    "text",
    [
        "",
        "torch 2.3.0 works, 2.4.0 does not\nnumpy 1.26 is installed",
        "Python 3.8\nPyTorch 1.9\nCUDA 11.1\n",
        "epoch 1 0.53\nepoch 2 0.61\nepoch 3 0.70\nepoch 4 0.71",
        "loss  0.53\nacc   0.90\nf1    0.88",
        "torch==2.3.0\n\nnumpy==1.26.4",
        "ERROR: torch 2.6.0 requires nvidia-nccl-cu12==2.21.5, but you have nvidia-nccl-cu12 2.26.2",
    ],
)
def test_prose_is_no_list(text: str) -> None:
    assert package_lists.read(text) is None
    assert tf_env.read(text) is None


@pytest.mark.parametrize("arguments", [["list"], ["freeze"], ["list", "--format=freeze"]], ids=" ".join)
def test_the_output_of_this_pip(arguments: list[str]) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "pip", "--disable-pip-version-check", *arguments], capture_output=True, text=True,
        check=False,
    )  # fmt: skip
    if done.returncode:
        pytest.skip("pip is not installed")
    facts = package_lists.read(done.stdout)
    for name in ("numpy", "pytest", "hypothesis"):
        assert facts.packages.value[name] == version(name)
    for framework in facts.frameworks:
        assert framework.version.value == version(framework.name)


def test_tf_env() -> None:
    facts = tf_env.read(f"Bug!\n\n{TF}\nPlease help: numpy 1.2 too old?")
    tensorflow, system = facts.framework("tensorflow"), facts.system
    assert (tensorflow.installed.value, tensorflow.version.value) == (True, "2.3.0")
    assert (tensorflow.build.value, tensorflow.distribution.value) == ("cuda", "tensorflow-gpu 2.3.0")
    assert (system.os.value, system.distribution.value, system.container.value) == (
        "linux",
        "ubuntu 18.04",
        "docker",
    )
    assert (system.kernel.value, system.machine.value) == ("4.15.0-112-generic", "x86_64")
    assert (system.wsl.value, system.toolkit.value) == (False, "10.1")
    assert facts.interpreter.version.value == "3.6.9"
    assert facts.environment.value == {"LD_LIBRARY_PATH": "/usr/local/cuda/lib64:/opt/lib"}
    assert facts.packages.value == {"numpy": "1.18.5", "protobuf": "3.12.4", "tensorflow-gpu": "2.3.0"}
    assert facts.driver.version.missing == facts.gpus.missing == "not in this report"
    assert "secret-host" not in repr(facts)
    assert package_lists.read(TF) is None


def test_the_last_of_two_tf_reports_counts() -> None:
    facts = tf_env.read(f"{TF}\n{OLD_TF}")
    assert facts.framework("tensorflow").answer.value.error.startswith("ImportError: libcublas.so.8.0")
    assert facts.framework("tensorflow").version.value == "1.4.0"
    assert facts.system.wsl.value is True
    assert not facts.system.container.known
    assert "secret-host" not in repr(facts)
    missing = "ImportError: No module named tensorflow"
    gone = tf_env.read(OLD_TF.replace(OLD_TF.splitlines()[-1], missing)).framework("tensorflow")
    assert gone.installed.value is False


@pytest.mark.parametrize("text", [PIP, FREEZE, CONDA, MAMBA, TF, OLD_TF])
def test_every_cut_is_read(text: str) -> None:
    for length in range(0, len(text), 19):
        for part in (text[:length], text[length:]):
            package_lists.read(part)
            tf_env.read(part)
