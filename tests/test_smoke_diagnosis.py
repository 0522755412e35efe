"""What makes a smoke training fail is named: each fault is injected, and the report's first root cause is it.

On the GPU side the real TensorFlow meets a stub driver; the numeric faults are put into the real frameworks when
they start, by a .pth file of the interpreter that trains.
"""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
from conftest import StandIn
from test_smoke import ALIKE, FRAMEWORKS, JSON, needs
from test_smokelib import idx_bytes

pytestmark = pytest.mark.filterwarnings("default")
NAMES = {"torch": "train_torch", "tf": "train_tensorflow"}


def sabotaged(stand_in: StandIn, framework: str, code: str) -> Path:
    """An interpreter with the real packages, in which a training script runs ``code`` before anything else."""
    needs(framework)
    site = Path(find_spec(FRAMEWORKS[framework]).origin).parents[1]
    stand_in.write("real.pth", f"{site}\nimport sabotage\n")
    body = "\n".join(f"    {line}" for line in code.splitlines())
    stand_in.write(
        "sabotage.py", f"import sys\nif {NAMES[framework]!r} in ' '.join(sys.orig_argv):\n{body}\n    del sys\n"
    )
    return stand_in.python


ROUNDED = """
import numpy
def rounded(array, bits=11):
    mantissa, exponent = numpy.frexp(array)
    return numpy.ldexp(numpy.round(mantissa * 2**bits) / 2**bits, exponent).astype(numpy.float32)
"""
NUMERIC = {
    ("torch", "tf32-in-use"): ROUNDED
    + """
import torch
real = torch.nn.functional.conv2d
class Coarse(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x, w, stride, padding):
        x, w = (torch.from_numpy(rounded(part.detach().numpy())) for part in (x, w))
        ctx.save_for_backward(x, w)
        ctx.how = stride, padding
        return real(x, w, None, stride, padding)
    @staticmethod
    def backward(ctx, g):
        x, w = ctx.saved_tensors
        g = torch.from_numpy(rounded(g.contiguous().numpy()))
        stride, padding = ctx.how
        with torch.enable_grad():
            x, w = x.requires_grad_(), w.requires_grad_()
            return (*torch.autograd.grad(real(x, w, None, stride, padding), (x, w), g), None, None)
torch.nn.functional.conv2d = lambda x, w, bias=None, stride=1, padding=0: (
    Coarse.apply(x, w, stride, padding) + (0 if bias is None else bias[:, None, None]))
""",
    ("torch", "convolution-wrong"): """
import torch
real = torch.nn.functional.conv2d
class Loses(torch.autograd.Function):
    @staticmethod
    def forward(ctx, w):
        return w * 1
    @staticmethod
    def backward(ctx, g):
        g = g.clone()
        g[0] = 0
        return g
torch.nn.functional.conv2d = lambda x, w, *rest, **options: real(x, Loses.apply(w), *rest, **options)
""",
    ("tf", "convolution-wrong"): """
import tensorflow as tf
real = tf.nn.conv2d
@tf.custom_gradient
def loses(w):
    return tf.identity(w), lambda g: g * tf.constant([0.0] + [1.0] * (g.shape[-1] - 1))
tf.nn.conv2d = lambda x, w, *rest, **options: real(x, loses(w), *rest, **options)
""",
    ("torch", "weights-not-updated"): "import torch\ntorch.Tensor.addcdiv_ = lambda self, *rest, **options: self",
    ("tf", "weights-not-updated"): """
import tensorflow as tf
from tensorflow.python.ops.resource_variable_ops import ResourceVariable
ResourceVariable.assign_sub = lambda self, *rest, **options: self
""",
    ("torch", "data-corrupted"): """
import torch
real = torch.from_numpy
def spoiled(array):
    made = real(array)
    if made.dtype == torch.uint8:
        made[0, 0, 0] ^= 64
    return made
torch.from_numpy = spoiled
""",
    ("torch", "training-does-not-learn"): """
import torch
real = torch.Tensor.addcdiv_
torch.Tensor.addcdiv_ = lambda self, mean, size, value: real(self, mean, size, value=-value)
""",
}
WORDS = {"convolution-wrong": "weight gradient", "weights-not-updated": "did not change"}


@pytest.mark.parametrize(("framework", "slug"), NUMERIC)
def test_a_numeric_fault_is_named(stand_in, gpucheck, framework: str, slug: str) -> None:
    python = sabotaged(stand_in, framework, NUMERIC[framework, slug])
    options = ("--arithmetic", "fp32") if slug == "tf32-in-use" else ()
    report = gpucheck(*JSON, "-f", framework, "--python", python, *options).report
    assert report["root_causes"][0] == slug, report["findings"]
    assert report["exit_status"] == 1
    assert WORDS.get(slug, "") in next(one for one in report["findings"] if one["slug"] == slug)["title"]


def files(folder: Path, images: np.ndarray, labels: np.ndarray) -> Path:
    """The four idx files, the last thousand images for testing."""
    parts = {"train-images-idx3": images[:-1000], "train-labels-idx1": labels[:-1000],
             "t10k-images-idx3": images[-1000:], "t10k-labels-idx1": labels[-1000:]}  # fmt: skip
    for name, array in parts.items():
        (folder / f"{name}-ubyte").write_bytes(idx_bytes(array))
    return folder


