"""One rank of a distributed TensorFlow run: all-reduce is exact, averaged gradients are those of the whole batch.

With ``mirrored`` in the request the same is asked of tf.distribute.MirroredStrategy within this process, over all
its GPUs or over two logical CPU devices; else of MultiWorkerMirroredStrategy over all ranks. Each needs a process
of its own: collective operations can only be set up before TensorFlow's first operation.
Stages: import, device_start, meet, barrier (the workers' servers find each other in it), all_reduce, gradients.
"""

from __future__ import annotations

import json
import os

import numpy as np
from smokelib import meeting, reduction, share, weights
from smokelib.session import Failed, Session, serve
from train_tensorflow import Network


def choose_devices(tf, request: dict) -> list:
    """Make visible what this process shall use, and return its GPUs; nothing is started yet."""
    gpus = [] if request["device"] == "cpu" else tf.config.list_physical_devices("GPU")
    if request["device"] == "gpu" and not gpus:
        raise Failed("tf.config.list_physical_devices('GPU') is empty: this TensorFlow sees no GPU")
    local = request["local_rank"]
    if gpus and not request["mirrored"]:
        if len(gpus) > 1 and local >= len(gpus):
            raise Failed(f"local rank {local} has no GPU of its own: this TensorFlow sees {len(gpus)}")
        gpus = [gpus[local if len(gpus) > 1 else 0]]
    tf.config.set_visible_devices(gpus, "GPU")
    for gpu in gpus:
        tf.config.experimental.set_memory_growth(gpu, True)
    if request["mirrored"] and not gpus:
        cpu = tf.config.list_physical_devices("CPU")[0]
        tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)
    tf.config.experimental.enable_tensor_float_32_execution(False)
    return gpus


def all_workers(tf, request: dict, members: list[str], gpu: bool):
    """Return a strategy over all ranks; the user's own TF_CONFIG is taken as it is."""
    task = {"type": "worker", "index": request["rank"]}
    os.environ.setdefault("TF_CONFIG", json.dumps({"cluster": {"worker": members}, "task": task}))
    kinds = tf.distribute.experimental.CommunicationImplementation
    options = tf.distribute.experimental.CommunicationOptions(
        timeout_seconds=request["patience"], implementation=kinds.NCCL if gpu else kinds.RING
    )
    return tf.distribute.MultiWorkerMirroredStrategy(communication_options=options)


def summing(tf, strategy):
    """Return a compiled function that all-reduces the tensor that each replica gives."""

    def each(tensor):
        tensor = tf.identity(tensor)  # a graph's argument has no device, and all_reduce goes by it
        return tf.distribute.get_replica_context().all_reduce(tf.distribute.ReduceOp.SUM, tensor)

    return tf.function(lambda tensor: strategy.run(each, args=(tensor,)))


def first_of(strategy, value):
    """Return this process's first replica of a value."""
    return strategy.experimental_local_results(value)[0]


def all_reduce(tf, strategy, request: dict, gpu: bool) -> list[dict]:
    """Measure all-reduces."""
    reduce = summing(tf, strategy)

    def place(array):
        return strategy.experimental_distribute_values_from_function(lambda _: tf.constant(array))

    def wait(value) -> None:
        first_of(strategy, value)[:1].numpy()

    return reduction.measure(
        place, reduce, lambda value: first_of(strategy, value).numpy(), wait,
        rank=request["rank"], ranks=request["size"], gpu=gpu,
    )  # fmt: skip


def gradient_of(tf, network: Network):
    """Return a function that gives the gradients of the mean loss.

    Batch normalisation takes its running averages: those of a share are not those of the whole batch.
    """

    def run(images, labels):
        with tf.GradientTape() as tape:
            logits = network(images, training=False)
            loss = tf.reduce_mean(tf.nn.sparse_softmax_cross_entropy_with_logits(labels, logits))
        return tape.gradient(loss, network.variables)

    return run


def gradients(tf, strategy, request: dict, device: str) -> float:
    """Return how far the average of the shares' gradients is from the gradient of the whole batch."""
    replicas = strategy.num_replicas_in_sync
    images, labels, each = share.batch(replicas, request["seed"])
    images, first = images[..., None], weights.weights(request["layers"], request["seed"])
    with strategy.scope():
        spread = gradient_of(tf, Network(tf, request["layers"], first))

    def part(array: np.ndarray):
        return strategy.experimental_distribute_values_from_function(
            lambda context: tf.constant(
                array[context.replica_id_in_sync_group * each : (context.replica_id_in_sync_group + 1) * each]
            )
        )

    def step(some, answers):
        return tf.distribute.get_replica_context().all_reduce(tf.distribute.ReduceOp.MEAN, spread(some, answers))

    averaged = tf.function(lambda some, answers: strategy.run(step, args=(some, answers)))(
        part(images), part(labels)
    )
    with tf.device(device):
        whole = tf.function(gradient_of(tf, Network(tf, request["layers"], first)))(
            tf.constant(images), tf.constant(labels)
        )
    ours = [first_of(strategy, value).numpy() for value in averaged]
    return share.difference(ours, [value.numpy() for value in whole])


def mirrored(tf, session: Session, gpus: list) -> dict:
    """Prove MirroredStrategy over this process's devices."""
    devices = [f"GPU:{number}" for number in range(len(gpus))] or ["CPU:0", "CPU:1"]
    with session.stage("gradients"):
        error = gradients(tf, tf.distribute.MirroredStrategy(devices), session.request, devices[0])
    return {"gradient_error": error, "devices": len(devices)}


def run(session: Session) -> dict:
    """Do the whole run."""
    request = session.request
    meeting.beat(session)
    with session.stage("import"):
        import tensorflow as tf
    with session.stage("device_start"):
        gpus = choose_devices(tf, request)
    name = tf.config.experimental.get_device_details(gpus[0]).get("device_name") if gpus else None
    session.emit(
        "about", version=tf.__version__, device="/GPU:0" if gpus else "cpu", device_name=name,
        backend="nccl" if gpus else "ring",
    )  # fmt: skip
    if request["mirrored"]:
        return mirrored(tf, session, gpus)
    members = meeting.meet(session, port=True)
    with session.stage("barrier"):
        strategy = all_workers(tf, request, members, bool(gpus))
        first_of(strategy, summing(tf, strategy)(tf.zeros(1))).numpy()
    with session.stage("all_reduce"):
        reduced = all_reduce(tf, strategy, request, bool(gpus))
    with session.stage("gradients"):
        error = gradients(tf, strategy, request, "/GPU:0" if gpus else "/CPU:0")
    meeting.leave(session, all_reduce=reduced, gradient_error=error)
    return {}


if __name__ == "__main__":
    serve(run)
