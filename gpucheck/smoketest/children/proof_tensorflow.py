"""Proves that TensorFlow convolved on the GPU through cuDNN, with right numbers, forward and backward.

Witnesses, since a tensor's device alone proves little: soft placement is off and every result lies on the GPU; the
profiler's GPU kernels for the output and for each gradient apart; the custom calls of the program that XLA has
compiled; the cuDNN files mapped into this process; and the numbers against float64, both in eager and in graph
execution. An empty profile proves nothing, and says so.
"""

from __future__ import annotations

import glob
import os
import re
import tempfile

import numpy as np
from smokelib import convolution, mapped

PARTS = ("forward", "grad_input", "grad_weight")
# Kernels of cuDNN and of cuBLAS under it. A guess from names seen in reports; no GPU of ours has confirmed it.
CONVOLVING = re.compile(r"cudnn|conv|xmma|gemm|cutlass|winograd|fprop|dgrad|wgrad", re.IGNORECASE)


def native(array: np.ndarray, back: bool = False) -> np.ndarray:
    """Return a weight in TensorFlow's layout, HWIO and (in, out), or ``back`` in torch's, OIHW and (out, in)."""
    if array.ndim == 4:
        return array.transpose(3, 2, 0, 1) if back else array.transpose(2, 3, 1, 0)
    return array.T if array.ndim == 2 else array


def prove(tf, device: str, request: dict) -> dict:
    """Return numbers, backend, mapped files and, on a GPU, the profile's witnesses."""
    seed, gpu = request["seed"], device != "/CPU:0"
    eager = convolution.measure(convolve(tf, derivatives(tf), device), seed)
    graph = convolution.measure(convolve(tf, tf.function(derivatives(tf)), device), seed)
    found: dict = {
        name: {kind: max(eager[name][kind], graph[name][kind]) for kind in eager[name]} for name in eager
    }
    libraries = mapped.cudnn_libraries()
    found = {**found, **profiled(tf, device, libraries, request["scratch"]), "libraries": libraries}
    if request["compiled"] or gpu:
        found["compiled"] = compiled(tf, device, seed)
    return found


def derivatives(tf):
    """Return a function that convolves and derives by input and weight."""

    def run(x, w, g, stride, pad):
        with tf.GradientTape() as tape:
            tape.watch([x, w])
            y = tf.nn.conv2d(x, w, stride, [[0, 0], [pad, pad], [pad, pad], [0, 0]])
        return (y, *tape.gradient(y, [x, w], output_gradients=g))

    return run


def convolve(tf, derive, device: str):
    """Return a function that convolves forward and backward, for `convolution.measure`.

    Raises:
        RuntimeError: A result does not lie on the device.
    """

    def run(case, x, w, g):
        x, g = (tf.constant(array.transpose(0, 2, 3, 1)) for array in (x, g))
        results = derive(x, tf.constant(native(w)), g, case[5], case[6])
        for tensor in results:
            if not tensor.backing_device.endswith(device.strip("/")):
                raise RuntimeError(f"a convolution's result lies on {tensor.backing_device}, not on {device}")
        y, dx, dw = (tensor.numpy() for tensor in results)
        return [y.transpose(0, 3, 1, 2), dx.transpose(0, 3, 1, 2), native(dw, back=True)]

    return run


def profiled(tf, device: str, libraries: list[dict], scratch: str | None) -> dict:
    """Say which backend convolved and, on a GPU, whether a profile shows kernels for every part."""
    if scratch is None:
        return nothing("there is no folder that a profile can be written to")
    try:
        seen = {part: record(tf, scratch, work) for part, work in works(tf).items()}
    except Exception as error:  # whatever the profiler does, it must not fail the run
        return nothing(f"the profiler failed: {error}")
    if device == "/CPU:0":
        names = [name for planes in seen.values() for found in planes.values() for name in found]
        kernel = next((name for name in names if name.startswith("Conv2D:")), None)
        # _MklNativeConv2D is oneDNN's kernel, which torch still calls mkldnn; Conv2D is Eigen's.
        backend = None if kernel is None else "mkldnn" if "Mkl" in kernel else "native"
        return {**nothing(None), "backend": backend}
    kernels = {part: on_gpu(planes) for part, planes in seen.items()}
    operators = {part: named(planes) for part, planes in seen.items()}
    return {"kernels": kernels, "operators": operators, **judge(kernels, libraries)}


