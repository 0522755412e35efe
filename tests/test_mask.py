"""The device mask, read by the driver's rules."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
from importlib.util import find_spec

import pytest
from conftest import clean_environment
from hypothesis import given
from hypothesis import strategies as st

from gpucheck.mask import read_mask, repaired

UUIDS = ("GPU-aaa1", "GPU-aaa2", "GPU-bbb3", None)


@pytest.mark.parametrize(
    ("text", "visible", "why"),
    [
        ("", (), None),
        ("0,1", (0, 1), None),
        ("1,0", (1, 0), None),
        (" 0, 1", (0, 1), None),
        ("01", (1,), None),
        ("0x1", (0,), None),
        ("0,2,-1,1", (0, 2), "there is no GPU -1"),
        ("-1", (), "there is no GPU -1"),
        ("0,a,1", (0,), "'a' is not an index"),
        ("NoDevFiles", (), "'NoDevFiles' is not an index"),
        ("5", (), "there is no GPU 5"),
        ("0,0", (), "names a GPU twice"),
        ("1,1,2", (), "names a GPU twice"),
        ("GPU-bbb", (2,), None),
        ("GPU-bbb,GPU-aaa1", (2, 0), None),
        ("GPU-aaa", (), "fits 2 GPUs"),
        ("GPU-zzz", (), "fits no GPU"),
        ("GPU-bbb,0", (2,), "'0' is not a UUID"),
        ("0,GPU-bbb", (0,), "is not an index"),
        ("MIG-x", None, None),
    ],
)
def test_the_rules(text: str, visible: tuple[int, ...] | None, why: str | None) -> None:
    mask = read_mask(text, UUIDS)
    assert mask.visible == visible
    assert (mask.cut is None) if why is None else (why in (mask.cut or ""))


@given(st.text(alphabet="0123456789,-abGPUMIx ", max_size=20))
def test_any_text_gives_a_subset_without_duplicates(text: str) -> None:
    visible = read_mask(text, UUIDS).visible
    if visible is not None:
        assert len(set(visible)) == len(visible)
        assert set(visible) <= set(range(len(UUIDS)))


CASES = ["", "-1", "0,1", "1,0", "0,2,-1,1", "0,a,1", "NoDevFiles", "0,0", "1,1,2", " 0", "0, 1", "0x1", "01", "2"]


def test_torch_reads_indices_alike() -> None:
    """torch's own reading is private; where it is there, it is a free witness."""
    if find_spec("torch") is None:
        pytest.skip("torch is not installed")
    code = (
        "import json, os, sys, torch\nout = []\n"
        "for case in json.loads(sys.argv[1]):\n"
        "    os.environ['CUDA_VISIBLE_DEVICES'] = case\n"
        "    out.append([index for index in torch.cuda._parse_visible_devices() if index < 4])\n"
        "print(json.dumps(out))"
    )
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", code, json.dumps(CASES)],
        capture_output=True, text=True, env=clean_environment(), check=True, cwd=os.sep,
    )  # fmt: skip
    for case, theirs in zip(CASES, json.loads(done.stdout), strict=True):
        assert list(read_mask(case, UUIDS).visible or ()) == theirs, case


# Where torch 2.13.0 and the driver's rules part (docs/fixes.md): torch looks for duplicates in the whole list, the
# driver's guide ends it at the first invalid entry; and torch reads any script's digits.
def _differs_by_design(text: str, theirs: list[int]) -> bool:
    """Whether an index that is not there stands before a duplicate, or a digit is none of ASCII's."""
    mask = read_mask(text, UUIDS)
    return not text.isascii() or (theirs == [] and mask.cut is not None and "twice" not in mask.cut)


def test_torch_reads_any_list_of_indices_alike() -> None:
    """Thousands of lists in one process of the real torch, whose caller cuts at the count of GPUs."""
    if find_spec("torch") is None:
        pytest.skip("torch is not installed")
    chance = random.Random(0)
    parts = ["0", "1", "2", "3", "00", " 1", "2 ", "-1", "7", "a", "", "0x1", "1.5", "+2", "NoDevFiles", "٣"]
    cases = [",".join(chance.choices(parts, k=chance.randint(1, 5))) for _ in range(3000)]
    code = (
        "import json, os, sys, torch\nout = []\n"
        "for case in json.loads(sys.stdin.read()):\n"
        "    os.environ['CUDA_VISIBLE_DEVICES'] = case\n"
        "    out.append(torch.cuda._parse_visible_devices())\n"
        "print(json.dumps(out))"
    )
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", code], input=json.dumps(cases),
        capture_output=True, text=True, env=clean_environment(), check=True, cwd=os.sep,
    )  # fmt: skip
    agreed = 0
    for case, theirs in zip(cases, json.loads(done.stdout), strict=True):
        ours = list(read_mask(case, UUIDS).visible or ())
        until = next((n for n, index in enumerate(theirs) if index >= len(UUIDS)), len(theirs))
        if ours != theirs[:until]:
            assert _differs_by_design(case, theirs), case
        agreed += ours == theirs[:until]
    assert agreed > 2000


@given(st.text(alphabet="0123,-aGPU ", max_size=20))
def test_a_repaired_mask_shows_all_that_it_names(text: str) -> None:
    kept = repaired(text, UUIDS)
    mask = read_mask(",".join(kept), UUIDS)
    assert mask.cut is None
    assert len(mask.visible or ()) == len(kept)
    assert set(read_mask(text, UUIDS).visible or ()) <= set(mask.visible or ())
