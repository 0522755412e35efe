"""The cards: there, sound, free and visible."""

from __future__ import annotations

from gpucheck.checks.troubles.trouble import SEES_NO_GPU, Trouble

TROUBLES: dict[str, Trouble] = {
    "gpu-missing": Trouble(
        meaning="A card is on the PCI bus, but the driver does not list it: it failed to start, fell off the "
        "bus, or is not supported by this driver.",
        remedy="Look into `sudo dmesg | grep -i -e NVRM -e Xid`, then reboot or reseat the card.",
        follows=SEES_NO_GPU,
    ),
    "gpu-lost": Trouble(
        meaning="The driver lists the GPU but can no longer talk to it: it fell off the PCIe bus.",
        remedy="Reboot; if it comes back, look at power, cooling and the Xid lines of the kernel log.",
        follows=("cuinit-unknown-error", *SEES_NO_GPU),
    ),
    "xid-error": Trouble(
        meaning="The driver wrote an error number (Xid) into the kernel log that NVIDIA's catalogue answers "
        "with a reset of the GPU or a restart.",
        remedy="Reset the GPU or reboot; if the number comes back, test or replace the card.",
        follows=("gpu-lost", "gpu-missing", "cuinit-unknown-error", "smoke-failed"),
    ),
    "uncorrectable-ecc": Trouble(
        meaning="The GPU's memory had errors that ECC could not correct, or a bad row could not be replaced. "
        "Programs that used it were ended, or have wrong numbers.",
        remedy="Reset the GPU; where replacing rows failed, take the card out of use and have it tested.",
        follows=("cuinit-unknown-error", "smoke-failed", "convolution-wrong"),
    ),
    "hardware-diagnostic-failed": Trouble(
        meaning="A tool that stresses the hardware (`dcgmi diag`, NVIDIA Health Validation) was run, and its "
        "verdict speaks against a card.",
        remedy="Do what the tool asks for: isolate, reset or reconfigure the card; then run it again.",
        follows=("gpu-lost", "uncorrectable-ecc", "smoke-failed", "convolution-wrong"),
    ),
    "gpu-throttled": Trouble(
        meaning="The GPU runs at lowered clocks because it is too hot or its power supply asks it to slow down. "
        "Training is slow, not wrong.",
        remedy="Look at fans, air flow and power cables.",
    ),
    "device-in-use": Trouble(
        meaning="The compute mode of the GPU admits no program, or only one, and one runs: others get `busy or "
        "unavailable`.",
        remedy="End the program that holds it, or set the compute mode to DEFAULT.",
        follows=(*SEES_NO_GPU,),
    ),
    "gpu-out-of-memory": Trouble(
        meaning="The GPU's memory does not suffice: other processes hold nearly all of it, or a program asks for "
        "too much. A framework that starts then runs out of it, or cannot create its cuDNN or cuBLAS handle.",
        remedy="End left-over processes, or take another GPU (`gpucheck run --gpus 1`: the freest); a smaller "
        "batch; TensorFlow with memory growth. Where memory is fragmented, `gpucheck run --fix gpu-out-of-memory` "
        "chooses an allocator that wastes less.",
        follows=("smoke-failed", "cudnn-init-failed", "cublas-not-initialized"),
    ),
    "mig-misconfigured": Trouble(
        meaning="The GPU is in MIG mode and no MIG device has been made: CUDA sees nothing of it.",
        remedy="Make a GPU instance with a compute instance, or switch MIG off.",
        follows=("visible-devices-hides-gpu", *SEES_NO_GPU),
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
}
