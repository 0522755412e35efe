"""Trains the reference network in TensorFlow and measures where the time goes.

Measured on 2 CPU cores (see docs/reference-results.md): real MNIST to 98 % in about 6 s of a cold process,
half of it `import tensorflow`. Two things buy the speed: the whole data as one tensor instead of a
tf.data pipeline, and training steps in one compiled loop (tf.range inside tf.function; eager steps are
3.8 times slower). No Keras: the network and Adam are a few lines of tf.nn.
"""

from __future__ import annotations

import glob
import os
import re
import tempfile

import numpy as np
from smokelib import convolution, data, mapped, model
from smokelib.session import Failed, Session, serve

CHUNKS = 10  # calls of the compiled loop, so that progress can be told between them


class Network:
    """The reference network over a list of variables."""

    def __init__(self, tf, layers: list[dict], arrays: list[list[np.ndarray]]) -> None:
        self.tf, self.layers, self.counts = tf, layers, [len(own) for own in arrays]
        self.variables = [tf.Variable(native(array)) for own in arrays for array in own]
        self.running = [
            (tf.Variable(tf.zeros(own[0].size)), tf.Variable(tf.ones(own[0].size)))
            for layer, own in zip(layers, arrays)
            if layer["kind"] == "batchnorm"
        ]

    def __call__(self, x, training: bool):
        """Return the logits of images (n, 28, 28, 1)."""
        tf, position, running = self.tf, 0, iter(self.running)
        for layer, count in zip(self.layers, self.counts):
            own, position = self.variables[position : position + count], position + count
            if layer["kind"] == "conv":
                x = tf.nn.conv2d(x, own[0], layer["stride"], "VALID")
                x = tf.nn.bias_add(x, own[1]) if layer["bias"] else x
            elif layer["kind"] == "batchnorm":
                x = self.normalise(x, own, next(running), training)
            elif layer["kind"] == "relu":
                x = tf.nn.relu(x)
            elif layer["kind"] == "flatten":  # in torch's order, channels first
                x = tf.transpose(x, [0, 3, 1, 2])
                x = tf.reshape(x, [-1, x.shape[1] * x.shape[2] * x.shape[3]])
            else:
                x = x @ own[0] + own[1]
        return x

    def normalise(self, x, own: list, running: tuple, training: bool):
        """Batch normalisation; running averages with momentum 0.1, as torch has it."""
        nn = self.tf.nn
        if not training:
            return nn.batch_normalization(x, *running, own[1], own[0], 1e-5)
        y, mean, variance = self.tf.compat.v1.nn.fused_batch_norm(x, *own, epsilon=1e-5)
        for average, value in zip(running, (mean, variance)):
            average.assign_add(0.1 * (value - average))
        return y


def native(array: np.ndarray) -> np.ndarray:
    """Return a weight in TensorFlow's layout: HWIO for convolutions, (in, out) for dense layers."""
    if array.ndim == 4:
        return array.transpose(2, 3, 1, 0)
    return array.T if array.ndim == 2 else array


def open_device(tf, asked: str) -> str:
    """Return the device to use; ``gpu`` fails where TensorFlow sees none.

    Soft placement is off: an operation that was placed on the GPU by name fails if it cannot run there.
    """
    gpus = [] if asked == "cpu" else tf.config.list_physical_devices("GPU")
    if asked == "gpu" and not gpus:
        raise Failed("tf.config.list_physical_devices('GPU') is empty: this TensorFlow sees no GPU")
    if asked == "cpu":
        tf.config.set_visible_devices([], "GPU")
    tf.config.set_soft_device_placement(False)
    device = "/GPU:0" if gpus else "/CPU:0"
    with tf.device(device):
        tf.reduce_sum(tf.ones((8, 8)) @ tf.ones((8, 8))).numpy()
    return device


def normalise(tf, images, recipe: dict):
    """Return bytes as float32 around zero, one channel."""
    return ((tf.cast(images, tf.float32) - recipe["mean"]) / recipe["deviation"])[..., None]


