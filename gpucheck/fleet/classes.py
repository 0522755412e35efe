"""Which facts must be alike on nodes of one kind, which should be, and which may differ; and why. Data alone."""

from __future__ import annotations

import functools
import re

MUST, SHOULD, FREE = "must-match", "should-match", "free"

# The first pattern that fits the whole name of a fact counts. A reason is what a difference leads to.
RULES: tuple[tuple[str, str, str], ...] = (
    ("driver version", MUST, "jobs over several nodes load the driver's libraries of each"),
    ("version of the (driver's libraries|loaded kernel module)", MUST, "must be the driver's own"),
    ("driver CUDA", MUST, "a program that needs more than the lowest fails on that node alone"),
    ("(NVIDIA kernel module|nvidia_uvm|nouveau) loaded", MUST, "without it CUDA does not start"),
    ("flavour of the kernel module", MUST, "open and proprietary modules differ in what they support"),
    ("answer of (nvmlInit|cuInit)", MUST, "it is an error, or it is not"),
    ("Fabric Manager running|NVSwitch bridges|GPU NVLink fabric", MUST, "without it GPUs do not reach each other"),
    ("GPU (model|count|memory|compute capability)", MUST, "the slowest or smallest GPU sets the pace of all"),
    ("GPU (MIG|ECC|compute mode)", MUST, "a mode that a job does not expect"),
    ("GPU VBIOS", MUST, "an older one may lack a cure, or another limit of power"),
    ("GPU persistence mode", SHOULD, "without it the first job of a node waits"),
    ("(torch|tensorflow) (installed|version)", MUST, "ranks with different versions do not work together"),
    ("(build|CUDA runtime|arch list) of (torch|tensorflow)", MUST, "ranks must run the same kernels"),
    ("(sub-libraries of the )?cuDNN that .*", MUST, "results and speed of convolution differ"),
    ("lib(cudnn|nccl|cublas).* that .* loads", MUST, "results, or the protocol between ranks, differ"),
    ("package (nvidia-(nccl|cudnn).*|torch|tensorflow)", MUST, "ranks with different versions do not meet"),
    ("environment (NCCL|UCX|GLOO|FI)_.*", MUST, "ranks must speak to each other in the same way"),
    ("environment (CUDA_VISIBLE_DEVICES|NVIDIA_VISIBLE_DEVICES|ROCR_VISIBLE_DEVICES|GPU_DEVICE_ORDINAL)", FREE,
     "the scheduler gives each job its own"),
    ("environment (SLURM|RAY|PBS|LSB|PMI|PMIX|KUBERNETES)_?.*", FREE, "each job has its own"),
    ("environment (HOME|HOSTNAME|USER|PWD|TMPDIR|VIRTUAL_ENV|CONDA_PREFIX)", FREE, "each user has their own"),
    ("GPUs that CUDA shows", FREE, "follows the device mask; GPU count is compared"),
    ("scheduler|CUDA toolkit|shared memory", SHOULD, "rarely matters, and may explain another difference"),
    ("kernel|distribution|glibc|operating system|WSL|container|Secure Boot", SHOULD, "the system of one image"),
    ("processor architecture", MUST, "binaries of one do not run on the other"),
    ("instruction sets", SHOULD, "a framework may stop at an instruction that is missing"),
    ("Python version|kind of environment", SHOULD, "the environment of one image"),
    ("(folder|installer) of .*|Python|file of .*|libdevice for .*|ptxas for .*|CUDA folder .*", SHOULD,
     "another place means another installation"),
    ("what (torch|tensorflow) says itself", SHOULD, "follows from the GPUs that are shown"),
)  # fmt: skip
OTHERS = (SHOULD, "the environment of one image")


@functools.cache
def class_of(name: str) -> tuple[str, str]:
    """Return the class of a fact, and the reason."""
    for pattern, kind, reason in RULES:
        if re.fullmatch(pattern, name):
            return kind, reason
    return OTHERS
