"""What facts are called when two machines are compared, in the order in which they are told."""

from __future__ import annotations

DRIVER = {
    "version": "driver version",
    "library_version": "version of the driver's libraries",
    "module_version": "version of the loaded kernel module",
    "driver_cuda": "driver CUDA",
    "module_loaded": "NVIDIA kernel module loaded",
    "module_flavor": "flavour of the kernel module",
    "module_installed": "kernel module installed for the running kernel",
    "uvm_loaded": "nvidia_uvm loaded",
    "nouveau_loaded": "nouveau loaded",
    "dxg": "/dev/dxg there",
    "nvml_status": "answer of nvmlInit",
    "cuinit_status": "answer of cuInit",
    "visible_devices": "GPUs that CUDA shows",
    "device_nodes": "device nodes",
    "refused_nodes": "device nodes that the kernel refuses",
    "nvswitches": "NVSwitch bridges",
    "fabric_manager": "Fabric Manager running",
    "nvml_library": "file of libnvidia-ml",
    "cuda_library": "file of libcuda",
}
GPU = {
    "index": "index",
    "status": "answer of the driver",
    "name": "name",
    "pci_address": "PCI address",
    "compute_capability": "compute capability",
    "memory_total": "memory",
    "mig": "MIG",
    "mig_devices": "MIG devices",
    "ecc": "ECC",
    "ecc_uncorrected": "uncorrectable memory errors",
    "remap_pending": "remapping of memory that waits for a reset",
    "remap_failed": "failed remapping of memory",
    "retirement_pending": "retirement of memory that waits for a reset",
    "persistence": "persistence mode",
    "compute_mode": "compute mode",
    "fabric_state": "NVLink fabric",
    "vbios": "VBIOS",
}
# {} is the framework.
FRAMEWORK = {
    "installed": "{} installed",
    "version": "{} version",
    "build": "build of {}",
    "cuda_runtime": "CUDA runtime of {}",
    "cudnn_built": "cuDNN that {} was built with",
    "cudnn_loaded": "cuDNN that {} loads",
    "cudnn_parts": "sub-libraries of the cuDNN that {} loads",
    "arch_list": "arch list of {}",
    "libdevice": "libdevice for {}",
    "cuda_data_dir": "CUDA folder where {} does not look",
    "ptxas": "ptxas for {}",
    "installer": "installer of {}",
    "folder": "folder of {}",
    "answer": "what {} says itself",
}
INTERPRETER = {
    "version": "Python version",
    "executable": "Python",
    "kind": "kind of environment",
    "shadowing": "files that hide a module",
    "others": "other Pythons of the shell",
}
SYSTEM = {
    "os": "operating system",
    "distribution": "distribution",
    "kernel": "kernel",
    "machine": "processor architecture",
    "cpu_flags": "instruction sets",
    "glibc": "glibc",
    "wsl": "WSL",
    "container": "container",
    "scheduler": "scheduler",
    "secure_boot": "Secure Boot",
    "shared_memory": "shared memory",
    "toolkit": "CUDA toolkit",
}
BYTES = {"memory_total", "shared_memory"}
