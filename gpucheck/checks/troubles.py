"""The troubles that checks can find: what each means, and what follows from it."""

from __future__ import annotations

from gpucheck.record import record

SEES_NO_GPU = ("silent-cpu-fallback", "smoke-failed", "requirement-unmet")


@record
class Trouble:
    """One trouble.

    Attributes:
        meaning: What it is, in two or three sentences that hold on every machine.
        follows: Slugs of the troubles that follow from it.
        remedy: What cures it, in general.
    """

    meaning: str
    remedy: str
    follows: tuple[str, ...] = ()


NO_DRIVER = ("cuinit-unknown-error", "gpu-missing", *SEES_NO_GPU)

TROUBLES: dict[str, Trouble] = {
    "driver-missing": Trouble(
        meaning="An NVIDIA card is on the PCI bus, but no NVIDIA driver is installed (or its user-space "
        "libraries are missing), so no program can use the card.",
        remedy="Install the NVIDIA driver from your distribution or from NVIDIA, then reboot.",
        follows=NO_DRIVER,
    ),
    "kernel-module-not-loaded": Trouble(
        meaning="The driver's libraries are installed, but its kernel module is not loaded: after a kernel "
        "update without a rebuilt module, with Secure Boot refusing it, or with another driver in its place.",
        remedy="Load it with `sudo modprobe nvidia`; the error that modprobe prints names the reason.",
        follows=NO_DRIVER,
    ),
    "nouveau-loaded": Trouble(
        meaning="The free nouveau driver holds the NVIDIA card. CUDA works only with NVIDIA's own driver.",
        remedy="Install the NVIDIA driver (its packages block nouveau), then reboot.",
        follows=("driver-missing", "kernel-module-not-loaded", *NO_DRIVER),
    ),
    "container-without-gpu": Trouble(
        meaning="The host has a working NVIDIA kernel module, but this container was started without the "
        "GPU: the driver's libraries were not mapped into it.",
        remedy="Start the container with the NVIDIA runtime, e.g. `docker run --gpus all`.",
        follows=("cpu-only-build", "cudnn-missing", *NO_DRIVER),
    ),
    "driver-library-mismatch": Trouble(
        meaning="The driver was updated while the old kernel module is still loaded. Libraries and module "
        "must be of the same version; until then NVML and CUDA refuse to start.",
        remedy="Reboot, or unload and reload the kernel modules when nothing uses them.",
        follows=("kernel-module-not-loaded", "forward-compat-unsupported", *NO_DRIVER),
    ),
    "permission-denied": Trouble(
        meaning="The driver runs, but this user may not open its device nodes.",
        remedy="Add the user to the group that owns /dev/nvidia* (often `video` or `render`), then log in again.",
        follows=NO_DRIVER,
    ),
    "container-cgroup-lost-gpu": Trouble(
        meaning="Inside a container that once saw the GPU, NVML answers `Unknown Error`: systemd reloaded "
        "its cgroup rules and the container lost access to the devices. The host is healthy.",
        remedy="Restart the container; to keep it from coming back, name the devices with --device or use CDI.",
        follows=NO_DRIVER,
    ),
    "cuinit-unknown-error": Trouble(
        meaning="CUDA's cuInit fails with 999, unknown error, though the driver is loaded: often the "
        "nvidia_uvm module after suspend, or missing device nodes.",
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
    "simulated-driver": Trouble(
        meaning="A driver library answers, but nothing in the kernel backs it: it is a stub for tests. What "
        "it says is no evidence of a GPU.",
        remedy="Remove the stub's folder from LD_LIBRARY_PATH to see the real machine.",
        follows=("smoke-failed",),
    ),
    "gpu-missing": Trouble(
        meaning="A card is on the PCI bus, but the driver does not list it: it failed to start, fell off "
        "the bus, or is not supported by this driver.",
        remedy="Look into `sudo dmesg | grep -i -e NVRM -e Xid`, then reboot or reseat the card.",
        follows=SEES_NO_GPU,
    ),
    "gpu-unsupported-by-driver": Trouble(
        meaning="The driver branch is newer than the last one that knows this GPU's architecture (R470 for "
        "Kepler, R580 for Maxwell, Pascal and Volta), or older than the GPU. It then does not list the card.",
        remedy="Install the last driver branch for an old card, a newer driver for a new one.",
        follows=("gpu-missing", *NO_DRIVER),
    ),
    "gpu-lost": Trouble(
        meaning="The driver lists the GPU but can no longer talk to it: it fell off the PCIe bus.",
        remedy="Reboot; if it comes back, look at power, cooling and the Xid lines of the kernel log.",
        follows=("cuinit-unknown-error", *SEES_NO_GPU),
    ),
    "visible-devices-hides-gpu": Trouble(
        meaning="CUDA_VISIBLE_DEVICES leaves no GPU visible, so every framework runs on the CPU.",
        remedy="Unset CUDA_VISIBLE_DEVICES, or name the GPUs that shall be seen.",
        follows=SEES_NO_GPU,
    ),
    "visible-devices-truncated": Trouble(
        meaning="CUDA reads CUDA_VISIBLE_DEVICES up to its first invalid entry and silently drops the rest.",
        remedy="Correct the entry that is named.",
        follows=("requirement-unmet",),
    ),
    "torch-not-installed": Trouble(
        meaning="PyTorch is not installed in the interpreter that was looked at.",
        remedy="Install it there, or point gpucheck at another interpreter with --python.",
        follows=("requirement-unmet",),
    ),
    "tensorflow-not-installed": Trouble(
        meaning="TensorFlow is not installed in the interpreter that was looked at.",
        remedy="Install it there, or point gpucheck at another interpreter with --python.",
        follows=("requirement-unmet",),
    ),
    "cpu-only-build": Trouble(
        meaning="The framework was built without CUDA. It cannot use the GPU, whatever the driver.",
        remedy="Install a CUDA build of the same version.",
        follows=("silent-cpu-fallback", "smoke-failed"),
    ),
    "windows-native-tf": Trouble(
        meaning="TensorFlow has no GPU support on native Windows since 2.11: its Windows wheels are CPU builds.",
        remedy="Run it in WSL2 with the Linux wheels, or stay with TensorFlow 2.10.",
        follows=("silent-cpu-fallback", "smoke-failed"),
    ),
    "rocm-build": Trouble(
        meaning="The framework was built for AMD GPUs (ROCm). It cannot use an NVIDIA GPU.",
        remedy="Install a CUDA build of the same version.",
        follows=("silent-cpu-fallback", "smoke-failed"),
    ),
    "python-version-unsupported": Trouble(
        meaning="This release of the framework has no wheels for this Python version.",
        remedy="Use a Python that the release supports.",
        follows=("smoke-failed", "smoke-not-started"),
    ),
    "platform-unsupported": Trouble(
        meaning="This release of the framework has no wheel for this operating system and processor.",
        remedy="Take a release that has one, or build it from source.",
        follows=("python-version-unsupported",),
    ),
    "glibc-too-old": Trouble(
        meaning="The wheels of this release are built for a newer C library (glibc) than this system has; pip "
        "then says that it finds no matching distribution.",
        remedy="Take an older release, a container image, or a newer system.",
        follows=("python-version-unsupported",),
    ),
    "driver-too-old": Trouble(
        meaning="The CUDA runtime that the framework was built with needs a newer driver. Within one CUDA "
        "major any driver from NVIDIA's floor on will do; across majors none will.",
        remedy="Update the driver, or install a build of the framework for an older CUDA runtime.",
        follows=("silent-cpu-fallback", "smoke-failed", "cuda-runtime-unsupported"),
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
    "package-conflict": Trouble(
        meaning="Two packages ask for versions of a third that exclude each other, or a package is installed in "
        "a version that a framework does not accept.",
        remedy="Choose versions that go together (`gpucheck recommend` names them), or use two environments.",
        follows=("smoke-not-started",),
    ),
    "torch-torchvision-mismatch": Trouble(
        meaning="torchvision or torchaudio is of a release that was compiled for another torch: importing it "
        "fails, mostly with `operator torchvision::nms does not exist`.",
        remedy="Install the release that belongs to this torch; `gpucheck matrix show torch` names torch's.",
        follows=("smoke-not-started",),
    ),
    "package-files-overwritten": Trouble(
        meaning="Packages of one library for different CUDA majors (nvidia-cudnn-cu12 and -cu13) install the same "
        "files. pip does not notice; the last one installed wins, and removing one breaks the other.",
        remedy="One environment for each framework; or install again, last, what the framework in use needs.",
        follows=("cudnn-version-mismatch", "smoke-failed"),
    ),
    "numpy-abi-mismatch": Trouble(
        meaning="The framework was compiled for another generation of NumPy than the one installed.",
        remedy="Install a NumPy of the generation that it was compiled for, mostly `numpy<2`.",
        follows=("smoke-failed", "smoke-not-started"),
    ),
    "protobuf-mismatch": Trouble(
        meaning="The framework's generated code does not work with the protobuf that is installed.",
        remedy="Install a protobuf of the range that it works with.",
        follows=("smoke-failed", "smoke-not-started"),
    ),
    "keras-mismatch": Trouble(
        meaning="TensorFlow and Keras are of releases that do not go together.",
        remedy="Install the Keras that the TensorFlow release asks for.",
        follows=("smoke-failed", "smoke-not-started"),
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
    "cudnn-missing": Trouble(
        meaning="The framework was built for CUDA, but no cuDNN can be found where its loader looks.",
        remedy="Install the framework's CUDA libraries into the same environment.",
        follows=("silent-cpu-fallback", "smoke-failed"),
    ),
    "smoke-failed": Trouble(
        meaning="The smoke training did not finish: its process failed, crashed or ran out of time.",
        remedy="Read the last lines that it printed; if a root cause is named above, cure that first.",
        follows=("requirement-unmet",),
    ),
    "smoke-not-started": Trouble(
        meaning="The framework could not be imported, or the data not be made: the smoke training failed before "
        "it touched any device, so the GPU and its driver are not the cause.",
        remedy="Read the exception named: a package is missing, damaged or of the wrong version.",
        follows=("requirement-unmet",),
    ),
    "convolution-without-cudnn": Trouble(
        meaning="The training ran on the GPU, but a profile shows that convolution did not go through cuDNN: it "
        "fell back to slower kernels of the framework's own.",
        remedy="Look whether cuDNN is switched off, refused for this card, or of the wrong version.",
    ),
    "silent-cpu-fallback": Trouble(
        meaning="A GPU is present, yet the training ran on the CPU without an error.",
        remedy="Cure the cause named above; `--device cpu` says that the CPU is meant.",
    ),
    "ran-on-cpu": Trouble(
        meaning="The smoke training ran on the CPU. It proves that the framework works, and nothing about a GPU.",
        remedy="Nothing, unless a GPU should have been used.",
    ),
    "convolution-wrong": Trouble(
        meaning="A convolution's numbers are further from the float64 reference than any arithmetic explains.",
        remedy="Compare the library files named with those the framework shipped; test the card's memory.",
        follows=("training-does-not-learn",),
    ),
    "tf32-in-use": Trouble(
        meaning="Convolutions of float32 numbers run in TF32, with 10 bits of mantissa, the frameworks' "
        "default on Ampere and later.",
        remedy="Nothing; for full float32 switch TF32 off in the framework.",
    ),
    "training-does-not-learn": Trouble(
        meaning="The reference training finished, but its accuracy lies below what every healthy machine reaches.",
        remedy="If convolution is right, repeat with another --seed; if it persists, the device computes wrongly.",
    ),
    "requirement-unmet": Trouble(
        meaning="The machine does not have what --require or the policy demands.",
        remedy="Cure the cause named above, or correct the requirement.",
    ),
    "requirement-undetermined": Trouble(
        meaning="Whether the machine has what --require or the policy demands could not be found out.",
        remedy="See which probe failed and why.",
    ),
}
