"""The guides: their commands are accepted, their links lead somewhere, their code does what they say of it."""

from __future__ import annotations

import json
import re
import shlex
import subprocess
import sys
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path

import pytest
import typer
from conftest import ROOT, clean_environment
from guides import GUIDES, OLD_CODE, Snippet, blocks, commands, messages, snippets

from gpucheck import explaining
from gpucheck.checks.troubles import TROUBLES
from gpucheck.cli import UsageError, app

NAMES = {
    "no-gpu",
    "cudnn",
    "memory",
    "side-by-side",
    "containers-wsl-clusters",
    "old-code",
}
BY_NAME = pytest.mark.parametrize("path", GUIDES, ids=lambda path: path.stem)
# Runs every snippet in a namespace of its own; one start of TensorFlow for all.
RUNNER = """
import json, sys
answers = []
for code in json.load(sys.stdin):
    try:
        exec(compile(code, "guide", "exec"), {})
    except Exception as problem:
        answers.append(f"{type(problem).__name__}: {problem}")
    else:
        answers.append(None)
json.dump(answers, open(sys.argv[1], "w"))
"""


def parsed(line: str) -> None:
    """Let the command line parse it, without running anything; raise what it says against it."""
    group = typer.main.get_command(app)
    words = shlex.split(line)
    context = group.make_context("gpucheck", words)
    while True:
        left = [*context._protected_args, *context.args]
        name, command, rest = context.command.resolve_command(context, left)
        if not rest:
            return  # a command's mere name
        context = command.make_context(name, rest, parent=context)
        if not hasattr(context.command, "resolve_command"):
            return


def test_all_six_are_here() -> None:
    assert {path.stem for path in GUIDES} == {*NAMES, "index"}


