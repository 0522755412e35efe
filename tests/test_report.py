"""What is shown: the order of the screen, narrow terminals, escapes, redaction, numbers in JSON."""

from __future__ import annotations

import io
import json
import re
from pathlib import Path

import pytest
from conftest import VALIDATOR
from hypothesis import given
from hypothesis import strategies as st
from machine_data import load
from rich.console import Console

from gpucheck.diagnosis import diagnose
from gpucheck.matrix import Matrix
from gpucheck.report import document, text
from gpucheck.report.cleaning import Redactor, clean

MATRIX = Matrix()
MACHINES = load()


def screen(title: str, verbosity: int = 0, width: int = 100, terminal: bool = False) -> str:
    (machine,) = (one for one in MACHINES if title in one.title)
    file = io.StringIO()
    console = Console(
        file=file, width=width, markup=False, highlight=False, emoji=False, force_terminal=terminal, no_color=True
    )
    return text.render(diagnose(machine.facts, MATRIX), console, verbosity=verbosity)


@pytest.mark.parametrize("machine", MACHINES, ids=lambda machine: machine.title)
def test_every_machine_has_a_json_report_that_fits_the_schema(machine) -> None:
    report = diagnose(machine.facts, MATRIX)
    content = json.loads(document.render(report, None))
    VALIDATOR.validate(content)
    assert content["root_causes"] == list(report.root_causes)


@pytest.mark.parametrize("machine", MACHINES, ids=lambda machine: machine.title)
def test_every_machine_has_a_screen(machine) -> None:
    for verbosity in (-1, 0, 1):
        console = text.console(io.StringIO(), "never")
        first = text.render(diagnose(machine.facts, MATRIX), console, verbosity=verbosity).splitlines()[0]
        assert first.startswith(("Healthy", "Fits", "Problem: ", "Inconclusive: ", "No trouble shown: "))


def test_the_root_cause_stands_first_with_cause_and_cure() -> None:
    out = screen("an updated driver before the reboot").splitlines()
    assert out[0] == "Problem: driver-library-mismatch"
    assert "570.211.01" in out[2]
    assert "580.159.03" in out[3]
    assert any(line.strip().startswith("Why: The driver was updated") for line in out)
    assert any(line.strip() == "sudo reboot" for line in out)
    assert out[-1] == "exit 1: 1 error · gpucheck explain driver-library-mismatch"


def test_consequences_are_one_line_under_the_cause() -> None:
    out = screen("a container that lost its GPU")
    assert "Follows from this: CUDA cannot start: unknown error (999)" in out
    assert out.count("[cuinit-unknown-error]") == 0


def test_a_healthy_screen_is_short_and_says_what_is_next() -> None:
    out = screen("frameworks: torch on an H200").splitlines()
    assert out[0] == "Healthy: 1 GPU ready for torch. Convolution not proved yet."
    assert out[-1].strip() == "next: gpucheck smoke"
    assert len(out) < 12


def test_a_warning_is_named_in_the_headline() -> None:
    assert screen("a mask that is cut").startswith("Healthy, with a warning (visible-devices-truncated)")


def test_what_could_not_be_checked_is_said() -> None:
    out = screen("a torch newer than the matrix")
    assert "not checked: torch on GPU 0: torch 2.99.0 is newer than the matrix of" in out


@pytest.mark.parametrize("width", [20, 40, 80])
def test_a_narrow_terminal_wraps_and_loses_nothing(width: int) -> None:
    out = re.sub(r"\x1b\[[0-9;]*m", "", screen("driver 470 under", width=width, terminal=True))
    assert all(len(line) <= width for line in out.splitlines())
    assert "525.60.13" in out.replace("\n", "")


@given(st.text(max_size=50))
def test_no_control_character_reaches_a_terminal(value: str) -> None:
    shown = clean(value)
    assert not any(ord(sign) < 32 or 127 <= ord(sign) < 160 for sign in shown)
    assert all(sign not in shown for sign in "\u202e\u2066\u200f")


def test_redaction_leaves_library_paths() -> None:
    hide = Redactor(home="/home/alice", user="alice", host="gpu-node-7").document
    assert hide("/usr/lib/x86_64-linux-gnu/libcuda.so.1") == "/usr/lib/x86_64-linux-gnu/libcuda.so.1"
    assert hide("/home/alice/.venv/lib/libcudnn.so.9") == "~/.venv/lib/libcudnn.so.9"
    assert hide("/home/alicette/x") == "/home/<user>/x"
    assert hide({"a": ["Alice at gpu-node-7", 3, None]}) == {"a": ["<user> at <host>", 3, None]}
    assert hide({"subject": "alice", "text": "alice"}) == {"subject": "alice", "text": "<user>"}
    assert hide("/data/alice/env") == "/data/<user>/env"


