"""What was seen of the frameworks and the libraries that they load."""

from __future__ import annotations

from gpucheck.facts.fact import Fact, unread
from gpucheck.record import record


@record
class Library:
    """A shared library as the loader would find it.

    Attributes:
        path: File.
        version: e.g. ``9.20.0``.
        shadows: Files of the same library further down the search order, which are not taken.
    """

    path: str
    version: Fact[str] = unread()
    shadows: tuple[str, ...] = ()


@record
class Dependency:
    """A shared library that a framework asks the loader for.

    Attributes:
        soname: The name that it asks for, e.g. ``libcublas.so.12``.
        taken: What the loader would take, or why there is none.
        shipped: The one of the same name in the framework's own packages, None where there is none.
    """

    soname: str
    taken: Fact[Library] = unread()
    shipped: Library | None = None


@record
class Answer:
    """What a framework itself says when it is imported and asked, in a process of its own.

    Attributes:
        version: Its version.
        available: Whether it can use a GPU.
        devices: Names of the GPUs that it lists.
        arch_list: Code that it says it carries.
        cudnn: The cuDNN that it loaded, e.g. ``9.20.0``.
        cuda_runtime: CUDA runtime that it says it was built with.
        mapped: CUDA libraries that were mapped into the process.
        messages: Lines that it and its libraries wrote to stderr, the last ones.
        error: The exception, or how the process ended; None when it answered.
        seconds: Wall time until it had answered, import included; the frameworks are asked side by side.
    """

    version: str | None = None
    available: bool | None = None
    devices: tuple[str, ...] = ()
    arch_list: tuple[str, ...] = ()
    cudnn: str | None = None
    cuda_runtime: str | None = None
    mapped: tuple[str, ...] = ()
    messages: tuple[str, ...] = ()
    error: str | None = None
    seconds: float = 0.0


@record
class PackageFile:
    """A file of an installed package that is not what its package installed.

    Attributes:
        path: The file.
        owners: Distributions whose RECORD lists it.
        recorded: Owners whose RECORD fits the file that is there; empty: none does.
        trouble: ``size``, ``hash`` or ``missing``.
    """

    path: str
    owners: tuple[str, ...]
    recorded: tuple[str, ...]
    trouble: str


@record
class Framework:
    """A deep-learning framework in the interpreter looked at, read without importing it.

    Attributes:
        name: ``torch`` or ``tensorflow``.
        installed: Whether its package folder is there.
        distribution: Name and version of the distribution that owns it.
        installer: Who installed it: ``pip``, ``uv``, ``conda``...
        version: e.g. ``2.13.0+cpu``.
        folder: Package folder.
        build: ``cuda``, ``rocm`` or ``cpu``.
        cuda_runtime: CUDA runtime it was built with, e.g. ``13.0``.
        cudnn_built: cuDNN it was built with, e.g. ``9.20.0``.
        cudnn_loaded: The cuDNN that the loader would take.
        cudnn_parts: Its sub-libraries (``libcudnn_*.so.9``) as that cuDNN would load them, by file.
        libraries: CUDA libraries that it asks the loader for.
        libdevice: NVIDIA's libdevice.10.bc where XLA looks for it (TensorFlow).
        cuda_data_dir: A CUDA folder with libdevice where XLA does not look, if XLA finds none (TensorFlow).
        ptxas: The assembler ptxas where XLA looks for it (TensorFlow).
        arch_list: Code that the binary carries, e.g. ``sm_90``, ``compute_90``.
        requires: What its metadata requires, as requirement lines of PEP 508.
        answer: What it says itself, asked by ``--deep``.
    """

    name: str
    installed: Fact[bool] = unread()
    distribution: Fact[str] = unread()
    installer: Fact[str] = unread()
    version: Fact[str] = unread()
    folder: Fact[str] = unread()
    build: Fact[str] = unread()
    cuda_runtime: Fact[str] = unread()
    cudnn_built: Fact[str] = unread()
    cudnn_loaded: Fact[Library] = unread()
    cudnn_parts: Fact[tuple[Library, ...]] = unread()
    libraries: Fact[tuple[Dependency, ...]] = unread()
    libdevice: Fact[str] = unread()
    cuda_data_dir: Fact[str] = unread()
    ptxas: Fact[str] = unread()
    arch_list: Fact[tuple[str, ...]] = unread()
    requires: Fact[tuple[str, ...]] = unread()
    answer: Fact[Answer] = unread()
