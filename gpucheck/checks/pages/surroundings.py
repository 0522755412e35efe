"""What lies around the driver: containers, WSL, forward compatibility, and machines without an NVIDIA GPU."""

from __future__ import annotations

from gpucheck.checks.pages.advice import Advice
from gpucheck.checks.pages.references import COMPATIBILITY, CONTAINER, TORCH_START, WSL, issue

ADVICE: dict[str, Advice] = {
    "wsl-driver-setup": Advice(
        why="WSL 2 lends Linux the driver of Windows: its libraries lie in /usr/lib/wsl/lib, its device is "
        "/dev/dxg. A Linux driver inside WSL brings a libcuda of its own, which comes first and finds no "
        "card. WSL 1 and old Windows builds have no /dev/dxg at all.",
        confirm=(
            "`ls -l /dev/dxg` finds it on WSL 2 with a kernel that knows GPUs.",
            "`dpkg -l | grep -e libnvidia -e nvidia-driver -e nvidia-utils` finds nothing, unless a Linux "
            "driver is inside.",
            "`gpucheck doctor` names the libcuda that is loaded; it should be the one in /usr/lib/wsl/lib.",
            "In Windows `wsl -l -v` shows VERSION 2, and `nvidia-smi` works there.",
        ),
        cures=(
            (
                "wsl",
                "Remove the Linux driver: `sudo apt purge '^libnvidia-compute-.*' '^nvidia-driver-.*' "
                "libcuda1`, then `sudo ldconfig`. The CUDA toolkit alone may stay.",
            ),
            (
                "windows",
                "`wsl --update`, then `wsl --shutdown`; update the NVIDIA driver of Windows; `wsl "
                "--set-version <distribution> 2` for a distribution that still runs as version 1.",
            ),
            (
                "wsl",
                "Where a library asks for `libcuda.so` without `.1` (`Could not load library "
                "libcudnn_cnn_infer.so.8. Error: libcuda.so`): `export "
                "LD_LIBRARY_PATH=/usr/lib/wsl/lib:$LD_LIBRARY_PATH`.",
            ),
        ),
        vain=(
            "Installing a driver, or a package that brings one, inside WSL: that is the commonest cause.",
            "Making the two versions that nvidia-smi shows equal: on WSL they differ by design.",
        ),
        references=(
            WSL,
            issue("microsoft/WSL", 9166, "Linux packages inside WSL block the GPU"),
            issue("microsoft/WSL", 12859, "the same words on a Windows Server"),
        ),
    ),
    "container-without-gpu": Advice(
        why="A container has files of its own. The host's driver libraries and device nodes get into it only "
        "by the NVIDIA Container Toolkit, only if the container is started with the GPU, and CUDA's part "
        "only if the capability `compute` is asked for.",
        confirm=(
            "On the host `nvidia-smi` works, in the container it is not found.",
            "On the host `docker run --rm --gpus all ubuntu nvidia-smi` shows the card if the toolkit is set up.",
            "In the container `echo $NVIDIA_VISIBLE_DEVICES $NVIDIA_DRIVER_CAPABILITIES` shows what it was "
            "told to bring: `void` or nothing means neither GPU nor driver.",
        ),
        cures=(
            (
                "container",
                "Start it with the GPU: `docker run --gpus all ...` or `podman run --device nvidia.com/gpu=all "
                "...`. In a compose file: `deploy.resources.reservations.devices` with the capability `gpu`.",
            ),
            (
                "container",
                "nvidia-smi works and CUDA does not: add `-e NVIDIA_DRIVER_CAPABILITIES=compute,utility`.",
            ),
            (
                "linux",
                "On the host install the NVIDIA Container Toolkit, then `sudo nvidia-ctk runtime configure "
                "--runtime=docker` and `sudo systemctl restart docker`.",
            ),
            (
                "cluster",
                "In Kubernetes ask for `nvidia.com/gpu: 1` among the pod's limits; the node needs NVIDIA's "
                "device plugin.",
            ),
            ("wsl", "Install the driver in Windows first; without it the toolkit finds no adapter."),
        ),
        vain=(
            "Installing the driver inside the image: it has no kernel module there, and its libraries then "
            "differ from the host's.",
            "Curing it from inside: only whoever starts the container can.",
        ),
        references=(CONTAINER,),
    ),
    "container-cgroup-lost-gpu": Advice(
        why="The container's right to open the devices was given behind systemd's back. When systemd writes "
        "its device rules again (`systemctl daemon-reload`, many package updates), it knows nothing of "
        "that right, and running containers lose the GPU.",
        confirm=(
            "In the container `nvidia-smi` says `Failed to initialize NVML: Unknown Error`, and it worked before.",
            "On the host `nvidia-smi` works, and so does a container that is started now.",
        ),
        cures=(
            ("container", "Start it again."),
            (
                "container",
                "To keep it from coming back, name the devices: `docker run --gpus all --device /dev/nvidia0 "
                "--device /dev/nvidiactl --device /dev/nvidia-uvm ...`, or use CDI.",
            ),
            (
                "linux",
                "On the host the links that systemd looks for help as well: `sudo nvidia-ctk system "
                "create-dev-char-symlinks --create-all`.",
            ),
        ),
        vain=("Installing the host's driver again: the host is healthy.",),
        references=(issue("NVIDIA/nvidia-container-toolkit", 48, "containers lose access to GPUs"),),
    ),
    "forward-compat-unsupported": Advice(
        why="The package cuda-compat puts a newer libcuda beside an older kernel module. That is supported on "
        "data-centre GPUs, on some professional ones and on Jetson; on a GeForce, CUDA refuses with 804. "
        "Images carry it in /usr/local/cuda/compat, and it gets in by LD_LIBRARY_PATH. The same number "
        "comes after a driver update without a reboot.",
        confirm=(
            "`gpucheck doctor` names the libcuda that is loaded and where it comes from.",
            "`cat /proc/driver/nvidia/version`: if it differs from the version of the libraries on the host, "
            "it is driver-library-mismatch and a reboot cures it.",
            "`nvidia-smi` shows another CUDA version inside the container than outside: the image's libcuda is "
            "in use.",
        ),
        cures=(
            (
                "any",
                "`gpucheck run --fix forward-compat-unsupported -- COMMAND` takes the folder out of "
                "LD_LIBRARY_PATH for one program, where the variable brought it in.",
            ),
            (
                "container",
                "Take an image whose CUDA runtime the host's driver supports, or update the host's driver.",
            ),
            ("container", "vLLM's images: unset VLLM_ENABLE_CUDA_COMPATIBILITY."),
            ("linux", "`sudo reboot` if the driver was updated."),
        ),
        vain=(
            "Installing PyTorch again: one report calls that a cure and nobody could say why.",
            "More folders in LD_LIBRARY_PATH: the trouble is that one too many is there.",
        ),
        references=(
            COMPATIBILITY,
            issue("NVIDIA/nvidia-docker", 1515, "the image's libcuda instead of the host's"),
        ),
    ),
    "no-device": Advice(
        why="Most machines have no NVIDIA GPU: laptops, servers, virtual machines to which no card was passed "
        "through, login nodes, free notebooks. Everything works there, on the CPU.",
        confirm=(
            "`lspci -nn | grep -i nvidia` prints nothing.",
            "`gpucheck doctor -v` shows which display controllers the PCI bus has.",
        ),
        cures=(
            (
                "any",
                "If the CPU is meant: `gpucheck recommend` names the CPU builds, which are several GB smaller.",
            ),
            ("linux", "A virtual machine sees a card only if the host passes it through."),
            ("linux", "A card that should be here: look at slot, power cables and the firmware's settings."),
            ("cluster", "Ask the scheduler for a GPU."),
            ("notebook", "Choose a runtime with a GPU in the settings of the service."),
        ),
        vain=("Installing the driver: without a card its module answers `No such device`.",),
    ),
    "other-vendor-gpu": Advice(
        why="CUDA is NVIDIA's. AMD's and Intel's cards have stacks of their own, with builds of the frameworks "
        "of their own, which gpucheck does not judge.",
        confirm=("`lspci -nn | grep -i -e vga -e 3d` names the maker: 10de is NVIDIA, 1002 AMD, 8086 Intel.",),
        cures=(("any", "Take a build for that card from the framework's own page: ROCm for AMD, XPU for Intel."),),
        vain=("Installing CUDA or an NVIDIA driver: there is no card for it.",),
        references=(TORCH_START,),
    ),
    "simulated-driver": Advice(
        why="Tests on machines without a GPU put a stub of libnvidia-ml and libcuda on LD_LIBRARY_PATH. It "
        "answers like a driver, and no card and no kernel module stand behind it.",
        confirm=(
            "`gpucheck doctor` names the file that answers; `ls /sys/module/nvidia` does not find the kernel "
            "module.",
            "`echo $LD_LIBRARY_PATH` shows the folder of the stub.",
        ),
        cures=(("any", "Start the program without the stub's folder in LD_LIBRARY_PATH."),),
    ),
}
