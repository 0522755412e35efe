"""The interpreter, and which build of a framework is in it."""

from __future__ import annotations

from gpucheck.checks.pages.advice import Advice
from gpucheck.checks.pages.references import TF_PIP, TORCH_START, issue

ADVICE: dict[str, Advice] = {
    "wrong-interpreter": Advice(
        why="A machine has several Pythons: the system's, conda's, one in each virtual environment, one for "
        "each notebook kernel. pip installs into the one that it belongs to; a program that another one "
        "starts finds nothing.",
        confirm=(
            '`python -c "import sys; print(sys.executable)"` in the place where the program is started.',
            "`python -m pip show torch` asks the pip of that very Python; `pip --version` shows to which one "
            "`pip` belongs.",
            "`gpucheck doctor --python PATH` looks into another one.",
        ),
        cures=(
            ("any", "Start programs with the Python that has the framework, or activate its environment."),
            ("any", "Install by `python -m pip install ...` with the Python that will run the program."),
            (
                "notebook",
                "Choose the kernel of that environment; `import sys; sys.executable` in a cell shows which one "
                "runs.",
            ),
            (
                "cluster",
                "Load the module or activate the environment inside the job script, not only in the login shell.",
            ),
        ),
        vain=(
            "Installing the framework once more by plain `pip`: it goes where the first one went.",
            "Adding the other environment's folder to PYTHONPATH: its compiled parts are for another Python.",
        ),
    ),
    "shadowed-module": Advice(
        why="Python looks into the folder of the script, or the working folder with `-c` and `-m`, and into "
        "PYTHONPATH before it looks among the installed packages. A file `torch.py`, `random.py` or "
        "`queue.py` there is imported instead.",
        confirm=(
            '`python -c "import torch; print(torch.__file__)"` in the folder where it fails: the path should '
            "end in site-packages.",
            "`gpucheck doctor`, started in that folder, names the files.",
        ),
        cures=(
            ("any", "Rename the file, and delete the `__pycache__` beside it."),
            ("any", "Or start the program elsewhere, or with `python -P` (Python 3.11 and later)."),
        ),
        vain=("Installing the framework again: it is never asked.",),
    ),
    "torch-not-installed": Advice(
        why="The interpreter that was looked at has no PyTorch. Often it is in another environment, or was "
        "installed for another Python.",
        confirm=(
            "`gpucheck doctor` names the interpreter that it looked at, and whether another one of this shell "
            "has PyTorch.",
            "`python -m pip show torch` with that interpreter.",
        ),
        cures=(
            ("any", "`gpucheck recommend --framework torch` prints the command for this machine."),
            ("any", "If it is elsewhere: `gpucheck doctor --python PATH`."),
        ),
        vain=("Reading a report full of `N/A` (collect_env) as a broken machine: its interpreter has no torch.",),
        references=(TORCH_START,),
    ),
    "tensorflow-not-installed": Advice(
        why="The interpreter that was looked at has no TensorFlow. Often it is in another environment, or pip "
        "found no wheel for this Python and said so among many other lines.",
        confirm=(
            "`gpucheck doctor` names the interpreter that it looked at, and whether another one of this shell "
            "has TensorFlow.",
            "`python -m pip show tensorflow` with that interpreter.",
        ),
        cures=(
            ("any", "`gpucheck recommend --framework tf` prints the command for this machine."),
            ("any", "If it is elsewhere: `gpucheck doctor --python PATH`."),
        ),
        references=(TF_PIP,),
    ),
    "cpu-only-build": Advice(
        why="The package index and the frameworks' own indexes carry builds without CUDA under the same "
        "version: `torch` for Windows and, up to 2.10, for Linux on ARM; everything marked `+cpu`; "
        "`tensorflow-cpu`; TensorFlow for Windows from 2.11 on. `torch==2.13.0+cpu` satisfies every rule "
        "that asks for torch 2.13, so a later installation keeps it.",
        confirm=(
            '`python -c "import torch; print(torch.__version__, torch.version.cuda)"` ends in `+cpu` or prints '
            "None.",
            '`python -c "import tensorflow as tf; print(tf.test.is_built_with_cuda())"` prints False.',
            "`gpucheck doctor` reads the same from files, without importing anything.",
        ),
        cures=(
            (
                "any",
                "`gpucheck fix cpu-only-build` shows the plan, and `gpucheck fix cpu-only-build --apply` "
                "installs the CUDA build of the same version after a question.",
            ),
            ("any", "`gpucheck recommend` prints the command for this machine."),
            (
                "windows",
                "The package index has only CPU builds of PyTorch for Windows: take the command from PyTorch's "
                "page, with its `--index-url`. For TensorFlow see windows-native-tf.",
            ),
            ("container", "Take the image's CUDA tag; a `cpu` tag stays a CPU build with `--gpus all` too."),
        ),
        vain=(
            "`pip install --upgrade torch`: the CPU build already satisfies it.",
            "A newer driver, CUDA toolkit or cuDNN: this binary does not use them.",
        ),
        references=(TORCH_START,),
    ),
    "windows-native-tf": Advice(
        why="TensorFlow 2.10 was the last release with CUDA for native Windows. From 2.11 on its Windows "
        "wheels are CPU builds; nothing that is installed beside them changes that, and no error is "
        "printed: the list of GPUs is just empty.",
        confirm=(
            '`python -c "import tensorflow as tf; print(tf.test.is_built_with_cuda())"` prints False on Windows.',
            "PyTorch or `nvidia-smi` on the same machine sees the card.",
        ),
        cures=(
            (
                "windows",
                "Run it in WSL 2: `wsl --install`, then in the Linux shell `python3 -m pip install "
                "'tensorflow[and-cuda]'`.",
            ),
            ("windows", "Or stay with TensorFlow 2.10, Python 3.10, CUDA 11.2 and cuDNN 8.1."),
        ),
        vain=(
            "Installing CUDA and cuDNN for Windows with TensorFlow 2.11 or newer: it cannot work (seven "
            "threads of people who tried).",
            "`tensorflow-gpu` or `tf-nightly-gpu`: they end at 2.10 or are CPU builds too.",
        ),
        references=(
            TF_PIP,
            issue("tensorflow/tensorflow", 60172, "CUDA and cuDNN installed in vain"),
            issue("tensorflow/tensorflow", 62322, "no error text at all"),
        ),
    ),
    "rocm-build": Advice(
        why="PyTorch's builds for AMD GPUs have the same package name and come from an index of their own "
        "(`+rocm` in the version). They contain no CUDA code.",
        confirm=(
            '`python -c "import torch; print(torch.__version__, torch.version.hip)"` shows `+rocm` and a HIP '
            "version.",
        ),
        cures=(
            (
                "any",
                "`gpucheck fix rocm-build` shows the plan for a CUDA build of the same version; `--apply` "
                "carries it out.",
            ),
            ("any", "Take an index for AMD out of pip's settings: `python -m pip config list`."),
        ),
        vain=("Installing CUDA beside it: the binary does not use it.",),
        references=(TORCH_START,),
    ),
}
