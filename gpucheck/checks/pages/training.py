"""What the frameworks say and do when they are asked and trained."""

from __future__ import annotations

from gpucheck.checks.pages.advice import Advice
from gpucheck.checks.pages.references import TORCH_CUDA

ADVICE: dict[str, Advice] = {
    "framework-import-failed": Advice(
        why="`import torch` or `import tensorflow` loads dozens of compiled libraries and packages; one that "
        "is missing, damaged or of another version is enough. A file of the same name in the working "
        "folder does it too.",
        confirm=(
            '`python -c "import torch"` in an empty folder: the last line is what counts, and with two '
            "tracebacks the first.",
            "`python -m pip check`, and `gpucheck doctor`, which often names the cause without importing "
            "anything.",
        ),
        cures=(
            ("any", "Cure what `gpucheck doctor` names first; it explains this one."),
            (
                "any",
                "`gpucheck recommend` prints a set that goes together; a fresh environment is often the "
                "shortest way.",
            ),
            (
                "any",
                "An installation that was cut off (disk full, killed): `pip install --force-reinstall "
                "--no-deps` of that package.",
            ),
        ),
        vain=("Another driver: importing needs CUDA's libraries, not the driver.",),
    ),
    "framework-answer-differs": Advice(
        why="The doctor reads files and asks the driver; with `--deep` it also asks the framework. Where the two "
        "disagree, something between them is not as it looks: a mask, a library that is found at run time "
        "only, a driver that answers NVML and refuses CUDA.",
        confirm=(
            "`gpucheck doctor --deep` shows what the framework said, and its own words when it failed.",
            '`python -c "import torch; print(torch.cuda.is_available(), torch.cuda.device_count())"`',
            "`python -c \"import tensorflow as tf; print(tf.config.list_physical_devices('GPU'))\"`: its "
            "warnings name the reason.",
        ),
        cures=(
            ("any", "Cure the root cause that is named above it."),
            (
                "any",
                "Without one, please report it with `gpucheck doctor --deep --format markdown`: then gpucheck "
                "may be wrong.",
            ),
        ),
    ),
    "smoke-failed": Advice(
        why="The training started and did not come to its end: an exception, a crash, or its time was over. "
        "What was printed is searched for known words, and the training is tried once more under each safe "
        "cure.",
        confirm=(
            "`gpucheck smoke -v` shows the stage in which it failed and the last lines.",
            "`gpucheck smoke --device cpu` passes: then the GPU's side is at fault, not the framework.",
            "`gpucheck doctor` names causes that need no training.",
        ),
        cures=(
            ("any", "Cure what is named above it; else begin with the last lines that it printed."),
            ("any", "Out of time on a slow machine: `gpucheck smoke --timeout 900`."),
        ),
        vain=("Raising `--epochs` or changing the seed: it did not end, whatever it would have learned.",),
    ),
    "smoke-not-started": Advice(
        why="The failure came before any device was opened: the framework could not be imported, or the data "
        "not be made or read. So the GPU and its driver are not the cause.",
        confirm=(
            "The stage in the report is `start`, `import` or `data`.",
            '`python -c "import torch"` or `python -c "import tensorflow"` with the same interpreter fails alike.',
        ),
        cures=(
            (
                "any",
                "Read the exception named: a package is missing, damaged or of the wrong version; `gpucheck "
                "doctor` often tells which.",
            ),
            ("any", "The stage `data`: look at the folder that `--data` names, and at the disk."),
        ),
        vain=("Updating driver or CUDA: nothing had touched them yet.",),
    ),
    "convolution-without-cudnn": Advice(
        why="Both frameworks have kernels of their own and use them without a word where cuDNN is switched "
        "off, refused for the card, missing or broken. The results are right and slow.",
        confirm=(
            '`python -c "import torch; print(torch.backends.cudnn.enabled, torch.backends.cudnn.version())"`',
            "`gpucheck smoke -v` names the kernels' backend and the cuDNN files that were mapped.",
            "`gpucheck doctor` on cuDNN: too new for the card, of another version, or missing.",
        ),
        cures=(
            (
                "any",
                "Take out what switches it off (`torch.backends.cudnn.enabled = False`, an option of the "
                "program).",
            ),
            ("any", "Cure what the doctor says of cuDNN."),
        ),
        vain=("Believing `device='cuda'`: placement alone proves nothing about cuDNN.",),
        references=(TORCH_CUDA,),
    ),
    "silent-cpu-fallback": Advice(
        why="Frameworks that see no usable GPU go on with the CPU. TensorFlow prints one line among many, "
        "PyTorch's programs usually ask `is_available()` and decide quietly. So a training is slow for "
        "days and nobody is told.",
        confirm=(
            "`gpucheck smoke --device gpu` fails where it would fall back.",
            '`python -c "import torch; print(torch.cuda.is_available())"`',
            "`nvidia-smi` shows no process of the program while it trains.",
        ),
        cures=(
            ("any", "Cure the root cause named above it: a CPU build, missing libraries, a mask, a driver."),
            (
                "any",
                "Keep it from going unseen: `gpucheck doctor --require 'gpu>=1'` before the job, which then "
                "ends with status 1.",
            ),
            ("any", "If the CPU is meant: `gpucheck smoke --device cpu`."),
        ),
    ),
    "ran-on-cpu": Advice(
        why="There is no NVIDIA GPU here, or the CPU was asked for. The training shows that the framework is "
        "sound; it says nothing about a GPU.",
        confirm=("`gpucheck doctor` says whether there is one.",),
        cures=(("any", "If a GPU should be here, see no-device and driver-missing."),),
    ),
    "convolution-wrong": Advice(
        why="The same convolution is computed in float64 on the CPU and compared. An error larger than any "
        "arithmetic of the card explains means wrong numbers: libraries of different versions that got "
        "along by luck, a kernel with a bug on this card, or bad memory.",
        confirm=(
            "`gpucheck smoke --device cpu` is right.",
            "`gpucheck doctor`: libraries shadowed or overwritten, a cuDNN of another version, memory errors.",
            "`gpucheck smoke --all-gpus`: one card of several is wrong.",
        ),
        cures=(
            ("any", "Take the libraries out of doubt: a fresh environment with what `gpucheck recommend` says."),
            (
                "linux",
                "One card only: look at `nvidia-smi -q -d ECC,ROW_REMAPPER` and test it by `dcgmi diag -r 3`.",
            ),
            (
                "any",
                "Size of bfloat16 or TF32 where float32 was asked for: a setting lowers the precision, see "
                "tf32-in-use.",
            ),
        ),
        vain=("Training longer: wrong gradients do not average out.",),
    ),
    "tf32-in-use": Advice(
        why="On cards from compute capability 8.0 on, PyTorch lets cuDNN compute convolutions of float32 "
        "numbers in TF32, with 10 bits of mantissa, by default; its matrix products stay in float32 by "
        "default. TensorFlow uses TF32 for both by default. It is faster and enough for training; "
        "comparisons to the last digit fail.",
        confirm=(
            '`python -c "import torch; print(torch.backends.cudnn.allow_tf32, '
            'torch.backends.cuda.matmul.allow_tf32)"`',
            "`gpucheck smoke --arithmetic fp32` switches it off and proves that it is off.",
        ),
        cures=(
            (
                "any",
                "PyTorch: `torch.backends.cudnn.allow_tf32 = False`. TensorFlow: "
                "`tf.config.experimental.enable_tensor_float_32_execution(False)`.",
            ),
            ("any", "For every program: `NVIDIA_TF32_OVERRIDE=0` in the environment."),
        ),
        vain=("Taking it for a fault of the card: it is a choice of the framework.",),
        references=(TORCH_CUDA,),
    ),
}
