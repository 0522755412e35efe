"""Trains the reference network in PyTorch and measures where the time goes.

Measured on 2 CPU cores (see docs/reference-results.md): real MNIST to 98 % in about 3 s of a cold process,
half of it `import torch`. Three things buy the speed: the whole data as one tensor instead of a DataLoader;
Adam by hand on one flat buffer (constructing the first torch.optim optimiser imports torch._dynamo, 1.2 s);
and glibc told to keep freed memory (training 1.3-1.9 times faster in a fresh process).
"""

from __future__ import annotations

import ctypes
import sys

import numpy as np
from smokelib import convolution, data, mapped, model
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


class Network:
    """The reference network over one flat buffer of parameters."""

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

    def __call__(self, x, training: bool):
        """Return the logits of images (n, 1, 28, 28)."""
        functional = self.torch.nn.functional
        parts = [part.view(shape) for part, shape in zip(self.flat.split(self.sizes), self.shapes)]
        running, position = iter(self.running), 0
        for layer, count in zip(self.layers, self.counts):
            own, position = parts[position : position + count], position + count
            if layer["kind"] == "conv":
                x = functional.conv2d(x, *own, stride=layer["stride"])
            elif layer["kind"] == "batchnorm":
                x = functional.batch_norm(x, *next(running), *own, training=training)
            elif layer["kind"] == "relu":
                x = functional.relu(x)
            elif layer["kind"] == "flatten":
                x = x.flatten(1)
            else:
                x = functional.linear(x, *own)
        return x


class Adam:
    """Adam on one flat buffer (Kingma and Ba, arXiv 1412.6980)."""

    def __init__(self, torch, flat, recipe: dict) -> None:
        self.torch, self.flat, self.betas, self.step = torch, flat, recipe["betas"], 0
        self.mean, self.square = torch.zeros_like(flat), torch.zeros_like(flat)

    def update(self, gradient, rate: float) -> None:
        """Take one step."""
        first, second = self.betas
        self.step += 1
        with self.torch.no_grad():
            self.mean.mul_(first).add_(gradient, alpha=1 - first)
            self.square.mul_(second).addcmul_(gradient, gradient, value=1 - second)
            size = (self.square / (1 - second**self.step)).sqrt_().add_(1e-8)
            self.flat.addcdiv_(self.mean, size, value=-rate / (1 - first**self.step))


def open_device(torch, asked: str):
    """Return the device to use; ``gpu`` fails where torch sees none."""
    usable = asked != "cpu" and torch.cuda.is_available()
    if asked == "gpu" and not usable:
        raise Failed("torch.cuda.is_available() is False: this PyTorch sees no GPU")
    device = torch.device("cuda:0" if usable else "cpu")
    (torch.ones(8, 8, device=device) @ torch.ones(8, 8, device=device)).sum().item()
    return device


def normalise(torch, images, recipe: dict):
    """Return bytes as float32 around zero, one channel."""
    return images.to(torch.float32).sub_(recipe["mean"]).div_(recipe["deviation"]).unsqueeze(1)


