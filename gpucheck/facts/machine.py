"""What was seen of the operating system and the interpreter, and how the probes went."""

from __future__ import annotations

from gpucheck.facts.fact import Fact, unread
from gpucheck.record import record


@record
class System:
    """The operating system, and what stands between it and the hardware.

    Attributes:
        os: ``linux``, ``windows`` or ``macos``.
        distribution: Linux distribution, as os-release names it: ``ubuntu 24.04``.
        machine: Processor architecture, e.g. ``x86_64``.
        glibc: Version of the C library, e.g. ``2.36``.
        wsl: Whether this is the Windows Subsystem for Linux.
        container: ``docker``, ``podman``, ``kubernetes``, ``apptainer``, ``lxc``... or ``none``.
        scheduler: ``slurm``, ``pbs``, ``lsf``, ``kubernetes``, ``ray``... or ``none``: who gives GPUs to jobs.
        cpu_flags: Of the processor's instruction sets those that frameworks need: ``avx``, ``avx2``...
        shared_memory: Size of ``/dev/shm`` in bytes.
        cache_free: Bytes free where caches of packages are kept.
        kernel: Release of the running kernel.
        secure_boot: Whether UEFI Secure Boot is on.
        toolkit: Version of the CUDA toolkit (nvcc and headers) on this machine.
    """

    os: Fact[str] = unread()
    distribution: Fact[str] = unread()
    machine: Fact[str] = unread()
    glibc: Fact[str] = unread()
    wsl: Fact[bool] = unread()
    container: Fact[str] = unread()
    scheduler: Fact[str] = unread()
    cpu_flags: Fact[tuple[str, ...]] = unread()
    shared_memory: Fact[int] = unread()
    cache_free: Fact[int] = unread()
    kernel: Fact[str] = unread()
    secure_boot: Fact[bool] = unread()
    toolkit: Fact[str] = unread()


@record
class OtherInterpreter:
    """Another Python that the user's shell would take, and the frameworks in its folders.

    Attributes:
        executable: Its path.
        found_by: ``VIRTUAL_ENV``, ``CONDA_PREFIX`` or ``PATH``.
        frameworks: Names of the frameworks whose folders it has.
    """

    executable: str
    found_by: str
    frameworks: tuple[str, ...] = ()


@record
class Interpreter:
    """The Python whose packages are judged.

    Attributes:
        executable: Its path.
        version: e.g. ``3.11.7``.
        prefix: ``sys.prefix``.
        kind: ``venv``, ``uv venv``, ``conda``, ``pipx``, ``uv``, ``ngc`` or ``system``.
        chosen_by: Why this interpreter: ``--python``, ``VIRTUAL_ENV``, ``own``...
        others: Other interpreters that the shell would take.
        shadowing: Files of the working folder or of PYTHONPATH that hide a module which frameworks import.
    """

    executable: Fact[str] = unread()
    version: Fact[str] = unread()
    prefix: Fact[str] = unread()
    kind: Fact[str] = unread()
    chosen_by: Fact[str] = unread()
    others: Fact[tuple[OtherInterpreter, ...]] = unread()
    shadowing: Fact[tuple[str, ...]] = unread()


@record
class ProbeRun:
    """How a probe went.

    Attributes:
        name: The probe.
        milliseconds: Wall time.
        error: Why it failed as a whole, or None.
    """

    name: str
    milliseconds: float
    error: str | None = None
