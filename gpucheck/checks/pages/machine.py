"""The machine around the interpreter: Python, platform, C library, processor, shared memory, disk."""

from __future__ import annotations

from gpucheck.checks.pages.advice import Advice
from gpucheck.checks.pages.references import JETSON, NCCL_TROUBLE, PEP600, TF_SOURCE, TORCH_START, issue

ADVICE: dict[str, Advice] = {
    "python-version-unsupported": Advice(
        why="A wheel is built for one Python version, and releases come months after a new Python. pip then "
        "offers only the releases that have a wheel for this Python, or none, and says so in the list "
        "`from versions`.",
        confirm=(
            "`python --version`, and `gpucheck matrix show torch` or `gpucheck matrix show tensorflow` for the "
            "Pythons of each release.",
            "In pip's message the list `(from versions: ...)` begins with the first release that has a wheel "
            "for this Python; `none` means that nothing fits, often because of the platform.",
        ),
        cures=(
            (
                "any",
                "Make an environment with a Python that the release supports, e.g. `uv venv --python 3.12`, or "
                "with conda `conda create -n gpu python=3.12`.",
            ),
            ("any", "Or take a release for this Python: `gpucheck recommend`."),
            ("notebook", "The service's Python is fixed: take a release that fits it."),
        ),
        vain=(
            "`pip install --pre` or `--no-deps`: neither makes a wheel.",
            "Building from source only to keep a Python version: it takes hours, and another Python minutes.",
        ),
        references=(TF_SOURCE,),
    ),
    "platform-unsupported": Advice(
        why="Wheels exist for certain systems and processors only. TensorFlow has none with CUDA for Windows "
        "after 2.10 and for Linux on ARM; PyTorch on ARM has CUDA builds on the package index from 2.11 "
        "on; macOS has no CUDA at all.",
        confirm=(
            "pip says `from versions: none`.",
            '`python -c "import platform; print(platform.system(), platform.machine())"` and `gpucheck matrix '
            "show torch`.",
            "A 32-bit Python, or one for x86 on an ARM processor, counts as its own platform.",
        ),
        cures=(
            ("any", "`gpucheck recommend` names the newest release that has a wheel here."),
            ("linux", "On Jetson take NVIDIA's wheels for the JetPack that is installed."),
            ("container", "On ARM servers NVIDIA's images bring builds of their own."),
        ),
        references=(
            JETSON,
            TORCH_START,
        ),
    ),
    "glibc-too-old": Advice(
        why="A wheel's tag, e.g. manylinux_2_28, names the oldest C library that it runs on. pip passes over "
        "wheels for a newer one than the system has; a wheel that was copied or built elsewhere then fails "
        "at its import, because a version such as `GLIBC_2.32` is not found.",
        confirm=(
            "`ldd --version` shows the system's glibc.",
            "pip says that it finds no matching distribution, though the release exists for this Python.",
            "If the path in the message lies in LD_LIBRARY_PATH (Nix, conda, a host's folder in a container), "
            "it is that folder's library that is too new: see ld-library-path-shadowing.",
        ),
        cures=(
            ("linux", "Take an older release, a newer system, or a container image with a newer one."),
            (
                "cluster",
                "Run in a container (Apptainer, Podman): it brings its own C library and uses the host's driver.",
            ),
        ),
        vain=(
            "Replacing the system's glibc by hand: every program depends on it, and a mistake leaves none that "
            "starts.",
        ),
        references=(PEP600,),
    ),
    "cpu-instruction-missing": Advice(
        why="TensorFlow's wheels use AVX from 1.6 on. Processors without it exist still (some Celeron and "
        "Atom), and virtual machines and emulators often hide what the processor has. One thread tells of "
        "a processor with AVX and without AVX2 and FMA on which the wheel of 2.4.0 died too.",
        confirm=(
            "`grep -o -w -e avx -e avx2 -e fma /proc/cpuinfo | sort | uniq -c` shows which of the three are "
            "there.",
            "The import ends with `Illegal instruction` and nothing else, or names AVX.",
            "On Apple silicon an x86 image runs in an emulator without AVX: `uname -m` says x86_64 there.",
        ),
        cures=(
            ("linux", "In a virtual machine pass the host's processor through, e.g. `-cpu host` with QEMU."),
            ("container", "On an ARM machine take the ARM image, not the emulated one."),
            ("any", "Else take a build without AVX (conda-forge, or one from source), or another machine."),
        ),
        vain=(
            "The notice that TensorFlow could use more instructions (`rebuild TensorFlow with the appropriate "
            "compiler flags`): that one is harmless.",
        ),
        references=(
            issue("tensorflow/tensorflow", 29788, "builds and AVX"),
            issue("tensorflow/tensorflow", 45744, "AVX is there, AVX2 is not"),
        ),
    ),
    "shared-memory-too-small": Advice(
        why="Docker gives a container 64 MB in /dev/shm. PyTorch's DataLoader workers hand tensors over "
        "through it, and NCCL joins processes of one machine through it. When it is full, the kernel ends "
        "the process with a bus error.",
        confirm=(
            "`df -h /dev/shm` in the container.",
            "The log has `Bus error`, `DataLoader worker (pid ...) is killed by signal`, or NCCL's `Error "
            "while creating shared memory segment /dev/shm/nccl-`.",
            "With `num_workers=0` a DataLoader's failure is gone.",
        ),
        cures=(
            ("container", "`docker run --shm-size=8g ...`, or `--ipc=host`; in a compose file `shm_size: 8gb`."),
            ("cluster", "In Kubernetes mount an `emptyDir` with `medium: Memory` at /dev/shm."),
            ("linux", "Outside a container: `sudo mount -o remount,size=8G /dev/shm`."),
        ),
        vain=(
            "`num_workers=0` for good: it hides the trouble, and the GPU waits for data.",
            "A smaller batch on the GPU: this memory is the machine's, not the card's.",
        ),
        references=(
            issue("moby/moby", 29492, "the default of 64 MB"),
            NCCL_TROUBLE,
        ),
    ),
    "out-of-disk": Advice(
        why="A CUDA build of a framework takes several GB, pip's cache as much again, and unpacking needs room "
        "in the folder for temporary files, which is often a small disk of its own. Compiled kernels and "
        "checkpoints do the rest.",
        confirm=(
            '`df -h ~/.cache "$HOME" /tmp` and, for inodes, `df -i`.',
            "pip says `[Errno 28] No space left on device`.",
        ),
        cures=(
            ("any", "`pip cache purge`; delete environments and checkpoints that are no longer needed."),
            (
                "linux",
                "Move the temporary folder and the cache: `TMPDIR=/big/tmp pip install --cache-dir /big/cache "
                "...`.",
            ),
            (
                "container",
                "Old images and layers: `docker system df` shows what `docker system prune` would free.",
            ),
            (
                "cluster",
                "Home folders have quotas (`quota -s`): keep environments and caches on the project's or "
                "scratch disk.",
            ),
        ),
        vain=("A bigger disk for the data, when /tmp or the home folder is what is full.",),
    ),
}
