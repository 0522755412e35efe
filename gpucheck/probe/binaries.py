"""`--deep`: a framework's arch list, read out of its binary."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from gpucheck.facts import Framework
from gpucheck.probe import fatbin

# The library of each framework that holds its GPU code.
BINARIES = {"torch": "lib/libtorch_cuda.so", "tensorflow": "libtensorflow_cc.so.2"}


def with_arch_list(framework: Framework) -> Framework:
    """Put the arch list of a CUDA build's binary in the place of what its metadata tells."""
    if framework.build.value != "cuda" or framework.folder.value is None:
        return framework
    found = fatbin.arch_list(Path(framework.folder.value) / BINARIES[framework.name])
    return replace(framework, arch_list=found) if found.known else framework
