"""The known messages: found in whatever a log wears, and nothing else; the rows that hold them."""

from __future__ import annotations

import codecs
import io
import re
import sys

import pytest

from gpucheck import messages
from gpucheck.checks.causes import shown
from gpucheck.checks.told import REPORTS, SLUGS
from gpucheck.checks.troubles import TROUBLES, harmless, programs
from gpucheck.findings import Confidence, Severity
from gpucheck.intake import KERNEL_LOG, READERS
from gpucheck.matrix import Matrix
from gpucheck.matrix.validate import problems
from gpucheck.messages import finding, lines, reduction, templates

ROWS = Matrix().messages()
CUDNN = "Loaded runtime CuDNN library: 7.1.4 but source was compiled with: 7.6.0"


def seen(text: str) -> list[str]:
    return [message.name for message in messages.recognise(text, ROWS)]


def causes(text: str) -> list[str]:
    return [one.slug for one in shown(messages.recognise(text, ROWS), ROWS)]


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_a_row_finds_its_example_and_names_what_exists(row) -> None:
    log = f"step 1\n2026-11-25 10:00:00.1: E file.cc:1] {row.example}\nstep 2\n"
    found = {message.name: message for message in messages.recognise(log, ROWS)}
    assert found[row.name].number == 2
    assert "step" not in found[row.name].line
    named = {row.slug, *row.instead, *(cause.slug for cause in row.causes)} - {None}
    assert named <= set(TROUBLES)
    assert row.slug is None or row.slug in SLUGS
    assert {cause.slug for cause in row.causes} <= set(SLUGS)
    for text in (row.confidence, *(cause.confidence for cause in row.causes)):
        Confidence(text)
    for text in (row.severity, *(cause.severity or row.severity for cause in row.causes)):
        Severity(text)
    # A cause that is not certain says what else it may be; what would decide is asked for where one is possible.
    assert row.confidence != "possible" or row.instead or row.severity == "info"


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_every_form_of_a_message_would_be_kept_of_an_enormous_log(row) -> None:
    for text in (*row.text, row.example):
        plain = templates.PLACEHOLDER.sub("", text).lower().encode()
        if row.slug is not None:
            assert any(word in plain for word in (*reduction.WORDS, *reduction.STRONG)), text


def test_the_slugs_that_the_check_declares_are_those_of_the_rows() -> None:
    named = {slug for row in ROWS for slug in (row.slug, *(cause.slug for cause in row.causes)) if slug}
    assert named == set(SLUGS)
    assert set(programs.TROUBLES) | set(harmless.TROUBLES) <= named
    assert {*READERS, KERNEL_LOG} == REPORTS


def test_conditions_name_rows(tmp_path) -> None:
    row = (
        '[[message]]\nname = "a"\ntext = ["some words"]\nexample = "some words"\nslug = "nccl-error"\n'
        'source = "s"\nurl = "https://x"\nchecked = 2026-11-22\n'
        '[[message.causes]]\nslug = "gpu-lost"\nbeside = ["b"]\n'
    )
    (tmp_path / "messages").mkdir()
    (tmp_path / "messages/driver.toml").write_text(row)
    (tmp_path / "matrix.toml").write_text("schema = 1\ndate = 2026-11-22\n")
    assert any("there is no message 'b'" in line for line in problems(tmp_path))


def test_harmless_lines_are_never_a_cause() -> None:
    for row in ROWS:
        if row.slug in harmless.TROUBLES:
            assert row.severity == "info", row.name


WRAPPED = {
    "time stamp": "2020-01-16 00:25:55.901231: E tensorflow/stream_executor/cuda/cuda_dnn.cc:319] {}",
    "absl": "E0000 00:00:1753394569.845535    5660 cuda_dnn.cc:8579] {}",
    "rank": "[rank0]: {}",
    "rank and absl": "[rank3]:[E226 13:18:21.063621914 ProcessGroupNCCL.cpp:1595] [PG ID 2 PG GUID 3 Rank 3] {}",
    "Ray": "(RayWorkerWrapper pid=3290198) {}",
    "pytest": "E   RuntimeError: {}",
    "Markdown": "> > {}",
    "comment": "# {}",
    "list": "  * {}",
    "node": "node-11: {}",
    "cloud": "ERROR 2025-04-05T00:01:19.209110975Z {}",
    "HTML": "line<br />{}<br>",
    "colour": "\x1b[31m{}\x1b[0m",
    "JSON": '{{"message": "first\\n{}\\nlast"}}',
    "lower case": "{}",
}


