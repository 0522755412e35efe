"""`gpucheck run` as a process: statuses, signals, streams, and how programs are found."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from conftest import COMMAND, as_from_a_terminal, clean_environment, write

pytestmark = pytest.mark.skipif(os.name != "posix", reason="exec and signals are POSIX's")


ENDS = {"exit 0": 0, "exit 7": 7, "exit 125": 125, "kill -TERM $$": -15, "kill -KILL $$": -9, "kill -SEGV $$": -11}


@pytest.mark.parametrize("code", ENDS)
@pytest.mark.parametrize("explain", [(), ("--explain",)])
def test_the_status_is_the_programs_own(gpucheck, code: str, explain: tuple[str, ...]) -> None:
    assert gpucheck("run", "-q", *explain, "--", "sh", "-c", code).status == ENDS[code]


def test_programs_that_cannot_be_run(gpucheck, tmp_path) -> None:
    assert gpucheck("run", "--", "no-such-command").status == 127
    plain = write(tmp_path / "plain", "no program")
    assert gpucheck("run", "--", plain).status == 126
    assert gpucheck("run", "--", f"{tmp_path}/").status == 126
    lost = write(tmp_path / "lost", "#!/nope/interpreter\n")
    lost.chmod(0o755)
    for explain in ((), ("--explain",)):
        ran = gpucheck("run", "-q", *explain, "--", lost)
        assert (ran.status, ran.err.count("\n")) == (127, 1)
    assert gpucheck("run").status == 125


def test_programs_are_found_as_execvp_finds_them(gpucheck, tmp_path) -> None:
    first, second = write(tmp_path / "1/tool", "no"), write(tmp_path / "2/tool", "exit $1")
    second.chmod(0o755)
    env = {"PATH": f"{first.parent}:{second.parent}:{os.environ['PATH']}"}
    for explain in ((), ("--explain",)):  # a script without a first line is the shell's
        assert gpucheck("run", "-q", *explain, "--", "tool", "5", env=env).status == 5
    assert gpucheck("run", "--", first).status == 126


def test_without_stderr_or_room_there_the_program_runs_all_the_same(tmp_path) -> None:
    command = [*COMMAND, "run", "--", "sh", "-c", "exit 5"]
    env = clean_environment()
    assert subprocess.run(["sh", "-c", '"$@" 2>&-', "sh", *command], env=env, check=False).returncode == 5
    explained = [*COMMAND, "run", "-q", "--explain", "--", "sh", "-c", "exit 5"]
    assert subprocess.run(["sh", "-c", '"$@" >&-', "sh", *explained], env=env, check=False).returncode == 5
    with Path("/dev/full").open("w") as full:
        assert subprocess.run(command, env=env, check=False, stderr=full).returncode == 5
        nothing = [*COMMAND, "run", "--", "no-such-command"]
        assert subprocess.run(nothing, env=env, check=False, stderr=full).returncode == 127


def test_a_program_that_ends_with_130_was_not_interrupted(gpucheck) -> None:
    assert gpucheck("run", "-q", "--", "sh", "-c", "exit 130").err == ""
    assert "interrupted" not in gpucheck("run", "-q", "--explain", "--", "sh", "-c", "exit 130").err


def test_arguments_reach_the_program_as_they_are(gpucheck) -> None:
    words = ["--gpus", "a b", "$(x)", "'\"", "--help", "", "\\", "-q"]
    code = "import json, sys; print(json.dumps(sys.argv[1:]))"
    ran = gpucheck("run", "-q", "--", sys.executable, "-c", code, *words)
    assert json.loads(ran.out) == words


def test_the_process_is_replaced() -> None:
    reading = "grep -E '^Sig(Ign|Blk)' /proc/self/status"
    process = subprocess.Popen(
        [*COMMAND, "run", "-q", "--", "sh", "-c", f"echo $$; {reading}"], stdout=subprocess.PIPE, text=True,
        env=clean_environment(),
    )  # fmt: skip
    out, _ = process.communicate()
    pid, blocked, ignored = out.splitlines()
    assert int(pid) == process.pid
    assert int(blocked.split()[1], 16) == 0
    assert int(ignored.split()[1], 16) & (1 << (signal.SIGPIPE - 1)) == 0


def test_what_nohup_ignores_stays_ignored() -> None:
    command = ["nohup", *COMMAND, "run", "-q", "--", "grep", "SigIgn", "/proc/self/status"]
    done = subprocess.run(
        command, capture_output=True, text=True, env=clean_environment(), stdin=subprocess.DEVNULL, check=True
    )
    assert int(done.stdout.split()[1], 16) & (1 << (signal.SIGHUP - 1))


TELLS_SIGNALS = """
import signal, sys, time
def told(number, frame):
    print(signal.Signals(number).name, flush=True)
    if number == signal.SIGTERM:
        sys.exit(9)
for name in ("SIGTERM", "SIGUSR1", "SIGINT"):
    signal.signal(getattr(signal, name), told)
print("ready", flush=True)
while True:
    time.sleep(0.05)
"""


def test_an_attended_program_gets_every_signal_once() -> None:
    command = [*COMMAND, "run", "-q", "--explain", "--", sys.executable, "-c", TELLS_SIGNALS]
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=clean_environment(),
        preexec_fn=as_from_a_terminal,
    )  # fmt: skip
    assert process.stdout.readline() == "ready\n"
    for number in (signal.SIGUSR1, signal.SIGINT, signal.SIGTERM):
        process.send_signal(number)
        time.sleep(0.3)
    out, _ = process.communicate(timeout=60)
    assert out.split() == ["SIGUSR1", "SIGINT", "SIGTERM"]
    assert process.returncode == 9


def test_an_attended_programs_output_passes_through_whole() -> None:
    code = "import os\nfor n in range(300): os.write(1, b'\\x00\\xff' * 5000); os.write(2, b'e' * 1000)"
    done = subprocess.run(
        [*COMMAND, "run", "-q", "--explain", "--", sys.executable, "-c", code],
        capture_output=True, env=clean_environment(), check=True,
    )  # fmt: skip
    assert done.stdout == b"\x00\xff" * 5000 * 300
    assert done.stderr == b"e" * 300_000


def test_a_slow_reader_gets_everything() -> None:
    command = [*COMMAND, "run", "-q", "--explain", "--", "head", "-c", "100000", "/dev/zero"]
    with subprocess.Popen(command, env=clean_environment(), stdout=subprocess.PIPE) as process:
        time.sleep(4)  # longer than gpucheck waits for a pipe that is held open and silent
        assert len(process.stdout.read()) == 100_000
    assert process.returncode == 0


def test_a_stream_that_does_not_block_gets_everything() -> None:
    command = [*COMMAND, "run", "-q", "--explain", "--", "head", "-c", "1000000", "/dev/zero"]
    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    with (
        subprocess.Popen(command, env=clean_environment(), stdout=writing) as process,
        os.fdopen(reading, "rb") as pipe,
    ):
        os.close(writing)
        assert len(pipe.read()) == 1_000_000
    assert process.returncode == 0


def test_an_attended_program_whose_reader_goes_away() -> None:
    code = "import sys\nfor n in range(100000): print('x' * 100)\nsys.exit(5)"
    command = [*COMMAND, "run", "-q", "--explain", "--", sys.executable, "-c", code]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with subprocess.Popen(command, env=clean_environment(), **pipes) as process:
        process.stdout.read(1000)
        process.stdout.close()
        assert process.wait(timeout=60) not in (0, 5)  # it met the broken pipe, as without us
        assert b"BrokenPipeError" in process.stderr.read()