def compiled_loop(tf, network: Network, images, labels, recipe: dict):
    """Return a tf.function that takes the steps ``begin`` to ``end`` and returns their losses."""
    first, second = recipe["betas"]
    averages = [(tf.Variable(tf.zeros_like(v)), tf.Variable(tf.zeros_like(v))) for v in network.variables]

    def adam(gradients, rate, step) -> None:
        size = rate / (1 - first**step)
        for variable, gradient, (mean, square) in zip(network.variables, gradients, averages):
            mean.assign_add((1 - first) * (gradient - mean))
            square.assign_add((1 - second) * (gradient * gradient - square))
            variable.assign_sub(size * mean / (tf.sqrt(square / (1 - second**step)) + 1e-8))

    @tf.function
    def run(begin, end, steps, rates):
        losses = tf.TensorArray(tf.float32, size=end - begin)
        for number in tf.range(begin, end):
            x = normalise(tf, tf.gather(images, steps[number]), recipe)
            with tf.GradientTape() as tape:
                each = tf.nn.sparse_softmax_cross_entropy_with_logits(
                    tf.gather(labels, steps[number]), network(x, training=True)
                )
                loss = tf.reduce_mean(each)
            step = tf.cast(number + 1, tf.float32)
            adam(tape.gradient(loss, network.variables), rates[number], step)
            losses = losses.write(number - begin, loss)
        return losses.stack()

    return run


def train(session: Session, tf, network: Network, images, labels) -> list[float]:
    """Train by the recipe; return each step's loss."""
    recipe, seed = session.request["recipe"], session.request["seed"]
    order: np.ndarray = model.order(recipe, int(images.shape[0]), seed)
    steps, rates = tf.constant(order), tf.constant(model.rates(recipe, len(order)))
    run = compiled_loop(tf, network, images, labels, recipe)
    with session.stage("first_step"):
        losses = run(tf.constant(0), tf.constant(1), steps, rates).numpy().tolist()
    marks = np.linspace(1, len(order), CHUNKS + 1).astype(int)
    with session.stage("train"):
        for begin, end in zip(marks, marks[1:]):
            losses += run(tf.constant(begin, tf.int32), tf.constant(end, tf.int32), steps, rates).numpy().tolist()
            session.progress(int(end), len(order))
    return losses


def accuracy(tf, network: Network, images, labels, recipe: dict) -> float:
    """Return the share of images told right."""
    right = 0
    for begin in range(0, int(images.shape[0]), 2000):
        logits = network(normalise(tf, images[begin : begin + 2000], recipe), training=False)
        told = tf.argmax(logits, 1, output_type=tf.int64)
        right += int(np.sum(told.numpy() == labels[begin : begin + 2000].numpy()))
    return right / int(images.shape[0])


def convolve(tf):
    """Return a function that convolves forward and backward, for `convolution.measure`."""

    def run(case, x, w, g):
        x, g = (tf.constant(array.transpose(0, 2, 3, 1)) for array in (x, g))
        w = tf.constant(native(w))
        pad = [[0, 0], [case[6]] * 2, [case[6]] * 2, [0, 0]]
        with tf.GradientTape() as tape:
            tape.watch([x, w])
            y = tf.nn.conv2d(x, w, case[5], pad)
        dx, dw = tape.gradient(y, [x, w], output_gradients=g)
        return [
            y.numpy().transpose(0, 3, 1, 2),
            dx.numpy().transpose(0, 3, 1, 2),
            dw.numpy().transpose(3, 2, 0, 1),
        ]

    return run


def profiled_events(tf, scratch: str) -> dict[str, list[str]]:
    """Return the event names of each device that TensorFlow's profiler saw during one convolution.

    The profiler can only write into a folder; ``scratch`` is one that the parent takes away.
    """
    from tensorflow.tsl.profiler.protobuf import xplane_pb2

    x, w = tf.ones((4, 16, 16, 8)), tf.ones((3, 3, 8, 8))
    # Inside a tf.function, whose graph names the kernel that was chosen; eager events name only the operator.
    convolution_step = tf.function(lambda: tf.reduce_sum(tf.nn.relu(tf.nn.conv2d(x, w, 1, "VALID"))))
    convolution_step().numpy()
    with tempfile.TemporaryDirectory(dir=scratch) as folder:
        tf.profiler.experimental.start(folder)
        convolution_step().numpy()
        tf.profiler.experimental.stop()
        seen: dict[str, list[str]] = {}
        for path in glob.glob(os.path.join(folder, "**", "*.xplane.pb"), recursive=True):
            space = xplane_pb2.XSpace()
            with open(path, "rb") as file:
                space.ParseFromString(file.read())
            for plane in space.planes:
                seen.setdefault(plane.name, []).extend(meta.name for meta in plane.event_metadata.values())
    return seen