def test_common_names_are_no_secrets() -> None:
    hide = Redactor(home="/root", user="root", host="localhost").text
    assert hide("root causes on localhost") == "root causes on localhost"
    assert hide("/root/.venv") == "~/.venv"
    assert hide("/rooted") == "/rooted"


def test_nobodys_home_and_name() -> None:
    assert Redactor(home="/", user="x", host="y").text("/ x y") == "/ x y"


def test_the_headline_of_a_smoke_run_says_for_whom_the_proof_is() -> None:
    assert screen("a proved training on the GPU").splitlines()[0].endswith("convolution through cuDNN proved.")
    out = screen("one framework is proved, the other used the CPU").splitlines()[0]
    assert out.endswith("convolution through cuDNN proved for torch only.")
    assert "nothing is proved" in screen("a training on the CPU where no GPU is").splitlines()[0]


def machine_report(title: str):
    from machine_data import load

    from gpucheck.diagnosis import diagnose
    from gpucheck.matrix import Matrix

    facts = next(one.facts for one in load() if one.title == title)
    return diagnose(facts, Matrix())


BLACKWELL = "kernel: a Blackwell card with the proprietary modules, as the kernel's log tells it"
HEALTHY = "health: a healthy data-centre GPU, idle"


def test_markdown_says_what_the_screen_says_and_no_more_than_it_should() -> None:
    from gpucheck.report import markdown

    text = markdown.render(machine_report(BLACKWELL), None)
    assert text.startswith("### Problem: gpu-unsupported-by-driver\n")
    assert "needs the open kernel modules of the driver (`gpu-unsupported-by-driver`)" in text
    assert "requires use of the NVIDIA open kernel modules." in text
    assert "**Follows from this:**" in text
    assert text.count("####") == 1  # consequences are folded
    assert "<details>" in text


def test_text_from_outside_is_no_markdown() -> None:
    from gpucheck.report import markdown

    hostile = "`rm -rf` **bold** <img src=x> [a](http://b) | cell @maintainer #12 \x1b[31m\u202e"
    shown = markdown.words(hostile)
    for sign in "`*<>[|@#":
        assert f"\\{sign}" in shown
        assert re.search(rf"(?<!\\){re.escape(sign)}", shown) is None
    assert "\x1b" not in shown
    assert "\u202e" not in shown
    assert markdown.words("sm_90 in cuda_runtime") == "sm_90 in cuda_runtime"
    assert markdown.code("a `b` ``c``") == "``` a `b` ``c`` ```"


def test_a_notebook_shows_the_redacted_report(monkeypatch) -> None:
    import gpucheck

    monkeypatch.setenv("HOME", str(Path.home()))
    shown = gpucheck.doctor()._repr_markdown_()
    assert shown.startswith("### ")
    assert str(Path.home()) + "/" not in shown


def test_a_healthy_machine_needs_a_dozen_lines_at_most() -> None:
    import io

    from gpucheck.report import text

    out = text.render(machine_report(HEALTHY), text.console(io.StringIO(), "never"))
    assert len(out.splitlines()) <= 12
    assert out.startswith("Healthy: 1 GPU ready")
    assert "driver CUDA 13.0: the newest CUDA that this driver runs" in out


def test_equal_gpus_share_a_line() -> None:
    from dataclasses import replace

    from gpucheck.report import machine

    report = machine_report(HEALTHY)
    (gpu,) = report.facts.gpus.value
    many = replace(report.facts.gpus, value=tuple(replace(gpu, index=index) for index in range(8)))
    checks = tuple(
        replace(result, subject=f"GPU {index}")
        for index in range(8)
        for result in report.checks
        if result.subject in ("GPU 0", None)
    )
    report = replace(report, facts=replace(report.facts, gpus=many), checks=checks)
    assert [text for _, text in machine.overview(report) if text.startswith("GPU")] == [
        "GPU 0-7  NVIDIA H200, sm_90, 8 GiB free"
    ]


def test_why_no_gpu_is_visible_is_told_link_by_link() -> None:
    from gpucheck.report import machine

    links = machine.chain(machine_report(BLACKWELL))
    assert "driver ✗" in links
    assert "device nodes" in links
    assert machine.chain(machine_report(HEALTHY)) is None
