"""Rows that name other rows: each name must lead somewhere."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from gpucheck.matrix.messages import FACT, Message
from gpucheck.matrix.releases import Companion, Package, Release, Tested
from gpucheck.matrix.rows import Architecture, Chip, CudnnRelease, Product, Toolkit

if TYPE_CHECKING:
    from collections.abc import Iterator

    from gpucheck.matrix.releases import Build
    from gpucheck.matrix.rows import Row

# Packages whose every pinned version must be one that the index has.
PINNED = re.compile(r"(nvidia-(?:cudnn|nccl)-cu\d+)==([\d.]+)$")


def unresolved(rows: list[tuple[str, Row]]) -> Iterator[str]:
    """Yield what a whole matrix names and does not have, each line naming the row.

    Args:
        rows: Every row with its place, as `gpucheck.matrix.validate.all_rows` yields them.
    """
    known = _Known(rows)
    for place, row in rows:
        if isinstance(row, Product):
            yield from _product(place, row, known)
        elif isinstance(row, Chip):
            yield from _chip(place, row, known)
        elif isinstance(row, Release):
            for number, build in enumerate(row.build, 1):
                yield from _build(f"{place}, [[build]] row {number}", build, known)
        elif isinstance(row, Tested) and row.cuda and "." in row.cuda and row.cuda not in known.toolkits:
            yield f"{place}: there is no row for CUDA {row.cuda}"
        elif isinstance(row, Message):
            yield from _message(place, row, known)
        elif isinstance(row, Companion) and (row.framework, row.release) not in known.releases:
            yield f"{place}: there is no {row.framework} {row.release}"


class _Known:
    def __init__(self, rows: list[tuple[str, Row]]) -> None:
        every = [row for _, row in rows]
        self.toolkits = {row.version for row in every if isinstance(row, Toolkit)}
        self.releases = {(row.framework, row.release) for row in every if isinstance(row, Release)}
        self.messages = {row.name for row in every if isinstance(row, Message)}
        self.cudnn = {row.version for row in every if isinstance(row, CudnnRelease)}
        self.packages = {row.name: set(row.versions) for row in every if isinstance(row, Package)}
        self.capabilities = {
            text: row.name for row in every if isinstance(row, Architecture) for text in row.compute_capabilities
        }


def _product(place: str, row: Product, known: _Known) -> Iterator[str]:
    name = known.capabilities.get(row.compute_capability)
    if name != row.architecture:
        yield f"{place}: {row.name} is {row.architecture}, but {row.compute_capability} is {name or 'unknown'}"


def _chip(place: str, row: Chip, known: _Known) -> Iterator[str]:
    name = known.capabilities.get(row.compute_capability)
    if name != row.architecture:
        yield f"{place}: {row.chip} is {row.architecture}, but {row.compute_capability} is {name or 'unknown'}"


def _message(place: str, row: Message, known: _Known) -> Iterator[str]:
    for cause in row.causes:
        for name in (*cause.beside, *cause.before, *cause.without):
            if name not in known.messages and not name.startswith(FACT):
                yield f"{place}: there is no message {name!r}"


def _build(place: str, build: Build, known: _Known) -> Iterator[str]:
    if build.cuda_runtime is not None and build.cuda_runtime not in known.toolkits:
        yield f"{place}: there is no row for CUDA {build.cuda_runtime}"
    names = {build.cudnn, ".".join((build.cudnn or "").split(".")[:2])}
    if build.cudnn is not None and not names & known.cudnn:
        yield f"{place}: there is no row for cuDNN {build.cudnn}"
    for code in build.arch_list:
        number = re.sub(r"\D", "", code)
        if f"{number[:-1]}.{number[-1:]}" not in known.capabilities:
            yield f"{place}: {code} belongs to no architecture"
    for text in (*build.requires, *build.and_cuda):
        pin = PINNED.match(text)
        if pin and pin[2] not in known.packages.get(pin[1], set()):
            yield f"{place}: {pin[1]} has no version {pin[2]}"
