"""Known messages in what programs print: text in, the messages that stand in it out. Data: matrix/messages/.

A text is matched without its white space and in lower case, so that it may be wrapped at any column and pasted
through any tool. Every pattern is made from words and placeholders of bounded length: the time is linear.
"""

from __future__ import annotations

from gpucheck.messages.decoding import NotText, decode
from gpucheck.messages.finding import Known, recognise
from gpucheck.messages.lines import cleaned, stripped
from gpucheck.messages.reduction import Excerpt, excerpt
from gpucheck.messages.templates import TemplateError, compiled

__all__ = [
    "Excerpt",
    "Known",
    "NotText",
    "TemplateError",
    "cleaned",
    "compiled",
    "decode",
    "excerpt",
    "recognise",
    "stripped",
]
