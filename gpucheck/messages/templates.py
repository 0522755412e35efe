"""Patterns of messages as data: words with placeholders such as ``{loaded:version}``, into regular expressions.

Only this language is written in the rows, so no row can make a search that takes more than linear time.
"""

from __future__ import annotations

import functools
import re

from gpucheck.record import record

PLACEHOLDER = re.compile(r"\{(\w*):(\w+)\}")
OTHER = (
    "cublas|cublaslt|cufft|cufftw|curand|cusolver|cusolvermg|cusparse|cusparselt|cupti|nvjitlink|nvrtc|"
    "nvrtc-builtins|nccl|nvtoolsext|cufile|nvshmem_host|cudss"
)
CUDART = "cudart"
FILE = r"(?:64_\d{1,4}(?:_\d{1,2})?)?(?:\.so(?:\.\d{1,5}){0,4}|\.dll)"
# What a placeholder stands for, in text without white space. Every length is bounded.
KINDS = {
    "version": r"\d{1,6}(?:\.\d{1,9}){1,4}(?:[-.]?(?:a|b|rc|dev|post)\d{1,8})?"
    r"(?:\+(?:cu\d{2,3}|cpu|rocm[\d.]{1,6}))?",
    "number": r"\d{1,12}",
    "decimal": r"\d{1,12}(?:\.\d{1,6})?",
    "tuple": r"\(\d{1,6},\d{1,6},\d{1,6}\)",
    "size": r"\d{1,12}(?:\.\d{1,6})?(?:[kmgt]i?b|bytes)",
    "name": r"[^'\"`,;:()\[\]{}<>\n]{1,100}?",
    "word": r"[a-z0-9_.+-]{1,100}",
    "library": r"(?:lib)?[a-z0-9_+-]{1,60}(?:\.so(?:\.\d{1,4}){0,4}|\.dll|64_\d{1,4}(?:_\d{1,2})?\.dll|\.dylib)",
    "cudalib": rf"(?:lib)?(?:{OTHER}|{CUDART}){FILE}",
    "cudaother": rf"(?:lib)?(?:{OTHER}){FILE}",
    "cudart": rf"(?:lib)?{CUDART}{FILE}",
    "notdlerror": r"(?<!dlerror:)(?<!dlerror:\n)(?<![a-z0-9])",
    "cudnnlib": rf"(?:lib)?cudnn(?:_[a-z_]{{1,30}})?{FILE}",
    "torchlib": r"lib(?:torch|c10|caffe2|shm)[a-z0-9_]{0,40}\.so",
    "path": r"[a-z0-9_./\\:+@~-]{1,300}",
    "arch": r"sm_\d{2,3}[af]?",
    "archs": r"(?:sm_\d{2,3}[af]?|compute_\d{2,3}[af]?|[.\u2026,]){1,60}",
    "container": r"[0-9a-f]{12}(?![0-9a-f.])",
    "entry": r"[^,\]]{0,300}",
    "some": r".{0,60}?",
    "any": r".{0,300}?",
}
SPACE = re.compile(r"\s+")


class TemplateError(ValueError):
    """A pattern that cannot be used; the message says why."""


@record
class Template:
    """A pattern, ready to be searched for.

    Attributes:
        anchor: The longest words without a placeholder, squeezed: where they are missing, nothing can match.
        regex: The whole, for squeezed text.
        plain: Whether there is no placeholder, so that the anchor is all.
    """

    anchor: str
    regex: re.Pattern[str]
    plain: bool


def squeezed(text: str) -> str:
    """Return text without white space and in lower case."""
    return SPACE.sub("", text).lower()


@functools.lru_cache(maxsize=1024)
def compiled(text: str) -> Template:
    """Return the pattern that a row's text stands for.

    Raises:
        TemplateError: A placeholder is not known, or there are no words to look for.
    """
    pieces: list[str] = []
    words: list[str] = []
    place = 0
    for found in PLACEHOLDER.finditer(text):
        _words(text[place : found.start()], pieces, words)
        name, kind = found.groups()
        if kind not in KINDS:
            raise TemplateError(f"unknown placeholder {{{name}:{kind}}}; known: {', '.join(KINDS)}")
        pieces.append(f"(?P<{name}>{KINDS[kind]})" if name else f"(?:{KINDS[kind]})")
        place = found.end()
    _words(text[place:], pieces, words)
    anchor = max(words, key=len, default="")
    if len(anchor) < 4:
        raise TemplateError("has no words of four letters to look for")
    return Template(anchor=anchor, regex=re.compile("".join(pieces)), plain=len(words) == len(pieces) == 1)


def _words(text: str, pieces: list[str], words: list[str]) -> None:
    short = squeezed(text)
    if short:
        pieces.append(re.escape(short))
        words.append(short)
