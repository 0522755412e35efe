"""Operating system, container and scheduler."""

from __future__ import annotations

import platform
import sys
from typing import TYPE_CHECKING

from gpucheck.facts import Fact, System, absent, seen
from gpucheck.probe import resources, toolkit
from gpucheck.probe.files import exists, read

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

SYSTEMS = {"linux": "linux", "win32": "windows", "cygwin": "windows", "darwin": "macos"}
CONTAINER_FILES = {".dockerenv": "docker", "run/.containerenv": "podman"}
CONTAINER_VARIABLES = {
    "KUBERNETES_SERVICE_HOST": "kubernetes",
    "APPTAINER_NAME": "apptainer",
    "SINGULARITY_NAME": "apptainer",
    "COLAB_RELEASE_TAG": "colab",
    "KAGGLE_KERNEL_RUN_TYPE": "kaggle",
}
SCHEDULER_VARIABLES = {
    "SLURM_JOB_ID": "slurm",
    "PBS_JOBID": "pbs",
    "LSB_JOBID": "lsf",
    "SGE_TASK_ID": "sge",
    "_CONDOR_SLOT": "htcondor",
    "OAR_JOB_ID": "oar",
    "RAY_JOB_ID": "ray",
    "KUBERNETES_SERVICE_HOST": "kubernetes",
}
# systemd writes the container manager's name there: systemd-nspawn, lxc, podman, wsl...
MANAGER = "run/systemd/container"
CGROUP_MARKS = {"kubepods": "kubernetes", "docker": "docker", "lxc": "lxc", "libpod": "podman"}


def system(root: Path, environ: Mapping[str, str]) -> System:
    """Return what stands between a program and the hardware.

    Args:
        root: ``/``, or a folder that stands for it in tests.
        environ: The environment.
    """
    name = SYSTEMS.get(sys.platform)
    library, version = platform.libc_ver() if name == "linux" else ("", "")
    return System(
        os=seen(name, "sys.platform") if name else absent(f"unknown platform {sys.platform!r}"),
        distribution=_distribution(root),
        machine=seen(platform.machine(), "uname"),
        glibc=seen(version, "the interpreter's C library") if library == "glibc" else absent("no glibc"),
        wsl=_wsl(root),
        container=_container(root, environ),
        scheduler=_by_variable(SCHEDULER_VARIABLES, environ) or seen("none", "environment"),
        cpu_flags=resources.cpu_flags(root),
        shared_memory=resources.shared_memory(root),
        cache_free=resources.cache_free(environ),
        kernel=seen(platform.release(), "uname"),
        secure_boot=resources.secure_boot(root),
        toolkit=toolkit.toolkit(root, environ),
    )


def _distribution(root: Path) -> Fact[str]:
    """ID and VERSION_ID of os-release(5)."""
    for name in ("etc/os-release", "usr/lib/os-release"):
        text = read(root / name)
        if text is not None:
            pairs = dict(line.split("=", 1) for line in text.splitlines() if "=" in line)
            words = [pairs.get(key, "").strip("\"' ") for key in ("ID", "VERSION_ID")]
            return seen(" ".join(filter(None, words)) or "linux", f"/{name}")
    return absent("there is no os-release")


def _wsl(root: Path) -> Fact[bool]:
    path = root / "proc/sys/kernel/osrelease"
    text = read(path)
    if text is None:
        return seen(False, f"no {path}")
    return seen("microsoft" in text.lower(), str(path), raw=text.strip())


def _container(root: Path, environ: Mapping[str, str]) -> Fact[str]:
    named = _by_variable(CONTAINER_VARIABLES, environ)
    if named is not None:
        return named
    for file, name in CONTAINER_FILES.items():
        if exists(root / file):
            return seen(name, f"/{file}")
    return _container_by_system(root, environ) or seen("none", "no container's mark was found")


def _container_by_system(root: Path, environ: Mapping[str, str]) -> Fact[str] | None:
    """What the init system or the control groups tell of a container."""
    manager = environ.get("container") or (read(root / MANAGER) or "").strip()
    if manager and manager != "wsl":
        return seen(manager, f"$container or /{MANAGER}")
    groups = (read(root / "proc/1/cgroup") or "").strip()
    return next((seen(name, "/proc/1/cgroup") for mark, name in CGROUP_MARKS.items() if mark in groups), None)


def _by_variable(table: Mapping[str, str], environ: Mapping[str, str]) -> Fact[str] | None:
    return next((seen(name, f"${key}") for key, name in table.items() if environ.get(key)), None)
