"""The CUDA toolkit of this machine: nvcc and headers, which matter only to those who compile."""

from __future__ import annotations

import re
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

from gpucheck.facts import Fact, absent, seen
from gpucheck.facts.versions import cuda_version

if TYPE_CHECKING:
    from collections.abc import Mapping


def toolkit(root: Path, environ: Mapping[str, str]) -> Fact[str]:
    """Return the version of the toolkit that a build here would take, by its header cuda.h.

    nvcc itself would cost a process; version.json is not always there.

    Args:
        root: ``/``, or a folder that stands for it.
        environ: The environment.
    """
    nvcc = shutil.which("nvcc", path=environ.get("PATH"))
    named = [environ[name] for name in ("CUDA_HOME", "CUDA_PATH") if environ.get(name)]
    places = [*map(Path, named), *([Path(nvcc).resolve().parents[1]] if nvcc else []), root / "usr/local/cuda"]
    for place in places:
        header = place / "include/cuda.h"
        try:
            with header.open(encoding="utf-8", errors="replace") as file:
                found = re.search(r"#define\s+CUDA_VERSION\s+(\d{4,6})\b", file.read(200_000))
        except OSError:
            continue
        if found is not None:
            return seen(cuda_version(int(found.group(1))), str(header))
    return absent("no nvcc with its headers is on PATH, in CUDA_HOME or in /usr/local/cuda", "PATH")
