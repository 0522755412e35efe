"""A machine in words (``--driver 535 --gpu "RTX 3090" --os wsl``) into Facts; nobody looks at anything."""

from __future__ import annotations

import difflib
import re
from typing import TYPE_CHECKING

from gpucheck.facts import Driver, Facts, Gpu, Interpreter, System, absent, seen
from gpucheck.matrix.products import named, near
from gpucheck.matrix.versions import parse_version

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gpucheck.facts import Fact
    from gpucheck.matrix import Matrix

SAID = "as described"
SYSTEMS = {"linux": "linux", "wsl": "linux", "windows": "windows", "macos": "macos"}
ALIASES = {"win": "windows", "mac": "macos", "osx": "macos", "darwin": "macos", "wsl2": "wsl", "ubuntu": "linux"}
PROCESSORS = {
    "x86_64": "x86_64", "amd64": "x86_64", "x64": "x86_64",
    "aarch64": "aarch64", "arm64": "aarch64",
}  # fmt: skip


class DescriptionError(ValueError):
    """A description that cannot be understood; the message says what to write instead."""


def machine(
    matrix: Matrix,
    *,
    driver: str | None = None,
    gpus: Sequence[str] = (),
    python: str | None = None,
    os: str = "linux",
    processor: str | None = None,
) -> Facts:
    """Return the facts of a machine that is only described.

    Args:
        matrix: Where product names are looked up.
        driver: Driver version, or a branch such as ``535``.
        gpus: Product names or compute capabilities.
        python: Python version.
        os: linux, windows, wsl or macos.
        processor: x86_64 or aarch64; by default that of the GPU's host, else the usual one of the system.

    Raises:
        DescriptionError: One of them cannot be understood.
    """
    name = system_name(os)
    cards = tuple(_gpu(matrix, number, text) for number, text in enumerate(gpus))
    arm = name == "macos" or any(needs_aarch64(matrix, card) for card in cards)
    chosen = PROCESSORS.get((processor or ("aarch64" if arm else "x86_64")).lower())
    if chosen is None:
        raise DescriptionError(f"--machine {processor!r}: write x86_64 or aarch64")
    return Facts(
        system=System(
            os=seen(SYSTEMS[name], SAID),
            machine=seen("arm64" if chosen == "aarch64" and name in ("macos", "windows") else chosen, SAID),
            wsl=seen(name == "wsl", SAID),
            container=seen("none", SAID),
            scheduler=seen("none", SAID),
        ),
        interpreter=Interpreter(
            version=seen(python_version(python), SAID) if python else absent("no Python version is given")
        ),
        driver=_driver(matrix, driver_version(driver)) if driver else Driver(),
        gpus=seen(cards, SAID),
        described=True,
    )


def said(value: str) -> Fact[str]:
    """Return a fact that nobody saw, only said."""
    return seen(value, SAID)


def system_name(text: str) -> str:
    """Return linux, wsl, windows or macos.

    Raises:
        DescriptionError: It is none of them.
    """
    name = ALIASES.get(text.strip().lower(), text.strip().lower())
    if name not in SYSTEMS:
        hint = difflib.get_close_matches(name, [*SYSTEMS, *ALIASES], n=1)
        raise DescriptionError(f"--os {text!r}: write {', '.join(SYSTEMS)}{_did_you_mean(hint)}")
    return name


def driver_version(text: str) -> str:
    """Return a driver version such as ``535.288.01``; of ``535.288.01-grid`` the numbers.

    Raises:
        DescriptionError: It is none, e.g. a CUDA version.
    """
    plain = text.strip()
    found = re.fullmatch(r"[Rr]?(\d{3}(?:\.\d+){0,2})(?:[-_+ ].*)?", plain)
    if found:
        return found[1]
    if re.fullmatch(r"(?i)(?:cuda ?|cu)?\d{1,2}\.?\d{0,2}(?:\.\d+)?", plain):
        raise DescriptionError(
            f"--driver {text!r}: that is a CUDA version; a driver version is what nvidia-smi prints "
            "first, such as 550.54.14, or its branch, 550"
        )
    raise DescriptionError(f"--driver {text!r}: write a driver version such as 550.54.14, or its branch, 550")


def python_version(text: str) -> str:
    """Return a Python version such as ``3.11``.

    Raises:
        DescriptionError: It is none.
    """
    plain = text.strip().lower()
    short = re.fullmatch(r"(?:cp|py)(\d)(\d+)", plain)
    if short:
        return f"{short[1]}.{short[2]}"
    if not re.fullmatch(r"[23]\.\d+(?:\.\d+)?", plain):
        raise DescriptionError(f"--python {text!r}: write a Python version such as 3.11")
    return plain


def variant(text: str) -> str:
    """Return a CUDA variant of torch, ``cu126``, from ``cu126``, ``12.6`` or ``cpu``.

    Raises:
        DescriptionError: It is none.
    """
    plain = text.strip().lower()
    found = re.fullmatch(r"(?:cu|cuda)?[ -]?(\d{1,2})\.?(\d)(?:\.\d+)?", plain)
    if plain == "cpu" or found is None:
        if plain != "cpu":
            raise DescriptionError(f"--cuda-variant {text!r}: write cpu, or a CUDA variant such as cu126")
        return plain
    return f"cu{found[1]}{found[2]}"


def _gpu(matrix: Matrix, index: int, text: str) -> Gpu:
    capability = re.fullmatch(r"(?i)(?:sm_|compute_|sm|cc ?)?(\d{1,2})\.?(\d)[af]?", text.strip())
    if capability:
        number = f"{capability[1]}.{capability[2]}"
        return Gpu(index=index, status=seen(0, SAID), name=seen(f"GPU of sm_{number.replace('.', '')}", SAID),
                   compute_capability=seen(number, SAID))  # fmt: skip
    row = named(matrix.products(), text)
    if row is None:
        hint = near(matrix.products(), text)
        raise DescriptionError(
            f"--gpu {text!r}: no such product in the matrix of {matrix.date}{_did_you_mean(hint)}; "
            "a compute capability does too: sm_86"
        )
    source = f"{row.source}, {row.url}, checked {row.checked}"
    return Gpu(index=index, status=seen(0, SAID), name=seen(row.name, SAID),
               compute_capability=seen(row.compute_capability, source))  # fmt: skip


def needs_aarch64(matrix: Matrix, gpu: Gpu) -> bool:
    """Whether a GPU sits beside an Arm processor: Jetson, and NVIDIA's Grace superchips."""
    row = named(matrix.products(), gpu.name.value or "")
    return gpu.compute_capability.value in matrix.integrated() or (row is not None and row.processor == "aarch64")


def _driver(matrix: Matrix, text: str) -> Driver:
    version = parse_version(text)
    branch = matrix.branch(version) if version is not None else None
    known = branch is not None and version is not None and branch.branch == version.major and branch.driver_cuda
    return Driver(
        version=seen(text, SAID),
        nvml_status=seen(0, SAID),
        cuinit_status=absent("nobody asked a driver"),
        driver_cuda=seen(branch.driver_cuda, f"{branch.source}, {branch.url}")
        if branch is not None and known and branch.driver_cuda
        else absent("the matrix does not say"),
    )


def _did_you_mean(names: Sequence[str]) -> str:
    return f"; did you mean {' or '.join(names)}?" if names else ""
