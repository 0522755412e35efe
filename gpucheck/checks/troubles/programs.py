"""What a program itself does wrong, or meets, while it runs: shown by its output, not by the machine."""

from __future__ import annotations

from gpucheck.checks.troubles.trouble import Trouble

TROUBLES: dict[str, Trouble] = {
    "memory-growth-mixed": Trouble(
        meaning="The program switches memory growth on for some of its visible GPUs only. TensorFlow demands that "
        "all of them agree, and says so at the first operation: `Memory growth cannot differ between GPU "
        "devices`.",
        remedy="Call set_memory_growth for every GPU of list_physical_devices('GPU'), or gpucheck.apply() at the "
        "top of the program, or show it one GPU: `gpucheck run --gpus 1`. TF_FORCE_GPU_ALLOW_GROWTH alone "
        "does not help here: the part that refuses does not look at it.",
        follows=("smoke-failed",),
    ),
    "memory-growth-late": Trouble(
        meaning="The program changes memory growth after TensorFlow has started to use the GPUs: "
        "`Physical devices cannot be modified after being initialized`. Importing it is not too late, the first "
        "operation is.",
        remedy="Set it before the first operation; gpucheck.apply() at the top of the program, or the variable "
        "TF_FORCE_GPU_ALLOW_GROWTH=true before it starts (`gpucheck run`).",
        follows=("smoke-failed",),
    ),
    "memory-growth-lost-to-limit": Trouble(
        meaning="A memory limit (set_logical_device_configuration) on any GPU makes TensorFlow drop memory growth "
        "on all of them, without a word; growth after a limit is refused: `Cannot set memory growth on "
        "device when virtual devices configured`.",
        remedy="Choose one of the two: a limit on every GPU, or growth on every GPU.",
        follows=("smoke-failed",),
    ),
    "visible-devices-late": Trouble(
        meaning="The device mask was changed, or CUDA used in a forked process, after CUDA had started in the "
        "process. The driver reads CUDA_VISIBLE_DEVICES once.",
        remedy="Set CUDA_VISIBLE_DEVICES before the program starts (`gpucheck run --devices`), or at its very top "
        "with gpucheck.apply(visible=...); start worker processes by spawn, not fork.",
        follows=("smoke-failed",),
    ),
    "cudnn-init-failed": Trouble(
        meaning="cuDNN could not be started: mostly because no memory was left for it, else because of its "
        "version or the driver's.",
        remedy="Memory growth (`gpucheck run`), and end what else holds the GPU's memory; then compare versions "
        "with `gpucheck doctor`.",
        follows=("smoke-failed",),
    ),
    "cublas-not-initialized": Trouble(
        meaning="cuBLAS could not be started: mostly because no memory was left for it, else because an earlier "
        "kernel failed (an index out of range), or its version does not fit the driver.",
        remedy="Memory growth (`gpucheck run`), and end what else holds the GPU's memory; then run again with "
        "CUDA_LAUNCH_BLOCKING=1, which shows an earlier failure.",
        follows=("smoke-failed",),
    ),
    "cublas-alloc-failed": Trouble(
        meaning="cuBLAS could not get the memory that it starts with: mostly because the program or another one "
        "has taken the rest, else because an earlier kernel failed (an index out of range) and this call is the "
        "first to tell.",
        remedy="A smaller batch, and end what else holds the GPU's memory; if that does not help, run again with "
        "CUDA_LAUNCH_BLOCKING=1, which shows an earlier failure.",
        follows=("smoke-failed",),
    ),
    "device-side-assert": Trouble(
        meaning="A kernel met a condition that must not be, mostly an index out of range, such as a class label "
        "that the network has no output for. What fails after it on the GPU follows from it.",
        remedy="Run again with CUDA_LAUNCH_BLOCKING=1, or on the CPU, where the true line raises.",
        follows=("smoke-failed",),
    ),
    "illegal-memory-access": Trouble(
        meaning="A kernel read or wrote an address that is not its own. Everything after it on the GPU fails too.",
        remedy="Run again with CUDA_LAUNCH_BLOCKING=1 to find the call; it is mostly a custom kernel's fault, "
        "sometimes a library's of the wrong version.",
        follows=("smoke-failed",),
    ),
    "removed-api": Trouble(
        meaning="The program was written for an older TensorFlow, Keras or NumPy, or by advice that names what "
        "never existed, and calls what this release does not have. The GPU is not concerned.",
        remedy="Write the call as the installed release has it, or run the program in an environment with the "
        "releases that it was written for.",
        follows=("smoke-failed", "smoke-not-started"),
    ),
}
