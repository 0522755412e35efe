"""libdevice and ptxas, which XLA needs to compile for a GPU, where TensorFlow's XLA looks for them.

Order: CandidateCudaRoots, xla/tsl/platform/default/cuda_root_path.cc in TensorFlow. None of the wheels of 2.16 to
2.21 brings them (measured); nvidia-cuda-nvcc does.
"""

from __future__ import annotations

import re
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

from gpucheck.facts import Fact, absent, seen
from gpucheck.probe.files import is_file

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

LIBDEVICE = "nvvm/libdevice/libdevice.10.bc"


def tools(package: Path, root: Path, environ: Mapping[str, str]) -> tuple[Fact[str], Fact[str]]:
    """Return libdevice's and ptxas' files.

    Args:
        package: TensorFlow's package folder.
        root: ``/``, or a folder that stands for it.
        environ: The environment.
    """
    site = package.parent
    roots = [root / "usr/local/cuda", root / "opt/cuda"]
    roots += [site / "nvidia" / name for name in ("cuda_nvcc", "cu13")] + [package / "cuda", *site.parents[1:3]]
    named = re.search(r"--xla_gpu_cuda_data_dir=(\S+)", environ.get("XLA_FLAGS", ""))
    roots = [Path(named.group(1)), *roots] if named else roots
    on_path = shutil.which("ptxas", path=environ.get("PATH"))
    ptxas = Path(on_path) if on_path else None
    return _first("libdevice.10.bc", (one / LIBDEVICE for one in roots)), _first(
        "ptxas", [*([ptxas] if ptxas else []), *(one / "bin/ptxas" for one in roots)]
    )


def data_dir(root: Path, environ: Mapping[str, str]) -> Fact[str]:
    """Return a CUDA folder with libdevice in one of the places where toolkits lie and XLA does not look.

    Args:
        root: ``/``, or a folder that stands for it.
        environ: The environment.
    """
    named = [Path(environ[name]) for name in ("CUDA_HOME", "CUDA_PATH", "CONDA_PREFIX") if environ.get(name)]
    versions = sorted((root / "usr/local").glob("cuda-*"), reverse=True)
    places = [*named, *versions, root / "usr/lib/cuda", root / "usr/lib/nvidia-cuda-toolkit"]
    found = next((place for place in places if place.is_absolute() and is_file(place / LIBDEVICE)), None)
    if found is None:
        return absent("no CUDA folder with libdevice is in the usual places")
    return seen(str(found), str(found / LIBDEVICE))


def _first(name: str, paths: Iterable[Path]) -> Fact[str]:
    found = next((path for path in paths if is_file(path)), None)
    return seen(str(found), str(found)) if found else absent(f"no {name} is where XLA looks", "XLA's search path")
