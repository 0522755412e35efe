"""The rows of the compatibility matrix, as typed values. Every row carries its source and date."""

from __future__ import annotations

import datetime
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
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


@dataclass(frozen=True, kw_only=True)
class Floor(Row):
    """The lowest driver that runs any runtime of a CUDA major (minor-version compatibility)."""

    cuda_major: int
    linux: str
    windows: str | None = None


@dataclass(frozen=True, kw_only=True)
class Toolkit(Row):
    """A CUDA toolkit and the driver that NVIDIA lists for it.

    Below CUDA 11 that driver is demanded; from 11 on it is only the one that the toolkit shipped with.
    """

    version: str
    linux: str | None = None
    windows: str | None = None


@dataclass(frozen=True, kw_only=True)
class Architecture(Row):
    """A GPU architecture; the last driver branch and toolkit for it, None while support goes on."""

    name: str
    compute_capabilities: tuple[str, ...]
    last_driver_branch: int | None = None
    last_toolkit_major: int | None = None


@dataclass(frozen=True, kw_only=True)
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


@dataclass(frozen=True, kw_only=True)
class Encoding(Row):
    """How cuDNN writes its version as one number, for majors from ``from_major`` up to ``below_major``."""

    from_major: int
    major_factor: int
    formula: str
    below_major: int | None = None


@dataclass(frozen=True, kw_only=True)
class Limit(Row):
    """A cuDNN that a framework refuses on some compute capabilities (PEP 440 specifiers)."""

    framework: str
    cudnn: str
    compute_capability: str


@dataclass(frozen=True, kw_only=True)
class Product(Row):
    """A GPU product: the fall-back for reports that do not tell the compute capability."""

    name: str
    compute_capability: str
    architecture: str


@dataclass(frozen=True, kw_only=True)
class Build(Row):
    """One binary of a framework release.

    Attributes:
        platform: e.g. ``linux-x86_64``.
        variant: ``cpu``, ``cuda`` or torch's local label, e.g. ``cu130``.
        default: Whether the plain package index gives this one for that platform.
        cuda_runtime: CUDA runtime it was built with, e.g. ``13.0``.
        cudnn: cuDNN it was built with, e.g. ``9.20.0``.
        cudnn_pin: The requirement on the cuDNN package, as its METADATA has it.
        nccl_pin: The same for NCCL.
        arch_list: ``sm_XX`` machine code and ``compute_XX`` PTX that it carries.
        glibc: Least glibc, from the wheel's tag.
    """

    platform: str
    variant: str
    default: bool
    cuda_runtime: str | None = None
    cudnn: str | None = None
    cudnn_pin: str | None = None
    nccl_pin: str | None = None
    arch_list: tuple[str, ...] = ()
    glibc: str | None = None


@dataclass(frozen=True, kw_only=True)
class Trouble(Row):
    """A known breakage of a release that version rules do not show.

    Attributes:
        compute_capability: PEP 440 specifier over compute capabilities.
        kind: ``ptx-broken``: the PTX that such a card would need to compile is reported broken.
    """

    compute_capability: str
    kind: str


@dataclass(frozen=True, kw_only=True)
class Release(Row):
    """A minor release of a framework, with all its builds."""

    framework: str
    release: str
    python: tuple[str, ...]
    build: tuple[Build, ...] = ()
    trouble: tuple[Trouble, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Head:
    """``matrix.toml``: the form of the files, and the newest ``checked`` date in them."""

    schema: int
    date: datetime.date
