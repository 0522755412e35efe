"""Has the machine what the frameworks need besides a GPU: instruction sets, shared memory, room?"""

from __future__ import annotations

from typing import TYPE_CHECKING

from gpucheck.checks.reading import enclosed, evidence, gpu_present, installed, platform
from gpucheck.checks.registry import Said, broken, check, holds, skipped, unknown
from gpucheck.findings import Confidence, Finding, Fix, Severity
from gpucheck.matrix import published

if TYPE_CHECKING:
    from collections.abc import Iterator

    from gpucheck.facts import Facts
    from gpucheck.matrix import Matrix

MIB = 2**20
SHARED = "/dev/shm"  # noqa: S108 - shown, not used
DOCKER_DEFAULT = 64 * MIB  # https://github.com/moby/moby/issues/29492
LEAST_ROOM = 1024 * MIB


@check("processor-has-instructions", "cpu-instruction-missing")
def processor_has_instructions(facts: Facts, _: Matrix) -> Iterator[Said]:
    """The processor has AVX, which TensorFlow's wheels for x86-64 use from 1.6 on."""
    flags = facts.system.cpu_flags
    concerned = [one for one in installed(facts) if one.name == "tensorflow" and published(one.version.value)]
    x86 = (platform(facts) or "").endswith("x86_64")
    for framework in concerned if x86 and not facts.described else ():
        if flags.value is None:
            yield unknown(flags.missing or "not looked at", framework.name)
        elif "avx" in flags.value:
            yield holds("AVX", framework.name)
        else:
            yield broken(
                Finding(
                    slug="cpu-instruction-missing",
                    severity=Severity.ERROR,
                    subject=framework.name,
                    title="This processor has no AVX, which TensorFlow's wheels use",
                    cause="The import ends with an illegal instruction or `compiled to use AVX instructions`. "
                    "Virtual machines often hide AVX although the processor has it.",
                    evidence=(evidence("instruction sets", flags),),
                    fixes=(
                        Fix(text="In a virtual machine, pass the host's processor through (e.g. -cpu host)."),
                        Fix(text="Else take a build without AVX (conda-forge, or one from source)."),
                    ),
                    source="TensorFlow issue 29788, https://github.com/tensorflow/tensorflow/issues/29788, "
                    "checked 2026-11-22",
                )
            )


@check("shared-memory-large-enough", "shared-memory-too-small")
def shared_memory_large_enough(facts: Facts, _: Matrix) -> Iterator[Said]:
    """A container that trains with torch has more shared memory than Docker's default of 64 MB.

    A false alarm for programs without DataLoader workers and without NCCL: it is a warning. Asked only where a
    GPU is present.
    """
    size, inside = facts.system.shared_memory, enclosed(facts)
    if inside is None or not facts.framework("torch").installed.value or not gpu_present(facts):
        yield skipped("only asked of a container with torch and a GPU")
    elif size.value is None:
        yield unknown(size.missing or "not looked at")
    elif size.value > DOCKER_DEFAULT:
        yield holds(f"{size.value // MIB} MiB")
    else:
        yield broken(
            Finding(
                slug="shared-memory-too-small",
                severity=Severity.WARN,
                title=f"{SHARED} has only {size.value // MIB} MiB",
                cause="torch's DataLoader workers and NCCL share memory through it: `Bus error`, `DataLoader "
                "worker exited unexpectedly`, `unhandled system error`.",
                confidence=Confidence.LIKELY,
                evidence=(evidence("bytes:", size), evidence("container", facts.system.container)),
                fixes=(
                    Fix(
                        text="Start the container with more.",
                        commands=("docker run --shm-size=8g ...",),
                        systems=("container",),
                    ),
                    Fix(
                        text="In Kubernetes, mount an emptyDir with medium Memory at /dev/shm.",
                        systems=("kubernetes",),
                    ),
                ),
                source="Docker's default: https://github.com/moby/moby/issues/29492, checked 2026-11-22",
            )
        )


@check("disk-has-room", "out-of-disk")
def disk_has_room(facts: Facts, _: Matrix) -> Iterator[Said]:
    """There is room where pip, CUDA and the frameworks keep their caches; a CUDA build alone needs gigabytes."""
    free = facts.system.cache_free
    if facts.described:
        yield skipped("nothing is installed yet")
    elif free.value is None:
        yield unknown(free.missing or "not looked at")
    elif free.value >= LEAST_ROOM:
        yield holds(f"{free.value / 2**30:.0f} GiB free")
    else:
        yield broken(
            Finding(
                slug="out-of-disk",
                severity=Severity.WARN,
                title=f"Only {free.value // MIB} MiB are free where caches are kept",
                cause="Installing a framework, compiling for the GPU and saving fail: `No space left on device`.",
                evidence=(evidence("bytes free:", free),),
                fixes=(Fix(text="Clear pip's cache, or move it.",
                           commands=("pip cache purge", "df -h ~/.cache")),),
            )
        )  # fmt: skip
