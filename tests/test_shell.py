"""Shell comfort: completion by pressing Tab, examples in every help, what was probably meant, the manual page."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import typer
from conftest import ROOT, SCRIPT, clean_environment
from terminal import Terminal

from gpucheck.cli import COMMANDS, PANELS, app
from gpucheck.cli.near import words
from gpucheck.cli.overview import COMMON, examples, summary

MAN = ROOT / "docs/gpucheck.1"
TOOL = ROOT / "tools/manpage.py"
FRAMEWORKS = {"torch", "tensorflow", "numpy"}


def needs(program: str) -> str:
    found = shutil.which(program)
    if found is None:
        pytest.skip(f"{program} is not installed")
    return found


def top() -> Any:
    command: Any = typer.main.get_command(app)
    return typer.Context(command, info_name="gpucheck", **command.context_settings)


def below(context: Any, path: str = "gpucheck") -> dict[str, Any]:
    """Every command and subcommand by its words."""
    found = {}
    for name in context.command.list_commands(context):
        command = context.command.get_command(context, name)
        found[f"{path} {name}"] = command
        if hasattr(command, "list_commands"):
            inner = type(context)(command, parent=context, info_name=name)
            found |= below(inner, f"{path} {name}")
    return found


EVERY = below(top())
READERS = {"groff": ["-man", "-ww", "-z"], "mandoc": ["-T", "lint", "-W", "error"], "man": ["--warnings", "-l"]}


def at_home(folder: Path) -> dict[str, str]:
    """An environment with the script on PATH and an empty home."""
    return clean_environment(PATH=f"{SCRIPT.parent}:{os.environ['PATH']}", HOME=str(folder))


ASKED = [
    ("gpucheck expl", ["gpucheck explain"]),
    ("gpucheck explain cudnn-", ["cudnn-version-mismatch", "cudnn-missing", "cudnn-init-failed"]),
    ("gpucheck doctor --for", ["gpucheck doctor --format"]),
    ("gpucheck matrix ref", ["gpucheck matrix refresh"]),
    ("gpucheck env --shell doc", ["gpucheck env --shell dockerfile"]),
    ("gpucheck doctor --fail-on=nev", ["gpucheck doctor --fail-on=never"]),
]
STARTS = {
    "bash": (["bash", "--norc", "-i"], "bind 'set bell-style none'; eval \"$(gpucheck completion bash)\""),
    "zsh": (["zsh", "-f", "-i"], 'autoload -Uz compinit; compinit -D; eval "$(gpucheck completion zsh)"'),
}


@pytest.fixture(scope="module", params=list(STARTS))
def terminal(request, tmp_path_factory):
    needs(request.param)
    command, start = STARTS[request.param]
    opened = Terminal(command, at_home(tmp_path_factory.mktemp(request.param)))
    assert "ready-7" in opened.type(f"{start}; echo ready-$((3+4))\n", "ready-7")
    yield opened
    opened.close()


@pytest.mark.filterwarnings("ignore:.*forkpty:DeprecationWarning")
@pytest.mark.parametrize(("typed", "shown"), ASKED, ids=[typed for typed, _ in ASKED])
def test_the_tab_key_in_bash_and_zsh(terminal: Terminal, request, typed: str, shown: list[str]) -> None:
    if "=" in typed and "zsh" in request.node.name:
        pytest.skip("zsh hands over --option=value in one word, which typer does not complete")
    # The first Tab completes what is common, the second lists in bash; Ctrl-U takes the line away.
    said = terminal.type(f"{typed}\t\t", *shown)
    assert all(word in said for word in shown), said
    assert "Error" not in said
    terminal.type("\x15echo next-$((4+4))\n", "next-8")


def test_fish_completes(tmp_path: Path) -> None:
    questions = "; ".join(f"complete -C {typed!r}" for typed, _ in [*ASKED[:5], ("gpucheck doctor --fr", [])])
    done = subprocess.run(
        [needs("fish"), "--no-config", "-c", f"gpucheck completion fish | source; {questions}"],
        capture_output=True, text=True, check=True, env=at_home(tmp_path),
    )  # fmt: skip
    names = [line.partition("\t")[0] for line in done.stdout.splitlines()]
    assert names[0] == "explain"
    assert {"cudnn-version-mismatch", "--format", "refresh", "dockerfile"} <= set(names)
    assert names[-1] == "--from"  # long help stays in its line


def test_powershell_completes(tmp_path: Path) -> None:
    script = (
        "gpucheck completion powershell | Out-String | Invoke-Expression; "
        "(TabExpansion2 'gpucheck explain cudnn-' 23).CompletionMatches.CompletionText"
    )
    done = subprocess.run(
        [needs("pwsh"), "-NoProfile", "-Command", script],
        capture_output=True, text=True, check=True, env=at_home(tmp_path),
    )  # fmt: skip
    assert "cudnn-version-mismatch" in done.stdout.split()


def completed(line: str, shell: str = "bash") -> tuple[list[str], set[str]]:
    """What the scripts of a shell are told, and the modules that this loads."""
    code = (
        "import json, sys\nfrom gpucheck.cli import run\n"
        "try:\n    run([])\nfinally:\n    sys.stderr.write(json.dumps(sorted(sys.modules)))"
    )
    asked = {"COMP_WORDS": line, "COMP_CWORD": str(line.count(" "))} if shell == "bash" else {}
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False,
        env=clean_environment(
            _GPUCHECK_COMPLETE=f"complete_{shell}", _TYPER_COMPLETE_ARGS=line,
            _TYPER_COMPLETE_FISH_ACTION="get-args",
            _TYPER_COMPLETE_WORD_TO_COMPLETE=line.rpartition(" ")[2], **asked,
        ),
    )  # fmt: skip
    return done.stdout.split("\n")[:-1] if done.stdout.strip() else [], set(json.loads(done.stderr))


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish", "powershell"])
@pytest.mark.parametrize("line", ["gpucheck ", "gpucheck explain cudnn-", "gpucheck smoke --"])
def test_completing_loads_little(shell: str, line: str) -> None:
    lines, loaded = completed(line, shell)
    assert len(lines) > 4
    assert not {name for name in loaded if name.split(".")[0] in {*FRAMEWORKS, "rich"}}
    assert "gpucheck.probe" not in loaded


@pytest.mark.parametrize(
    "line", ["gpucheck nonsense x", "gpucheck doctor --nonsense x", "gpucheck run -- python t"]
)
def test_where_nothing_fits_nothing_is_said(line: str) -> None:
    assert completed(line)[0] == []


def test_completion_writes_nothing_and_leaves_keys_alone(gpucheck, tmp_path: Path) -> None:
    for shell in ("bash", "zsh", "fish", "powershell"):
        ran = gpucheck("completion", shell, env={"HOME": str(tmp_path)})
        assert (ran.status, ran.err) == (0, "")
        assert "_GPUCHECK_COMPLETE" in ran.out
        assert "KeyHandler" not in ran.out
    assert list(tmp_path.iterdir()) == []


def calls(line: str) -> list[list[str]]:
    """The arguments of each gpucheck in a shell's line."""
    inner = re.findall(r"\$\((gpucheck [^)]*)\)", line)
    plain = re.sub(r"\"?\$\([^)]*\)\"?", "X", line)
    found = []
    for text in (*inner, plain):
        lexer = shlex.shlex(text, posix=True, punctuation_chars="|;<>")
        lexer.whitespace_split, lexer.commenters = True, ""
        tokens = list(lexer)
        ends = [place for place, token in enumerate(tokens) if set(token) <= set("|;<>")] + [len(tokens)]
        for start, token in enumerate(tokens):
            if token == "gpucheck":
                found.append(tokens[start + 1 : min(end for end in ends if end > start)])
    return found


