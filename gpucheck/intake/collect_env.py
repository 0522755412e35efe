"""The output of torch's `collect_env` of all years, of vllm's copy of it, and of sglang's `check_env`."""

from __future__ import annotations

import re
from dataclasses import replace
from itertools import takewhile
from typing import TYPE_CHECKING, Any

from gpucheck.facts import Answer, Driver, Fact, Framework, Gpu, Interpreter, System, absent, blank, seen
from gpucheck.intake import check_env, env_fields, installed, package_lists, platforms
from gpucheck.intake.env_fields import TAGGED, Report
from gpucheck.intake.installed import NOT_SHOWN

if TYPE_CHECKING:
    from gpucheck.facts import Facts
    from gpucheck.intake.installed import Package

VERSION, CUDA, ROCM = "PyTorch version", "CUDA used to build PyTorch", "ROCM used to build PyTorch"
AVAILABLE, GPUS, DRIVER = "Is CUDA available", "GPU models and configuration", "Nvidia driver version"
PLATFORM, SYSTEM, PYTHON, LIBC = "Python platform", "OS", "Python version", "Libc version"
# What the probe reads too, as far as people's reports show it; everything else may be a secret.
VARIABLES = {
    "CONDA_PREFIX", "CUDA_DEVICE_MAX_CONNECTIONS", "CUDA_DEVICE_ORDER", "CUDA_HOME", "CUDA_LAUNCH_BLOCKING",
    "CUDA_MODULE_LOADING", "CUDA_PATH", "CUDA_VISIBLE_DEVICES", "LD_LIBRARY_PATH", "LD_PRELOAD", "NCCL_DEBUG",
    "NCCL_IB_DISABLE", "NCCL_P2P_DISABLE", "NCCL_SHM_DISABLE", "NCCL_SOCKET_IFNAME", "NVIDIA_DRIVER_CAPABILITIES",
    "NVIDIA_PYTORCH_VERSION", "NVIDIA_TF32_OVERRIDE", "NVIDIA_VISIBLE_DEVICES", "PYTORCH_ALLOC_CONF",
    "PYTORCH_CUDA_ALLOC_CONF", "PYTORCH_NVML_BASED_CUDA_CHECK", "TORCH_ALLOW_TF32_CUBLAS_OVERRIDE",
    "TORCH_CUDNN_V8_API_DISABLED", "TF_FORCE_GPU_ALLOW_GROWTH",
}  # fmt: skip
VARIABLE = re.compile(r"[ \t]*([A-Z][A-Z0-9_]{2,60})=(\S{0,4000})$")
GPU_LINE = re.compile(r"[ \t]*GPU (\d{1,3}): (\S[^\n(]{0,100}?)[ \t]{0,8}(?:\(UUID: ([\w-]{1,60})\))?$")
MIG_LINE = re.compile(r"[ \t]*MIG \S{1,40}[ \t]+Device[ \t]+\d{1,3}:[ \t]*(?:\(UUID: ([\w/-]{1,90})\))?")
DRIVER_VERSION = re.compile(r"\d{2,3}\.\d{1,4}(?:\.\d{1,4})?$")
# The processor's instruction sets that the probe names too.
INSTRUCTION_SETS = ("sse4_1", "avx", "avx2", "fma", "avx512f")
# lscpu translates its labels ("标记："), but an x86 processor's flags begin with fpu everywhere.
FLAGS = re.compile(r"[ \t]*[^\s:：]{1,20}[ \t]*[:：][ \t]*(fpu .*)$")
# Win32_Processor.Architecture, and as Python's platform.machine() names it there.
WINDOWS_MACHINES = {"9": "AMD64", "12": "ARM64"}


def read(text: str) -> Facts | None:
    """Return what the first such report anywhere in a text shows, or None where there is none."""
    report = env_fields.find(text)
    if report is None:
        return check_env.read(text)
    packages = _packages(report)
    return installed.facts(
        system=_system(report),
        interpreter=blank(Interpreter, NOT_SHOWN, version=_python(report)),
        driver=_driver(report),
        gpus=_gpus(report),
        frameworks=_frameworks(report, packages),
        packages=installed.versions(packages, "collect_env: [pip3] and [conda]"),
        environment=_environment(report),
    )


def _source(label: str) -> str:
    return f"collect_env: {label}"


def _told(report: Report, label: str) -> str | None:
    """Return a field's text; None where there is none or collect_env could not find out."""
    text = report.fields.get(label, "")
    return None if text in ("", "N/A", "Could not collect", "No CUDA") else text


