"""Trains a reference network in TensorFlow and measures where the time goes.

Measured on 2 CPU cores (see docs/reference-results.md): `reference` reaches 98 % on real MNIST in about 6 s of a
cold process, half of it `import tensorflow`. Two things buy the speed: the whole data as one tensor instead of a
tf.data pipeline, and training steps in one compiled loop (tf.range inside tf.function; eager steps are 3.8 times
slower). No Keras: the network and the optimisers are a few lines of tf.nn.
"""

from __future__ import annotations

import numpy as np
import proof_tensorflow
from proof_tensorflow import native
from smokelib import course, data
from smokelib.session import Failed, Session, serve


class Network:
    """A network over a list of variables."""

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
            kind = layer["kind"]
            if kind == "conv":
                edge = [layer["padding"]] * 2
                x = tf.nn.conv2d(x, own[0], layer["stride"], [[0, 0], edge, edge, [0, 0]])
                x = tf.nn.bias_add(x, own[1]) if layer["bias"] else x
            elif kind == "batchnorm":
                x = self.batch_norm(x, own, next(running), training)
            elif kind == "max_pool":
                x = tf.nn.max_pool2d(x, layer["size"], layer["size"], "VALID")
            elif kind == "avg_pool":
                x = tf.nn.avg_pool2d(x, layer["size"], layer["size"], "VALID")
            elif kind == "flatten":  # in torch's order, channels first
                x = tf.transpose(x, [0, 3, 1, 2])
                x = tf.reshape(x, [-1, x.shape[1] * x.shape[2] * x.shape[3]])
            elif kind == "dense":
                x = x @ own[0] + own[1]
            else:
                x = tf.nn.relu(x) if kind == "relu" else tf.sigmoid(x)
        return x

    def batch_norm(self, x, own: list, running: tuple, training: bool):
        """Batch normalisation; running averages with momentum 0.1, as torch has it."""
        nn = self.tf.nn
        if not training:
            return nn.batch_normalization(x, *running, own[1], own[0], 1e-5)
        y, mean, variance = self.tf.compat.v1.nn.fused_batch_norm(x, *own, epsilon=1e-5)
        for average, value in zip(running, (mean, variance)):
            average.assign_add(0.1 * (value - average))
        return y


class Adam:
    """Adam (Kingma and Ba, arXiv 1412.6980)."""

    def __init__(self, tf, variables: list, recipe: dict) -> None:
        self.tf, self.variables, self.betas, self.epsilon = tf, variables, recipe["betas"], recipe["epsilon"]
        self.averages = [(tf.Variable(tf.zeros_like(v)), tf.Variable(tf.zeros_like(v))) for v in variables]

    def update(self, gradients: list, rate, step) -> None:
        """Take one step; ``step`` counts from 1."""
        first, second = self.betas
        size = rate / (1 - first**step)
        for variable, gradient, (mean, square) in zip(self.variables, gradients, self.averages):
            mean.assign_add((1 - first) * (gradient - mean))
            square.assign_add((1 - second) * (gradient * gradient - square))
            variable.assign_sub(size * mean / (self.tf.sqrt(square / (1 - second**step)) + self.epsilon))


class Sgd:
    """Stochastic gradient descent with momentum."""

    def __init__(self, tf, variables: list, recipe: dict) -> None:
        self.variables, self.momentum = variables, recipe["momentum"]
        self.speeds = [tf.Variable(tf.zeros_like(v)) for v in variables]

    def update(self, gradients: list, rate, _step) -> None:
        """Take one step."""
        for variable, gradient, speed in zip(self.variables, gradients, self.speeds):
            speed.assign(self.momentum * speed + gradient)
            variable.assign_sub(rate * speed)


