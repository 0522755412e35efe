"""What logs wear: time stamps, severities, ranks, quotes of Markdown and mail, HTML. Stripped line by line."""

from __future__ import annotations

import html
import re

from gpucheck.messages.decoding import plain

LONGEST = 20_000
# What stands before a message, any of them, repeatedly. Seen in real logs: reference of each in a word.
PREFIX = re.compile(
    r"""(?x)
    \s+
    | (?:>\s?)+                                                        # Markdown and mail
    | \d{4}[-/]\d\d[-/]\d\d[T ]\d\d:\d\d:\d\d(?:[.,]\d{1,9})?(?:Z|[+-]\d\d:?\d\d)?:?  # ISO time stamps
    | [A-Z][a-z]{2}\ {1,2}\d{1,2}\ \d\d:\d\d:\d\d                      # syslog
    | \d\d:\d\d:\d\d(?:[.,]\d{1,9})?\b
    | \d\d-\d\d\ \d\d:\d\d:\d\d
    | [IWEF]\d{4}\ \d\d:\d\d:\d{2,12}(?:\.\d{1,9})?\s+\d+                    # absl, glog
    | [IWEF]\s(?=[\w./\\-]+:\d+\])                                     # TensorFlow's severity
    | [\w./\\-]{1,200}:\d{1,6}\]                                       # its file and line
    | (?:DEBUG|INFO|WARNING|WARN|ERROR|CRITICAL|FATAL)\b:?(?=[\ \t\[])
    | \[(?:rank\s?)?\d{1,5}\]:?\ ?                                     # torchrun
    | \[\d{4}-\d\d-\d\d[ T]\d\d:\d\d:\d\d[^\]]{0,40}\]                  # [2025-01-29 08:52:44 TP3]
    | \[\s*\d+\.\d{6}\]                                                # dmesg
    | \[(?:DEBUG|INFO|WARNING|ERROR|[IWEF]\d{3,4}\ [^\]]{0,80})\]
    | \[?rank\d{1,5}\]?:
    | \((?:[\w.:-]{1,60}\ )?(?:pid|ip)=[^)]{1,80}\)                    # Ray
    | [\w.-]{1,60}-\d{1,5}:\s(?=\S)                                    # node-11:
    | NVRM:\s
    | E\s{2,}(?=\S)                                                    # pytest
    | \#\s
    | [|*`]+(?=\s)
    | <(?:p|li|pre|code|td|tr|div|span)>
    """
)
BREAK = re.compile(r"<br\s?/?>|</(?:p|li|pre|td|tr|div)>", re.IGNORECASE)
QUOTES = str.maketrans({"\u2018": "'", "\u2019": "'", "\u201c": '"', "\u201d": '"', "\u2013": "-", "\u00a0": " "})


def cleaned(text: str) -> list[str]:
    """Return the lines of a text without what logs and pasting put around them.

    Args:
        text: As it was pasted.
    """
    text = plain(text).translate(QUOTES) if not text.isascii() else plain(text)
    if "<" in text:
        text = BREAK.sub("\n", text)
    if "&" in text:
        text = html.unescape(text)
    return [part for line in text.split("\n") for part in _unescaped(line)]


def stripped(line: str, *, indented: bool = False) -> str:
    """Return a line without its prefixes.

    Args:
        line: The line.
        indented: Whether the white space in front of what is left stays: tables and reports live by it.
    """
    place = 0
    while (found := PREFIX.match(line, place)) and found.end() > place:
        last, place = place, found.end()
        if indented and line[last:place].isspace() and not PREFIX.match(line, place):
            return line[last : last + LONGEST].rstrip()
    return line[place : place + LONGEST].rstrip()


def _unescaped(line: str) -> list[str]:
    r"""Split a line of JSON in which newlines are written as ``\n``."""
    if line.count("\\n") < 2 and '\\n"' not in line:
        return [line]
    return line.replace("\\r", "").replace('\\"', '"').replace("\\t", " ").split("\\n")
