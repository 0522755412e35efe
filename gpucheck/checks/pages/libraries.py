"""CUDA's libraries: fit for driver, card and framework, and found."""

from __future__ import annotations

from gpucheck.checks.pages.advice import Advice
from gpucheck.checks.pages.references import (
    COMPATIBILITY,
    CUDA_DRIVER_API,
    CUDA_GPUS,
    LD_SO,
    TF_PIP,
    TF_SOURCE,
    XLA_ROOT,
    issue,
    pull,
)

ADVICE: dict[str, Advice] = {
    "driver-too-old": Advice(
        why="A CUDA runtime needs a driver from a certain version on: any 12.x needs 525.60.13, any 13.x needs "
        "580, any 11.x needs 450.80.02 (Linux). A default PyTorch wheel is built for 13.x from 2.11 on, so "
        "a plain upgrade crosses that line on a machine with a driver 570. Newer drivers run older "
        "runtimes, always.",
        confirm=(
            "`gpucheck doctor` shows driver CUDA and CUDA runtime beside each other and names the floor.",
            "`The NVIDIA driver on your system is too old (found version 12080)`: the number is a driver CUDA, "
            "12.8, not a driver version.",
            "`the provided PTX was compiled with an unsupported toolchain`: the driver may be above the floor "
            "and still not compile PTX of a toolkit newer than its driver CUDA; a build with machine code for "
            "the card needs no PTX.",
            "No NVIDIA device in `nvidia-smi` at all: then it is driver-missing, though the message is the same.",
        ),
        cures=(
            (
                "any",
                "Take a build for an older CUDA runtime: `gpucheck recommend` prints the command for this "
                "driver, e.g. PyTorch from the index cu126 or cu128. That needs no administrator.",
            ),
            (
                "linux",
                "Or update the driver to the floor or newer; `gpucheck doctor` prints the commands of this "
                "distribution.",
            ),
            ("windows", "Or update the driver; the floors there are 527.41 for 12.x and 452.39 for 11.x."),
            ("container", "The host's driver counts: update it, or take an image with an older CUDA."),
            (
                "linux",
                "Jetson: the driver is part of JetPack and cannot be updated alone; take NVIDIA's wheel for "
                "that JetPack.",
            ),
        ),
        vain=(
            "Demanding the toolkit's own driver: within a CUDA major any driver from the floor on will do (PTX "
            "excepted).",
            "Installing another CUDA toolkit: the wheel brings its own runtime, and a toolkit does not change "
            "what the driver can do.",
        ),
        references=(COMPATIBILITY,),
    ),
    "cuda-runtime-unsupported": Advice(
        why="Beside the framework, a program can bring a CUDA runtime or PTX of its own: an extension that was "
        "compiled here, a second library, a newer toolkit. PTX is excepted from minor-version "
        "compatibility: a driver compiles only PTX of toolkits up to its own driver CUDA. Error 35 says "
        "that the runtime is too new for the driver, error 222 that the PTX is. The other way round a "
        "compiler that is older than the card does not know its architecture.",
        confirm=(
            "`gpucheck doctor`: if it names driver-missing or driver-too-old, that is the cause.",
            "If the frameworks are fine, look which library the traceback names; `python -m pip list` shows "
            "packages for another CUDA (`cu13` beside `cu12`).",
            "`nvcc --version` is the toolkit that an extension is compiled with; `nvidia-smi` shows the "
            "driver CUDA.",
            "`nvcc fatal: Unsupported gpu architecture`: nvcc does not know the card; `nvcc --list-gpu-arch` "
            "shows what it knows.",
        ),
        cures=(
            ("any", "Take a build of that library for the CUDA runtime of the framework."),
            (
                "any",
                "Compile the extension for the card itself, so that no PTX is needed: "
                "`TORCH_CUDA_ARCH_LIST=8.6 pip install --no-build-isolation ...`, with a toolkit of the "
                "framework's CUDA.",
            ),
            (
                "linux",
                "nvcc too old for the card: install a newer toolkit and put it first on PATH, or name an "
                "architecture that it knows and that the card runs.",
            ),
            ("linux", "Runtime or PTX too new: or update the driver."),
        ),
        vain=("Installing PyTorch or TensorFlow again, when it is an extension that brings the runtime.",),
        references=(
            COMPATIBILITY,
            CUDA_DRIVER_API,
        ),
    ),
    "compute-capability-unsupported": Advice(
        why="A binary carries machine code for certain generations of GPUs. A card that is newer than all of "
        "them, or older than the oldest, has no kernel in it. Both happen: RTX 50 cards need builds for "
        "CUDA 12.8 or newer, and PyTorch from 2.11 on has dropped Maxwell, Pascal and Volta from its "
        "default build. TensorFlow up to 2.21 has no code for RTX 50 cards, and its PTX is reported broken "
        "there.",
        confirm=(
            '`python -c "import torch; print(torch.cuda.get_arch_list(), '
            'torch.cuda.get_device_capability())"`: machine code such as sm_80 serves cards from 8.0 to 8.9 '
            "and no other major.",
            "`gpucheck doctor` compares arch list and card without importing anything.",
            "A plain operation of PyTorch works, and only one library fails with `no kernel image`: then that "
            "library (flashinfer, an extension) lacks the card, not PyTorch.",
        ),
        cures=(
            ("any", "`gpucheck recommend` names a build whose arch list covers this card."),
            ("any", "RTX 50 and other Blackwell cards: PyTorch for CUDA 12.8 or newer."),
            ("any", "Maxwell, Pascal, Volta: PyTorch's builds for CUDA 12.6, up to 2.14."),
            ("container", "TensorFlow on RTX 50: NVIDIA's own image was reported to work."),
            ("notebook", "Choose another accelerator where the service offers one (a P100 is of 2016)."),
        ),
        vain=(
            "A newer CUDA toolkit or driver: the code has to be in the binary.",
            "Waiting for the compilation that TensorFlow announces: on RTX 50 cards an error was reported to "
            "follow it.",
        ),
        references=(
            CUDA_GPUS,
            issue("tensorflow/tensorflow", 101746, "CUDA_ERROR_INVALID_PTX on an RTX 5080"),
            issue("tensorflow/tensorflow", 90291, "RTX 50 cards"),
        ),
    ),
    "jit-ptx-slow-start": Advice(
        why="Without machine code for the card the driver compiles the binary's PTX when a kernel is first "
        "used, and keeps the result in ~/.nv/ComputeCache. That takes minutes, once, and again whenever "
        "the cache is lost or too small.",
        confirm=(
            "The first step takes minutes, the same program started again does not.",
            "TensorFlow says that it was not built with kernels for this compute capability and that kernels "
            "will be jit-compiled.",
            "An error `CUDA_ERROR_INVALID_PTX` or `CUDA_ERROR_INVALID_HANDLE` after it: then it is "
            "compute-capability-unsupported.",
        ),
        cures=(
            ("any", "Wait once."),
            ("container", "Keep the cache: put it on a volume by `CUDA_CACHE_PATH=/cache/nv`."),
            ("any", "A release with machine code for the card starts at once: `gpucheck recommend`."),
        ),
        vain=("Ending the program because it seems to hang: the work is then lost.",),
        references=(
            COMPATIBILITY,
            issue("tensorflow/tensorflow", 62320, "an H100 that starts slowly and works"),
        ),
    ),
    "cuda-library-missing": Advice(
        why="A framework opens CUDA's libraries by name when it starts. They come as packages of their own "
        "(nvidia-...-cu12, -cu13), which the plain TensorFlow wheel does not ask for. Older releases "
        "expect them in the system, in exactly their version: libcudart.so.11.0 is not found on a machine "
        "with CUDA 12.",
        confirm=(
            "`gpucheck doctor` names each library that is asked for and not found, or that is there in a "
            "folder where nobody looks.",
            "In `Could not load dynamic library 'X'; dlerror: Y`: Y is the one that is missing.",
            "TensorFlow's `Cannot dlopen some GPU libraries` names none; with `TF_CPP_MAX_VLOG_LEVEL=3` it does.",
        ),
        cures=(
            (
                "any",
                "`gpucheck fix cuda-library-missing` shows the plan; for TensorFlow it is `pip install "
                "'tensorflow[and-cuda]'` in the same version.",
            ),
            (
                "linux",
                "Where the packages are there and not found: `gpucheck run --fix cuda-library-missing -- "
                "COMMAND` shows the loader their folders.",
            ),
            (
                "linux",
                "TensorFlow before 2.14 has no such packages: install the CUDA and cuDNN of its row (`gpucheck "
                "matrix show tensorflow`), or take an image.",
            ),
            ("windows", "With TensorFlow up to 2.10 the DLLs of its CUDA and cuDNN must be on PATH."),
            (
                "cluster",
                "Load the module of the right CUDA, and see that the job's shell has it: some set "
                "LD_LIBRARY_PATH anew.",
            ),
        ),
        vain=(
            "The newest CUDA toolkit: the name in the message holds the version that is wanted.",
            "Linking one version's file to another one's name: the functions inside differ.",
        ),
        references=(
            TF_PIP,
            TF_SOURCE,
            issue("tensorflow/tensorflow", 66987, "how to learn the library's name"),
        ),
    ),
    "ld-library-path-shadowing": Advice(
        why="LD_LIBRARY_PATH is searched before the folders that a wheel names itself (RUNPATH). A CUDA module "
        "of a cluster, a conda environment, a toolkit or an old line in a start file puts other versions "
        "of the same names first.",
        confirm=(
            "`gpucheck doctor` names each file that is taken and the one that is passed over.",
            "`env -u LD_LIBRARY_PATH python train.py` works.",
            "`undefined symbol: __nvJitLinkComplete_12_4` and the like: a library of the framework met an "
            "older partner; the number is the version wanted.",
        ),
        cures=(
            (
                "linux",
                "`gpucheck run --fix ld-library-path-shadowing -- COMMAND` takes those folders out for one "
                "program and keeps the driver's.",
            ),
            (
                "linux",
                "For good: take the line out of ~/.bashrc or the module out of the job; `gpucheck fix "
                "ld-library-path-shadowing --to .env --apply` keeps it in a file instead.",
            ),
            ("cluster", "`module unload cuda cudnn` where the framework brings its own."),
            (
                "container",
                "The image's ENV may set it: `docker run -e LD_LIBRARY_PATH= ...`, unless the driver's folder "
                "is in it.",
            ),
        ),
        vain=(
            "`export LD_LIBRARY_PATH=...` from a recipe: it cures TensorFlow releases that do not find their "
            "packages, and breaks PyTorch wheels, which need none.",
            "Setting it inside the program: the loader reads it once, when the process starts.",
            "`PYTORCH_SKIP_CUDNN_COMPATIBILITY_CHECK=1`: it silences the message, and the wrong library stays.",
        ),
        references=(
            LD_SO,
            issue("pytorch/pytorch", 80637, "an HPC module's cuDNN"),
            pull("tensorflow/docs", 2251, "the official recipe put conda's cuDNN first"),
        ),
    ),
    "libdevice-missing": Advice(
        why="XLA links compiled code with libdevice.10.bc, which NVIDIA's compiler package brings. "
        "TensorFlow's plain wheel has none, and XLA looks only below the CUDA folder that it knows. Keras "
        "3 compiles `fit` where it can, so also programs that never asked for XLA meet this.",
        confirm=(
            "`libdevice not found at ./libdevice.10.bc` or `Can't find libdevice directory` in the output.",
            "`python -m pip show nvidia-cuda-nvcc-cu12` and `gpucheck doctor`.",
        ),
        cures=(
            ("any", "`gpucheck fix libdevice-missing` shows the plan: it installs NVIDIA's compiler package."),
            (
                "linux",
                "Where it is there: `gpucheck run --fix libdevice-missing -- COMMAND` sets "
                "`XLA_FLAGS=--xla_gpu_cuda_data_dir=...` to a folder that has `nvvm/libdevice` in it.",
            ),
            ("any", "Or do without: `model.compile(..., jit_compile=False)`."),
        ),
        vain=("Copying libdevice.10.bc into the working folder: it works there only, and nobody will know why.",),
        references=(XLA_ROOT,),
    ),
    "ptxas-missing": Advice(
        why="XLA and others call NVIDIA's assembler ptxas. Without it the driver compiles, which is slower and "
        "otherwise the same. One that is older than the code it is given (`Unsupported .version`) is "
        "another matter: it fails.",
        confirm=(
            "`Couldn't invoke ptxas --version` in the output.",
            "`which ptxas && ptxas --version` shows the one that is found first.",
        ),
        cures=(
            (
                "any",
                "Nothing, if the driver compiles. To be faster, `gpucheck fix ptxas-missing` shows the plan "
                "for NVIDIA's compiler package.",
            ),
            (
                "linux",
                "`ptxas fatal : Unsupported .version`: put a ptxas of the toolkit that produced the code first "
                "on PATH.",
            ),
            (
                "windows",
                "Nothing: the message that GPU assembly is supported on non-Windows platforms only is harmless.",
            ),
        ),
        references=(XLA_ROOT,),
    ),
}
