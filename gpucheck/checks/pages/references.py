"""Where the pages send their readers: official documentation, and public threads."""

from __future__ import annotations

ARCHITECTURES = (
    "NVIDIA: CUDA toolkit, driver and architecture matrix",
    "https://docs.nvidia.com/datacenter/tesla/drivers/cuda-toolkit-driver-and-architecture-matrix.html",
)
COMPATIBILITY = ("NVIDIA: CUDA Compatibility", "https://docs.nvidia.com/deploy/cuda-compatibility/")
CONTAINER = (
    "NVIDIA Container Toolkit: Specialized Configurations with Docker",
    "https://docs.nvidia.com/datacenter/cloud-native/container-toolkit/latest/docker-specialized.html",
)
CUDA_DRIVER_API = ("NVIDIA: CUDA Driver API", "https://docs.nvidia.com/cuda/cuda-driver-api/")
CUDA_GPUS = ("NVIDIA: compute capability of each GPU", "https://developer.nvidia.com/cuda-gpus")
CUDNN_MATRIX = (
    "NVIDIA: cuDNN support matrix",
    "https://docs.nvidia.com/deeplearning/cudnn/latest/support-matrix/index.html",
)
DRIVER_GUIDE = (
    "NVIDIA: Driver Installation Guide",
    "https://docs.nvidia.com/datacenter/tesla/driver-installation-guide/",
)
FABRIC = (
    "NVIDIA: Fabric Manager User Guide",
    "https://docs.nvidia.com/datacenter/tesla/fabric-manager-user-guide/index.html",
)
JETSON = (
    "NVIDIA: PyTorch for Jetson",
    "https://docs.nvidia.com/deeplearning/frameworks/install-pytorch-jetson-platform/index.html",
)
KERNEL_MODULES = (
    "NVIDIA: Driver Installation Guide, Kernel Modules",
    "https://docs.nvidia.com/datacenter/tesla/driver-installation-guide/kernel-modules.html",
)
LD_SO = ("Linux: ld.so(8), how libraries are searched", "https://man7.org/linux/man-pages/man8/ld.so.8.html")
MEMORY_ERRORS = (
    "NVIDIA: GPU Memory Error Management",
    "https://docs.nvidia.com/deploy/a100-gpu-mem-error-mgmt/error-recovery-and-response-flags.html",
)
MIG = ("NVIDIA: MIG User Guide", "https://docs.nvidia.com/datacenter/tesla/mig-user-guide/")
NCCL_ENV = ("NCCL: Environment Variables", "https://docs.nvidia.com/deeplearning/nccl/user-guide/docs/env.html")
NCCL_TROUBLE = (
    "NCCL: Troubleshooting",
    "https://docs.nvidia.com/deeplearning/nccl/user-guide/docs/troubleshooting.html",
)
NVML = ("NVIDIA: NVML API Reference", "https://docs.nvidia.com/deploy/nvml-api/")
PEP600 = ("PEP 600: manylinux tags", "https://peps.python.org/pep-0600/")
PROGRAMMING_GUIDE = (
    "NVIDIA: CUDA C++ Programming Guide",
    "https://docs.nvidia.com/cuda/cuda-c-programming-guide/",
)
TF_GPU = ("TensorFlow: Use a GPU", "https://www.tensorflow.org/guide/gpu")
TF_MIGRATE = ("TensorFlow: Migrate to TensorFlow 2", "https://www.tensorflow.org/guide/migrate")
TF_PIP = ("TensorFlow: Install with pip", "https://www.tensorflow.org/install/pip")
TF_SOURCE = (
    "TensorFlow: Tested build configurations",
    "https://www.tensorflow.org/install/source#tested_build_configurations",
)
TORCH_CUDA = ("PyTorch: CUDA semantics", "https://docs.pytorch.org/docs/stable/notes/cuda.html")
TORCH_MULTIPROCESSING = (
    "PyTorch: Multiprocessing best practices",
    "https://docs.pytorch.org/docs/stable/notes/multiprocessing.html",
)
TORCH_PREVIOUS = ("PyTorch: Previous Versions", "https://pytorch.org/get-started/previous-versions/")
TORCH_START = ("PyTorch: Get Started", "https://pytorch.org/get-started/locally/")
UBUNTU = (
    "Ubuntu Server: Nvidia drivers installation",
    "https://documentation.ubuntu.com/server/how-to/graphics/install-nvidia-drivers/",
)
WSL = ("NVIDIA: CUDA on WSL User Guide", "https://docs.nvidia.com/cuda/wsl-user-guide/index.html")
XID = ("NVIDIA: Xid error catalogue", "https://docs.nvidia.com/deploy/xid-errors/analyzing-xid-catalog.html")
XLA_ROOT = (
    "XLA: where it looks for CUDA (cuda_root_path.cc)",
    "https://github.com/openxla/xla/blob/main/xla/tsl/platform/default/cuda_root_path.cc",
)


def issue(repository: str, number: int, about: str) -> tuple[str, str]:
    """Return an issue as title and address."""
    return f"{repository} issue {number}: {about}", f"https://github.com/{repository}/issues/{number}"


def pull(repository: str, number: int, about: str) -> tuple[str, str]:
    """Return a pull request as title and address."""
    return f"{repository} pull request {number}: {about}", f"https://github.com/{repository}/pull/{number}"
