"""What was seen of a machine: operating system, driver, cards, interpreter, frameworks."""

from __future__ import annotations

from gpucheck.facts.fact import Fact, unread
from gpucheck.record import record


@record
class System:
    """The operating system, and what stands between it and the hardware.

    Attributes:
        os: ``linux``, ``windows`` or ``macos``.
        machine: Processor architecture, e.g. ``x86_64``.
        glibc: Version of the C library, e.g. ``2.36``.
        wsl: Whether this is the Windows Subsystem for Linux.
        container: ``docker``, ``podman``, ``kubernetes``, ``apptainer``, ``lxc``... or ``none``.
        scheduler: ``slurm``, ``pbs``, ``lsf``, ``kubernetes``, ``ray``... or ``none``: who gives GPUs to jobs.
    """

    os: Fact[str] = unread()
    machine: Fact[str] = unread()
    glibc: Fact[str] = unread()
    wsl: Fact[bool] = unread()
    container: Fact[str] = unread()
    scheduler: Fact[str] = unread()


@record
class Interpreter:
    """The Python whose packages are judged.

    Attributes:
        executable: Its path.
        version: e.g. ``3.11.7``.
        prefix: ``sys.prefix``.
        kind: ``venv``, ``conda``, ``pipx``, ``uv`` or ``system``.
        chosen_by: Why this interpreter: ``--python``, ``VIRTUAL_ENV``, ``own``...
    """

    executable: Fact[str] = unread()
    version: Fact[str] = unread()
    prefix: Fact[str] = unread()
    kind: Fact[str] = unread()
    chosen_by: Fact[str] = unread()


@record
class Driver:
    """The NVIDIA driver: its kernel module, its user-space libraries, and what they answer.

    Attributes:
        module_loaded: Whether the kernel module ``nvidia`` is loaded.
        module_version: Its version, e.g. ``580.159.03``.
        nouveau_loaded: Whether the free nouveau driver holds the cards instead.
        dxg: Whether ``/dev/dxg``, WSL's door to the Windows driver, exists.
        device_nodes: The ``/dev/nvidia*`` nodes.
        nvml_library: File of ``libnvidia-ml.so.1``.
        nvml_status: What ``nvmlInit`` returned (nvmlReturn_t; 0 success, 18 library/kernel mismatch).
        cuda_library: File of ``libcuda.so.1``.
        library_version: Driver version in the user-space library's file name.
        version: Driver version as NVML answers it.
        driver_cuda: Highest CUDA that the driver supports, e.g. ``13.0``.
        cuinit_status: What ``cuInit`` returned (CUresult; 0 success, 100 no device).
        visible_devices: Devices that CUDA counts, after the device mask.
    """

    module_loaded: Fact[bool] = unread()
    module_version: Fact[str] = unread()
    nouveau_loaded: Fact[bool] = unread()
    dxg: Fact[bool] = unread()
    device_nodes: Fact[tuple[str, ...]] = unread()
    nvml_library: Fact[str] = unread()
    nvml_status: Fact[int] = unread()
    cuda_library: Fact[str] = unread()
    library_version: Fact[str] = unread()
    version: Fact[str] = unread()
    driver_cuda: Fact[str] = unread()
    cuinit_status: Fact[int] = unread()
    visible_devices: Fact[int] = unread()


@record
class PciCard:
    """A display or 3D controller on the PCI bus.

    Attributes:
        address: e.g. ``0000:18:00.0``.
        vendor: PCI vendor id, e.g. ``10de`` (NVIDIA).
        device: PCI device id.
        kernel_driver: Kernel driver that holds it (``nvidia``, ``nouveau``, ``vfio-pci``), None if none does.
    """

    address: str
    vendor: str
    device: str
    kernel_driver: str | None = None


@record
class Gpu:
    """One GPU as NVML lists it.

    Attributes:
        index: NVML's index (PCI bus order).
        status: What NVML returned for its handle (0 success, 15 GPU is lost).
        name: Product name.
        uuid: ``GPU-...``.
        pci_address: e.g. ``00000000:18:00.0``.
        compute_capability: e.g. ``9.0``.
        memory_total: Bytes.
        memory_free: Bytes.
        mig: Whether MIG mode is on.
    """

    index: int
    status: Fact[int] = unread()
    name: Fact[str] = unread()
    uuid: Fact[str] = unread()
    pci_address: Fact[str] = unread()
    compute_capability: Fact[str] = unread()
    memory_total: Fact[int] = unread()
    memory_free: Fact[int] = unread()
    mig: Fact[bool] = unread()


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
        arch_list: Code that the binary carries, e.g. ``sm_90``, ``compute_90``.
        requires: What its metadata requires, as requirement lines of PEP 508.
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
    arch_list: Fact[tuple[str, ...]] = unread()
    requires: Fact[tuple[str, ...]] = unread()


@record
class ProbeRun:
    """How a probe went.

    Attributes:
        name: The probe.
        milliseconds: Wall time.
        error: Why it failed as a whole, or None.
    """

    name: str
    milliseconds: float
    error: str | None = None
