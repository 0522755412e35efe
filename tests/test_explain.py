"""`gpucheck explain TEXT`: what a person gets who pastes a log or another machine's report."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from conftest import SHARED

import gpucheck as package
from gpucheck import explaining
from gpucheck.intake import joined

CUDNN = "Loaded runtime CuDNN library: 7.1.4 but source was compiled with: 7.6.0"
REPORT = """Collecting environment information...
PyTorch version: 2.7.0+cu126
Is debug build: False
CUDA used to build PyTorch: 12.6
OS: Ubuntu 22.04.5 LTS (x86_64)
Libc version: glibc-2.35
Python version: 3.10.12 (main, Nov 20 2023, 15:14:05) [GCC 11.4.0] (64-bit runtime)
Python platform: Linux-5.15.0-91-generic-x86_64-with-glibc2.35
Is CUDA available: True
CUDA runtime version: 12.8.93
GPU models and configuration: GPU 0: NVIDIA GeForce RTX 5090
Nvidia driver version: 570.86.15
cuDNN version: Could not collect
"""
TRACEBACK = """Traceback (most recent call last):
  File "train.py", line 12, in <module>
    x = torch.ones(2, device="cuda") + 1
RuntimeError: CUDA error: no kernel image is available for execution on the device
"""
ISSUE = f"""Hallo zusammen, seit gestern geht nichts mehr. Bitte helft mir!!! 你好

> ```
> {TRACEBACK.replace(chr(10), chr(10) + "> ")}
> ```

### Environment