def train(session: Session, torch, network: Network, images, labels) -> list[float]:
    """Train by the recipe; return each step's loss."""
    recipe, seed = session.request["recipe"], session.request["seed"]
    steps = torch.from_numpy(model.order(recipe, len(images), seed)).to(images.device)
    rates = model.rates(recipe, len(steps))
    adam, losses = Adam(torch, network.flat, recipe), []

    def step(number: int) -> None:
        logits = network(normalise(torch, images[steps[number]], recipe), training=True)
        loss = torch.nn.functional.cross_entropy(logits, labels[steps[number]])
        (gradient,) = torch.autograd.grad(loss, network.flat)
        adam.update(gradient, float(rates[number]))
        losses.append(loss.detach())

    with session.stage("first_step"):
        step(0)
        losses[0].item()
    with session.stage("train"):
        for number in range(1, len(steps)):
            step(number)
            if number % max(1, len(steps) // 20) == 0:
                session.progress(number, len(steps))
        return torch.stack(losses).tolist()  # waits for the device


def accuracy(torch, network: Network, images, labels, recipe: dict) -> float:
    """Return the share of images told right."""
    right = 0
    with torch.inference_mode():
        for begin in range(0, len(images), 2000):
            part = normalise(torch, images[begin : begin + 2000], recipe)
            right += int((network(part, training=False).argmax(1) == labels[begin : begin + 2000]).sum())
    return right / len(images)


def convolve(torch, device):
    """Return a function that convolves forward and backward, for `convolution.measure`."""

    def run(case, x, w, g):
        x, w, g = (torch.from_numpy(array).to(device) for array in (x, w, g))
        x.requires_grad_()
        w.requires_grad_()
        y = torch.nn.functional.conv2d(x, w, stride=case[5], padding=case[6])
        dx, dw = torch.autograd.grad(y, (x, w), g)
        return [tensor.detach().cpu().numpy() for tensor in (y, dx, dw)]

    return run


def chosen_backend(torch, device) -> str | None:
    """Return the backend that torch chooses for the network's first convolution, in its own word."""
    x, w = torch.ones(8, 1, 28, 28, device=device), torch.ones(16, 1, 5, 5, device=device)
    try:
        chosen = torch._C._select_conv_backend(x, w, None, [2, 2], [0, 0], [1, 1], False, [0, 0], 1)
    except (AttributeError, TypeError, RuntimeError):  # a private function: it may change
        return None
    return str(chosen).rpartition(".")[2].lower()


def proof(torch, device) -> dict:
    """Say whether a profile shows cuDNN's operator and kernels on the GPU; an empty one proves nothing."""
    if device.type != "cuda":
        return {"gpu_proved": None, "reason": None}
    from torch.profiler import ProfilerActivity, profile

    x = torch.ones(8, 8, 16, 16, device=device, requires_grad=True)
    w = torch.ones(8, 8, 3, 3, device=device, requires_grad=True)
    with profile(activities=[ProfilerActivity.CPU, ProfilerActivity.CUDA]) as seen:
        torch.nn.functional.conv2d(x, w).sum().backward()
        torch.cuda.synchronize()
    operators = {event.key for event in seen.key_averages()}
    kernels = [event.name for event in seen.events() if str(event.device_type).endswith("CUDA")]
    if not kernels:
        return {"gpu_proved": None, "reason": "the profile shows no GPU kernel: CUPTI did not record"}
    if "aten::cudnn_convolution" not in operators:
        found = ", ".join(sorted(key for key in operators if "conv" in key)) or "none"
        return {"gpu_proved": False, "reason": f"torch did not convolve through cuDNN; operators: {found}"}
    return {"gpu_proved": True, "reason": None}


def run(session: Session) -> dict:
    """Do the whole run."""
    keep_freed_memory()
    with session.stage("import"):
        import torch
    session.emit("about", version=torch.__version__)
    with session.stage("data"):
        arrays, about = data.load(session.request)
    session.emit("data", **about)
    with session.stage("device_start"):
        device = open_device(torch, session.request["device"])
    gpu = device.type == "cuda"
    session.emit("device", device=str(device), device_name=torch.cuda.get_device_name(device) if gpu else None)
    with session.stage("data"):
        images, test_images = (torch.from_numpy(array.copy()).to(device) for array in (arrays[0], arrays[2]))
        labels, test_labels = (torch.from_numpy(a.astype(np.int64)).to(device) for a in (arrays[1], arrays[3]))
    layers, recipe = session.request["layers"], session.request["recipe"]
    network = Network(torch, layers, model.weights(layers, session.request["seed"]), device)
    losses = train(session, torch, network, images, labels)
    speed = (len(losses) - 1) * recipe["batch"] / session.seconds["train"] if len(losses) > 1 else None
    with session.stage("evaluate"):
        share = accuracy(torch, network, test_images, test_labels, recipe)
    with session.stage("proof"):
        errors = convolution.measure(convolve(torch, device), session.request["seed"])
        seen = {"backend": chosen_backend(torch, device), **proof(torch, device)}
        seen["libraries"] = mapped.cudnn_libraries()
    return {
        "accuracy": share,
        "examples_per_second": speed,
        "convolution": {**errors, **seen},
        **model.summary(losses),
    }


if __name__ == "__main__":
    serve(run)
