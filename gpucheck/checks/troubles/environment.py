"""The interpreter, the machine around it, and which packages are in it."""

from __future__ import annotations

from gpucheck.checks.troubles.trouble import Trouble

TROUBLES: dict[str, Trouble] = {
    "wrong-interpreter": Trouble(
        meaning="The framework is installed, but in another Python than the one looked at (and perhaps than the "
        "one that programs are started with).",
        remedy="Start programs with that Python, or point gpucheck at it with --python.",
        follows=("torch-not-installed", "tensorflow-not-installed", "requirement-unmet"),
    ),
    "shadowed-module": Trouble(
        meaning="A file or package in the working folder, or on PYTHONPATH, has the name of a module that the "
        "frameworks import, and is imported in its place.",
        remedy="Rename the file, or start the program elsewhere.",
        follows=("framework-import-failed", "smoke-not-started", "framework-answer-differs"),
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
    "cpu-instruction-missing": Trouble(
        meaning="The processor lacks instructions that the framework's wheels use: the import ends with an "
        "illegal instruction.",
        remedy="Pass the host's processor through to the virtual machine, or take a build for older processors.",
        follows=("framework-import-failed", "smoke-failed", "smoke-not-started"),
    ),
    "shared-memory-too-small": Trouble(
        meaning="The container has only Docker's default of shared memory. Data loading in worker processes and "
        "NCCL need more.",
        remedy="Start the container with --shm-size=8g or --ipc=host.",
        follows=("smoke-failed", "nccl-error", "distributed-failed"),
    ),
    "out-of-disk": Trouble(
        meaning="There is hardly room left where caches are kept. Installing, compiling for the GPU and saving "
        "fail.",
        remedy="Clear caches, or move them to another disk.",
        follows=("framework-import-failed", "smoke-not-started", "smoke-failed"),
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
        meaning="Packages of one library for different CUDA majors (nvidia-cudnn-cu12 and -cu13) install the "
        "same files. pip does not notice; the last one installed wins, and removing one breaks the "
        "other.",
        remedy="One environment for each framework; or install again, last, what the framework in use needs.",
        follows=(
            "cudnn-version-mismatch",
            "cudnn-sublibrary-mismatch",
            "cudnn-missing",
            "cuda-library-missing",
            "framework-import-failed",
            "framework-answer-differs",
            "smoke-failed",
        ),
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
}
