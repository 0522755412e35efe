"""The pages of the troubles: complete, up to date, their commands exist, their links lead somewhere."""

from __future__ import annotations

import functools
import re
import shlex
import subprocess
import sys

import pytest
from conftest import ROOT
from typer.testing import CliRunner

from gpucheck import catalogue
from gpucheck.checks.pages import ADVICE, GROUPS, SYSTEMS
from gpucheck.checks.troubles import TROUBLES
from gpucheck.cli import app
from gpucheck.report import trouble

PLACEHOLDERS = {"COMMAND", "PATH", "NAME", "SLUG"}
HOSTS = (
    "https://docs.nvidia.com/", "https://developer.nvidia.com/", "https://pytorch.org/", "https://docs.pytorch.org/",
    "https://www.tensorflow.org/", "https://documentation.ubuntu.com/", "https://man7.org/linux/man-pages/",
    "https://peps.python.org/",
)  # fmt: skip
THREAD = re.compile(
    r"https://github\.com/[\w-]+/[\w.-]+/(issues|pull)/\d+|https://github\.com/openxla/xla/blob/main/\S+"
)
HOSTILE = "a ``` b ```` \x1b[2Jx <script>alert(1)</script> [x](http://evil) \u202eabc"


def texts(slug: str) -> list[str]:
    advice = ADVICE[slug]
    return [advice.why, *advice.confirm, *(cure for _, cure in advice.cures), *advice.vain]


def commands() -> list[tuple[str, str]]:
    found = []
    for slug in ADVICE:
        for text in (*texts(slug), TROUBLES[slug].meaning, TROUBLES[slug].remedy):
            found += [(slug, one) for one in re.findall(r"`([^`]+)`", text) if one.startswith("gpucheck ")]
    return found


def test_every_trouble_has_advice_in_one_group() -> None:
    assert set(ADVICE) == set(TROUBLES)
    assert sorted(slug for members in GROUPS.values() for slug in members) == sorted(TROUBLES)


@pytest.mark.parametrize("slug", TROUBLES)
def test_advice_is_complete_and_well_formed(slug: str) -> None:
    advice = ADVICE[slug]
    assert advice.confirm
    assert advice.cures
    assert {system for system, _ in advice.cures} <= set(SYSTEMS)
    for text in (*texts(slug), TROUBLES[slug].meaning, TROUBLES[slug].remedy):
        assert text.isprintable()
        assert text == text.strip()
        assert text.count("`") % 2 == 0, text
        assert text[-1] in ".?`", text  # a sentence, or a command alone
    for title, address in advice.references:
        assert title.isprintable()
        assert address.startswith(HOSTS) or THREAD.fullmatch(address), address
        assert not re.search(r"[\s()<>]", address)


@functools.cache
def accepted(*names: str) -> str:
    done = CliRunner().invoke(app, [*names, "--help"])
    assert done.exit_code == 0, names
    return re.sub(r"\x1b\[[0-9;]*m", "", done.output)


@pytest.mark.parametrize(("slug", "command"), commands())
def test_commands_of_ours_exist(slug: str, command: str) -> None:
    words = shlex.split(command.partition(" -- ")[0])[1:]
    names = tuple(words[:2] if words[0] == "matrix" else words[:1])
    shown = accepted(*names)
    for option in (word.partition("=")[0] for word in words if word.startswith("-")):
        assert re.search(rf"(?<![\w-]){option}(?![\w-])", shown), command
    if words[0] in ("fix", "explain") and len(words) > 1 and not words[1].startswith("-"):
        assert words[1] in {*TROUBLES, *PLACEHOLDERS}, command
    if "--fix" in words:
        assert words[words.index("--fix") + 1] in TROUBLES, command


def test_links_between_pages_lead_somewhere() -> None:
    for path in (*(ROOT / "docs/troubles").glob("*.md"), ROOT / "docs/messages.md"):
        for target in re.findall(r"\]\(([^)#]+)[)#]", path.read_text()):
            assert "://" in target or (path.parent / target).is_file(), f"{path.name}: {target}"
    listed = set(re.findall(r"\]\(([\w-]+)\.md\)", (ROOT / "docs/troubles/index.md").read_text()))
    assert listed == set(TROUBLES)


def test_pages_are_up_to_date() -> None:
    done = subprocess.run(
        [sys.executable, ROOT / "tools/pages.py", "--check"], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout) == (0, "")


@pytest.mark.parametrize("width", [80, 100])
@pytest.mark.parametrize("slug", TROUBLES)
def test_the_terminal_page_keeps_its_width_and_its_commands_whole(slug: str, width: int) -> None:
    page = catalogue.page(slug)
    shown = trouble.text(page, width)
    for line in shown.partition("\nRead more\n")[0].splitlines():
        alone = re.fullmatch(r"\s*(\w+\s+)?(- )?\(?`[^`]+`\S*", line)  # one long command is not broken
        assert len(line) <= width or alone, line
    for _, cure in page.cures:
        assert all(f"`{one}`" in shown for one in re.findall(r"`([^`]+)`", cure))


def test_a_page_says_where_a_trouble_comes_from_and_leads_to() -> None:
    page = catalogue.page("cudnn-init-failed")
    assert "gpu-out-of-memory" in page.causes
    shown = trouble.text(page)
    assert "\nCan follow from\n  gpu-out-of-memory, " in shown
    assert "\nCan bring with it\n  smoke-failed\n" in shown
    assert " more\n" in trouble.text(catalogue.page("smoke-failed"))


def test_messages_stand_on_the_page_each_once_and_lines_unchanged() -> None:
    example = "Loaded runtime CuDNN library: 7.1.4 but source was compiled with: 7.2.1." + " x" * 60
    page = catalogue.page("cudnn-version-mismatch", {"cudnn-version-mismatch": [example, example]})
    assert page.messages == (example,)
    assert f"\nWhat you may have seen\n  {example}\n" in trouble.text(page)
    assert f"```text\n{example}\n```" in trouble.markdown(page)
    assert "What you may have seen" not in trouble.text(catalogue.page("cudnn-version-mismatch"))


def test_hostile_text_stays_text() -> None:
    page = catalogue.page("no-device", {"no-device": [HOSTILE, "two\nlines"]})
    shown, made = trouble.text(page), trouble.markdown(page)
    for text in (shown, made):
        assert not re.search("[\x00-\x09\x0b-\x1f\u202e]", text)
    fence = "`" * 5
    block = made.partition(f"{fence}text\n")[2].partition(f"\n{fence}\n")[0]
    assert block.splitlines()[0].startswith("a ``` b ```` ")
    assert "<script>" not in made.replace(block, "")
    assert trouble.prose("<b> *x* `a<b` see no-device") == "\\<b\\> \\*x\\* `a<b` see [no-device](no-device.md)"
