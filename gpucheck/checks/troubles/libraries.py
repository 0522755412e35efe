"""CUDA's libraries: fit for driver, card and framework, and found."""

from __future__ import annotations

from gpucheck.checks.troubles.trouble import Trouble

TROUBLES: dict[str, Trouble] = {
    "driver-too-old": Trouble(
        meaning="The CUDA runtime that the framework was built with needs a newer driver. Within one CUDA major "
        "any driver from NVIDIA's floor on will do; across majors none will.",
        remedy="Update the driver, or install a build of the framework for an older CUDA runtime.",
        follows=("framework-answer-differs", "silent-cpu-fallback", "smoke-failed", "cuda-runtime-unsupported"),
    ),
    "cuda-runtime-unsupported": Trouble(
        meaning="A CUDA runtime or toolkit that a program brings, or is compiled with, does not go with this "
        "machine: the driver does not support a runtime or PTX so new, or the compiler is too old to know the "
        "card.",
        remedy="Take a build of that library for the framework's CUDA runtime, compile it with a toolkit that "
        "knows the card, or update the driver.",
        follows=("silent-cpu-fallback", "smoke-failed"),
    ),
    "compute-capability-unsupported": Trouble(
        meaning="The framework's binary carries no code that this GPU can run: neither machine code of its "
        "generation nor PTX that could be compiled for it.",
        remedy="Install a build or a release whose arch list covers the card.",
        follows=("cudnn-gpu-unsupported", "smoke-failed", "convolution-wrong"),
    ),
    "jit-ptx-slow-start": Trouble(
        meaning="The binary has no machine code for this GPU, only PTX: the driver compiles it at the first "
        "start, which can take minutes.",
        remedy="Nothing needs to be done; a newer release may carry code for the card.",
    ),
    "cuda-library-missing": Trouble(
        meaning="The framework asks the loader for CUDA libraries that it does not find. TensorFlow then says "
        "`Cannot dlopen some GPU libraries` and runs on the CPU; torch fails to import.",
        remedy="Install the framework together with its CUDA libraries, or show the loader their folder.",
        follows=(
            "cudnn-missing",
            "libdevice-missing",
            "ptxas-missing",
            "framework-answer-differs",
            "framework-import-failed",
            "silent-cpu-fallback",
            "smoke-failed",
            "smoke-not-started",
        ),
    ),
    "ld-library-path-shadowing": Trouble(
        meaning="Folders of LD_LIBRARY_PATH come before the framework's own libraries and hold older ones of "
        "the same name: symbols are missing, or kernels.",
        remedy="Take those folders out of LD_LIBRARY_PATH.",
        follows=(
            "cudnn-version-mismatch",
            "cudnn-sublibrary-mismatch",
            "cudnn-init-failed",
            "convolution-wrong",
            "framework-import-failed",
            "framework-answer-differs",
            "smoke-failed",
            "smoke-not-started",
        ),
    ),
    "libdevice-missing": Trouble(
        meaning="XLA, which TensorFlow uses to compile, does not find NVIDIA's libdevice: compiled functions "
        "fail.",
        remedy="Install nvidia-cuda-nvcc, or name the folder in XLA_FLAGS=--xla_gpu_cuda_data_dir.",
        follows=("smoke-failed",),
    ),
    "ptxas-missing": Trouble(
        meaning="XLA does not find NVIDIA's assembler ptxas and lets the driver compile instead.",
        remedy="Install nvidia-cuda-nvcc where compiling takes long.",
    ),
    "cudnn-gpu-unsupported": Trouble(
        meaning="The cuDNN that is loaded is too new for the card: from 9.11 on it has no code below compute "
        "capability 7.5, and PyTorch from 2.10 on refuses it there.",
        remedy="Install cuDNN below 9.11, or a build of the framework that brings one.",
        follows=("smoke-failed", "cudnn-init-failed", "convolution-without-cudnn"),
    ),
    "cudnn-version-mismatch": Trouble(
        meaning="The loader takes another cuDNN than the framework was built with, and an older one: "
        "convolutions fail, with `Failed to get convolution algorithm` or a version message.",
        remedy="Remove the older cuDNN from the search path, or update the cuDNN package.",
        follows=("smoke-failed", "cudnn-init-failed", "convolution-wrong"),
    ),
    "cudnn-sublibrary-mismatch": Trouble(
        meaning="cuDNN is made of several libraries that it opens by name; the loader takes some of them from "
        "another cuDNN. is_available() is True, and the first convolution fails.",
        remedy="Remove the other cuDNN from the loader's path, or install a cuDNN package that brings all its "
        "parts.",
        follows=("cudnn-init-failed", "smoke-failed"),
    ),
    "cudnn-missing": Trouble(
        meaning="The framework was built for CUDA, but no cuDNN can be found where its loader looks.",
        remedy="Install the framework's CUDA libraries into the same environment.",
        follows=("silent-cpu-fallback", "smoke-failed"),
    ),
}