class Learner:
    """A network, its optimiser and its data, all on the device."""

    def __init__(self, tf, request: dict, network: Network, placed: tuple, order, rates) -> None:
        self.tf, self.recipe, self.network, self.placed = tf, request["recipe"], network, placed
        self.order, self.rates = tf.constant(order), tf.constant(rates)
        kind = Adam if self.recipe["optimiser"] == "adam" else Sgd
        self.optimiser = kind(tf, network.variables, self.recipe)
        self.loop, self.answer = tf.function(self.take), tf.function(self.logits_of)

    def take(self, begin, end):
        """Take the steps ``begin`` to ``end`` in the graph; return each loss and how many images were right."""
        tf = self.tf
        losses, right = tf.TensorArray(tf.float32, size=end - begin), tf.constant(0, tf.int64)
        for number in tf.range(begin, end):
            chosen = self.order[number]
            labels = tf.gather(self.placed[1], chosen)
            x = self.normalise(tf.gather(self.placed[0], chosen))
            with tf.GradientTape() as tape:
                logits = self.network(x, training=True)
                each = tf.nn.sparse_softmax_cross_entropy_with_logits(labels, logits)
                loss = tf.reduce_sum(each) if self.recipe["loss"] == "sum" else tf.reduce_mean(each)
            gradients = tape.gradient(loss, self.network.variables)
            self.optimiser.update(gradients, self.rates[number], tf.cast(number + 1, tf.float32))
            losses = losses.write(number - begin, tf.reduce_mean(each))
            right += tf.math.count_nonzero(tf.argmax(logits, 1) == labels)
        return losses.stack(), right

    def steps(self, begin: int, end: int) -> tuple[list[float], int]:
        """Take steps, all in one call of the compiled loop."""
        losses, right = self.loop(self.tf.constant(begin), self.tf.constant(end))
        return losses.numpy().tolist(), int(right.numpy())

    def normalise(self, images):
        """Return bytes as float32 in the recipe's range, one channel."""
        pixels = (self.tf.cast(images, self.tf.float32) - self.recipe["mean"]) / self.recipe["deviation"]
        return pixels[..., None]

    def logits_of(self, images):
        """Return the network's answers as a tensor."""
        return self.network(self.normalise(images), training=False)

    def logits(self, placed: tuple) -> np.ndarray:
        """Return the network's answers, 2,000 images at a time."""
        images, _ = placed
        parts = [self.answer(images[begin : begin + 2000]) for begin in range(0, int(images.shape[0]), 2000)]
        return np.concatenate([part.numpy() for part in parts])

    def weights(self) -> list[np.ndarray]:
        """Return the parameters, in torch's layout."""
        return [native(variable.numpy(), back=True) for variable in self.network.variables]


class Trainer:
    """TensorFlow on one device, for `course.take`."""

    def __init__(self, tf, request: dict, device: str) -> None:
        # tf.gather has no GPU kernel for uint8 and int32: such data would wander to the CPU in every step.
        self.tf, self.request, self.pixels = tf, request, np.uint8 if device == "/CPU:0" else np.float16

    def place(self, images: np.ndarray, labels: np.ndarray) -> tuple:
        """Bring a data set to the device as a whole."""
        return self.tf.constant(images.astype(self.pixels)), self.tf.constant(labels.astype(np.int64))

    def returned(self, placed: tuple) -> tuple:
        """Read a data set back from the device."""
        return placed[0].numpy(), placed[1].numpy()

    def learner(self, arrays: list, placed: tuple, order: np.ndarray, rates: np.ndarray) -> Learner:
        """Build the network."""
        network = Network(self.tf, self.request["layers"], arrays)
        return Learner(self.tf, self.request, network, placed, order, rates)


def open_device(tf, request: dict) -> tuple[str, str | None]:
    """Return the device to use and its product name; ``gpu`` fails where TensorFlow sees none.

    Soft placement is off: an operation that was placed on the GPU by name fails if it cannot run there.
    """
    gpus = [] if request["device"] == "cpu" else tf.config.get_visible_devices("GPU")
    if request["device"] == "gpu" and not gpus:
        raise Failed("tf.config.get_visible_devices('GPU') is empty: this TensorFlow sees no GPU")
    if gpus and request["gpu"] >= len(gpus):
        raise Failed(f"this TensorFlow sees {len(gpus)} GPUs, number {request['gpu']} is not among them")
    if request["device"] == "cpu":
        tf.config.set_visible_devices([], "GPU")
    if request["arithmetic"] == "fp32":
        tf.config.experimental.enable_tensor_float_32_execution(False)
    tf.config.set_soft_device_placement(False)
    device = f"/GPU:{request['gpu']}" if gpus else "/CPU:0"
    with tf.device(
        device
    ):  # a convolution first: what keeps cuDNN from starting is told before anything else fails
        image, weight = (tf.constant(np.ones(shape, np.float32)) for shape in ((1, 8, 8, 1), (3, 3, 1, 1)))
        tf.nn.conv2d(image, weight, 1, "VALID").numpy()
    name = tf.config.experimental.get_device_details(gpus[request["gpu"]]).get("device_name") if gpus else None
    return device, name


def run(session: Session) -> dict:
    """Do the whole run."""
    loading = data.Loading(session.request)
    with session.stage("import"):
        import tensorflow as tf
    session.emit("about", version=tf.__version__)
    if session.request["tensorboard"] is not None:
        from events_tensorflow import EventFiles

        session.events = EventFiles(tf, session.request["tensorboard"], session.request["folds"])
    with session.stage("data"):
        arrays, about = loading.wait()
    session.emit("data", **about)
    with session.stage("device_start"):
        device, name = open_device(tf, session.request)
    session.emit("device", device="cpu" if device == "/CPU:0" else device, device_name=name)
    with tf.device(device):
        learned = course.take(session, Trainer(tf, session.request, device), arrays)
        # The memory that TensorFlow's allocator gave out at most; with growth on it takes little more.
        gpu = device != "/CPU:0"
        peak = tf.config.experimental.get_memory_info(device.strip("/"))["peak"] if gpu else None
        with session.stage("proof"):
            seen = proof_tensorflow.prove(tf, device, session.request)
    return {**learned, "memory_peak": peak, "convolution": seen}


if __name__ == "__main__":
    serve(run)
