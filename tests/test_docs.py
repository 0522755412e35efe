"""The words: commands in the documents exist, the README shows what the program prints, no false name."""

from __future__ import annotations

import re
import shlex
import subprocess
from pathlib import Path

import pytest
from conftest import ROOT
from typer.testing import CliRunner

from gpucheck.checks import all_checks
from gpucheck.checks.troubles import TROUBLES
from gpucheck.cli import app

DOCUMENTS = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *(ROOT / "matrix").glob("*.md")])
TARGETS = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))


def all_texts() -> list[Path]:
    done = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        return DOCUMENTS
    return [ROOT / name for name in done.stdout.splitlines() if not name.endswith(".names")]


def test_nobody_is_told_to_install_somebody_elses_package() -> None:
    wrong = re.compile(r"(pip|pipx|uv tool|uvx)\s+(install\s+)?['\"]?" + "gpucheck" + r"(?![-\w.])")
    for path in all_texts():
        assert not wrong.search(path.read_text(encoding="utf-8", errors="replace")), path


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.name)
def test_every_command_in_the_documents_exists(path: Path) -> None:
    text = path.read_text()
    for line in re.findall(r"^\$? ?gpucheck (.+)$", text, re.MULTILINE):
        words = shlex.split(line.partition("  #")[0])
        names = words[:2] if words[0] in ("matrix", "fleet") else words[:1]
        done = CliRunner().invoke(app, [*names, "--help"])
        assert done.exit_code == 0, line
        for option in (word.partition("=")[0] for word in words[1:] if word.startswith("--")):
            assert option in re.sub(r"\x1b\[[0-9;]*m", "", done.output), line
    for target in re.findall(r"^\$? ?make ([a-z-]+)", text, re.MULTILINE):
        assert target in TARGETS, target


def test_the_readme_lists_every_check() -> None:
    text = (ROOT / "README.md").read_text()
    for check in all_checks():
        assert f"`{check.name}`" in text, check.name


def test_the_readme_links_to_files_that_exist() -> None:
    for path in DOCUMENTS:
        for target in re.findall(r"\]\(([^)#]+)[)#]", path.read_text()):
            if "://" not in target:
                assert (path.parent / target).exists(), f"{path.name}: {target}"


def test_troubles_name_each_other_rightly() -> None:
    for slug, trouble in TROUBLES.items():
        assert re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", slug)
        assert set(trouble.follows) <= set(TROUBLES), slug
        assert slug not in trouble.follows


README = (ROOT / "README.md").read_text()


def test_the_readme_shows_what_recommend_and_matrix_check_print(gpucheck) -> None:
    block = README[README.index("$ gpucheck recommend") :].partition("```")[0]
    for number, part in enumerate(block.split("$ gpucheck ")[1:]):
        command, _, shown = part.partition("\n")
        printed = gpucheck(*shlex.split(command)).out
        assert printed.startswith(shown) if number else printed == shown
