"""Proves that PyTorch convolved on the GPU through cuDNN, with right numbers, forward and backward.

Witnesses, since placement alone proves nothing (torch falls back to kernels of its own): the profiler's operators
and GPU kernels for the output and for each gradient apart, the backend that torch chooses, the cuDNN files mapped
into this process, and the numbers against float64. An empty profile proves nothing, and says so.
"""

from __future__ import annotations

from smokelib import convolution, mapped

PARTS = ("forward", "grad_input", "grad_weight")
# Operators of kernels of torch's own, taken where cuDNN is off or refuses. Source: torch 2.13.0, ConvBackend.
NATIVE = ("slow_conv", "thnn_conv", "conv_depthwise", "im2col")


def prove(torch, device, request: dict) -> dict:
    """Return numbers, backend, mapped files and, on a GPU, the profile's witnesses."""
    found = convolution.measure(convolve(torch, device, torch.nn.functional.conv2d), request["seed"])
    found = {**found, "backend": chosen_backend(torch, device), **profiled(torch, device)}
    if request["compiled"]:
        found["compiled"] = compiled(torch, device, request["seed"])
    return {**found, "libraries": mapped.cudnn_libraries()}


def convolve(torch, device, conv2d):
    """Return a function that convolves forward and backward, for `convolution.measure`."""

    def run(case, x, w, g):
        x, w, g = (torch.from_numpy(array).to(device) for array in (x, w, g))
        x.requires_grad_()
        w.requires_grad_()
        y = conv2d(x, w, stride=case[5], padding=case[6])
        dx, dw = torch.autograd.grad(y, (x, w), g)
        return [tensor.detach().cpu().numpy() for tensor in (y, dx, dw)]

    return run


def chosen_backend(torch, device) -> str | None:
    """Return the backend that torch chooses for the reference network's first convolution, in its own word."""
    x, w = torch.ones(8, 1, 28, 28, device=device), torch.ones(16, 1, 5, 5, device=device)
    try:
        chosen = torch._C._select_conv_backend(x, w, None, [2, 2], [0, 0], [1, 1], False, [0, 0], 1)
    except (AttributeError, TypeError, RuntimeError):  # a private function: it may change
        return None
    return str(chosen).rpartition(".")[2].lower()


def profiled(torch, device) -> dict:
    """Profile the output and each gradient apart, and say whether cuDNN's operator and GPU kernels are there."""
    if device.type != "cuda":
        return {"gpu_proved": None, "reason": None}
    x = torch.ones(8, 8, 16, 16, device=device, requires_grad=True)
    w = torch.ones(8, 8, 3, 3, device=device, requires_grad=True)
    y = torch.nn.functional.conv2d(x, w)
    y.sum().backward(retain_graph=True)  # plans are made before anything is recorded
    work = {
        "forward": lambda: torch.nn.functional.conv2d(x, w),
        "grad_input": lambda: torch.autograd.grad(y, x, torch.ones_like(y), retain_graph=True),
        "grad_weight": lambda: torch.autograd.grad(y, w, torch.ones_like(y), retain_graph=True),
    }
    try:
        seen = {part: record(torch, work[part]) for part in PARTS}
    except RuntimeError as error:
        return {"gpu_proved": None, "reason": f"the profiler failed: {error}"}
    operators = {part: sorted(key for key in names if "conv" in key) for part, (names, _) in seen.items()}
    kernels = {part: convolving(names) for part, (_, names) in seen.items()}
    return {"operators": operators, "kernels": kernels, **judge(operators, kernels, seen)}


def record(torch, work) -> tuple[set[str], list[str]]:
    """Return the operators and the GPU kernels of some work."""
    from torch.profiler import ProfilerActivity, profile

    with profile(activities=[ProfilerActivity.CPU, ProfilerActivity.CUDA]) as seen:
        work()
        torch.cuda.synchronize()
    kernels = [event.name for event in seen.events() if str(event.device_type).endswith("CUDA")]
    return {event.key for event in seen.key_averages()}, kernels


def convolving(kernels: list[str]) -> list[str]:
    """Return the kernels without those that fill, copy or start: what is left has done the convolution."""
    other = ("memset", "memcpy", "vectorized_elementwise", "fillfunctor", "elementwise_kernel")
    return sorted({name for name in kernels if not any(word in name.lower() for word in other)})


def judge(operators: dict, kernels: dict, seen: dict) -> dict:
    """Say whether the profile proves cuDNN on the GPU."""
    if not any(names for _, names in seen.values()):
        return {"gpu_proved": None, "reason": "the profile shows no GPU kernel: CUPTI did not record"}
    native = [name for names in operators.values() for name in names if any(word in name for word in NATIVE)]
    if "aten::cudnn_convolution" not in operators["forward"] or native:
        found = ", ".join(native or operators["forward"]) or "none"
        return {"gpu_proved": False, "reason": f"torch did not convolve through cuDNN; operators: {found}"}
    without = [part for part in PARTS if not kernels[part]]
    if without:
        return {"gpu_proved": None, "reason": f"the profile shows no GPU kernel for {', '.join(without)}"}
    return {"gpu_proved": True, "reason": None}


def compiled(torch, device, seed: int) -> dict:
    """Measure a convolution that torch.compile has compiled; about 20 s on a CPU, and it needs a C++ compiler."""
    conv2d = torch.nn.functional.conv2d

    def plain(x, w, stride, padding):
        return conv2d(x, w, stride=stride, padding=padding)

    try:
        found = convolution.measure(convolve(torch, device, torch.compile(plain, dynamic=False)), seed)
    except Exception as error:  # whatever the compiler lacks, the eager path is proved without it
        return {"failure": f"{type(error).__name__}: {error}"}
    return {"failure": None, **found}
