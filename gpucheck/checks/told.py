"""What a pasted text tells: its known messages, and the answers of frameworks in reports."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gpucheck.checks.causes import Shown, shown
from gpucheck.checks.reading import driver_works, enclosed
from gpucheck.checks.registry import Said, broken, check, holds, skipped, unknown
from gpucheck.checks.troubles import TROUBLES
from gpucheck.facts import Message
from gpucheck.findings import Evidence, Finding, Fix
from gpucheck.matrix import parse_version

if TYPE_CHECKING:
    from collections.abc import Iterator

    from gpucheck.facts import Facts
    from gpucheck.matrix import Matrix

UNKNOWN = (
    "nothing in the text is known; send more of it: the lines above the error, and what `gpucheck doctor`, or "
    "`nvidia-smi` and `python -m torch.utils.collect_env`, print on that machine"
)
# What `gpucheck.intake` calls the reports that tell of a machine, not only of what its programs printed.
REPORTS = {
    "nvidia-smi -q -x", "nvidia-smi -q", "nvidia-smi", "nvidia-smi -L", "collect_env", "tf_env_collect.sh",
    "list of packages", "lspci", "the kernel's log", "hardware diagnostics",
}  # fmt: skip
# TensorFlow: Install with pip, "2.10 was the last release that supported GPU on native-Windows".
LAST_FOR_WINDOWS = (2, 10)
MOST_LINES = 4
MOST_FIXES = 4
# The troubles that the rows in matrix/messages/ can name; a test compares.
SLUGS = (
    "allocator-fallback-warning", "compute-capability-unsupported", "container-cgroup-lost-gpu",
    "container-without-gpu", "cpu-instruction-missing", "cpu-only-build", "cublas-alloc-failed",
    "cublas-not-initialized", "cuda-library-missing", "cuda-runtime-unsupported", "cudnn-gpu-unsupported",
    "cudnn-init-failed", "cudnn-missing", "cudnn-sublibrary-mismatch", "cudnn-version-mismatch",
    "cuinit-unknown-error", "device-in-use", "device-side-assert", "driver-library-mismatch", "driver-missing",
    "driver-too-old", "duplicate-registration", "fabric-manager", "forward-compat-unsupported",
    "framework-import-failed", "glibc-too-old", "gpu-lost", "gpu-missing", "gpu-out-of-memory",
    "gpu-unsupported-by-driver", "illegal-memory-access", "jit-ptx-slow-start", "keras-mismatch",
    "kernel-module-not-loaded", "ld-library-path-shadowing", "libdevice-missing", "memory-growth-late",
    "memory-growth-lost-to-limit", "memory-growth-mixed", "mig-misconfigured", "nccl-error", "no-device",
    "nouveau-loaded", "numa-node-warning", "numpy-abi-mismatch", "onednn-notice", "other-vendor-gpu",
    "out-of-disk", "package-conflict", "permission-denied", "platform-unsupported", "protobuf-mismatch",
    "ptxas-missing",
    "python-version-unsupported", "removed-api", "rocm-build", "secure-boot-module-signature", "shadowed-module",
    "shared-memory-too-small", "silent-cpu-fallback", "tensorflow-not-installed", "tensorrt-warning",
    "torch-not-installed", "torch-torchvision-mismatch", "uncorrectable-ecc", "visible-devices-hides-gpu",
    "visible-devices-late", "windows-native-tf", "wrong-interpreter", "wsl-driver-setup", "xid-error",
)  # fmt: skip


@check("no-known-message", *SLUGS, decisive=True)
def no_known_message(facts: Facts, matrix: Matrix) -> Iterator[Said]:
    """The text holds no message that is known to show a trouble."""
    if not facts.reports:
        yield skipped("no text was read")
        return
    messages = (*facts.messages, *_of_facts(facts))
    found = [one for one in shown(messages, matrix.messages()) if not _elsewhere(facts, one)]
    for one in found:
        yield broken(_finding(facts, one))
    if not found and not set(facts.reports) & REPORTS:
        yield unknown(UNKNOWN)
    elif not found:
        yield holds("no known message stands in it")


def _of_facts(facts: Facts) -> Iterator[Message]:
    """What reports in the same text show, as messages: rows name them in the conditions of their causes."""
    there = {
        "fact-driver-works": driver_works(facts),
        "fact-windows-tensorflow": _windows(facts) and _after_windows(facts),
        "context-wsl": facts.system.wsl.value,
        "context-windows": facts.system.os.value == "windows",
        "context-macos": facts.system.os.value == "macos",
        "context-container": enclosed(facts) is not None,
    }
    for name, holds_here in there.items():
        if holds_here:
            yield Message(
                name=name, line=f"shown by {', '.join(facts.reports)}: {name.partition('-')[2]}", number=0
            )


def _windows(facts: Facts) -> bool:
    return facts.system.os.value == "windows" or any(one.name == "context-windows" for one in facts.messages)


def _after_windows(facts: Facts) -> bool:
    """Whether the TensorFlow is one without GPU support for native Windows, by its version."""
    told = [one.values.get("version") for one in facts.messages if one.name == "tensorflow-version"]
    version = parse_version(facts.framework("tensorflow").version.value or next(iter(told), None))
    return version is not None and (version.major, version.minor) > LAST_FOR_WINDOWS


def _elsewhere(facts: Facts, one: Shown) -> bool:
    """Whether a framework that was not found is there all the same: another check says so."""
    name = one.slug.removesuffix("-not-installed")
    return name != one.slug and bool(facts.framework(name).installed.value)


def _finding(facts: Facts, one: Shown) -> Finding:
    trouble = TROUBLES[one.slug]
    values = {name: value for message in reversed(one.messages) for name, value in message.values.items()}
    return Finding(
        slug=one.slug,
        severity=one.severity,
        title=_title(one, values),
        cause=trouble.meaning,
        confidence=one.confidence,
        evidence=tuple(
            Evidence(text=message.line, source=f"line {message.number}" if message.number else None)
            for message in one.messages[:MOST_LINES]
        ),
        fixes=_fixes(facts, one.slug),
        source=one.row.citation,
        instead=() if one.decided or one.confidence.value == "certain" else one.row.instead,
        decide=None if one.decided or one.confidence.value == "certain" else one.row.decide,
        vain=(one.row.vain,) if one.row.vain else (),
    )


def _fixes(facts: Facts, slug: str) -> tuple[Fix, ...]:
    """Return the cures of a trouble for the system that the text shows; where it shows none, for every system."""
    from gpucheck.checks.pages import ADVICE

    here = _systems(facts)
    cures = [(system, text) for system, text in ADVICE[slug].cures if not here or system in ("any", *here)]
    made = [Fix(text=text, systems=() if system == "any" else (system,)) for system, text in cures[:MOST_FIXES]]
    return tuple(made) or (Fix(text=TROUBLES[slug].remedy),)


def _systems(facts: Facts) -> tuple[str, ...]:
    told = {message.name for message in facts.messages}
    system = facts.system
    if system.wsl.value or "context-wsl" in told:
        return ("wsl",)
    if system.os.value == "windows" or "context-windows" in told:
        return ("windows",)
    if enclosed(facts) is not None or told & {"context-container", "container-host"}:
        return ("container", "linux")
    return ("linux",) if system.os.value == "linux" else ()


def _title(one: Shown, values: dict[str, str]) -> str:
    """Return the row's title where its trouble is the row's own and all its values were read."""
    title = one.row.title
    if title is None or one.slug != one.row.slug:
        return one.slug.replace("-", " ")
    try:
        return title.format_map(values)
    except KeyError:
        return one.slug.replace("-", " ")
