"""What a TensorFlow wheel says of itself: build_info.py, the CUDA and cuDNN headers that it ships, METADATA."""

from __future__ import annotations

import ast
import re
from typing import TYPE_CHECKING, Any

from gpucheck.matrix.releases import INDEX, Build
from gpucheck.matrix.requirements import parse
from gpucheck.refresh.index import RefreshError, glibc
from gpucheck.refresh.requirements import required

if TYPE_CHECKING:
    import datetime
    from collections.abc import Sequence

    from gpucheck.refresh.wheel import Reader

DISTRIBUTIONS = ("tensorflow", "tensorflow-gpu")
OLDEST = "1.12"
# Wheels of these names hold the code where the one called tensorflow only requires them.
WRAPPED = ("tensorflow-intel", "tensorflow-cpu-aws", "tensorflow-macos", "tensorflow-cpu")
CUDNN_HEADERS = ("cudnn_version.h", "gpus/cudnn/include/cudnn.h", "cudnn/cudnn.h")


def wrapped(reader: Reader) -> str | None:
    """Return the distribution that holds the code of a wheel which is only a wrapper; None when it has its own."""
    if any(name.endswith("platform/build_info.py") for name in reader.names()):
        return None
    for text in required(reader.requirements(), reader.wheel.platform, (reader.wheel.python,)):
        need = parse(text)
        if need is not None and need.name in WRAPPED:
            return need.name
    return None


def read(reader: Reader, pythons: Sequence[str], today: datetime.date, inner: Reader | None = None) -> Build:
    """Return the matrix row of one wheel.

    Args:
        reader: The wheel.
        pythons: Python versions that have such a wheel.
        today: Day of reading.
        inner: The wheel that holds the code, where this one is a wrapper.

    Raises:
        RefreshError: A file of it is missing or not as expected.
    """
    wheel, code = reader.wheel, inner or reader
    info = build_info(code.first("platform/build_info.py") or "")
    if "is_cuda_build" not in info:
        raise RefreshError(f"{code.wheel.filename}: build_info.py is missing or not as expected")
    lines = [*reader.requirements(), *(inner.requirements() if inner else ())]
    cuda = bool(info["is_cuda_build"])
    header = _defines(code, ("cuda/cuda_config.h",)) if cuda else {}
    parts = [f"build_info.py of {code.wheel.distribution}" if inner else "build_info.py", "METADATA"]
    return Build(
        platform=wheel.platform,
        variant="cuda" if cuda else "cpu",
        default=wheel.distribution == "tensorflow",
        versions=(str(wheel.version),),
        distribution=None if wheel.distribution == "tensorflow" else wheel.distribution,
        python=tuple(pythons),
        cuda_runtime=_runtime(info, header) if cuda else None,
        cudnn=_cudnn(_defines(code, CUDNN_HEADERS)) if cuda else None,
        requires=tuple(text for text in required(lines, wheel.platform, pythons) if not _is_wrapper(text)),
        and_cuda=required(lines, wheel.platform, pythons, "and-cuda") if cuda else (),
        arch_list=_arch_list(info, header),
        arch_list_complete=not cuda or "cuda_compute_capabilities" in info,
        glibc=glibc(wheel.tag),
        source=f"{wheel.tag} wheel on PyPI ({', '.join(parts)})",
        url=f"{INDEX}{wheel.distribution}/{wheel.version}/",
        checked=today,
        note=_note(info, header) if cuda else None,
    )


def build_info(text: str) -> dict[str, Any]:
    """Return the settings of build_info.py in any of its forms; it is parsed, never executed.

    Up to 2.2 plain assignments (``cuda_version_number = '10.1'``), in 2.3 a dict, then an OrderedDict of pairs.
    """
    try:
        tree = ast.parse(text)
    except (SyntaxError, ValueError):
        return {}
    found: dict[str, Any] = {}
    for node in ast.walk(tree):
        value = node.value if isinstance(node, ast.Assign) else None
        if isinstance(value, ast.Call) and value.args:
            value = value.args[0]
        try:
            content = ast.literal_eval(value) if value is not None else None
        except (ValueError, TypeError):
            continue
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
            if node.targets[0].id == "build_info":
                return dict(content or {})
            found[node.targets[0].id.removesuffix("_number")] = content
    return found


def _runtime(info: dict[str, Any], header: dict[str, str]) -> str | None:
    """Return major.minor; ``64_112`` is how Windows writes 11.2, and some wheels say only ``10``."""
    told = str(info.get("cuda_version") or "")
    windows = re.fullmatch(r"64_(\d+)(\d)", told)
    if windows:
        return f"{windows[1]}.{windows[2]}"
    if "." not in told:
        told = header.get("TF_CUDA_VERSION", "")
    return ".".join(told.split(".")[:2]) if "." in told else None


def _arch_list(info: dict[str, Any], header: dict[str, str]) -> tuple[str, ...]:
    """Return the arch list; TensorFlow's ``compute_XX`` asks for PTX and machine code both (its configure.py)."""
    told = info.get("cuda_compute_capabilities")
    if told is None:
        numbers = re.findall(r'CudaVersion\("(\d+)\.(\d+)"\)', header.get("TF_CUDA_CAPABILITIES", ""))
        plain = re.findall(r"\d+", header.get("TF_CUDA_COMPUTE_CAPABILITIES", ""))
        return tuple(f"sm_{major}{minor}" for major, minor in numbers) or tuple(f"sm_{text}" for text in plain)
    codes: list[str] = []
    for code in told:
        number = code.partition("_")[2]
        codes += [f"sm_{number}", code] if code.startswith("compute_") else [code]
    return tuple(dict.fromkeys(codes))


def _cudnn(header: dict[str, str]) -> str | None:
    parts = [header.get(f"CUDNN_{name}") for name in ("MAJOR", "MINOR", "PATCHLEVEL")]
    return ".".join(part for part in parts if part) if all(parts) else None


def _defines(reader: Reader, endings: tuple[str, ...]) -> dict[str, str]:
    text = reader.first(*endings) or ""
    return {
        name: value.strip().strip('"') for name, value in re.findall(r"^#define\s+(\w+)[ \t]+(.+)$", text, re.M)
    }


def _is_wrapper(text: str) -> bool:
    need = parse(text)
    return need is not None and need.name in WRAPPED


def _note(info: dict[str, Any], header: dict[str, str]) -> str | None:
    notes = []
    if info.get("cuda_compute_capabilities"):
        notes.append("A compute_XX of build_info.py stands for PTX and machine code both, as configure.py says.")
    elif "TF_CUDA_CAPABILITIES" in header or "TF_CUDA_COMPUTE_CAPABILITIES" in header:
        notes.append("Capabilities from cuda_config.h, which does not tell which of them have PTX.")
    if "." not in str(info.get("cuda_version") or "") and "TF_CUDA_VERSION" in header:
        notes.append("CUDA runtime from cuda_config.h.")
    return " ".join(notes) or None