@pytest.mark.parametrize("framework", ALIKE)
@pytest.mark.parametrize("slug", ["labels-shuffled", "data-corrupted", None])
def test_bad_data_is_told_from_bad_machines(gpucheck, tmp_path: Path, framework: str, slug: str | None) -> None:
    from smokelib import digits

    needs(framework)
    images, labels = digits.make(4000, 3)
    rng = np.random.default_rng(0)
    if slug == "labels-shuffled":
        labels = rng.permutation(labels)
    elif slug:
        images = rng.integers(0, 256, images.shape, np.uint8)
    report = gpucheck(*JSON, "-f", framework, "--data", files(tmp_path, images, labels)).report
    assert report["root_causes"][:1] == ([slug] if slug else [])
    assert report["exit_status"] == (1 if slug else 3)


STUB = {
    "cudnn-version-mismatch": {"GPUSIM_CUDNN": "7104"},
    "cudnn-sublibrary-mismatch": {"GPUSIM_CUDNN_CREATE": "1002"},
    "cudnn-init-failed": {"GPUSIM_CUDNN_CREATE": "1001"},
    "gpu-out-of-memory": {"GPUSIM_FREE_MIB": "0"},
    "visible-devices-hides-gpu": {"CUDA_VISIBLE_DEVICES": "-1"},
}


@pytest.mark.parametrize("slug", STUB)
def test_tensorflow_on_a_stub_names_the_fault(gpucheck, stub, slug: str) -> None:
    needs("tf")
    report = gpucheck(*JSON, "-f", "tf", "--no-fix", env=stub(**STUB[slug])).report
    assert report["root_causes"][0] == slug
    assert report["exit_status"] == 1
    (run,) = report["smoke"]
    assert run["convolution"]["gpu_proved"] is None
    if slug not in ("visible-devices-hides-gpu", "cudnn-version-mismatch"):
        assert [one["cure"] for one in run["retries"]] == ["memory-growth"]
        assert run["retries"][0]["passed"] is False
    if slug == "gpu-out-of-memory":
        evidence = [line["text"] for one in report["findings"] if one["slug"] == slug for line in one["evidence"]]
        assert any("process 4242" in line and "GiB" in line for line in evidence), evidence


def test_growth_on_one_of_two_gpus(gpucheck, stub, stand_in) -> None:
    growth = """
import tensorflow as tf
tf.config.experimental.set_memory_growth(tf.config.list_physical_devices("GPU")[0], True)
"""
    python = sabotaged(stand_in, "tf", growth)
    report = gpucheck(*JSON, "-f", "tf", "--python", python, env=stub()).report
    assert report["root_causes"][0] == "memory-growth-mixed"


def test_a_silent_fall_back(gpucheck, stub, stand_in) -> None:
    python = sabotaged(stand_in, "tf", "import tensorflow as tf\ntf.config.set_visible_devices([], 'GPU')")
    report = gpucheck(*JSON, "-f", "tf", "--python", python, env=stub()).report
    assert report["root_causes"][0] == "silent-cpu-fallback"
    assert report["exit_status"] == 1


def test_no_kernel_image(gpucheck, stub, stand_in) -> None:
    text = "CUDA error: no kernel image is available for execution on the device"
    python = sabotaged(
        stand_in,
        "torch",
        f"""
import torch
def conv2d(*rest, **options):
    raise RuntimeError({text!r})
torch.nn.functional.conv2d = conv2d
""",
    )
    report = gpucheck(*JSON, "-f", "torch", "--python", python).report
    assert report["root_causes"][0] == "compute-capability-unsupported"
    assert text in report["findings"][0]["evidence"][0]["text"]


def test_memory_is_told_from_version_by_the_cure_that_helps(gpucheck, stub, stand_in) -> None:
    """The same words as a wrong version; under memory growth the training passes."""
    python = sabotaged(
        stand_in,
        "tf",
        """
import os
import tensorflow as tf
tf.config.set_visible_devices([], "GPU")
if os.environ.get("TF_FORCE_GPU_ALLOW_GROWTH") != "true":
    def conv2d(*rest, **options):
        raise RuntimeError("Could not create cudnn handle: CUDNN_STATUS_NOT_INITIALIZED")
    tf.nn.conv2d = conv2d
""",
    )
    report = gpucheck(*JSON, "-f", "tf", "--no-fix", "--python", python, env=stub()).report
    (run,) = report["smoke"]
    assert run["retries"] == [{"cure": "memory-growth", "environment": {"TF_FORCE_GPU_ALLOW_GROWTH": "true"},
                               "passed": True, "failure": None}]  # fmt: skip
    assert report["root_causes"][0] == "gpu-out-of-memory"
    found = next(one for one in report["findings"] if "no version is at fault" in one["cause"])
    assert "no version is at fault" in found["cause"]
    assert found["fixes"][0]["environment"] == {"TF_FORCE_GPU_ALLOW_GROWTH": "true"}
    assert "cudnn-init-failed" in found["explains"]


def test_a_stub_gpu_never_passes(gpucheck, stub) -> None:
    """Growth, a sound cuDNN version, memory enough: the real TensorFlow starts, and cannot convolve."""
    needs("tf")
    ran = gpucheck(*JSON, "-f", "tf", "--all-gpus", env=stub())
    assert ran.status == 1
    assert [run["accuracy"] for run in ran.report["smoke"]] == [None, None]
    assert ran.report["root_causes"] == ["smoke-failed"]
