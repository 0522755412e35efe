"""What `gpucheck run --explain` recognises in a program's output."""

from __future__ import annotations

import json

import pytest
from conftest import SHARED

from gpucheck import messages
from gpucheck.checks.troubles import TROUBLES, programs
from gpucheck.matrix import Matrix

ROWS = Matrix().messages()


def test_every_row_names_a_trouble_and_every_trouble_of_programs_has_words() -> None:
    assert {row.slug for row in ROWS} <= set(TROUBLES)
    assert set(programs.TROUBLES) <= {row.slug for row in ROWS}


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.text)
def test_words_in_the_middle_of_a_log(row) -> None:
    output = f"step 1\n2026-11-25 10:00:00.1: E file.cc:1] before {row.text} after\nstep 2\n"
    (seen,) = messages.recognise(output, ROWS)
    assert (seen.slug, row.text in seen.line, "step" in seen.line) == (row.slug, True, False)


def test_nothing_is_seen_in_a_healthy_log() -> None:
    noise = (
        "E0000 cuda_dnn.cc:8310] Unable to register cuDNN factory: Attempting to register factory for cuDNN\n"
        "I could not open file to read NUMA node: /sys/bus/pci/devices/0000:01:00.0/numa_node\n"
        "W TF-TRT Warning: Could not find TensorRT\nran out of memory trying to allocate 2.70GiB; The caller "
        "indicates that this is not a failure\n"
    )
    assert messages.recognise(noise, ROWS) == ()
    assert messages.recognise("", ROWS) == ()


def test_the_deciding_words_come_first_and_an_enormous_line_is_cut() -> None:
    padding = "x" * 5_000_000
    output = f"Could not create cudnn handle\n{padding}Loaded runtime CuDNN library: 7.1.4{padding}"
    seen = messages.recognise(output, ROWS)
    assert [one.slug for one in seen] == ["cudnn-version-mismatch", "cudnn-init-failed"]
    assert all(len(one.line) <= messages.LONGEST for one in seen)


def test_real_logs() -> None:
    """The causes of real texts; where a text shows several, the cause is among what is seen first."""
    folder = SHARED / "cases"
    if not folder.is_dir():
        pytest.skip("the real failure texts are not at ../shared/cases")
    seen_of = {}
    for path in sorted(folder.glob("*.json")):
        case = json.loads(path.read_text())
        seen = messages.recognise(case["text"], ROWS)
        if case.get("benign") or case["cause"] == "healthy":
            assert seen == (), path.stem
        elif seen:
            seen_of[path.stem] = seen[0].slug in (case["cause"], *case["also"])
    assert len(seen_of) >= 20  # 24 when it was written
    assert sum(seen_of.values()) >= 0.85 * len(seen_of), [name for name, right in seen_of.items() if not right]
