"""Finds the report of torch's collect_env, or vllm's, in a text with other things around it."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from gpucheck.record import record

if TYPE_CHECKING:
    from collections.abc import Iterator

# Labels that nobody but collect_env writes.
OWN = (
    "Is debug build", "CUDA used to build PyTorch", "ROCM used to build PyTorch", "XPU used to build PyTorch",
    "Python platform", "Is CUDA available", "CUDA runtime version", "CUDA_MODULE_LOADING set to",
    "GPU models and configuration", "Nvidia driver version", "Is XPU available", "HIP runtime version",
    "MIOpen runtime version", "Is XNNPACK available", "Caching allocator config",
)  # fmt: skip
LIBRARIES = "Versions of relevant libraries"
# Labels that people write as well: they count beside one of collect_env's own, or in its order.
COMMON = (
    "PyTorch version", "OS", "GCC version", "Clang version", "CMake version", "Libc version", "Python version",
    "cuDNN version",
)  # fmt: skip
START = "Collecting environment information"
FOLLOWS = {
    ("OS", "GCC version"), ("GCC version", "Clang version"), ("GCC version", "CMake version"),
    ("Clang version", "CMake version"), ("CMake version", "Libc version"), ("CMake version", "Python version"),
    ("CMake version", "PyTorch version"), ("Libc version", "Python version"), ("Libc version", "PyTorch version"),
}  # fmt: skip
LINE = re.compile(
    rf"[ \t]*(?:({'|'.join((*OWN, *COMMON))})[ \t]*:(.*)|({LIBRARIES})[ \t]*:?[ \t]*|({START})\b.*)$"
)
TAGGED = re.compile(r"[ \t]*\[(pip3?|conda)\][ \t]+(\S.*)$")
NEAR = 8  # lines between two labels: warnings of other packages may stand there


@record
class Report:
    """One report.

    Attributes:
        fields: The text after each label.
        lines: All its lines.
        places: The line of each label.
    """

    fields: dict[str, str]
    lines: list[str]
    places: dict[str, int]

    def below(self, label: str) -> Iterator[str]:
        """Return the lines below a label."""
        return iter(self.lines[self.places[label] + 1 :] if label in self.places else ())


@record
class _Label:
    place: int
    name: str
    text: str


def find(text: str) -> Report | None:
    """Return the first report in a text, or None; also one that is cut off at either end."""
    lines = text.split("\n")
    for labels, end in _reports(_trusted(_labels(lines)), len(lines)):
        names = {label.name for label in labels}
        if names & {*OWN, START, LIBRARIES} and len(names) > 1:
            first = labels[0].place
            return Report(
                fields={label.name: label.text for label in labels if label.name in (*OWN, *COMMON)},
                lines=lines[first:end],
                places={label.name: label.place - first for label in labels},
            )
    if sum(TAGGED.match(line) is not None for line in lines) > 1:
        return Report(fields={}, lines=lines, places={})
    return None


def _labels(lines: list[str]) -> list[_Label]:
    found = []
    for place, line in enumerate(lines):
        match = LINE.match(line)
        if match is not None:
            name = match[1] or match[3] or match[4]
            found.append(_Label(place=place, name=name, text=(match[2] or "").strip()))
    return found


def _trusted(labels: list[_Label]) -> list[_Label]:
    kept = []
    for number, label in enumerate(labels):
        if label.name not in COMMON:
            kept.append(label)
            continue
        before = labels[number - 1] if number else None
        after = labels[number + 1] if number + 1 < len(labels) else None
        if (before is not None and _belong(before, label)) or (after is not None and _belong(label, after)):
            kept.append(label)
    return kept


def _belong(first: _Label, second: _Label) -> bool:
    """Whether two labels stand together as only collect_env writes them."""
    own = (*OWN, START, LIBRARIES)
    together = first.name in own or second.name in OWN or (first.name, second.name) in FOLLOWS
    return together and second.place - first.place <= NEAR


def _reports(labels: list[_Label], end: int) -> Iterator[tuple[list[_Label], int]]:
    """A label that comes again belongs to another report."""
    current: list[_Label] = []
    for label in labels:
        if any(label.name == one.name for one in current):
            yield current, label.place
            current = []
        current.append(label)
    if current:
        yield current, end
