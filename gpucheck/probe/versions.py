"""The true versions of cudart, cuDNN and NCCL: the files themselves are asked, in one child process."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from gpucheck import children
from gpucheck.facts import Fact, Framework, Library, absent, seen
from gpucheck.facts.versions import cuda_version, cudnn_version, nccl_version

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Callable, Iterable

# The rest are heavy to load (cuBLAS: 150 MB, 0.1 s, measured) and their packages tell the version.
DECODE: dict[str, tuple[str, Callable[[int], str | None]]] = {
    "libcudart": ("cudaRuntimeGetVersion", cuda_version),
    "libcudnn": ("cudnnGetVersion", cudnn_version),
    "libnccl": ("ncclGetVersion", nccl_version),
}


def start(frameworks: Iterable[Framework]) -> subprocess.Popen[bytes] | None:
    """Start the child that asks the libraries of some frameworks; None where there is nothing to ask."""
    taken = (one.taken.value for found in frameworks for one in found.libraries.value or ())
    paths = dict.fromkeys(library.path for library in taken if library is not None and _kind(library) in DECODE)
    if not paths or not sys.platform.startswith("linux"):
        return None
    try:
        return children.start(children.isolated(Path(__file__).with_name("child_versions.py"), *paths))
    except OSError:
        return None


def listen(process: subprocess.Popen[bytes] | None, deadline: float) -> dict[str, Fact[str]]:
    """Return what each file answered, by path; a file that crashed the child is told so."""
    if process is None:
        return {}
    outcome = children.finish(process, deadline)
    import json

    answers: dict[str, Fact[str]] = {}
    for line in outcome.stdout.splitlines():
        try:
            item = json.loads(line)
            path = str(item["path"])
            answers[path] = _fact(path, item)
        except (ValueError, KeyError, TypeError):
            continue
    if outcome.failure is not None:
        last = outcome.stderr.strip().splitlines()[-1:]
        answers[""] = absent(": ".join(["it cannot be asked", outcome.failure, *last]))
    return answers


def _fact(path: str, item: dict[str, object]) -> Fact[str]:
    function, decode = DECODE[Path(path).name.partition(".so")[0]]
    number = item.get("version")
    if not isinstance(number, int):
        return absent(f"it cannot be loaded: {item.get('error')}", path)
    text = decode(number)
    return seen(text, function, raw=str(number)) if text else absent(f"{function} answers {number}", path)


def told(framework: Framework, answers: dict[str, Fact[str]]) -> Framework:
    """Put the answers in the place of what packages and file names tell."""
    if framework.libraries.value is None or not answers:
        return framework
    dependencies = tuple(
        replace(one, taken=replace(one.taken, value=_library(one.taken.value, answers)))
        if one.taken.value is not None
        else one
        for one in framework.libraries.value
    )
    cudnn = next((one.taken for one in dependencies if one.soname.startswith("libcudnn.")), framework.cudnn_loaded)
    return replace(
        framework, libraries=replace(framework.libraries, value=dependencies), cudnn_loaded=cudnn
    )  # fmt: skip


def _library(library: Library, answers: dict[str, Fact[str]]) -> Library:
    if _kind(library) not in DECODE:
        return library
    answer = answers.get(library.path) or answers.get("")
    if answer is None or (not answer.known and library.version.known):
        return library
    return replace(library, version=answer)


def _kind(library: Library) -> str:
    return Path(library.path).name.partition(".so")[0]
