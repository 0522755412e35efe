"""The true versions of cudart, cuDNN and NCCL: the files themselves are asked, in one child process."""

from __future__ import annotations

import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from gpucheck import children
from gpucheck.facts import Fact, Framework, Library, absent, seen
from gpucheck.facts.versions import cuda_version, cudnn_version, nccl_version
from gpucheck.record import record

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Callable, Iterable

# The rest are heavy to load (cuBLAS: 150 MB, 0.1 s, measured) and their packages tell the version.
DECODE: dict[str, tuple[str, Callable[[int], str | None]]] = {
    "libcudart": ("cudaRuntimeGetVersion", cuda_version),
    "libcudnn": ("cudnnGetVersion", cudnn_version),
    "libnccl": ("ncclGetVersion", nccl_version),
}


@record
class Asked:
    """A child that was started to ask some files."""

    process: subprocess.Popen[bytes]
    paths: tuple[str, ...]


def start(frameworks: Iterable[Framework]) -> Asked | None:
    """Start the child that asks the libraries of some frameworks; None where there is nothing to ask.

    cudart 11 is left out: its function calls cuInit (measured on 11.7 and 11.8), which touches the driver.
    """
    taken = (one.taken.value for found in frameworks for one in found.libraries.value or ())
    paths = dict.fromkeys(library.path for library in taken if library is not None and _kind(library) in DECODE)
    asked = tuple(path for path in paths if not Path(path).name.startswith("libcudart.so.11"))
    return _start(asked) if sys.platform.startswith("linux") else None


def _start(paths: tuple[str, ...]) -> Asked | None:
    if not paths:
        return None
    script = Path(__file__).with_name("child_versions.py")
    try:
        return Asked(process=children.start(children.isolated(script, *paths)), paths=paths)
    except OSError:
        return None


def listen(asked: Asked | None, deadline: float) -> dict[str, Fact[str]]:
    """Return what each file answered, by path. One that crashed the child is told so, and the rest asked again."""
    answers: dict[str, Fact[str]] = {}
    end = time.monotonic() + deadline
    while asked is not None:
        outcome = children.finish(asked.process, max(0.1, end - time.monotonic()))
        answers.update(_answers(outcome.stdout))
        left = [path for path in asked.paths if path not in answers]
        if not left:
            break
        last = outcome.stderr.strip().splitlines()[-1:]
        reason = ": ".join(["it cannot be loaded", outcome.failure or "no answer", *last])
        answers[left[0]] = absent(reason, left[0])
        asked = _start(tuple(left[1:])) if time.monotonic() < end else None
    return answers


def _answers(stdout: str) -> dict[str, Fact[str]]:
    import json

    answers = {}
    for line in stdout.splitlines():
        try:
            item = json.loads(line)
            answers[str(item["path"])] = _fact(str(item["path"]), item)
        except (ValueError, KeyError, TypeError):
            continue
    return answers


def _fact(path: str, item: dict[str, object]) -> Fact[str]:
    function, decode = DECODE[Path(path).name.partition(".so")[0]]
    if "refused" in item:
        return absent(str(item["refused"]), function)
    number = item.get("version")
    if not isinstance(number, int):
        return absent(f"it cannot be loaded: {item.get('error')}", path)
    text = decode(number)
    return seen(text, function, raw=str(number)) if text else absent(f"{function} answers {number}", function)


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
    answer = answers.get(library.path)
    # One that was loaded and does not tell leaves its package's word standing; one that cannot be loaded does not.
    if answer is None or (answer.source != library.path and not answer.known and library.version.known):
        return library
    return replace(library, version=answer)


def _kind(library: Library) -> str:
    return Path(library.path).name.partition(".so")[0]