@pytest.mark.parametrize("wear", WRAPPED)
def test_what_a_log_wears_does_not_hide_a_message(wear: str) -> None:
    text = WRAPPED[wear].format(CUDNN.lower() if wear == "lower case" else CUDNN)
    (message,) = messages.recognise(text, ROWS)
    assert (message.name, message.values) == ("cudnn-loaded-built", {"loaded": "7.1.4", "built": "7.6.0"})
    assert "\x1b" not in message.line


@pytest.mark.parametrize("width", [20, 33, 80])
def test_a_console_may_have_wrapped_it_anywhere(width: int) -> None:
    wrapped = "\n".join(CUDNN[place : place + width] for place in range(0, len(CUDNN), width))
    (message,) = messages.recognise(f"before\n{wrapped}\n", ROWS)
    assert (message.name, message.number) == ("cudnn-loaded-built", 2)
    assert seen(CUDNN.replace(" ", "   ")) == seen(CUDNN.replace(" ", "\u00a0")) == ["cudnn-loaded-built"]


ENCODED = {
    "UTF-8": CUDNN.encode(),
    "UTF-8 with a mark": codecs.BOM_UTF8 + CUDNN.encode(),
    "UTF-16": CUDNN.encode("utf-16"),
    "UTF-16 without a mark": CUDNN.encode("utf-16-le"),
    "UTF-16 big-endian": CUDNN.encode("utf-16-be"),
    "UTF-32": CUDNN.encode("utf-32"),
    "Windows": f"Ursache unklar, Gerät fehlt \u201e{CUDNN}\u201c".encode("cp1252"),
    "cut in a sign": f"\u4e2d{CUDNN}\u6587".encode()[1:-1],
    "NUL bytes": CUDNN.encode().replace(b" ", b"\0 "),
}


@pytest.mark.parametrize("form", ENCODED)
def test_any_encoding(form: str) -> None:
    assert seen(messages.decode(ENCODED[form])) == ["cudnn-loaded-built"]


@pytest.mark.parametrize(
    "content", [bytes(range(256)) * 20, b"\x7fELF\x02\x01\x01" + bytes(4000), b"\x89PNG\r\n\x1a\n" + bytes(900)]
)
def test_a_binary_file_is_no_text(content: bytes) -> None:
    with pytest.raises(messages.NotText, match="binary file"):
        messages.decode(content)


def test_the_order_of_one_messages_causes() -> None:
    failed = "Failed to get convolution algorithm"
    memory = "failed to allocate 5.87G (6303776768 bytes) from device: CUDA_ERROR_OUT_OF_MEMORY: out of memory"
    driver = "Possibly insufficient driver version: 535.288.1"
    sure = Confidence.CERTAIN
    for before, cause in (
        (CUDNN, "cudnn-version-mismatch"),
        (memory, "gpu-out-of-memory"),
        (driver, "driver-too-old"),
    ):
        first = shown(messages.recognise(f"{before}\n{failed}", ROWS), ROWS)[0]
        assert (first.slug, first.confidence) == (cause, sure)
        assert failed in {message.line for message in first.messages}
    assert causes(f"{memory}\n{CUDNN}\n{failed}")[0] in ("gpu-out-of-memory", "cudnn-version-mismatch")
    assert causes(f"{CUDNN}\n{memory}\n{failed}")[0] == "cudnn-version-mismatch"
    (alone,) = shown(messages.recognise(failed, ROWS), ROWS)
    assert (alone.slug, alone.confidence) == ("cudnn-init-failed", Confidence.POSSIBLE)
    assert set(alone.row.instead) == {"gpu-out-of-memory", "cudnn-version-mismatch"}


