"""Trains a reference network in PyTorch and measures where the time goes.

Measured on 2 CPU cores (see docs/reference-results.md): `reference` reaches 98 % on real MNIST in about 3 s of a
cold process, half of it `import torch`. Three things buy the speed: the whole data as one tensor instead of a
DataLoader; the optimiser by hand on one flat buffer (constructing the first torch.optim optimiser imports
torch._dynamo, 1.2 s); and glibc told to keep freed memory (training 1.3-1.9 times faster in a fresh process).
"""

from __future__ import annotations

import ctypes
import os
import sys

import numpy as np
import proof_torch
from smokelib import course, data
from smokelib.session import Failed, Session, serve


def keep_freed_memory() -> None:
    """Tell glibc not to give every activation buffer back to the kernel: M_MMAP_THRESHOLD, M_TRIM_THRESHOLD."""
    if sys.platform.startswith("linux"):
        try:
            mallopt = ctypes.CDLL(None).mallopt
        except AttributeError:  # not glibc
            return
        mallopt(-3, 1 << 30)
        mallopt(-1, 1 << 30)


def wait_without_spinning() -> None:
    """Let OpenMP's threads sleep while they wait: where other programs run too, training is 10 times faster.

    Measured beside one other training on 2 cores: 2.7 s instead of 26 s; alone nothing is lost.
    """
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")


class Network:
    """A network over one flat buffer of parameters."""

    def __init__(self, torch, layers: list[dict], arrays: list[list[np.ndarray]], device) -> None:
        self.torch, self.layers, self.counts = torch, layers, [len(own) for own in arrays]
        flat = [array for own in arrays for array in own]
        self.shapes = [array.shape for array in flat]
        self.sizes = [array.size for array in flat]
        joined = np.concatenate([array.ravel() for array in flat])
        self.flat = torch.from_numpy(joined).to(device).requires_grad_()
        self.running = [
            (torch.zeros(own[0].size, device=device), torch.ones(own[0].size, device=device))
            for layer, own in zip(layers, arrays)
            if layer["kind"] == "batchnorm"
        ]

    def parts(self) -> list:
        """Return the parameters, as views of the buffer."""
        return [part.view(shape) for part, shape in zip(self.flat.split(self.sizes), self.shapes)]

    def __call__(self, x, training: bool):
        """Return the logits of images (n, 1, 28, 28)."""
        functional = self.torch.nn.functional
        parts, running, position = self.parts(), iter(self.running), 0
        for layer, count in zip(self.layers, self.counts):
            own, position = parts[position : position + count], position + count
            kind = layer["kind"]
            if kind == "conv":
                x = functional.conv2d(x, *own, stride=layer["stride"], padding=layer["padding"])
            elif kind == "batchnorm":
                x = functional.batch_norm(x, *next(running), *own, training=training)
            elif kind == "max_pool":
                x = functional.max_pool2d(x, layer["size"])
            elif kind == "avg_pool":
                x = functional.avg_pool2d(x, layer["size"])
            elif kind == "flatten":
                x = x.flatten(1)
            elif kind == "dense":
                x = functional.linear(x, *own)
            else:
                x = functional.relu(x) if kind == "relu" else x.sigmoid()
        return x


class Adam:
    """Adam on one flat buffer (Kingma and Ba, arXiv 1412.6980)."""

    def __init__(self, torch, flat, recipe: dict) -> None:
        self.flat, self.betas, self.epsilon, self.step = flat, recipe["betas"], recipe["epsilon"], 0
        self.mean, self.square = torch.zeros_like(flat), torch.zeros_like(flat)

    def update(self, gradient, rate: float) -> None:
        """Take one step."""
        first, second = self.betas
        self.step += 1
        self.mean.mul_(first).add_(gradient, alpha=1 - first)
        self.square.mul_(second).addcmul_(gradient, gradient, value=1 - second)
        size = (self.square / (1 - second**self.step)).sqrt_().add_(self.epsilon)
        self.flat.addcdiv_(self.mean, size, value=-rate / (1 - first**self.step))


class Sgd:
    """Stochastic gradient descent with momentum on one flat buffer."""

    def __init__(self, torch, flat, recipe: dict) -> None:
        self.flat, self.momentum, self.speed = flat, recipe["momentum"], torch.zeros_like(flat)

    def update(self, gradient, rate: float) -> None:
        """Take one step."""
        self.speed.mul_(self.momentum).add_(gradient)
        self.flat.add_(self.speed, alpha=-rate)