@pytest.mark.parametrize("name", EVERY)
def test_every_help_has_examples_that_parse(name: str) -> None:
    lines = examples(EVERY[name].help)
    assert 1 <= len(lines) <= 3
    assert "Examples" not in EVERY[name].help.partition("\nExamples:\n")[0]
    for line in lines:
        assert len(line) <= 74, "a terminal of 80 columns would break it"
        asked = calls(line)
        assert asked, line
        for arguments in asked:
            context, rest = top(), arguments
            while hasattr(context.command, "list_commands"):
                part, command, rest = context.command.resolve_command(context, rest)
                context = command.make_context(part, list(rest), parent=context)
                rest = [*context._protected_args, *context.args]
        assert any(" ".join(["gpucheck", *arguments]).startswith(name) for arguments in asked), line


def test_gpucheck_alone_shows_the_common_commands(gpucheck) -> None:
    ran = gpucheck()
    assert (ran.status, ran.err) == (0, "")
    for name in COMMON:
        help_text = EVERY[f"gpucheck {name}"].help
        example = next(iter(examples(help_text)), "gpucheck")
        assert f"  {name:<10} {summary(help_text)}\n             $ {example}" in ran.out
    assert ran.out.endswith("\n\ngpucheck --help lists all\n")
    assert max(map(len, ran.out.splitlines()[1:])) <= 80
    module = subprocess.run(
        [sys.executable, "-m", "gpucheck"], capture_output=True, text=True, check=True, cwd=ROOT,
        env=clean_environment(),
    )  # fmt: skip
    assert module.stdout == ran.out


