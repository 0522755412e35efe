"""The packages around the frameworks: do they go together?"""

from __future__ import annotations

from gpucheck.checks.pages.advice import Advice
from gpucheck.checks.pages.references import TORCH_PREVIOUS, issue

ADVICE: dict[str, Advice] = {
    "package-conflict": Advice(
        why="Each release of PyTorch and TensorFlow pins the CUDA libraries that it was built with. Some pairs "
        "ask for versions that exclude each other, and a package that is installed later can replace what "
        "an earlier one needs; pip then prints a conflict and goes on. A newer minor of a CUDA library "
        "than was pinned mostly does no harm; another major always does.",
        confirm=(
            "`python -m pip check` lists what does not fit.",
            "`gpucheck doctor` tells which of it concerns the frameworks.",
            "pip's words `but you have ... which is incompatible` when something was installed.",
        ),
        cures=(
            (
                "any",
                "`gpucheck fix package-conflict` shows the plan; `gpucheck fix package-conflict --apply` "
                "installs what the framework requires, and undoes it if it does not help.",
            ),
            ("any", "`gpucheck recommend` names versions that go together, before anything is installed."),
            ("any", "Otherwise one environment for each framework, and two processes."),
            (
                "notebook",
                "Install into a fresh environment; the service's own has hundreds of packages with pins.",
            ),
        ),
        vain=(
            "`pip install torch` to cure TensorFlow: it works by accident through its CUDA libraries, and "
            "later pins another cuDNN.",
            "`pip install --no-deps` or `--force-reinstall` of everything: it only hides the message.",
        ),
        references=(issue("tensorflow/tensorflow", 63362, "the accidental cure"),),
    ),
    "torch-torchvision-mismatch": Advice(
        why="torchvision and torchaudio are compiled against one release of PyTorch and add operators to it. "
        "With another one those operators are missing, and the import fails, often deep inside a package "
        "that only uses them.",
        confirm=(
            "`python -m pip list` shows both versions; `gpucheck matrix show torch` shows which belong together.",
            "`operator torchvision::nms does not exist` or `undefined symbol` with `c10` or `at::` in it.",
        ),
        cures=(
            (
                "any",
                "`gpucheck fix torch-torchvision-mismatch` shows the plan for the one that belongs to this torch.",
            ),
            (
                "any",
                "Install them in one command and from one index, so that they fit: `pip install torch "
                "torchvision`.",
            ),
            (
                "container",
                "NVIDIA's images have a torch of their own: extensions have to be built against it, not taken "
                "from the package index.",
            ),
        ),
        vain=("Upgrading torchvision alone: pip then may replace torch as well, with another CUDA build.",),
        references=(
            TORCH_PREVIOUS,
            issue("vllm-project/vllm", 6187, "the operator nms is missing"),
        ),
    ),
    "package-files-overwritten": Advice(
        why="nvidia-cudnn-cu12 and nvidia-cudnn-cu13 install files of the same names into the same folder, and "
        "so do the NCCL packages. PyTorch from 2.11 on asks for cu13, TensorFlow up to 2.21 for cu12. pip "
        "compares names of packages, not of files: the last one wins, and removing one takes files of the "
        "other with it.",
        confirm=(
            "`python -m pip list | grep -e nvidia-cudnn -e nvidia-nccl` shows two of one library.",
            "`gpucheck doctor` compares the files with what each package recorded, and names the loser.",
            "`gpucheck doctor --deep` compares their contents too.",
        ),
        cures=(
            (
                "any",
                "For good: one environment for each framework. `gpucheck recommend` names a pair that goes "
                "together.",
            ),
            (
                "any",
                "For now: `gpucheck fix package-files-overwritten` shows how to install again, last, what the "
                "framework in use needs.",
            ),
        ),
        vain=(
            "`pip check`: it says nothing of files.",
            "Uninstalling the package that is not needed: that removes the other's files. Install the needed "
            "one again after it.",
        ),
    ),
    "numpy-abi-mismatch": Advice(
        why="Compiled modules are built for one generation of NumPy. NumPy 2 refuses those that were built for "
        "NumPy 1, and a NumPy that is older than the one built against lacks functions. Some releases "
        "declared no upper limit, so pip took the newest.",
        confirm=(
            "The first import prints `A module that was compiled using NumPy 1.x cannot be run in NumPy 2`, "
            "`_ARRAY_API not found`, or `module compiled against API version`.",
            "The traceback names the package that was compiled: it may be OpenCV or another one, not the "
            "framework.",
            '`python -c "import numpy; print(numpy.__version__)"`',
        ),
        cures=(
            (
                "any",
                "`gpucheck fix numpy-abi-mismatch` shows the plan where a framework is concerned; mostly it is "
                "`pip install 'numpy<2'`.",
            ),
            ("any", "Or update the package that was compiled for the older one."),
        ),
        vain=(
            "Reading only the last line: a traceback of NumPy may stand before another failure that is the "
            "real one.",
        ),
        references=(
            issue("tensorflow/tensorflow", 67291, "TensorFlow and NumPy 2"),
            issue("pytorch/pytorch", 131668, "PyTorch for Windows and NumPy 2"),
        ),
    ),
    "protobuf-mismatch": Advice(
        why="TensorFlow and TensorBoard carry code that protobuf's compiler generated. protobuf 4 refuses code "
        "of the old form, and older TensorFlow releases declared no limit, so pip installs one that is too "
        "new.",
        confirm=(
            "`TypeError: Descriptors cannot not be created directly` (sic), or a message of protobuf that "
            "names two versions.",
            "`python -m pip show protobuf` and `gpucheck doctor`, which knows the limits of each TensorFlow "
            "release.",
        ),
        cures=(
            (
                "any",
                "`gpucheck fix protobuf-mismatch` shows the plan. For older TensorFlow releases it is mostly "
                "`pip install 'protobuf<3.21'`.",
            ),
            ("any", "Better, where the code allows it: a TensorFlow release that works with today's protobuf."),
        ),
        vain=(
            "`PROTOCOL_BUFFERS_PYTHON_IMPLEMENTATION=python`: it works and is much slower, by protobuf's own "
            "words.",
            "The rumour that protobuf 7 breaks TensorFlow 2.20 and 2.21: both trained a small network on the "
            "CPU with 7.36.2 when we tried.",
        ),
        references=(issue("tensorflow/tensorflow", 59665, "the message and its limits"),),
    ),
    "keras-mismatch": Advice(
        why="Up to 2.15 TensorFlow needs the Keras of its own minor version; from 2.16 on it takes Keras 3, "
        "whose saved files and arguments differ. Legacy Keras 2 lives on as tf-keras, again one for each "
        "minor.",
        confirm=(
            "`python -m pip list | grep -i -e keras -e tensorflow` and `gpucheck doctor`.",
            "`Keras requires TensorFlow 2.2 or higher`: it is also raised when a good TensorFlow is there and "
            "fails to import, so import that alone first.",
        ),
        cures=(
            ("any", "`gpucheck fix keras-mismatch` shows the plan."),
            (
                "any",
                "Old code with TensorFlow 2.16 or later: install tf-keras of the same minor and set "
                "`TF_USE_LEGACY_KERAS=1` before the import.",
            ),
            (
                "any",
                "Do not mix `import keras` and `from tensorflow import keras` in one program where they are "
                "two packages.",
            ),
        ),
        vain=("`pip install --upgrade keras` with TensorFlow 2.15 or older: it brings Keras 3.",),
        references=(issue("keras-team/keras", 14149, "Keras requires TensorFlow 2.2"),),
    ),
}
