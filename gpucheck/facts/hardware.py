"""What was seen of the driver and the cards."""

from __future__ import annotations

from gpucheck.facts.fact import Fact, unread
from gpucheck.record import record


@record
class DeviceNode:
    """A ``/dev/nvidia*`` node.

    Attributes:
        path: e.g. ``/dev/nvidia0``.
        mode: Permissions as ``ls -l`` writes them.
        group: The group's name, or its number.
        usable: Whether this user may read and write it, by its permissions.
    """

    path: str
    mode: str
    group: str
    usable: bool


@record
class Driver:
    """The NVIDIA driver: its kernel module, its user-space libraries, and what they answer.

    Attributes:
        module_loaded: Whether the kernel module ``nvidia`` is loaded.
        module_version: Its version, e.g. ``580.159.03``.
        nouveau_loaded: Whether the free nouveau driver holds the cards instead.
        dxg: Whether ``/dev/dxg``, WSL's door to the Windows driver, exists.
        module_flavor: ``open`` or ``proprietary``.
        module_installed: Whether a module ``nvidia`` is installed for the running kernel.
        uvm_loaded: Whether the module ``nvidia_uvm``, which CUDA needs, is loaded.
        device_nodes: The ``/dev/nvidia*`` nodes.
        refused_nodes: Nodes that the kernel refuses to open although their permissions allow it, with the
            name of the error: the device rules of a container's control group.
        kernel_messages: Lines of the kernel's log on the NVIDIA driver: Xid, NVRM, module signatures.
        nvswitches: NVSwitch bridges on the PCI bus.
        fabric_manager: Whether the process ``nv-fabricmanager`` runs.
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
    module_flavor: Fact[str] = unread()
    module_installed: Fact[bool] = unread()
    uvm_loaded: Fact[bool] = unread()
    device_nodes: Fact[tuple[DeviceNode, ...]] = unread()
    refused_nodes: Fact[tuple[str, ...]] = unread()
    kernel_messages: Fact[tuple[str, ...]] = unread()
    nvswitches: Fact[int] = unread()
    fabric_manager: Fact[bool] = unread()
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
        name: Chip and product by this system's PCI ID database, e.g. ``GP104 [GeForce GTX 1080]``; None where
            there is no database or it does not know the card.
    """

    address: str
    vendor: str
    device: str
    kernel_driver: str | None = None
    name: str | None = None


@record
class GpuProcess:
    """A process that holds memory of a GPU.

    Attributes:
        pid: Process id.
        memory: Bytes, None where the driver does not tell.
        name: Its short name in /proc, None where it cannot be read (another container's).
    """

    pid: int
    memory: int | None = None
    name: str | None = None


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
        mig_devices: UUIDs of its MIG devices.
        ecc: Whether ECC is on.
        ecc_uncorrected: Uncorrectable memory errors since the driver was loaded.
        remap_pending: Whether remapping a memory row waits for a reset.
        remap_failed: Whether remapping a memory row has failed.
        retirement_pending: Whether retiring a memory page waits for a reset (before Ampere).
        persistence: Whether persistence mode is on.
        compute_mode: ``default``, ``exclusive-thread``, ``prohibited`` or ``exclusive-process``.
        processes: Processes that hold memory of it.
        throttle: Why its clocks are lowered, by NVML's names.
        fabric_state: ``not-supported``, ``not-started``, ``in-progress`` or ``completed``: its registration
            with the NVLink fabric.
        vbios: Version of the card's video BIOS, e.g. ``96.00.99.00.01``.
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
    mig_devices: Fact[tuple[str, ...]] = unread()
    ecc: Fact[bool] = unread()
    ecc_uncorrected: Fact[int] = unread()
    remap_pending: Fact[bool] = unread()
    remap_failed: Fact[bool] = unread()
    retirement_pending: Fact[bool] = unread()
    persistence: Fact[bool] = unread()
    compute_mode: Fact[str] = unread()
    processes: Fact[tuple[GpuProcess, ...]] = unread()
    throttle: Fact[tuple[str, ...]] = unread()
    fabric_state: Fact[str] = unread()
    vbios: Fact[str] = unread()
