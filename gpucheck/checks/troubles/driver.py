"""The driver: its module, its libraries, its nodes, and what it answers."""

from __future__ import annotations

from gpucheck.checks.troubles.trouble import NO_DRIVER, SEES_NO_GPU, Trouble

TROUBLES: dict[str, Trouble] = {
    "driver-missing": Trouble(
        meaning="An NVIDIA card is on the PCI bus, but no NVIDIA driver is installed (or its user-space "
        "libraries are missing), so no program can use the card.",
        remedy="Install the NVIDIA driver from your distribution or from NVIDIA, then reboot.",
        follows=NO_DRIVER,
    ),
    "kernel-module-not-loaded": Trouble(
        meaning="The driver's libraries are installed, but its kernel module is not loaded: after a kernel "
        "update without a rebuilt module, with Secure Boot refusing it, or with another driver in its "
        "place.",
        remedy="Load it with `sudo modprobe nvidia`; the error that modprobe prints names the reason.",
        follows=NO_DRIVER,
    ),
    "secure-boot-module-signature": Trouble(
        meaning="The driver is installed, but Secure Boot does not let the kernel load its module: it is not "
        "signed, or signed with a key that is not enrolled.",
        remedy="Enrol the key with `mokutil --import`, take a driver that your distribution signed, or switch "
        "Secure Boot off.",
        follows=("kernel-module-not-loaded", *NO_DRIVER),
    ),
    "nouveau-loaded": Trouble(
        meaning="The free nouveau driver holds the NVIDIA card. CUDA works only with NVIDIA's own driver.",
        remedy="Install the NVIDIA driver (its packages block nouveau), then reboot.",
        follows=("driver-missing", "kernel-module-not-loaded", *NO_DRIVER),
    ),
    "wsl-driver-setup": Trouble(
        meaning="On WSL CUDA comes through the Windows driver. Here a Linux driver was installed inside WSL and "
        "hides it, or this WSL shows no GPU to Linux at all.",
        remedy="Remove the Linux driver from WSL; update WSL and the Windows driver.",
        follows=("driver-missing", "driver-library-mismatch", "forward-compat-unsupported", *NO_DRIVER),
    ),
    "container-without-gpu": Trouble(
        meaning="The host has a working NVIDIA kernel module, but this container was started without the GPU: "
        "the driver's libraries were not mapped into it.",
        remedy="Start the container with the NVIDIA runtime, e.g. `docker run --gpus all`.",
        follows=("cpu-only-build", "cudnn-missing", *NO_DRIVER),
    ),
    "driver-library-mismatch": Trouble(
        meaning="The driver was updated while the old kernel module is still loaded. Libraries and module must "
        "be of the same version; until then NVML and CUDA refuse to start.",
        remedy="Reboot, or unload and reload the kernel modules when nothing uses them.",
        follows=("kernel-module-not-loaded", "forward-compat-unsupported", *NO_DRIVER),
    ),
    "permission-denied": Trouble(
        meaning="The driver runs, but this user may not open its device nodes.",
        remedy="Add the user to the group that owns /dev/nvidia* (often `video` or `render`), then log in again.",
        follows=NO_DRIVER,
    ),
    "container-cgroup-lost-gpu": Trouble(
        meaning="Inside a container that once saw the GPU, NVML answers `Unknown Error`: systemd reloaded its "
        "cgroup rules and the container lost access to the devices. The host is healthy.",
        remedy="Restart the container; to keep it from coming back, name the devices with --device or use CDI.",
        follows=NO_DRIVER,
    ),
    "gpu-unsupported-by-driver": Trouble(
        meaning="The driver branch is newer than the last one that knows this GPU's architecture (R470 for "
        "Kepler, R580 for Maxwell, Pascal and Volta), or older than the GPU. It then does not list the "
        "card.",
        remedy="Install the last driver branch for an old card, a newer driver for a new one.",
        follows=("gpu-missing", *NO_DRIVER),
    ),
    "cuinit-unknown-error": Trouble(
        meaning="CUDA's cuInit fails with 999, unknown error, though the driver is loaded: often the nvidia_uvm "
        "module after suspend, or missing device nodes.",
        remedy="`sudo rmmod nvidia_uvm && sudo modprobe nvidia_uvm` when nothing uses the GPU, else reboot.",
        follows=SEES_NO_GPU,
    ),
    "fabric-manager": Trouble(
        meaning="CUDA says that the system is not yet initialised (802): on NVSwitch machines the fabric "
        "manager does not run, or is of another version than the driver.",
        remedy="Install nvidia-fabricmanager of exactly the driver's version and start the service.",
        follows=SEES_NO_GPU,
    ),
    "forward-compat-unsupported": Trouble(
        meaning="CUDA's forward-compatibility libraries (cuda-compat) are loaded on a card that does not "
        "support them: they work on data-centre GPUs only (804).",
        remedy="Remove the cuda-compat folder from LD_LIBRARY_PATH, or take an image for the host's driver.",
        follows=SEES_NO_GPU,
    ),
    "no-device": Trouble(
        meaning="There is no NVIDIA GPU in this machine. That is information, not a fault.",
        remedy="Nothing, unless a GPU should be here: then look at the power, the slot or the virtual machine.",
        follows=("requirement-unmet", "ran-on-cpu"),
    ),
    "other-vendor-gpu": Trouble(
        meaning="The graphics cards here are of another maker. gpucheck judges NVIDIA GPUs and leaves others "
        "alone.",
        remedy="Nothing. For AMD GPUs see the ROCm builds of the frameworks.",
    ),
    "simulated-driver": Trouble(
        meaning="A driver library answers, but nothing in the kernel backs it: it is a stub for tests. What it "
        "says is no evidence of a GPU.",
        remedy="Remove the stub's folder from LD_LIBRARY_PATH to see the real machine.",
        follows=("smoke-failed",),
    ),
}