class Learner:
    """A network, its optimiser and its data, all on the device."""

    def __init__(self, torch, request: dict, network: Network, placed: tuple, order, rates) -> None:
        self.torch, self.recipe, self.network = torch, request["recipe"], network
        self.images, self.labels = placed
        self.order, self.rates = torch.from_numpy(order).to(network.flat.device), rates
        kind = Adam if self.recipe["optimiser"] == "adam" else Sgd
        self.optimiser = kind(torch, network.flat, self.recipe)

    def steps(self, begin: int, end: int) -> tuple[list[float], int]:
        """Take steps; the losses stay on the device until all are taken, so that no step waits for another."""
        losses, right = [], []
        for number in range(begin, end):
            chosen = self.order[number]
            labels = self.labels[chosen]
            logits = self.network(self.normalise(self.images[chosen]), training=True)
            loss = self.torch.nn.functional.cross_entropy(logits, labels, reduction=self.recipe["loss"])
            (gradient,) = self.torch.autograd.grad(loss, self.network.flat)
            with self.torch.no_grad():
                self.optimiser.update(gradient, float(self.rates[number]))
                right.append((logits.argmax(1) == labels).sum())
            losses.append(loss.detach() / (len(labels) if self.recipe["loss"] == "sum" else 1))
        return self.torch.stack(losses).tolist(), int(self.torch.stack(right).sum())

    def normalise(self, images):
        """Return bytes as float32 in the recipe's range; channels last, with pooling 1.3 times faster on a CPU."""
        pixels = images.to(self.torch.float32).sub_(self.recipe["mean"]).div_(self.recipe["deviation"])
        return pixels.unsqueeze(-1).permute(0, 3, 1, 2)

    def logits(self, placed: tuple) -> np.ndarray:
        """Return the network's answers, 2,000 images at a time."""
        images, _ = placed
        with self.torch.inference_mode():
            parts = [self.network(self.normalise(part), training=False) for part in images.split(2000)]
            return self.torch.cat(parts).cpu().numpy()

    def weights(self) -> list[np.ndarray]:
        """Return the parameters."""
        return [part.detach().cpu().numpy() for part in self.network.parts()]


class Trainer:
    """PyTorch on one device, for `course.take`."""

    def __init__(self, torch, request: dict, device) -> None:
        self.torch, self.request, self.device = torch, request, device

    def place(self, images: np.ndarray, labels: np.ndarray) -> tuple:
        """Bring a data set to the device as a whole."""
        pixels = self.torch.from_numpy(images.copy()).to(self.device)
        return pixels, self.torch.from_numpy(labels.astype(np.int64)).to(self.device)

    def returned(self, placed: tuple) -> tuple:
        """Read a data set back from the device."""
        return placed[0].cpu().numpy(), placed[1].cpu().numpy()

    def learner(self, arrays: list, placed: tuple, order: np.ndarray, rates: np.ndarray) -> Learner:
        """Build the network."""
        network = Network(self.torch, self.request["layers"], arrays, self.device)
        return Learner(self.torch, self.request, network, placed, order, rates)


def open_device(torch, request: dict):
    """Return the device to use; ``gpu`` fails where torch sees none."""
    usable = request["device"] != "cpu" and torch.cuda.is_available()
    if request["device"] == "gpu" and not usable:
        raise Failed("torch.cuda.is_available() is False: this PyTorch sees no GPU")
    if usable and request["gpu"] >= torch.cuda.device_count():
        raise Failed(
            f"this PyTorch sees {torch.cuda.device_count()} GPUs, number {request['gpu']} is not among them"
        )
    device = torch.device(f"cuda:{request['gpu']}" if usable else "cpu")
    if request["arithmetic"] == "fp32":
        torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = False
    (torch.ones(8, 8, device=device) @ torch.ones(8, 8, device=device)).sum().item()
    return device


def run(session: Session) -> dict:
    """Do the whole run."""
    keep_freed_memory()
    wait_without_spinning()
    loading = data.Loading(session.request)
    with session.stage("import"):
        import torch
    session.emit("about", version=torch.__version__)
    if session.request["tensorboard"] is not None:
        from events_torch import EventFiles

        session.events = EventFiles(torch, session.request["tensorboard"], session.request["folds"])
    with session.stage("data"):
        arrays, about = loading.wait()
    session.emit("data", **about)
    with session.stage("device_start"):
        device = open_device(torch, session.request)
    gpu = device.type == "cuda"
    name = torch.cuda.get_device_name(device) if gpu else None
    session.emit("device", device=str(device), device_name=name)
    learned = course.take(session, Trainer(torch, session.request, device), arrays)
    peak = torch.cuda.max_memory_reserved(device) if gpu else None
    with session.stage("proof"):
        seen = proof_torch.prove(torch, device, session.request)
    return {**learned, "memory_peak": peak, "convolution": seen}


if __name__ == "__main__":
    serve(run)