def proof(tf, device: str, libraries: list[dict], scratch: str | None) -> dict:
    """Say which backend convolved, and whether a profile shows kernels on the GPU."""
    if scratch is None:
        return {
            "backend": None,
            "gpu_proved": None,
            "reason": "there is no folder that a profile can be written to",
        }
    try:
        events = profiled_events(tf, scratch)
    except Exception as error:  # whatever the profiler does, it must not fail the run
        return {"backend": None, "gpu_proved": None, "reason": f"the profiler failed: {error}"}
    if device == "/CPU:0":
        kernel = next((name for names in events.values() for name in names if name.startswith("Conv2D:")), None)
        # _MklNativeConv2D is oneDNN's kernel, which torch still calls mkldnn; Conv2D is Eigen's.
        backend = None if kernel is None else "mkldnn" if "Mkl" in kernel else "native"
        return {"backend": backend, "gpu_proved": None, "reason": None}
    kernels = [name for plane, names in events.items() if "/device:GPU" in plane for name in names]
    convolving = [name for name in kernels if re.search(r"cudnn|conv|xmma|gemm|cutlass", name, re.IGNORECASE)]
    if not kernels:
        return {
            "backend": None,
            "gpu_proved": None,
            "reason": "the profile shows no GPU kernel: CUPTI did not record",
        }
    if not convolving or not libraries:
        return {
            "backend": None,
            "gpu_proved": False,
            "reason": "no cuDNN file is mapped, or no kernel convolved",
        }
    return {"backend": "cudnn", "gpu_proved": True, "reason": None}


def device_name(tf, device: str) -> str | None:
    """Return the product name of the GPU."""
    gpus = tf.config.list_physical_devices("GPU") if device == "/GPU:0" else []
    return tf.config.experimental.get_device_details(gpus[0]).get("device_name") if gpus else None


def run(session: Session) -> dict:
    """Do the whole run."""
    with session.stage("import"):
        import tensorflow as tf
    session.emit("about", version=tf.__version__)
    with session.stage("data"):
        arrays, about = data.load(session.request)
    session.emit("data", **about)
    with session.stage("device_start"):
        device = open_device(tf, session.request["device"])
    session.emit("device", device="cpu" if device == "/CPU:0" else device, device_name=device_name(tf, device))
    with tf.device(device):
        return on_device(session, tf, device, arrays)


def on_device(session: Session, tf, device: str, arrays: tuple) -> dict:
    """Train, evaluate and prove on the device that was opened."""
    layers, recipe, seed = (session.request[key] for key in ("layers", "recipe", "seed"))
    with session.stage("data"):
        # tf.gather has no GPU kernel for uint8 and int32: such data would wander to the CPU in every step.
        pixels = np.uint8 if device == "/CPU:0" else np.float16
        images, test_images = (tf.constant(array.astype(pixels)) for array in (arrays[0], arrays[2]))
        labels, test_labels = (tf.constant(array.astype(np.int64)) for array in (arrays[1], arrays[3]))
    network = Network(tf, layers, model.weights(layers, seed))
    losses = train(session, tf, network, images, labels)
    speed = (len(losses) - 1) * recipe["batch"] / session.seconds["train"] if len(losses) > 1 else None
    with session.stage("evaluate"):
        share = accuracy(tf, network, test_images, test_labels, recipe)
    with session.stage("proof"):
        errors = convolution.measure(convolve(tf), seed)
        libraries = mapped.cudnn_libraries()
        seen = {"libraries": libraries, **proof(tf, device, libraries, session.request["scratch"])}
    return {
        "accuracy": share,
        "examples_per_second": speed,
        "convolution": {**errors, **seen},
        **model.summary(losses),
    }


if __name__ == "__main__":
    serve(run)