def test_help_shows_every_command_in_its_panel(gpucheck) -> None:
    ran = gpucheck("--help")
    for panel, names in PANELS.items():
        part = ran.out[ran.out.index(f"─ {panel} ─") :].partition("╰")[0]
        assert [name for name in names if re.search(rf"^│ {name} ", part, re.MULTILINE)] == list(names)
    assert sum(map(len, PANELS.values())) == len(COMMANDS)


MEANT = [
    (["docter"], 2, "No such command 'docter'. Did you mean 'doctor'?"),
    (["matrix", "chek"], 2, "Did you mean 'check'?"),
    (["matrix"], 2, "Missing command: show, info, check or refresh"),
    (["doctor", "--formt", "json"], 2, "No such option: --formt. Did you mean '--format'?"),
    (["doctor", "-format", "json"], 2, "No such option: -f. Did you mean '--format'?"),
    (["doctor", "-x"], 2, "No such option: -x (see"),
    (["--vresion"], 2, "Did you mean '--version'?"),
    (["explain", "cudnn-mismach"], 2, "did you mean cudnn-version-mismatch?"),
    (["fix", "cudnn-mismach"], 2, "did you mean cudnn-version-mismatch?"),
    (["run", "--gpu", "1", "--", "true"], 125, "Did you mean '--gpus'?"),
    (["run", "--fix", "driver-to-old", "--", "true"], 125, "did you mean driver-too-old?"),
    (["env", "--gps", "1"], 2, "Did you mean '--gpus'?"),
    (["env", "--fix", "driver-to-old"], 2, "did you mean driver-too-old?"),
    (["completion"], 2, "Choose from: bash, zsh, fish, powershell"),
]  # fmt: skip


@pytest.mark.parametrize(("arguments", "status", "said"), MEANT, ids=[" ".join(row[0]) for row in MEANT])
def test_what_was_probably_meant(gpucheck, arguments: list[str], status: int, said: str) -> None:
    ran = gpucheck(*arguments)
    assert (ran.status, ran.out, ran.err.count("\n")) == (status, "", 1)
    assert said in ran.err


def test_a_message_without_a_context_is_left_as_it_is() -> None:
    assert words(typer.BadParameter("two\n\twords"), []) == "Invalid value: two words"


def test_the_manual_page_is_up_to_date() -> None:
    done = subprocess.run([sys.executable, TOOL, "--check"], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "")


@pytest.mark.parametrize("reader", READERS)
def test_the_manual_page_is_sound(reader: str) -> None:
    command = [needs(reader), *READERS[reader], MAN]
    done = subprocess.run(
        command,
        stdout=subprocess.DEVNULL,
        stderr=-1,
        text=True,
        check=False,
        env={**os.environ, "LC_ALL": "C.UTF-8"},
    )
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("reader", [["man", "-l"], ["mandoc", "-T", "utf8"]], ids=lambda reader: reader[0])
def test_the_manual_page_shows_every_command_option_and_example(reader: list[str]) -> None:
    needs(reader[0])
    env = {**os.environ, "MANWIDTH": "400", "LC_ALL": "C.UTF-8", "MANPAGER": "cat"}
    wide = [*reader, "-O", "width=400"] if reader[0] == "mandoc" else reader
    shown = subprocess.run([*wide, MAN], capture_output=True, text=True, check=True, env=env).stdout
    shown = re.sub(r".\x08", "", shown)
    for name, command in EVERY.items():
        if command.hidden:
            continue
        assert f"{name} " in shown
        assert all(line in shown for line in examples(command.help)), name
        for option in (option for param in command.params for option in param.opts if option[0] == "-"):
            assert option in shown


def test_signs_that_roff_would_eat() -> None:
    code = (
        f"import sys; sys.path.insert(0, {str(TOOL.parent)!r}); import manpage; print(manpage.roff(sys.argv[1]))"
    )
    sign = "..\\n 'a' `b` --c ~ ^ \"d\" ä"
    done = subprocess.run([sys.executable, "-c", code, sign], capture_output=True, text=True, check=True, cwd=ROOT)
    assert done.stdout == "\\&..\\en \\(aqa\\(aq \\(gab\\(ga \\-\\-c \\(ti \\(ha \\(dqd\\(dq \\[u00E4]\n"
    page = f".TH X 1\n.SH X\n{done.stdout}"
    shown = subprocess.run(
        [needs("groff"), "-man", "-Tutf8", "-P-c"], input=page, capture_output=True, text=True, check=True
    ).stdout
    assert sign in shown
