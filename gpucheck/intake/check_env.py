"""The output of `python3 -m sglang.check_env`, whose form comes from mmengine's collect_env."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from gpucheck.facts import Answer, Driver, Framework, Gpu, Interpreter, System, absent, blank, seen
from gpucheck.intake import installed
from gpucheck.intake.installed import NOT_SHOWN, Package, normalise

if TYPE_CHECKING:
    from collections.abc import Iterator

    from gpucheck.facts import Facts

OWN = re.compile(r"(?:CUDA|ROCM) available|GPU [\d,]+ Compute Capability|NVCC|CUDA Driver Versions?")
LABEL = re.compile(
    r"[ \t]*(Python|(?:CUDA|ROCM) available|GPU [\d,]{1,400}(?: Compute Capability)?|CUDA_HOME|ROCM_HOME|NVCC|"
    r"CUDA Driver Versions?|PyTorch|sglang|sys\.platform):[ \t]*(\S.*)$"
)
MODULE = re.compile(r"[ \t]*([A-Za-z]\w{1,60}(?:-\w{1,60}){0,4}): (\d[\w.+!-]{0,80})$")
# Modules whose distribution has another name.
RENAMED = {"zmq", "multipart"}
FEWEST = 3
SOURCE = "sglang check_env"
NO_GPU: tuple[str, ...] = ()


def read(text: str) -> Facts | None:
    """Return what the first such report anywhere in a text shows, or None where there is none."""
    block = _block(text)
    if block is None:
        return None
    fields: dict[str, str] = {}
    for line in block:
        if (match := LABEL.match(line)) is not None:
            fields.setdefault(match[1], match[2].strip())
    gpus = _gpus(fields)
    packages = list(_packages(block))
    python = re.match(r"\d\.\d{1,2}(?:\.\d{1,2})?", fields.get("Python", ""))
    return installed.facts(
        system=_system(fields),
        interpreter=blank(
            Interpreter, NOT_SHOWN, version=seen(python[0], f"{SOURCE}: Python") if python else absent(NOT_SHOWN)
        ),
        driver=_driver(fields, gpus),
        gpus=seen(gpus, f"{SOURCE}: GPU") if gpus else absent(NOT_SHOWN),
        frameworks=_torch(fields, gpus),
        packages=installed.versions(packages, SOURCE),
    )


def _block(text: str) -> list[str] | None:
    """Return the first lines without a blank one between them that hold enough of the report's labels."""
    block: list[str] = []
    for line in (*text.split("\n"), ""):
        if line.strip():
            block.append(line)
            continue
        names = {match[1] for one in block if (match := LABEL.match(one)) is not None}
        if len(names) >= FEWEST and any(OWN.fullmatch(name) for name in names):
            return block
        block = []
    return None


def _is_rocm(fields: dict[str, str]) -> bool:
    return "+rocm" in fields.get("PyTorch", "") or "ROCM available" in fields or "ROCM_HOME" in fields


def _gpus(fields: dict[str, str]) -> tuple[Gpu, ...]:
    """GPUs that torch lists, by its own numbers; AMD's are none that NVML would list."""
    names: dict[int, str] = {}
    capabilities: dict[int, str] = {}
    for label, text in fields.items() if not _is_rocm(fields) else ():
        if not label.startswith("GPU "):
            continue
        numbers = [int(number) for number in re.findall(r"\d{1,3}", label)]
        if label.endswith("Capability"):
            capabilities |= dict.fromkeys(numbers, text)
        else:
            names |= dict.fromkeys(numbers, text)
    return tuple(_gpu(index, name, capabilities.get(index)) for index, name in sorted(names.items()))


def _gpu(index: int, name: str, capability: str | None) -> Gpu:
    source = f"{SOURCE}: GPU {index}"
    told = capability is not None and re.fullmatch(r"\d{1,2}\.\d", capability) is not None
    return blank(
        Gpu,
        NOT_SHOWN,
        index=index,
        status=seen(0, source),
        name=seen(name, source),
        compute_capability=seen(capability, source) if told else absent(NOT_SHOWN),
    )


def _system(fields: dict[str, str]) -> System:
    nvcc = re.search(r"release (\d{1,2}\.\d)", fields.get("NVCC", ""))
    known: dict[str, Any] = {"toolkit": seen(nvcc[1], f"{SOURCE}: NVCC", fields["NVCC"])} if nvcc else {}
    name = {"linux": "linux", "win32": "windows", "darwin": "macos"}.get(fields.get("sys.platform", ""))
    if name is not None:
        known["os"] = seen(name, f"{SOURCE}: sys.platform")
    return blank(System, NOT_SHOWN, **known)


def _driver(fields: dict[str, str], gpus: tuple[Gpu, ...]) -> Driver:
    known: dict[str, Any] = {}
    version = re.match(r"\d{3}\.\d{1,4}(?:\.\d{1,4})?$", fields.get("CUDA Driver Version", ""))
    if version is not None and not _is_rocm(fields):
        source = f"{SOURCE}: CUDA Driver Version"
        known |= {"version": seen(version[0], source), "nvml_status": seen(0, source)}
    if fields.get("CUDA available") == "True" and not _is_rocm(fields):
        known["cuinit_status"] = seen(0, f"{SOURCE}: CUDA available: True")
    if gpus:
        known["visible_devices"] = seen(len(gpus), f"{SOURCE}: GPU")
    return blank(Driver, NOT_SHOWN, **known)


def _torch(fields: dict[str, str], gpus: tuple[Gpu, ...]) -> tuple[Framework, ...]:
    version, source = fields.get("PyTorch", ""), f"{SOURCE}: PyTorch"
    if not re.match(r"\d+\.\d", version):
        return ()
    known = installed.build_of_label(version, source)
    if known:  # only a wheel of pytorch.org has such a label
        known["distribution"] = seen(f"torch {version}", source)
    text = fields.get("CUDA available", fields.get("ROCM available"))
    if text in ("True", "False"):
        names = tuple(gpu.name.value or "" for gpu in gpus) if text == "True" else NO_GPU
        answer = Answer(version=version, available=text == "True", devices=names)
        known["answer"] = seen(answer, f"{SOURCE}: CUDA available")
    seen_torch = {"installed": seen(True, source), "version": seen(version, source)}
    return (blank(Framework, NOT_SHOWN, name="torch", **seen_torch, **known),)


def _packages(block: list[str]) -> Iterator[Package]:
    """The modules stand below torch's line; their versions are what they say themselves."""
    below = False
    for line in block:
        label = LABEL.match(line)
        if label is not None and label[1] == "PyTorch":
            below = True
            yield Package(name="torch", version=label[2].strip(), source=SOURCE)
            continue
        module = MODULE.match(line) if below else None
        if module is not None and module[1] not in RENAMED:
            yield Package(name=normalise(module[1]), version=module[2], source=SOURCE)
