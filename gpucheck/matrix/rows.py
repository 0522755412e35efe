"""The rows of the compatibility matrix, as typed values. Every row carries its source and date."""

from __future__ import annotations

import datetime

from gpucheck.record import record


@record
class Row:
    """What every row carries.

    Attributes:
        source: Title of the document or the package metadata that states the fact.
        url: Where it stands.
        checked: Day on which it was last read there.
        note: What is partial or unconfirmed about it.
    """

    source: str
    url: str
    checked: datetime.date
    note: str | None = None

    @property
    def citation(self) -> str:
        """The source in one line, with its date."""
        return f"{self.source}, {self.url}, checked {self.checked}"


@record
class Floor(Row):
    """The lowest driver that runs any runtime of a CUDA major (minor-version compatibility)."""

    cuda_major: int
    linux: str
    windows: str | None = None


@record
class Toolkit(Row):
    """A CUDA toolkit and the driver that NVIDIA lists for it.

    Below CUDA 11 that driver is demanded; from 11 on it is only the one that the toolkit shipped with.

    Attributes:
        version: ``12.4`` is the first release, ``12.4.1`` its update 1.
        linux: Driver version.
        windows: Driver version.
        linux_driver_bundled: False where the toolkit's installer no longer brings a driver.
        windows_driver_bundled: The same on Windows.
    """

    version: str
    linux: str | None = None
    windows: str | None = None
    linux_driver_bundled: bool | None = None
    windows_driver_bundled: bool | None = None


@record
class Branch(Row):
    """A driver branch.

    Attributes:
        branch: Its number, the first part of the driver version.
        driver_cuda: Highest CUDA that its drivers support.
        kind: NVIDIA's class of it, one of `BRANCH_KINDS`.
        end_of_life: Month of the last release, ``2026-06``.
    """

    branch: int
    driver_cuda: str | None = None
    kind: str | None = None
    end_of_life: str | None = None


BRANCH_KINDS = ("long-term-support", "production", "new-feature", "legacy")


@record
class ForwardSupport(Row):
    """Whether cuda-compat (forward compatibility) works on a line of products."""

    products: str
    supported: bool


@record
class ForwardPackage(Row):
    """A cuda-compat package, and the driver branches beside which NVIDIA supports it."""

    package: str
    cuda: str
    driver_branches: tuple[int, ...]


@record
class ForwardError(Row):
    """A CUresult that forward compatibility can end in."""

    code: int
    name: str
    meaning: str


@record
class Architecture(Row):
    """A GPU architecture; the last driver branch and toolkit for it, None while support goes on.

    Attributes:
        name: ``Volta``.
        compute_capabilities: ``7.0``; several rows of one name differ in theirs.
        last_driver_branch: Newer drivers do not know it.
        last_toolkit_major: Newer toolkits cannot compile for it.
        first_toolkit: The oldest toolkit that can.
        integrated: Whether these are GPUs inside Tegra processors (Jetson). Machine code of another compute
            capability does not run there.
    """

    name: str
    compute_capabilities: tuple[str, ...]
    last_driver_branch: int | None = None
    last_toolkit_major: int | None = None
    first_toolkit: str | None = None
    integrated: bool = False


@record
class Rule(Row):
    """How the loaded cuDNN must relate to the one that a framework was built with."""

    framework: str
    major: str
    minor: str

    @property
    def understood(self) -> bool:
        """Whether its words are ones that this version of gpucheck can judge by."""
        return self.major == "equal" and self.minor in ("equal", "equal-or-newer")

    def accepts(self, loaded: tuple[int, int], built: tuple[int, int]) -> bool:
        """Whether a loaded (major, minor) goes with the one of the build."""
        same_major = loaded[0] == built[0]
        return same_major and (loaded[1] == built[1] or (self.minor == "equal-or-newer" and loaded[1] > built[1]))


@record
class Encoding(Row):
    """How cuDNN writes its version as one number, for majors from ``from_major`` up to ``below_major``."""

    from_major: int
    major_factor: int
    formula: str
    below_major: int | None = None


@record
class Limit(Row):
    """A cuDNN that some releases of a framework refuse on some compute capabilities (PEP 440 specifiers)."""

    framework: str
    cudnn: str
    compute_capability: str
    release: str = ""


@record
class CudnnRelease(Row):
    """A cuDNN release.

    Attributes:
        version: ``9.10.2``, or ``7.6`` where the source speaks of the minor as a whole.
        cuda: CUDA runtimes that it is published for: ``10.1``, or ``12`` for every 12.x.
        compute_capability: PEP 440 specifier over compute capabilities.
        driver_linux: Least driver that it lists.
    """

    version: str
    cuda: tuple[str, ...] = ()
    compute_capability: str | None = None
    driver_linux: str | None = None


@record
class Product(Row):
    """A GPU product: the fall-back for reports that do not tell the compute capability.

    Attributes:
        name: As on NVIDIA's pages, with NVIDIA in front.
        compute_capability: ``8.6``.
        architecture: A name in ``cuda/architectures.toml``.
        aliases: Other names that mean this product alone.
        integrated: Whether it is a Jetson module or another Tegra.
        processor: The host's processor where there is only one: ``aarch64`` beside Grace and in Tegra.
    """

    name: str
    compute_capability: str
    architecture: str
    aliases: tuple[str, ...] = ()
    integrated: bool = False
    processor: str | None = None


@record
class Head:
    """``matrix.toml``: the form of the files, and the newest ``checked`` date in them."""

    schema: int
    date: datetime.date


@record
class Chip(Row):
    """A GPU chip as the PCI ID database names it, e.g. ``GP104``."""

    chip: str
    architecture: str
    compute_capability: str


XID_ACTIONS = ("restart-app", "reset-gpu", "restart-machine", "workflow", "update-software", "ignore")


@record
class Xid(Row):
    """An error number that the driver writes into the kernel's log.

    Attributes:
        number: e.g. 79.
        meaning: A few words.
        action: What NVIDIA's catalogue says to do at once, one of `XID_ACTIONS`.
    """

    number: int
    meaning: str
    action: str


@record
class Distribution(Row):
    """How a Linux distribution installs the driver.

    Attributes:
        ids: Its names in os-release(5).
        versions: First parts of its VERSION_ID for which the row holds; empty: all.
        name: As people call it.
        install: The commands.
        headers: The command that installs the headers of the running kernel, by which a module is built.
    """

    ids: tuple[str, ...]
    name: str
    install: tuple[str, ...]
    versions: tuple[str, ...] = ()
    headers: str | None = None