def _missing(report: Report, label: str) -> Fact[Any]:
    text = report.fields.get(label)
    return absent(f"{label}: {text}", "collect_env", raw=text) if text else absent(NOT_SHOWN)


def _packages(report: Report) -> list[Package]:
    """The lines of pip come first: they have the names that requirements use."""
    pip: list[Package] = []
    conda: list[Package] = []
    for text in report.lines:
        tagged = TAGGED.match(text)
        if tagged is None:
            continue
        source = _source(f"[{tagged[1]}]")
        row = package_lists.conda if tagged[1] == "conda" else package_lists.line
        if (package := row(tagged[2], source)) is not None:
            (conda if tagged[1] == "conda" else pip).append(package)
    return pip + conda


def _python(report: Report) -> Fact[str]:
    found = re.match(r"\d\.\d{1,2}(?:\.\d{1,2})?(?:(?:a|b|rc)\d{1,2})?", report.fields.get(PYTHON, ""))
    return seen(found[0], _source(PYTHON)) if found is not None else _missing(report, PYTHON)


def _system(report: Report) -> System:
    platform, described = report.fields.get(PLATFORM, ""), _told(report, SYSTEM)
    known = platforms.by_description(described, _source(SYSTEM)) if described else {}
    known |= platforms.by_platform(platform, _source(PLATFORM))
    if known.get("os") is not None and known["os"].value == "windows":
        known |= _windows_machine(report)
    elif "machine" not in known:
        lines = (re.match(r"[ \t]*Architecture:[ \t]*(\w{3,10})$", line) for line in report.lines)
        found = next((match for match in lines if match is not None), None)
        known |= {"machine": seen(found[1], _source("CPU"))} if found is not None else {}
    glibc = platforms.glibc(report.fields.get(LIBC), platform, _python(report).value, _source(LIBC))
    if glibc is not None:
        known["glibc"] = glibc
    toolkit = re.match(r"(\d{1,2}\.\d)(?:\.\d{1,4})?$", report.fields.get("CUDA runtime version", ""))
    # nvcc --version: the toolkit on PATH, whatever its label says; torch brings its own runtime.
    if toolkit is not None:
        known["toolkit"] = seen(toolkit[1], _source("CUDA runtime version (nvcc)"), raw=toolkit[0])
    return blank(System, NOT_SHOWN, cpu_flags=_cpu_flags(report), **known)


def _windows_machine(report: Report) -> dict[str, Fact[str]]:
    for line in report.lines:
        found = re.match(r"[ \t]*Architecture[ \t]*[=:][ \t]*(\d{1,2})[ \t]*$", line)
        if found is not None and found[1] in WINDOWS_MACHINES:
            return {"machine": seen(WINDOWS_MACHINES[found[1]], _source("CPU"))}
    return {}


def _cpu_flags(report: Report) -> Fact[tuple[str, ...]]:
    for place, line in enumerate(report.lines):
        found = FLAGS.match(line)
        if found is None:
            continue
        rest = report.lines[place + 1 :]
        wrapped = list(takewhile(re.compile(r"\s{10,}[a-z][\w ]*$").match, rest))
        text = " ".join([found[1], *wrapped])
        if len(wrapped) == len(rest) or "..." in text or "…" in text:
            return absent("the line of flags is cut off", _source("CPU"))
        flags = set(text.split())
        return seen(tuple(name for name in INSTRUCTION_SETS if name in flags), _source("CPU"))
    return absent(NOT_SHOWN)


def _driver(report: Report) -> Driver:
    """nvidia-smi is asked for version and GPUs: where it answered, NVML works."""
    version, source = report.fields.get(DRIVER, ""), _source(DRIVER)
    known: dict[str, Any] = {"version": _missing(report, DRIVER)}
    if DRIVER_VERSION.match(version) and not _is_mac(report):
        known = {"version": seen(version, source), "nvml_status": seen(0, source)}
    elif (gpus := _gpus(report)).value:
        known["nvml_status"] = seen(0, gpus.source or source)
    if report.fields.get(AVAILABLE) in ("True", "Yes") and _told(report, ROCM) is None:
        known["cuinit_status"] = seen(0, _source(f"{AVAILABLE}: True"))
    return blank(Driver, NOT_SHOWN, **known)


def _is_mac(report: Report) -> bool:
    """There the version is that of the CUDA kernel extension."""
    return report.fields.get(SYSTEM, "").lower().startswith("mac")


