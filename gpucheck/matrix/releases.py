"""The rows of framework releases and of the packages that they bring, as typed values."""

from __future__ import annotations

from packaging.version import Version

from gpucheck.matrix.rows import Row
from gpucheck.record import record

INDEX = "https://pypi.org/project/"


@record
class Build(Row):
    """One binary of a framework release for one platform.

    Attributes:
        platform: e.g. ``linux-x86_64``.
        variant: ``cpu``, ``cuda`` or torch's local label, e.g. ``cu130``.
        default: Whether the plain package index gives this one for that platform.
        versions: The patch releases that it was read from; empty: the source speaks of the minor as a whole.
        distribution: The distribution, where it is not called like the framework.
        python: Python versions that have a wheel, ``3.13t`` for a free-threaded one.
        cuda_runtime: CUDA runtime it was built with, e.g. ``13.0``.
        cudnn: cuDNN it was built with, e.g. ``9.20.0``.
        requires: What it requires on that platform, as its METADATA has it.
        and_cuda: What its extra ``and-cuda`` adds.
        arch_list: ``sm_XX`` machine code and ``compute_XX`` PTX that it carries.
        arch_list_complete: False where the source does not tell which PTX it carries.
        glibc: Least glibc, from the wheel's tag.
    """

    platform: str
    variant: str
    default: bool
    versions: tuple[str, ...] = ()
    distribution: str | None = None
    python: tuple[str, ...] = ()
    cuda_runtime: str | None = None
    cudnn: str | None = None
    requires: tuple[str, ...] = ()
    and_cuda: tuple[str, ...] = ()
    arch_list: tuple[str, ...] = ()
    arch_list_complete: bool = True
    glibc: str | None = None

    @property
    def from_index(self) -> bool:
        """Whether it was read from a wheel on the package index, so that it can be read again."""
        from_there = self.default or self.distribution is not None
        return from_there and self.url.startswith(INDEX) and bool(self.versions)

    def covers(self, version: Version) -> bool:
        """Whether it speaks of a version; ``2.9`` is ``2.9.0``, a local label is left aside."""
        plain = Version(version.public)
        return not self.versions or any(plain == Version(text) for text in self.versions)


@record
class Trouble(Row):
    """A known breakage of a release that version rules do not show.

    Attributes:
        compute_capability: PEP 440 specifier over compute capabilities.
        kind: ``ptx-broken``: the PTX that such a card would need to compile is reported broken.
    """

    compute_capability: str
    kind: str


@record
class Tested(Row):
    """What a project says it built and tested a release with.

    Attributes:
        system: ``linux``, ``windows`` or ``macos``.
        variant: ``gpu`` or ``cpu``.
        cuda: CUDA toolkit.
        cudnn: cuDNN.
        python: Python versions.
        compiler: e.g. ``Clang 17.0.6``.
        build_tool: e.g. ``Bazel 6.5.0``.
        distribution: The distribution, where it is not called like the framework.
    """

    system: str
    variant: str
    cuda: str | None = None
    cudnn: str | None = None
    python: tuple[str, ...] = ()
    compiler: str | None = None
    build_tool: str | None = None
    distribution: str | None = None


@record
class Release(Row):
    """A minor release of a framework, with all its builds."""

    framework: str
    release: str
    build: tuple[Build, ...] = ()
    tested: tuple[Tested, ...] = ()
    trouble: tuple[Trouble, ...] = ()

    def tested_on(self, system: str) -> Tested | None:
        """Return the project's own configuration with a GPU for an operating system."""
        return next((row for row in self.tested if (row.system, row.variant) == (system, "gpu")), None)


@record
class Package(Row):
    """One of NVIDIA's library packages on the package index.

    Attributes:
        name: ``nvidia-cudnn-cu12``.
        library: ``cuDNN``.
        cuda_major: CUDA major that it is built for.
        folder: Folder of its shared libraries inside site-packages.
        files: Names of the shared libraries in the newest version.
        versions: All versions on the index, oldest first.
    """

    name: str
    library: str
    cuda_major: int
    folder: str
    files: tuple[str, ...]
    versions: tuple[str, ...]


@record
class ToolkitExtra(Row):
    """What an extra of the meta package ``cuda-toolkit`` requires."""

    version: str
    extra: str
    requires: tuple[str, ...]


@record
class PackageLimit(Row):
    """Versions of another package that some releases of a framework need.

    Attributes:
        framework: The framework.
        release: PEP 440 specifier over its versions.
        package: The other package.
        needs: PEP 440 specifier over its versions.
        declared: Whether the framework's METADATA says so.
        breaks: What a user sees otherwise.
        platform: The one platform it holds for, e.g. ``windows-x86_64``.
        extra: The extra of the framework that brings it about; None: it holds without any.
    """

    framework: str
    release: str
    package: str
    needs: str
    declared: bool
    breaks: str
    platform: str | None = None
    extra: str | None = None


@record
class Companion(Row):
    """The release of a companion package that goes with a release of a framework."""

    framework: str
    release: str
    package: str
    version: str
