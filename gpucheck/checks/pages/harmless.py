"""Lines that look alarming and mean nothing bad."""

from __future__ import annotations

from gpucheck.checks.pages.advice import Advice

ADVICE: dict[str, Advice] = {
    "numa-node-warning": Advice(
        why="Linux keeps the memory node of each card in /sys. In virtual machines, containers, WSL and on "
        "ordinary desktops it is -1 or cannot be read, and TensorFlow says so and takes node 0.",
        confirm=("The same log later lists the GPU and its memory (`Created device`), and training runs.",),
        cures=(
            (
                "any",
                "To see less: `TF_CPP_MIN_LOG_LEVEL=1` in the environment hides most such notices; "
                "from 2 on it also hides warnings that matter.",
            ),
        ),
        vain=(
            "Writing 0 into /sys/bus/pci/devices/.../numa_node: two notes call it a cure; it removes the line, "
            "is gone at the next boot, and the real cause stood elsewhere in their logs.",
        ),
    ),
    "duplicate-registration": Advice(
        why="Two parts of one process, both TensorFlow's or TensorFlow's and JAX's, register cuDNN, cuFFT, "
        "cuBLAS or the computation placer under the same name. The second one is turned away and the first "
        "one serves both. Most of the lines are marked E, and none is an error.",
        confirm=("`tf.config.list_physical_devices('GPU')` lists the card, or other lines say why not.",),
        cures=(("any", "If the GPU is not used, look at the other lines of the log."),),
        vain=("Installing cuDNN, cuBLAS or TensorFlow again: healthy logs have three or more of these lines.",),
    ),
    "tensorrt-warning": Advice(
        why="TensorRT is an optional library for inference. TensorFlow looks for it when it starts and says "
        "that it is not there; training does not use it.",
        confirm=(
            "`tf.config.list_physical_devices('GPU')` lists the card.",
            "The program does not convert models by TF-TRT.",
        ),
        cures=(("any", "If the GPU is not used, look at the other lines of the log."),),
        vain=(
            "Installing TensorRT to get the GPU seen: it has nothing to do with that.",
            "Linking another version's file to the name in the message: then TensorFlow opens a library that "
            "is not the one it was built for.",
        ),
    ),
    "onednn-notice": Advice(
        why="On the CPU TensorFlow uses Intel's oneDNN, which may add numbers in another order; it says so, "
        "and that results can differ in their last digits. The other notice says that the binary could use "
        "more of the processor's instructions. Neither concerns the GPU.",
        confirm=(
            "The lines begin with `oneDNN custom operations are on` or `This TensorFlow binary is optimized`.",
        ),
        cures=(
            (
                "any",
                "Who needs the same last digits on the CPU as before sets `TF_ENABLE_ONEDNN_OPTS=0`.",
            ),
        ),
        vain=("Building TensorFlow from source because of it: nothing is wrong with the binary.",),
    ),
    "allocator-fallback-warning": Advice(
        why="TensorFlow tries a faster algorithm that wants more memory, is refused, and takes another one. It "
        "says itself that this is no failure. Real lack of memory ends with an exception.",
        confirm=(
            "The line contains `The caller indicates that this is not a failure`.",
            "Training goes on after it.",
        ),
        cures=(("any", "If the program does end with an exception of memory, see gpu-out-of-memory."),),
        vain=("Looking for a memory leak: the request was refused on purpose, and another algorithm taken.",),
    ),
}
