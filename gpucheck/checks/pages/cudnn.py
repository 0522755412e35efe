"""cuDNN: found, of the right version, in one piece, and with code for the card."""

from __future__ import annotations

from gpucheck.checks.pages.advice import Advice
from gpucheck.checks.pages.references import CUDNN_MATRIX, TF_PIP, issue

ADVICE: dict[str, Advice] = {
    "cudnn-gpu-unsupported": Advice(
        why="cuDNN 9.11 and later have no code for cards below compute capability 7.5 (Maxwell, Pascal, "
        "Volta), and PyTorch refuses the pair in its own code. The frameworks' wheels may still have code "
        "for these cards: `tensorflow[and-cuda]` 2.20 and 2.21 take the newest cuDNN 9 that pip finds, and "
        "so lose cuDNN there.",
        confirm=(
            "`python -m pip list | grep nvidia-cudnn` shows 9.11 or newer.",
            "`gpucheck doctor` shows the compute capability of each card and the cuDNN that is taken.",
        ),
        cures=(
            (
                "any",
                "`gpucheck fix cudnn-gpu-unsupported` shows the plan: `pip install 'nvidia-cudnn-cu12<9.11'`.",
            ),
            (
                "any",
                "Name it in the same command when installing: `pip install 'tensorflow[and-cuda]' "
                "'nvidia-cudnn-cu12<9.11'`.",
            ),
            ("any", "Or take a release of PyTorch that brings an older one: `gpucheck recommend`."),
        ),
        vain=("A newer driver: the code was taken out of cuDNN.",),
        references=(CUDNN_MATRIX,),
    ),
    "cudnn-version-mismatch": Advice(
        why="A framework is compiled against one cuDNN and takes at run time the first one that the loader "
        "finds. The major must be the same and the minor no older. An older one from LD_LIBRARY_PATH, "
        "conda, the system or another package is what goes wrong; a newer minor is fine.",
        confirm=(
            "`gpucheck doctor` names the file that is loaded, its version, and the version that the framework "
            "was built with.",
            "TensorFlow: `Loaded runtime CuDNN library: A but source was compiled with: B`: A was found, B is "
            "needed. PyTorch: `compiled against ... but found runtime version ...`.",
            "`grep cudnn /proc/PID/maps` of a running program shows the file beyond doubt.",
        ),
        cures=(
            (
                "any",
                "`gpucheck run --fix cudnn-version-mismatch -- COMMAND` puts the right one first for one "
                "program, where the environment is the cause.",
            ),
            ("any", "`gpucheck fix cudnn-version-mismatch` shows the plan where the package is."),
            (
                "linux",
                "A cuDNN of the system: update it to the minor that is needed or newer, or take its folder out "
                "of LD_LIBRARY_PATH.",
            ),
            ("windows", "Two cuDNN DLLs on PATH: the first one wins, and it can differ from program to program."),
            ("cluster", "Load a module with the cuDNN that the framework wants, or none."),
            ("linux", "Jetson: cuDNN belongs to JetPack; take the wheel for that JetPack."),
        ),
        vain=(
            "Upgrading cuDNN because the message says so: in the days of exact versions a downgrade to the "
            "version compiled with was the cure.",
            "Downgrading the framework: the old cuDNN stays, and meets the next program.",
            "Believing the cuDNN that `collect_env` lists: those are files of the system, probably not the one "
            "that is loaded.",
        ),
        references=(
            issue("pytorch/pytorch", 80637, "8.0.3 from a module before 8.3.2"),
            issue("tensorflow/tensorflow", 50217, "two DLLs on one machine"),
            issue("pytorch/pytorch", 78489, "collect_env lists the system's cuDNN"),
        ),
    ),
    "cudnn-sublibrary-mismatch": Advice(
        why="From version 8 on cuDNN is several libraries that it opens by name when they are needed. If one "
        "of them is missing beside the main library, or LD_LIBRARY_PATH comes first, the loader takes "
        "another cuDNN's copy. Nothing is noticed before the first convolution.",
        confirm=(
            "`gpucheck doctor` names the part, its version, and the main library's.",
            "`CUDNN_STATUS_SUBLIBRARY_VERSION_MISMATCH` or `undefined symbol` in libcudnn_cnn, libcudnn_ops "
            "and the like.",
            "`env -u LD_LIBRARY_PATH python train.py` works.",
        ),
        cures=(
            (
                "linux",
                "`gpucheck run --fix cudnn-sublibrary-mismatch -- COMMAND` takes the folder out for one program.",
            ),
            (
                "linux",
                "Remove a system-wide cuDNN that nobody needs: `dpkg -S FILE || rpm -qf FILE` names its package.",
            ),
            (
                "any",
                "Install the framework's cuDNN package again, whole: `pip install --force-reinstall --no-deps "
                "nvidia-cudnn-cu12==...` with the version that it asks for.",
            ),
        ),
        vain=(
            "`torch.backends.cudnn.is_available()`: it is True all the same.",
            "Switching cuDNN off: it hides the trouble and is slow.",
        ),
        references=(issue("pytorch/pytorch", 188892, "parts of two versions"),),
    ),
    "cudnn-missing": Advice(
        why="The plain TensorFlow wheel does not bring cuDNN; the packages of `tensorflow[and-cuda]` do. "
        "PyTorch depends on its package, so there somebody removed it or installed without dependencies. "
        "Some TensorFlow releases did not find the packages that were there.",
        confirm=(
            "`gpucheck doctor` shows where it looked.",
            "`python -m pip list | grep nvidia-cudnn`",
            "TensorFlow's `Cannot dlopen some GPU libraries`, then `Skipping registering GPU devices`; with "
            "`TF_CPP_MAX_VLOG_LEVEL=3` it names the library.",
        ),
        cures=(
            (
                "any",
                "`gpucheck fix cudnn-missing` shows the plan: the framework in the same version, with its CUDA "
                "libraries.",
            ),
            (
                "linux",
                "TensorFlow 2.16 with the packages installed and not found: add the folder nvidia/cudnn/lib of "
                "its site-packages to LD_LIBRARY_PATH before the program starts.",
            ),
            ("cluster", "Load the module cudnn beside cuda; the CUDA module alone has none."),
        ),
        vain=(
            "`pip install torch` into TensorFlow's environment: an accident that works, until their versions "
            "part.",
            "Installing a CUDA toolkit: cuDNN is not in it.",
        ),
        references=(
            TF_PIP,
            issue("tensorflow/tensorflow", 65842, "packages that are not found"),
        ),
    ),
}
