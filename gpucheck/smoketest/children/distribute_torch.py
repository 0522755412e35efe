"""One rank of a distributed PyTorch run: all-reduce is exact, and averaged gradients are those of the whole batch.

Stages: import, device_start, meet, barrier (the process group is made in it), all_reduce, gradients.
"""

from __future__ import annotations

from datetime import timedelta

from smokelib import meeting, reduction, share, weights
from smokelib.session import Failed, Session, serve
from train_torch import Network, wait_without_spinning


def open_device(torch, request: dict):
    """Return this rank's device: the GPU of its local rank, or the only one that it sees (--gpus-per-task)."""
    usable = request["device"] != "cpu" and torch.cuda.is_available()
    if request["device"] == "gpu" and not usable:
        raise Failed("torch.cuda.is_available() is False: this PyTorch sees no GPU")
    if not usable:
        return torch.device("cpu")
    count, local = torch.cuda.device_count(), request["local_rank"]
    if count > 1 and local >= count:
        raise Failed(
            f"local rank {local} has no GPU of its own: this PyTorch sees {count}; start fewer ranks here"
        )
    device = torch.device("cuda", local if count > 1 else 0)
    torch.cuda.set_device(device)
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = False
    (torch.ones(8, 8, device=device) @ torch.ones(8, 8, device=device)).sum().item()
    return device


def all_reduce(torch, device, request: dict) -> list[dict]:
    """Measure all-reduces."""
    gpu = device.type == "cuda"

    def reduce(tensor):
        torch.distributed.all_reduce(tensor)
        return tensor

    def wait(_) -> None:
        if gpu:
            torch.cuda.synchronize(device)

    def place(array):
        tensor = torch.from_numpy(array.copy()).to(device)
        wait(tensor)
        return tensor

    return reduction.measure(
        place, reduce, lambda tensor: tensor.cpu().numpy(), wait,
        rank=request["rank"], ranks=request["size"], gpu=gpu,
    )  # fmt: skip


def gradient(torch, network: Network, images, labels):
    """Return the gradient of the mean loss, flat.

    Batch normalisation takes its running averages: those of a share are not those of the whole batch.
    """
    logits = network(images, training=False)
    (found,) = torch.autograd.grad(torch.nn.functional.cross_entropy(logits, labels), network.flat)
    return found


def gradients(torch, device, request: dict) -> float:
    """Return how far the average of the shares' gradients is from the gradient of the whole batch."""
    arrays, labels, each = share.batch(request["size"], request["seed"])
    images, labels = torch.from_numpy(arrays[:, None]).to(device), torch.from_numpy(labels).to(device)
    network = Network(torch, request["layers"], weights.weights(request["layers"], request["seed"]), device)
    own = slice(request["rank"] * each, (request["rank"] + 1) * each)
    averaged = gradient(torch, network, images[own], labels[own])
    torch.distributed.all_reduce(averaged)
    averaged /= request["size"]
    whole = gradient(torch, network, images, labels)
    return share.difference([averaged.cpu().numpy()], [whole.cpu().numpy()])


def run(session: Session) -> dict:
    """Do the whole run."""
    request = session.request
    meeting.beat(session)
    wait_without_spinning()
    with session.stage("import"):
        import torch
        import torch.distributed
    with session.stage("device_start"):
        if not torch.distributed.is_available():
            raise Failed("this PyTorch was built without torch.distributed")
        device = open_device(torch, request)
    gpu = device.type == "cuda"
    backend, name = ("nccl", torch.cuda.get_device_name(device)) if gpu else ("gloo", None)
    session.emit("about", version=torch.__version__, device=str(device), device_name=name, backend=backend)
    meeting.meet(session)
    with session.stage("barrier"):
        torch.distributed.init_process_group(
            backend, init_method="env://", rank=request["rank"], world_size=request["size"],
            timeout=timedelta(seconds=request["patience"]),
        )  # fmt: skip
        torch.distributed.barrier()
    with session.stage("all_reduce"):
        reduced = all_reduce(torch, device, request)
    with session.stage("gradients"):
        error = gradients(torch, device, request)
    meeting.leave(session, all_reduce=reduced, gradient_error=error)
    return {}


if __name__ == "__main__":
    serve(run)