@BY_NAME
def test_every_command_is_accepted(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    lines = commands(path)
    assert lines
    for line in lines:
        try:
            parsed(line)
        except UsageError as problem:
            pytest.fail(f"gpucheck {line}: {problem.format_message()}")


def test_a_command_that_is_not_accepted_is_found() -> None:
    for line in ("doctor --no-such-option", "no-such-command", "matrix no-such", "smoke --epochs many"):
        with pytest.raises(UsageError):
            parsed(line)


def test_commands_are_found_in_blocks_and_in_lines(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(
        "Say `gpucheck doctor -v`, not `gpucheck smoke …`:\n\n```sh\n$ gpucheck env > here  # this shell\n"
        "srun --gpus 1 gpucheck doctor\npip check\n```\n\n```text\ngpucheck said\n```\n"
    )
    assert commands(page) == ["env", "doctor", "doctor -v"]


@BY_NAME
def test_every_link_leads_somewhere(path: Path) -> None:
    for target, anchor in re.findall(r"\]\(([^)#\s]*)(?:#([^)\s]+))?\)", path.read_text()):
        if "://" in target:
            assert target.startswith("https://"), target
            continue
        place = (path.parent / target) if target else path
        trouble = re.fullmatch(r"\.\./troubles/([a-z0-9-]+)\.md", target)
        if trouble:
            assert trouble[1] in TROUBLES, f"{path.name}: {target}"
            continue
        assert place.exists(), f"{path.name}: {target}"
        if anchor:
            assert anchor in headings(place), f"{path.name}: {target}#{anchor}"


def headings(path: Path) -> set[str]:
    """Return the anchors of a page, as GitHub and the site make them."""
    titles = re.findall(r"^#+ (.+)$", path.read_text(), re.MULTILINE)
    plain = (re.sub(r"[^\w\- ]", "", title.lower()) for title in titles)
    return {re.sub(r"\s+", "-", one.strip()) for one in plain}


@BY_NAME
def test_nobody_is_told_to_install_somebody_elses_package(path: Path) -> None:
    assert not re.search(r"(pip|uv|pipx|uvx)\b[^`\n]*\binstall\b[^`\n]*\bgpucheck\b(?!-)", path.read_text())


@pytest.mark.parametrize("path", [path for path in GUIDES if path.stem in NAMES], ids=lambda path: path.stem)
def test_a_guide_starts_with_what_to_run_and_ends_with_the_proof(path: Path) -> None:
    text = path.read_text()
    titles = re.findall(r"^## (.+)$", text, re.MULTILINE)
    assert titles[0] == "What to run first"
    assert titles[-1] == "How to prove that it is cured"
    assert "gpucheck smoke" in text[text.index("## How to prove that it is cured") :]
    assert any(title.startswith("Advice that is wrong") for title in titles)
    assert len(messages(path)) >= 5


@BY_NAME
def test_every_block_says_what_it_is(path: Path) -> None:
    for block in blocks(path):
        assert block.kind in {"sh", "text", "python"}, f"{path.name}, line {block.line}"


CODE = snippets(OLD_CODE)


@pytest.fixture(scope="module")
def answers(tmp_path_factory: pytest.TempPathFactory) -> list[str | None]:
    """Run all code of old-code.md in one process without a GPU."""
    if find_spec("tensorflow") is None:
        pytest.skip(f"tensorflow is not installed for Python {sys.version_info[:2]}")
    named = dict(re.findall(r"(TensorFlow|Keras|NumPy) (\d+\.\d+\.\d+)", OLD_CODE.read_text()))
    for name, wanted in named.items():
        if version(name.lower()) != wanted:
            pytest.skip(f"the guide speaks of {name} {wanted}, here is {version(name.lower())}")
    folder = tmp_path_factory.mktemp("old")
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", RUNNER, folder / "answers.json"],
        input=json.dumps([snippet.code for snippet in CODE]),
        env=clean_environment(CUDA_VISIBLE_DEVICES="-1", TF_CPP_MIN_LOG_LEVEL="3"),
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return json.loads((folder / "answers.json").read_text())


@pytest.mark.parametrize("number", range(len(CODE)), ids=lambda number: f"line-{CODE[number].line}")
def test_the_code_does_what_the_guide_says(answers: list[str | None], number: int) -> None:
    snippet, said = CODE[number], answers[number]
    if snippet.raises is None:
        assert said is None, f"line {snippet.line}: {said}"
    else:
        assert said is not None, f"line {snippet.line} raises nothing"
        assert shortened(said) == snippet.raises, f"line {snippet.line}"


def shortened(message: str) -> str:
    """Take the reader's own folders out of a message."""
    return re.sub(r"\(/\S*/site-packages/", "(…/", message)


def test_the_guide_speaks_of_the_versions_that_the_tests_install() -> None:
    pins = (ROOT / "constraints.txt").read_text()
    for name, wanted in re.findall(r"(TensorFlow|Keras|NumPy) (\d+\.\d+\.\d+)", OLD_CODE.read_text()):
        assert re.search(rf"^{name.lower()}=={re.escape(wanted)}\b", pins, re.MULTILINE), name


def test_code_is_told_from_the_message_behind_it(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("```python\nold()\n```\n\n```text\nNameError: no\n```\n\nWords\n\n```python\nnew()\n```\n")
    assert snippets(page) == [Snippet("old()\n", 1, "NameError: no"), Snippet("new()\n", 11, None)]
    assert [snippet for snippet in CODE if snippet.raises] != []


def test_the_guide_names_every_removed_call_of_the_tutorials() -> None:
    text = OLD_CODE.read_text()
    for call in (
        "tf.placeholder",
        "tf.Session",
        "tf.ConfigProto",
        "tf.truncated_normal",
        "tensorflow.examples.tutorials",
        "SGD(lr=0.01",
        "np.float",
        "tf.set_visible_devices",
        "np_utils",
        "fit_generator",
    ):
        assert call in text, call


# Python's own words, which alone tell of no cause.
GENERAL = {"IndexError: list index out of range", "KeyError: 'acc'"}


@pytest.mark.parametrize("path", GUIDES, ids=lambda path: path.stem)
def test_every_message_that_a_guide_quotes_is_known_to_explain(path: Path) -> None:
    for message in messages(path):
        if message not in GENERAL and "must have the same rank (ndim)" not in message:
            assert explaining.is_explained(explaining.explain(message)), message
