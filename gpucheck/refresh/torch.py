"""What a torch wheel says of itself: version.py, METADATA, and the arch string in its binary."""

from __future__ import annotations

import ast
import re
from typing import TYPE_CHECKING

from gpucheck.matrix.releases import INDEX, Build
from gpucheck.refresh.index import RefreshError, glibc
from gpucheck.refresh.requirements import required

if TYPE_CHECKING:
    import datetime
    from collections.abc import Sequence

    from gpucheck.refresh.wheel import Reader

DISTRIBUTIONS = ("torch",)
OLDEST = "1.13"
# The list that torch.cuda.get_arch_list() returns is one string in this library.
BINARY = "torch/lib/libtorch_python.so"
ARCH_STRING = re.compile(rb"(?:(?:sm|compute)_\d+[af]?[ ]?){2,}")


def read(reader: Reader, pythons: Sequence[str], today: datetime.date) -> Build:
    """Return the matrix row of one wheel.

    Raises:
        RefreshError: A file of it is missing or not as expected.
    """
    wheel = reader.wheel
    values = constants(reader.text("torch/version.py") or "")
    if "__version__" not in values:
        raise RefreshError(f"{wheel.filename}: torch/version.py is missing or names no version")
    cuda = values.get("cuda")
    label = (values["__version__"] or "").partition("+")[2]
    needs = required(reader.requirements(), wheel.platform, pythons)
    codes = arch_list(reader) if cuda else ()
    said = f"torch/version.py: {values['__version__']}, cuda {cuda}"
    return Build(
        platform=wheel.platform,
        variant=label or ("cuda" if cuda else "cpu"),
        default=True,
        versions=(str(wheel.version),),
        python=tuple(pythons),
        cuda_runtime=cuda,
        cudnn=_cudnn(needs) if cuda else None,
        requires=needs,
        arch_list=codes,
        glibc=glibc(wheel.tag),
        source=f"{wheel.tag} wheel on PyPI (METADATA, {said}{'; arch string in ' + BINARY if codes else ''})",
        url=f"{INDEX}torch/{wheel.version}/",
        checked=today,
        note=_note(wheel.tag, codes),
    )


def constants(text: str) -> dict[str, str | None]:
    """Return the constant texts that a module assigns; it is parsed, never executed."""
    try:
        body = ast.parse(text).body
    except (SyntaxError, ValueError):
        return {}
    found: dict[str, str | None] = {}
    for node in body:
        target: ast.expr | None = node.target if isinstance(node, ast.AnnAssign) else None
        if isinstance(node, ast.Assign):
            target = node.targets[0]
        value = getattr(node, "value", None)
        if isinstance(target, ast.Name) and isinstance(value, ast.Constant):
            found[target.id] = value.value if isinstance(value.value, str) else None
    return found


def arch_list(reader: Reader) -> tuple[str, ...]:
    """Return the arch list that stands in the binary as one string; empty when it is not there exactly once."""
    content = reader.bytes(BINARY)
    found = {match.group().decode().strip() for match in ARCH_STRING.finditer(content or b"")}
    return tuple(found.pop().split()) if len(found) == 1 else ()


def _cudnn(needs: tuple[str, ...]) -> str | None:
    """The pin of the cuDNN package is the cuDNN that the wheel was built with (torch's release scripts)."""
    for text in needs:
        pin = re.match(r"nvidia-cudnn-cu\d+==(\d+\.\d+\.\d+)", text)
        if pin:
            return pin[1]
    return None


def _note(tag: str, codes: tuple[str, ...]) -> str | None:
    notes = []
    if codes and not any(code.startswith("compute_") for code in codes):
        notes.append("The arch string names no PTX; the fat binaries were not read.")
    if tag.startswith("manylinux1_"):
        notes.append("glibc left out: the tag manylinux1 understates what the wheel needs.")
    if tag.startswith("macosx_"):
        notes.append(f"Wheel tag: macOS {tag.split('_')[1]} or newer.")
    return " ".join(notes) or None