def nothing(reason: str | None) -> dict:
    """Return a proof that says neither yes nor no."""
    return {"backend": None, "gpu_proved": None, "reason": reason}


def works(tf) -> dict:
    """Return the output and each gradient, as a graph whose profile names the kernel that was chosen."""
    x, w = tf.ones((4, 16, 16, 8)), tf.ones((3, 3, 8, 8))
    g = tf.ones((4, 14, 14, 8))
    stride, shape = [1, 1, 1, 1], tf.constant([4, 16, 16, 8])
    raw = tf.raw_ops
    made = {
        "forward": lambda: raw.Conv2D(input=x, filter=w, strides=stride, padding="VALID"),
        "grad_input": lambda: raw.Conv2DBackpropInput(
            input_sizes=shape, filter=w, out_backprop=g, strides=stride, padding="VALID"
        ),
        "grad_weight": lambda: raw.Conv2DBackpropFilter(
            input=x, filter_sizes=tf.constant([3, 3, 8, 8]), out_backprop=g, strides=stride, padding="VALID"
        ),
    }
    return {part: tf.function(lambda work=work: tf.reduce_sum(tf.nn.relu(work()))) for part, work in made.items()}


def record(tf, scratch: str, work) -> dict[str, list[str]]:
    """Return the event names of each device that TensorFlow's profiler saw during some work.

    The profiler can only write into a folder; ``scratch`` is one that the parent takes away.
    """
    from tensorflow.tsl.profiler.protobuf import xplane_pb2

    work().numpy()
    seen: dict[str, list[str]] = {}
    with tempfile.TemporaryDirectory(dir=scratch) as folder:
        tf.profiler.experimental.start(folder)
        work().numpy()
        tf.profiler.experimental.stop()
        for path in glob.glob(os.path.join(folder, "**", "*.xplane.pb"), recursive=True):
            space = xplane_pb2.XSpace()
            with open(path, "rb") as file:
                space.ParseFromString(file.read())
            for plane in space.planes:
                seen.setdefault(plane.name, []).extend(meta.name for meta in plane.event_metadata.values())
    return seen


def on_gpu(planes: dict[str, list[str]]) -> list[str]:
    """Return the events on GPUs."""
    return sorted({name for plane, names in planes.items() if "/device:GPU" in plane for name in names})


def named(planes: dict[str, list[str]]) -> list[str]:
    """Return the convolution operators on the host."""
    return sorted({name for names in planes.values() for name in names if name.startswith("Conv2D")})


def judge(kernels: dict[str, list[str]], libraries: list[dict]) -> dict:
    """Say whether the profile and the mapped files prove cuDNN on the GPU."""
    if not any(kernels.values()):
        return nothing("the profile shows no GPU kernel: CUPTI did not record")
    if not libraries:
        return {**nothing("no cuDNN file is mapped into the process"), "gpu_proved": False}
    without = [part for part in PARTS if not any(CONVOLVING.search(name) for name in kernels[part])]
    if without:
        return nothing(f"no kernel of the profile is known to convolve in {', '.join(without)}")
    return {"backend": "cudnn", "gpu_proved": True, "reason": None}


def compiled(tf, device: str, seed: int) -> dict:
    """Measure a convolution that XLA has compiled, and name its program's custom calls (``__cudnn$conv...``)."""
    derive = tf.function(derivatives(tf), jit_compile=True)
    try:
        found = convolution.measure(convolve(tf, derive, device), seed)
        x, w, g = (tf.ones(shape) for shape in ((4, 16, 16, 8), (3, 3, 8, 8), (4, 14, 14, 8)))
        program = derive.experimental_get_compiler_ir(x, w, g, 1, 0)(stage="optimized_hlo", device_name=device)
    except Exception as error:  # a compiler that is broken does not undo what eager execution has proved
        return {"failure": f"{type(error).__name__}: {error}"}
    calls = sorted(set(re.findall(r'custom_call_target="([^"]+)"', program)))
    return {"failure": None, "custom_calls": calls, **found}
