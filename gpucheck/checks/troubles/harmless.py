"""Lines in the output of programs that look alarming and are no trouble."""

from __future__ import annotations

from gpucheck.checks.troubles.trouble import Trouble

TROUBLES: dict[str, Trouble] = {
    "numa-node-warning": Trouble(
        meaning="TensorFlow could not read to which memory node (NUMA) the card belongs, and takes node 0. That "
        "is normal in virtual machines, containers, WSL and on desktops.",
        remedy="Nothing.",
    ),
    "duplicate-registration": Trouble(
        meaning="TensorFlow tries to register cuDNN, cuFFT, cuBLAS or the computation placer a second time and is "
        "turned away. The lines are marked as errors, and the first registration serves.",
        remedy="Nothing.",
    ),
    "tensorrt-warning": Trouble(
        meaning="TensorFlow did not find TensorRT, an optional library for inference. Training does not use it.",
        remedy="Nothing, unless you convert models by TF-TRT.",
    ),
    "onednn-notice": Trouble(
        meaning="TensorFlow tells how it computes on the CPU: through oneDNN, whose sums may differ in their last "
        "digits, and with which instructions of the processor.",
        remedy="Nothing.",
    ),
    "allocator-fallback-warning": Trouble(
        meaning="TensorFlow asked for memory for a faster algorithm, did not get it and took another one. It says "
        "itself that this is not a failure.",
        remedy="Nothing; a smaller batch leaves room for the faster algorithm.",
    ),
}