def test_no_search_can_take_more_than_linear_time() -> None:
    """A pattern of rows has no repetition without an end, and none within another but of few signs."""
    if sys.version_info < (3, 11):
        pytest.skip("the parser of regular expressions has another name before Python 3.11")
    from re import _constants, _parser

    def longest(tree, inside: int) -> None:
        for operator, argument in tree:
            if operator in (_constants.MAX_REPEAT, _constants.MIN_REPEAT):
                assert argument[1] <= 300 * (inside == 1) + 10, pattern
                longest(argument[2], inside * argument[1])
            elif operator is _constants.SUBPATTERN:
                longest(argument[-1], inside)
            elif operator is _constants.BRANCH:
                for branch in argument[1]:
                    longest(branch, inside)

    for row in ROWS:
        for text in row.text:
            pattern = templates.compiled(text).regex.pattern
            longest(_parser.parse(pattern), 1)


HOSTILE = (
    "a",
    " ",
    "\n",
    "> ",
    "[rank0]: ",
    "undefined symbol: ",
    "torch ",
    "{",
    "\x1b[",
    "(",
    "requires nvidia-",
    "\\n",
    "<br>",
)


@pytest.mark.parametrize("piece", HOSTILE, ids=repr)
def test_a_hostile_megabyte_is_read_to_its_end(piece: str) -> None:
    text = piece * (1_000_000 // len(piece)) + f"\n{CUDNN}\n"
    assert "cudnn-loaded-built" in seen(text)


def test_an_enormous_line_is_shown_in_part() -> None:
    padding = "x" * 10_000
    (message,) = messages.recognise(f"{padding}Could not create cudnn handle{padding}", ROWS)
    assert len(message.line) <= finding.LONGEST


class Endless(io.RawIOBase):
    """A log of many megabytes that is made while it is read."""

    def __init__(self, piece: bytes, size: int, end: bytes) -> None:
        self.left, self.piece, self.end = size // len(piece), piece, end

    def read(self, size: int = -1) -> bytes:
        if self.left > 0:
            count = max(size // len(self.piece), 1)
            self.left -= count
            return self.piece * count
        content, self.end = self.end, b""
        return content


@pytest.mark.parametrize("piece", [b"step 7 loss 0.1\n", b"y" * 65536, b"cuda tensor %d\n" % 7])
def test_of_an_enormous_log_little_is_kept_and_the_message_is_in_it(piece: bytes) -> None:
    size = 20 << 20
    kept = messages.excerpt(Endless(piece, size, f"\nhead\n{CUDNN}\ntail\n".encode()))  # type: ignore[arg-type]
    assert not kept.complete
    assert kept.size > size - (1 << 17)
    assert len(kept.content) < 3 << 20
    assert "cudnn-loaded-built" in seen(messages.decode(kept.content))


def test_a_message_in_the_middle_of_an_enormous_log_is_kept_among_lines_that_all_differ() -> None:
    noise = b"".join(b"cuda tensor worker %x\n" % (n * 7919) for n in range(60_000))
    stream = io.BytesIO(noise + f"{CUDNN}\n".encode() + noise * 3)
    kept = messages.excerpt(stream)
    assert "cudnn-loaded-built" in seen(messages.decode(kept.content))
    assert len(kept.content) < 3 << 20


def test_a_small_text_is_kept_whole() -> None:
    assert messages.excerpt(io.BytesIO(b"abc\n")) == messages.Excerpt(content=b"abc\n", size=4, complete=True)


def test_only_what_stands_before_a_message_is_taken_away() -> None:
    assert (
        lines.stripped("[rank0]:     out = torch.empty_like(x)", indented=True) == "    out = torch.empty_like(x)"
    )
    assert (
        lines.stripped("torch 2.6.0 requires nvidia-cudnn-cu12==9.1.0.70")
        == "torch 2.6.0 requires nvidia-cudnn-cu12==9.1.0.70"
    )
    assert re.fullmatch(r"\s*", lines.stripped("2026-11-25 10:00:00"))


def test_a_template_that_cannot_be_used_is_named() -> None:
    with pytest.raises(messages.TemplateError, match=r"unknown placeholder \{x:colour\}"):
        messages.compiled("some words {x:colour}")
    with pytest.raises(messages.TemplateError, match="no words"):
        messages.compiled("{x:version} a")
