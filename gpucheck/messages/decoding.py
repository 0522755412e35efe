"""Bytes of any encoding into text without control characters."""

from __future__ import annotations

import codecs
import re

# Longest first: UTF-32's mark begins with that of UTF-16.
MARKS = (
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
LOOKED_AT = 65536
# ECMA-48: CSI ... final byte, OSC ... BEL or ST, and the short ones; the lengths are bounded against hostile text.
ESCAPE = re.compile(
    r"\x1b\[[0-?]{0,64}[ -/]{0,8}[@-~]"
    r"|\x1b\][^\x07\x1b\n]{0,2048}(?:\x07|\x1b\\)?"
    r"|\x1b[ -/]{0,4}[0-~]"
    r"|\x9b[0-?]{0,64}[@-~]"
)
CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u200b-\u200f\u202a-\u202e\u2060-\u2069\ufeff]")


class NotText(ValueError):  # noqa: N818 - it is named after what it says
    """The bytes are no text; the message says what they look like."""


def decode(content: bytes) -> str:
    """Return bytes as text: UTF-8, UTF-16 or UTF-32 by their marks or their zeros, else the Windows code page.

    Raises:
        NotText: They are a program, a picture, an archive...
    """
    text = _decoded(content)
    if _binary(text[:LOOKED_AT]):
        raise NotText("is a binary file, not text")
    return text


def _decoded(content: bytes) -> str:
    for mark, name in MARKS:
        if content.startswith(mark):
            return content.decode(name, "replace")
    head = content[:LOOKED_AT]
    if len(head) >= 4 and head.count(0) > len(head) // 4:
        # Latin letters in UTF-16 have every other byte zero.
        return content.decode("utf-16-le" if head[1::2].count(0) > head[::2].count(0) else "utf-16-be", "replace")
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError as error:
        broken = content[error.start : error.start + LOOKED_AT].decode("utf-8", "replace").count("\ufffd")
        # A log that was cut in the middle of a sign, or holds a few bad bytes, is UTF-8 all the same.
        few = broken * 50 < min(len(content) - error.start, LOOKED_AT) + 50
        return content.decode("utf-8" if few else "cp1252", "replace")


def _binary(text: str) -> bool:
    nothing = text.count("\0")
    strange = len(CONTROL.findall(ESCAPE.sub("", text).replace("\r", ""))) + text.count("\ufffd") - nothing
    return strange * 10 > len(text) > 0 or nothing * 3 > len(text)


def plain(text: str) -> str:
    """Return text without terminal escapes, control and invisible characters; only newlines and tabs stay.

    A carriage return begins a new line: progress bars write over themselves.
    """
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    if "\x1b" in text or "\x9b" in text:
        text = ESCAPE.sub("", text)
    return CONTROL.sub("", text)