{REPORT}
Ich habe schon alles neu installiert, auch CUDA 13.
"""
TUTORIALS = {
    "Failed to get convolution algorithm": ("cudnn-init-failed", "memory growth"),
    "Not enough GPU hardware devices available": ("cuda-library-missing", "tensorflow[and-cuda]"),
    "Memory growth cannot differ between GPU devices": ("memory-growth-mixed", "gpucheck run --gpus 1"),
    CUDNN: ("cudnn-version-mismatch", "gpucheck run --fix cudnn-version-mismatch"),
}


@pytest.mark.parametrize("text", TUTORIALS)
def test_the_tutorials_troubles_are_explained_with_their_cure(gpucheck, text: str) -> None:
    slug, cure = TUTORIALS[text]
    ran = gpucheck("explain", "--text", text)
    assert ran.status == 0
    assert ran.out.startswith(f"Problem: {slug}\n")
    assert text in ran.out
    assert cure in ran.out


def test_a_whole_issue_is_explained_as_one(gpucheck, tmp_path: Path) -> None:
    path = tmp_path / "issue.md"
    path.write_text(ISSUE, encoding="utf-8")
    report = gpucheck("explain", path, "--format", "json").report
    assert report["root_causes"] == ["compute-capability-unsupported"]
    (finding,) = report["findings"]
    evidence = " ".join(one["text"] for one in finding["evidence"])
    assert "compute capability 12.0" in evidence
    assert "no kernel image is available" in evidence
    assert report["facts"]["reports"] == ["collect_env", "log"]
    assert report["facts"]["system"]["toolkit"]["value"] == "12.8"


def test_from_a_pipe_from_a_file_and_in_python(gpucheck, tmp_path: Path) -> None:
    path = tmp_path / "train.log"
    path.write_text(CUDNN)
    texts = [gpucheck("explain", path).out, gpucheck("explain", "-", input=CUDNN).out]
    texts.append(gpucheck("explain", "--text", CUDNN).out)
    assert texts[0] == texts[1] == texts[2]
    report = package.explain(CUDNN)
    assert report.root_causes == ("cudnn-version-mismatch",)
    assert "7.1.4" in report.findings[0].title
    assert "cudnn-version-mismatch" in report._repr_markdown_()


def test_a_harmless_log_is_no_trouble(gpucheck) -> None:
    ran = gpucheck("explain", "-", input="TF-TRT Warning: Could not find TensorRT\n")
    assert ran.status == 0
    assert ran.out.startswith("No trouble shown: what is known in the text is harmless: tensorrt-warning\n")


def test_an_unknown_text_is_inconclusive_and_says_what_to_send(gpucheck) -> None:
    ran = gpucheck("explain", "-", input="my cat walked over the keyboard\n")
    assert ran.status == 3
    assert ran.out.startswith("Inconclusive: nothing in the text is known\n")
    assert "gpucheck doctor" in ran.out


def test_a_healthy_report_is_healthy_and_gates(gpucheck) -> None:
    sound = REPORT.replace("RTX 5090", "RTX 4090")
    assert gpucheck("explain", "-", input=sound).status == 0
    gated = gpucheck("doctor", "--from", "-", input=sound)
    assert (gated.status, gated.out.partition(":")[0]) == (0, "Healthy")
    assert gpucheck("doctor", "--from", "-", input=REPORT).status == 1
    assert gpucheck("doctor", "--from", "-", "--require", "gpu>=2", input=sound).status == 1
    assert gpucheck("doctor", "--from", "-", input="nothing known").status == 3


def test_the_cures_are_for_the_machine_of_the_text() -> None:
    log = "no CUDA-capable device is detected"
    for system, words in {"wsl": "microsoft-standard-WSL2", "windows": r"C:\Users\me"}.items():
        report = package.explain(f"{log}\n{words}\n")
        told = {name for finding in report.findings for fix in finding.fixes for name in fix.systems}
        assert told <= {system}, told
    everywhere = {name for fix in package.explain(log).findings[0].fixes for name in fix.systems}
    assert len(everywhere) > 1


def test_the_markdown_can_be_posted_as_it_is(gpucheck) -> None:
    hostile = f"@everyone #1 <b>{CUDNN}</b> [x](http://evil) `rm -rf`\n"
    out = gpucheck("explain", "-", "--format", "markdown", input=hostile).out
    assert "**Does not help:**" in out
    assert "`gpucheck run --fix cudnn-version-mismatch -- COMMAND`" in out
    for sign in ("@everyone", "#1", "<b", "[x"):
        assert f"\\{sign}" in out
        assert out.count(sign) == out.count(f"\\{sign}")
    assert "not looked at" not in out


def test_nothing_of_a_text_is_markup_or_an_escape(gpucheck) -> None:
    ran = gpucheck(
        "explain", "-", "--color", "always", input=f"[bold red]\x1b]0;title\x07\x1b[2J {CUDNN} [/]\u202e\n"
    )
    assert "[bold red]" in ran.out
    assert "\x1b]0;" not in ran.out
    assert "\x1b[2J" not in ran.out
    assert "\u202e" not in ran.out


@pytest.mark.parametrize("form", ["text", "markdown"])
def test_a_log_gives_a_workflow_no_command(gpucheck, form: str) -> None:
    log = (
        f"::error::{CUDNN}\n   ::add-mask::x Failed to get convolution algorithm\n##[error]No algorithm worked!\n"
    )
    out = gpucheck("explain", "-", "--format", form, input=log, env={"GITHUB_ACTIONS": "true"}).out
    assert not [line for line in out.splitlines() if line.lstrip().startswith("::")]
    assert "##[" not in out


def test_names_of_other_machines_are_taken_out_of_what_is_posted(gpucheck) -> None:
    log = f'File "/home/ykchen/x.py"\nhostname: LAPTOP-47C244DH {CUDNN}\n'
    out = gpucheck("explain", "-", "--format", "markdown", input=log).out
    assert "LAPTOP" not in out
    assert "ykchen" not in out


def test_this_machine_takes_part_when_asked(gpucheck, stub) -> None:
    alone = gpucheck("explain", "--text", CUDNN, "--format", "json").report
    here = gpucheck("explain", "--text", CUDNN, "--here", "--format", "json", env=stub()).report
    assert alone["facts"]["gpus"]["value"] is None
    assert here["facts"]["gpus"]["value"]
    assert {"cudnn-version-mismatch", "simulated-driver"} <= {finding["slug"] for finding in here["findings"]}


BAD = {
    "empty": (b"", "is empty"),
    "white space": (b" \n\t\n", "is empty"),
    "a program": (b"\x7fELF\x02\x01\x01" + bytes(900), "is a binary file, not text"),
    "a report of another version": (
        b'{"schema_version": 7, "facts": {}}',
        "schema_version is 7, this gpucheck reads 1",
    ),
    "a report cut before its facts": (
        b'{"schema_version": 1, "tool": {"name": "gpuch',
        "is not a whole gpucheck report",
    ),
}


@pytest.mark.parametrize("name", BAD)
@pytest.mark.parametrize("command", [("explain",), ("doctor", "--from")], ids=" ".join)
def test_bad_input_is_one_line_and_status_2(gpucheck, tmp_path: Path, command: tuple[str, ...], name: str) -> None:
    content, why = BAD[name]
    path = tmp_path / "input.txt"
    path.write_bytes(content)
    ran = gpucheck(*command, path)
    assert (ran.status, ran.out, ran.err.count("\n")) == (2, "", 1)
    assert f"{path}: {why}" in ran.err


WRONG = {
    ("explain", "."): "is a folder",
    ("explain", "no/such/file"): "no/such/file: cannot be read: No such file or directory",
    ("explain", "nothing.log"): "nothing.log: cannot be read",
    ("explain", "cudnn-version-mismach"): "did you mean cudnn-version-mismatch?",
    ("explain", "--text", "x", "nccl-error"): "exclude each other",
    ("explain", "--here"): "--here needs a text",
    ("explain", "--text", ""): "--text: is empty",
}


@pytest.mark.parametrize("command", WRONG, ids=" ".join)
def test_wrong_use_is_one_line_and_status_2(gpucheck, tmp_path: Path, command: tuple[str, ...]) -> None:
    ran = gpucheck(*command, cwd=tmp_path)
    assert (ran.status, ran.out) == (2, "")
    assert WRONG[command] in ran.err


def test_what_could_be_read_of_a_report_that_was_cut_off_is_used_and_said(gpucheck, tmp_path: Path) -> None:
    whole = gpucheck("doctor", "--format", "json").out
    path = tmp_path / "report.json"
    for share in (0.55, 0.75, 0.95, 0.999):
        path.write_text(whole[: int(len(whole) * share)])
        ran = gpucheck("explain", path)
        if ran.status == 2:  # the facts had not begun
            assert "is not a whole gpucheck report" in ran.err
        else:
            assert "is cut off; what stands before the end is used" in ran.out
    assert "cut off" in ran.out


def test_a_truncated_xml_is_used_and_said(gpucheck) -> None:
    gpu = (
        '<gpu id="00000000:3B:00.0"><product_name>NVIDIA H200</product_name><uuid>GPU-1</uuid>'
        "<fb_memory_usage><total>143771 MiB</total><free>143000 MiB</free></fb_memory_usage></gpu>"
    )
    text = (
        '<?xml version="1.0" ?>\n<nvidia_smi_log><driver_version>580.105.08</driver_version>'
        f"<cuda_version>13.0</cuda_version><attached_gpus>2</attached_gpus>{gpu}{gpu[:60]}"
    )
    ran = gpucheck("explain", "-", input=text)
    assert ran.status == 0
    assert "NVIDIA H200" in ran.out
    assert "could be read whole" in ran.out


PARTIAL = {
    "numpy==1.26.4\ntorch==2.9.0\npackaging==25.0\n": "whether there is a GPU, it does not show",
    "0001:00:00.0 3D controller [0302]: NVIDIA Corporation GA100 [A100 SXM4 80GB] [10de:20b2] (rev a1)\n": (
        "1 NVIDIA card on the PCI bus; whether a driver works, the text does not show"
    ),
}


@pytest.mark.parametrize("text", PARTIAL)
def test_a_report_of_a_part_claims_nothing_of_the_rest(gpucheck, text: str) -> None:
    ran = gpucheck("explain", "-", input=text)
    assert ran.status == 0
    assert PARTIAL[text] in ran.out
    assert "no NVIDIA GPU here" not in ran.out


def test_the_kernels_log_is_read(gpucheck) -> None:
    log = "[Sun Feb 23 16:24:18 2025] NVRM: Xid (PCI:0000:9b:00): 79, pid=1, GPU has fallen off the bus.\n"
    report = gpucheck("explain", "-", "--format", "json", input=log).report
    assert {"gpu-lost", "xid-error"} <= {one["slug"] for one in report["findings"]}
    assert report["facts"]["reports"] == ["the kernel's log", "log"]


def test_two_reports_of_one_machine_are_joined() -> None:
    table = (
        "| NVIDIA-SMI 570.86.15    Driver Version: 570.86.15    CUDA Version: 12.8 |\n"
        "|   0  NVIDIA GeForce RTX 5090   Off | 00000000:01:00.0 Off | N/A |\n"
        "| 0%   30C    P8   29W / 575W |    1583MiB / 32607MiB |   0%   Default |\n"
    )
    facts = explaining.explain(f"{REPORT}\n{table}").facts
    (gpu,) = facts.gpus.value
    assert (gpu.name.value, gpu.compute_capability.value) == ("NVIDIA GeForce RTX 5090", "12.0")
    assert facts.driver.driver_cuda.value == "12.8"
    assert joined([facts, facts]).gpus == facts.gpus


def score(folder: Path) -> tuple[int, int, list[str], list[str]]:
    """Return how many of the labelled texts are told right, how many there are, false alarms and misses."""
    from score_cases import answers, right

    hits, alarms, misses = 0, [], []
    cases = [json.loads(path.read_text()) for path in sorted(folder.glob("*.json"))]
    for case in cases:
        report = explaining.explain(case["text"])
        named = answers(report)
        hit = right(case, named, [finding.slug for finding in report.findings])
        hits += hit
        if not hit:
            sound = case["benign"] or case["cause"] == "healthy"
            (alarms if sound else misses).append(f"{case['id']}: {', '.join(named)}")
    return hits, len(cases), alarms, misses


def test_real_texts_are_told_right_and_healthy_ones_raise_no_alarm(monkeypatch) -> None:
    folder = SHARED / "cases"
    if not folder.is_dir():
        pytest.skip("the real failure texts are not at ../shared/cases")
    monkeypatch.syspath_prepend(str(Path(__file__).parents[1] / "tools"))
    hits, number, alarms, misses = score(folder)
    assert number >= 137
    assert alarms == []
    assert hits >= 0.95 * number, misses
