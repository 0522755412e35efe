"""`gpucheck fix` that is killed, run twice at once, or without room: nothing is lost."""

from __future__ import annotations

import os
import signal
import subprocess
import time

import pytest
from conftest import COMMAND, as_from_a_terminal, clean_environment, write
from scratch import QUIET, Scratch, refused

pytestmark = pytest.mark.skipif(os.name != "posix", reason="the stand-in environments are laid out as on POSIX")


def slow_pip(scratch: Scratch) -> None:
    """A pip that has uninstalled the old package, and then takes its time."""
    write(
        scratch.site / "sitecustomize.py",
        "import sys, os\n"
        "if 'install' in sys.argv and '--dry-run' not in sys.argv:\n"
        "    import pip._internal.operations.install.wheel as w, time\n"
        "    def slow(*a, **k):\n"
        "        open(os.environ['PIP_MARK'], 'w').close(); time.sleep(60)\n"
        "    w.install_wheel = slow\n"
        "    import pip._internal.req.req_install as r; r.install_wheel = slow\n",
    )


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT, signal.SIGTERM])
def test_a_process_that_is_ended_in_the_middle_loses_nothing(gpucheck, scratch, tmp_path, number) -> None:
    slow_pip(scratch)
    before, mark = scratch.tree(), tmp_path / "mark"
    command = [*COMMAND, "fix", "--apply", "--yes", "--python", scratch.python]
    env = clean_environment(**scratch.env, **QUIET, PIP_MARK=str(mark))
    process = subprocess.Popen(
        command,
        env=env,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=as_from_a_terminal,
    )
    end = time.monotonic() + 60
    while not mark.exists() and process.poll() is None and time.monotonic() < end:
        time.sleep(0.05)
    assert mark.exists()
    assert not (scratch.site / "helper/__init__.py").exists()
    process.send_signal(number)
    _, err = process.communicate(timeout=60)
    assert "Traceback" not in err
    if number == signal.SIGKILL:
        subprocess.run(["pkill", "-9", "-f", str(scratch.python)], check=False)
        assert "was cut off" in gpucheck("undo", "--list", env=scratch.env).out
        ran = gpucheck("undo", env={**scratch.env, **QUIET})
        assert ran.status == 0, ran.err
    else:
        assert process.returncode == {signal.SIGINT: 130, signal.SIGTERM: 143}[number]
    assert scratch.tree() == before


def test_two_at_once(gpucheck, scratch, tmp_path) -> None:
    slow_pip(scratch)
    mark = tmp_path / "mark"
    command = [*COMMAND, "fix", "--apply", "--yes", "--python", scratch.python]
    env = clean_environment(**scratch.env, **QUIET, PIP_MARK=str(mark))
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    with subprocess.Popen(command, env=env, preexec_fn=as_from_a_terminal, **quiet) as first:
        while not mark.exists() and first.poll() is None:
            time.sleep(0.05)
        for second in (("fix", "--apply", "--yes", "--python", scratch.python), ("undo",)):
            ran = gpucheck(*second, env=scratch.env)
            assert (ran.status, ran.err.count("\n")) == (2, 1)
            assert "another `gpucheck fix` or `undo` is at work" in ran.err
        first.send_signal(signal.SIGINT)
    assert scratch.version() == "1"


def test_a_state_folder_that_cannot_be_written(gpucheck, scratch, tmp_path) -> None:
    write(tmp_path / "state", "a file in its place")
    refused(gpucheck, scratch, "the journal cannot be written")


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="mounting a small disk needs root")
def test_a_full_disk(gpucheck, scratch) -> None:
    scratch.state.mkdir()
    done = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", scratch.state], check=False)
    if done.returncode != 0:
        pytest.skip("no tmpfs can be mounted here")
    try:
        (scratch.state / "filler").write_bytes(b"x" * 60_000)
        refused(gpucheck, scratch, "the journal cannot be written: No space left on device")
        (scratch.state / "filler").unlink()
        ran = gpucheck("fix", "--apply", "--yes", "--python", scratch.python, env=scratch.env)
        assert scratch.version() == ("2" if ran.status == 0 else "1")
    finally:
        subprocess.run(["umount", scratch.state], check=True)
