"""The driver: installed, loaded, of one version, allowed, and answering."""

from __future__ import annotations

from gpucheck.checks.pages.advice import Advice
from gpucheck.checks.pages.references import (
    ARCHITECTURES,
    CUDA_DRIVER_API,
    DRIVER_GUIDE,
    FABRIC,
    KERNEL_MODULES,
    NVML,
    TF_PIP,
    UBUNTU,
    issue,
)

ADVICE: dict[str, Advice] = {
    "driver-missing": Advice(
        why="A card is only hardware until NVIDIA's driver is there: a kernel module, and the libraries "
        "libcuda.so.1 and libnvidia-ml.so.1 of the same version. Frameworks bring the CUDA runtime and "
        "cuDNN with them, never the driver.",
        confirm=(
            "`gpucheck doctor` names the card on the PCI bus and the part of the driver that is missing.",
            "`cat /proc/driver/nvidia/version` says that there is no such file: no NVIDIA module is loaded.",
            "`modinfo -F version nvidia` prints a version: then the module is installed and only not loaded, "
            "see kernel-module-not-loaded.",
            "TensorFlow's `failed call to cuInit: UNKNOWN ERROR (303)` means that libcuda was never loaded.",
        ),
        cures=(
            (
                "linux",
                "`gpucheck doctor` prints the commands of this distribution. Ubuntu: `sudo ubuntu-drivers "
                "install`, then `sudo reboot`. Debian with the section non-free enabled: `sudo apt install "
                "nvidia-driver`. Fedora and Red Hat with NVIDIA's repository: `sudo dnf install nvidia-open`.",
            ),
            ("wsl", "Install the driver in Windows. A Linux driver inside WSL hides it."),
            ("windows", "Install NVIDIA's driver for the card and restart."),
            (
                "container",
                "The driver belongs to the host; the container gets it when it is started with `docker run "
                "--gpus all ...`.",
            ),
            ("cluster", "Run on a node that has a GPU; login nodes often have no driver."),
            (
                "notebook",
                "Choose a runtime with a GPU in the settings of the notebook service, then connect again.",
            ),
        ),
        vain=(
            "Another PyTorch, TensorFlow or cuDNN: none of them brings a driver.",
            "Looking for a newer driver because of `CUDA driver version is insufficient for CUDA runtime "
            "version`: CUDA says the same (error 35) when there is no driver at all.",
        ),
        references=(
            DRIVER_GUIDE,
            TF_PIP,
        ),
    ),
    "kernel-module-not-loaded": Advice(
        why="The module is built for one kernel. After a kernel update it has to be built again, which needs "
        "the headers of the new kernel; where they are missing, or building failed, the new kernel has no "
        "module. Secure Boot and nouveau keep it out in the same way.",
        confirm=(
            "`sudo modprobe nvidia` decides by its text. `Key was rejected by service` or `Operation not "
            "permitted`: Secure Boot. `No such device`: there is no card that this driver takes. `Exec format "
            "error`: it was built for another kernel. `Module nvidia not found`: none was built for this one.",
            "`dkms status` shows for which kernels a module was built; `uname -r` is the one that runs.",
            "`lsmod | grep -e nvidia -e nouveau` shows which driver holds the card.",
        ),
        cures=(
            (
                "linux",
                "Install the headers of the running kernel, on Ubuntu and Debian by `sudo apt install "
                "linux-headers-$(uname -r)`. Then `sudo dkms autoinstall` and `sudo modprobe nvidia`. Where "
                "akmods builds it (Fedora): `sudo akmods --force` and `sudo reboot`.",
            ),
            ("linux", "Until then the older kernel, which still has its module, can be chosen in the boot menu."),
            ("container", "Load it on the host; a container cannot."),
            ("cluster", "Take another node and tell the administrators which one it was."),
        ),
        vain=(
            "The newest driver, which nvidia-smi's own message asks for: what is missing is a module for this "
            "kernel, of any version that knows the card.",
            "Another CUDA toolkit, PyTorch or TensorFlow: they do not touch the kernel.",
        ),
        references=(KERNEL_MODULES,),
    ),
    "secure-boot-module-signature": Advice(
        why="With Secure Boot on, the kernel loads only modules that are signed with a key it trusts. A module "
        "that was built on this machine is signed with the machine's own key, if at all, and that key has "
        "to be enrolled once, at a reboot.",
        confirm=(
            "`mokutil --sb-state` says `SecureBoot enabled`.",
            "`sudo modprobe nvidia` answers `Key was rejected by service` or, on some kernels, `Operation not "
            "permitted`.",
            "`sudo dmesg | grep -i -e rejected -e lockdown` shows the refusal. `module verification failed` "
            "alone is the note of a module that was loaded.",
        ),
        cures=(
            (
                "linux",
                "Enrol the key: `sudo mokutil --import /var/lib/shim-signed/mok/MOK.der` (where Ubuntu keeps "
                "it), choose a password, `sudo reboot`, and confirm with that password in the blue screen "
                "before the system starts.",
            ),
            ("linux", "Or take a driver package whose modules the distribution has signed."),
            ("linux", "Or switch Secure Boot off in the firmware, where that is allowed."),
        ),
        vain=("Installing the driver again without enrolling the key: the module is refused as before.",),
        references=(
            KERNEL_MODULES,
            UBUNTU,
        ),
    ),
    "nouveau-loaded": Advice(
        why="nouveau is the free driver that comes with the kernel and takes the card at boot. One card has "
        "one driver, and CUDA speaks only to NVIDIA's.",
        confirm=(
            "`lspci -nnk -d 10de:` shows `Kernel driver in use: nouveau`.",
            "`lsmod | grep nouveau` prints a line.",
        ),
        cures=(
            (
                "linux",
                "Install the NVIDIA driver from packages, which block nouveau, then `sudo reboot`; `gpucheck "
                "doctor` prints the commands of this distribution.",
            ),
            (
                "linux",
                "With NVIDIA's own installer let it write the file that blocks nouveau, build the initial "
                "ramdisk again (`sudo update-initramfs -u` or `sudo dracut --force`), then `sudo reboot`.",
            ),
        ),
        vain=("`sudo rmmod nouveau` while the screen uses it: the kernel answers that the module is in use.",),
        references=(DRIVER_GUIDE,),
    ),
    "driver-library-mismatch": Advice(
        why="A package update replaces the driver's libraries on disk at once, the module in the kernel only "
        "at the next boot. Automatic updates do that overnight, so it happens to machines that nobody "
        "touched. Two driver packages side by side, and a container that is older than the host's last "
        "update, have the same effect.",
        confirm=(
            "`cat /proc/driver/nvidia/version` is the module that runs, `modinfo -F version nvidia` the one on "
            "disk.",
            "`nvidia-smi` says `Failed to initialize NVML: Driver/library version mismatch`; newer ones also "
            "name the library's version.",
            "`gpucheck doctor` names both versions and the library's file.",
        ),
        cures=(
            ("linux", "`sudo reboot`, which ends running jobs."),
            (
                "linux",
                "Without a reboot, when nothing uses the GPU, the screen included: `sudo rmmod nvidia_drm "
                "nvidia_modeset nvidia_uvm nvidia`, then `sudo modprobe nvidia`.",
            ),
            (
                "linux",
                "If it is still there after the reboot, two drivers are installed or the module was not built "
                "again: look by `dpkg -l | grep -i nvidia` or `rpm -qa | grep -i nvidia` and remove the older "
                "one. Fedora: `sudo akmods --force`, `sudo dracut --force`, `sudo reboot`.",
            ),
            ("container", "Start it again, so that it gets the host's present libraries."),
            ("wsl", "Nothing: nvidia-smi shows two versions there by design."),
            ("cluster", "The node has to be rebooted; take another one and tell the administrators."),
        ),
        vain=("Installing the driver or CUDA again before the reboot: the old module stays loaded.",),
        references=(NVML,),
    ),
    "permission-denied": Advice(
        why="Programs open /dev/nvidiactl, /dev/nvidia-uvm and /dev/nvidia0 and so on. NVIDIA's default lets "
        "everybody open them; an option of the module (NVreg_DeviceFileMode), a udev rule or a service's "
        "own restrictions narrow that.",
        confirm=(
            "`ls -l /dev/nvidia*` shows who may open them, `id` the groups that you are in.",
            "`sudo nvidia-smi` works and `nvidia-smi` does not.",
            "`grep -rs NVreg_Device /etc/modprobe.d` and `grep -rls nvidia /etc/udev/rules.d` show what "
            "narrows them.",
        ),
        cures=(
            ("linux", 'Join the group that `ls` shows, e.g. `sudo usermod -aG video "$USER"`, and log in again.'),
            ("linux", "Or take the narrowing option or rule away, then `sudo reboot`."),
            ("linux", "A systemd service needs `DeviceAllow=/dev/nvidiactl rw` and the like for the other nodes."),
            ("cluster", "In a job only the cards that were given to it can be opened; ask for one."),
        ),
        vain=(
            "`sudo chmod 666 /dev/nvidia*`: it works until the nodes are made again, at the next boot at the "
            "latest.",
            "Running everything as root: it hides the trouble and leaves files behind that you cannot change.",
        ),
        references=(KERNEL_MODULES,),
    ),
    "gpu-unsupported-by-driver": Advice(
        why="Drivers drop old generations: R470 is the last branch for Kepler, R580 the last for Maxwell, "
        "Pascal and Volta. A new card needs a branch that already knows it. And there are two kinds of "
        "kernel modules: the open ones serve Turing and later and are the only ones for Blackwell, the "
        "proprietary ones are needed before Turing.",
        confirm=(
            "`sudo dmesg | grep -i NVRM` says it: `requires use of the NVIDIA open kernel modules`, `not "
            "supported by open`, or `is not supported by the ... driver release`.",
            "`modinfo -F license nvidia` tells the kind that is installed: `Dual MIT/GPL` is open, `NVIDIA` is "
            "proprietary.",
            "`gpucheck matrix show cuda` lists the last driver branch of each generation.",
        ),
        cures=(
            (
                "linux",
                "Old card: install the last branch that knows it (R580 for Maxwell, Pascal and Volta, R470 for "
                "Kepler), and keep the package manager from going past it.",
            ),
            (
                "linux",
                "Blackwell: install the open kernel modules. On Ubuntu and Debian their packages end in "
                "`-open`; NVIDIA's installer takes `--kernel-module-type`.",
            ),
            (
                "any",
                "Builds of the frameworks drop old cards too: `gpucheck recommend` names what still serves "
                "this one.",
            ),
        ),
        vain=("The newest driver for an old card: that is where it was dropped.",),
        references=(
            KERNEL_MODULES,
            ARCHITECTURES,
        ),
    ),
    "cuinit-unknown-error": Advice(
        why="The driver answers, but CUDA's part of it does not. Most often the module nvidia_uvm is unusable "
        "after suspend, or /dev/nvidia-uvm was never made. A card that fell off the bus and a bad MIG "
        "slice give the same number.",
        confirm=(
            "`nvidia-smi` works while CUDA fails with 999.",
            "`lsmod | grep nvidia_uvm` and `ls -l /dev/nvidia-uvm`: one of the two is missing, or the machine "
            "was asleep since they were used.",
            "`nvidia-smi` says `Unable to determine the device handle`: then it is a lost card, see gpu-lost.",
        ),
        cures=(
            (
                "linux",
                "When nothing uses the GPU: `sudo rmmod nvidia_uvm && sudo modprobe nvidia_uvm`. Node missing: "
                "`sudo nvidia-modprobe -c 0 -u`. Else `sudo reboot`.",
            ),
            ("container", "If it works on the host, start the container again with `docker run --gpus all ...`."),
            ("cluster", "Take another node; one bad node or MIG slice is enough."),
        ),
        vain=(
            "The hint in PyTorch's message that CUDA_VISIBLE_DEVICES was changed after the program had "
            "started: in every report that we read it was something else.",
        ),
        references=(CUDA_DRIVER_API,),
    ),
    "fabric-manager": Advice(
        why="On machines with NVSwitch (HGX and DGX) the GPUs become usable only after the fabric manager has "
        "set up their links. It must be of exactly the driver's version; a driver update without it stops "
        "CUDA with error 802.",
        confirm=(
            "`systemctl status nvidia-fabricmanager` shows whether it runs, `/var/log/fabricmanager.log` why not.",
            "`nvidia-smi -q | grep -i -A 3 fabric` shows each GPU's state (Hopper and later).",
            "The number decides, not the sentence around it: 802 is this, 804 is forward-compat-unsupported.",
        ),
        cures=(
            (
                "linux",
                "Install nvidia-fabricmanager in exactly the version of `cat /proc/driver/nvidia/version`, "
                "then `sudo systemctl enable --now nvidia-fabricmanager`.",
            ),
            ("container", "It runs on the host, not in the container."),
            ("cluster", "Take another node, with Slurm by `--exclude`, and tell the administrators."),
        ),
        vain=("Another PyTorch, or another image: the host's service is what is missing.",),
        references=(
            FABRIC,
            issue("gpustack/gpustack", 1254, "802 and 804 told apart"),
        ),
    ),
}