def _gpus(report: Report) -> Fact[tuple[Gpu, ...]]:
    found: list[Gpu] = []
    source = _source(GPUS)
    for text in (report.fields.get(GPUS, ""), *report.below(GPUS)):
        gpu, mig = GPU_LINE.match(text), MIG_LINE.match(text)
        if gpu is not None:
            uuid = seen(gpu[3], source) if gpu[3] else absent(NOT_SHOWN)
            name = seen(gpu[2], source)
            found.append(blank(Gpu, NOT_SHOWN, index=int(gpu[1]), status=seen(0, source), name=name, uuid=uuid))
        elif mig is not None and found:
            found[-1] = _with_mig(found[-1], mig[1], source)
        elif text.strip() or found:
            break
    return seen(tuple(found), source) if found else _missing(report, GPUS)


def _with_mig(gpu: Gpu, uuid: str | None, source: str) -> Gpu:
    if uuid is None:
        return replace(gpu, mig=seen(True, source))
    devices = (*(gpu.mig_devices.value or ()), uuid)
    return replace(gpu, mig=seen(True, source), mig_devices=seen(devices, source))


def _frameworks(report: Report, packages: list[Package]) -> tuple[Framework, ...]:
    listed = installed.frameworks(packages)
    others = tuple(one for one in listed if one.name != "torch")
    torch = next((one for one in listed if one.name == "torch"), None)
    if report.fields.get(VERSION) == "N/A":
        return (Framework(name="torch", installed=seen(False, _source(f"{VERSION}: N/A"))), *others)
    told = _told_of_torch(report)
    if not told:
        return listed
    base = torch if torch is not None else blank(Framework, NOT_SHOWN, name="torch")
    merged = replace(base, installed=seen(True, "collect_env"), **told)
    return (replace(merged, distribution=_distribution(report, merged)), *others)


def _told_of_torch(report: Report) -> dict[str, Any]:
    """Return what the fields tell of a torch that could be imported; nothing where they are cut off."""
    version = re.match(r"\d+\.\d\S{0,80}$", report.fields.get(VERSION, ""))
    known: dict[str, Any] = {"version": seen(version[0], _source(VERSION))} if version is not None else {}
    known |= installed.build_of_label(version[0], _source(VERSION)) if version is not None else {}
    known |= _build(report)
    available = report.fields.get(AVAILABLE)
    if available in ("True", "False", "Yes", "No"):
        # The GPUs that the report lists are nvidia-smi's, not torch's.
        answer = Answer(
            version=version[0] if version is not None else None,
            available=available in ("True", "Yes"),
            cuda_runtime=known["cuda_runtime"].value if "cuda_runtime" in known else None,
        )
        known["answer"] = seen(answer, _source(AVAILABLE))
    return known


def _distribution(report: Report, torch: Framework) -> Fact[str]:
    """Where conda is, pip lists its packages too: only a wheel's label, or no conda, proves a wheel."""
    if torch.installer.known:
        return absent(NOT_SHOWN)
    if torch.version.value and installed.build_of_label(torch.version.value, VERSION):
        return seen(f"torch {torch.version.value}", torch.version.source or VERSION)
    tagged = [match for line in report.lines if (match := TAGGED.match(line)) is not None]
    without_conda = any(match[1] == "conda" and match[2].startswith("Could not collect") for match in tagged)
    return torch.distribution if without_conda else absent(NOT_SHOWN)


def _build(report: Report) -> dict[str, Any]:
    """Read ``torch.version.cuda`` and ``torch.version.hip``.

    The former is None in a build without CUDA, which collect_env writes as None or, where nvcc or nvidia-smi
    answered, as Could not collect (pretty_str in torch/utils/collect_env.py).
    """
    cuda, source = report.fields.get(CUDA, ""), _source(CUDA)
    if (hip := _told(report, ROCM)) is not None:
        return installed.build("rocm", None, _source(ROCM), raw=hip)
    found = re.match(r"(\d{1,2}\.\d)(?:\.\d{1,4})*$", cuda)
    if found is not None:
        return installed.build("cuda", found[1], source, raw=cuda)
    none = cuda in ("None", "No CUDA", "Could not collect")
    return installed.build("cpu", None, source, raw=cuda) if none else {}


def _environment(report: Report) -> Fact[dict[str, str]]:
    """Variables stand at the end of vllm's form: under a heading, or in older forms after its flags."""
    headings = ("Environment Variables", "vLLM Build Flags", "GPU Topology")
    start = next((n for n, line in enumerate(report.lines) if line.strip().startswith(headings)), None)
    if start is None:
        return absent(NOT_SHOWN)
    pairs = (match for line in report.lines[start:] if (match := VARIABLE.match(line)) is not None)
    found = {match[1]: match[2] for match in pairs if match[1] in VARIABLES}
    return seen(found, "collect_env: environment variables") if found else absent(NOT_SHOWN)
