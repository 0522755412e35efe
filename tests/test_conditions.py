"""The doctor under conditions that are hard on a program: it still ends with a report and a true status."""

from __future__ import annotations

import contextlib
import fcntl
import os
import re
import shutil
import struct
import subprocess
import sys
import termios
from pathlib import Path

import pytest
from conftest import COMMAND, Ran, clean_environment, library, write

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="these conditions are made as on Linux")
JSON = ("doctor", "--format", "json")
ROOT_USER = os.name == "posix" and os.geteuid() == 0
NOBODY = 65534
DRIVEN = Path("/proc/driver/nvidia/version").exists()


def run(*arguments: str, env: dict[str, str | None] | None = None, before: tuple[str, ...] = (), **options) -> Ran:
    """Run the program; a variable that is None is taken out of the environment."""
    environment = {**clean_environment(), **(env or {})}
    kept = {name: value for name, value in environment.items() if value is not None}
    return Ran(
        subprocess.run(
            [*before, *COMMAND, *arguments],
            capture_output=True,
            text=True,
            env=kept,
            timeout=120,
            check=False,
            **options,
        )
    )


def clear(ran: Ran) -> dict:
    """The report of a run that ended as it should."""
    assert ran.err == ""
    assert ran.status in {0, 1, 3}
    return ran.report


def failed(report: dict) -> list[str]:
    return [probe["error"] for probe in report["facts"]["probes"] if probe["error"]]


def as_user(number: int = NOBODY) -> tuple[str, ...]:
    """The command that gives up root's rights; nothing where there are none."""
    if not ROOT_USER:
        return ()
    before = ("setpriv", f"--reuid={number}", f"--regid={number}", "--clear-groups")
    if shutil.which("setpriv") is None:
        pytest.skip("giving up root's rights needs setpriv of util-linux")
    if run("--version", before=before).status != 0:
        pytest.skip("an ordinary user may not run this interpreter")
    return before


@pytest.mark.parametrize("number", [NOBODY, 12345], ids=["nobody", "a number without a name"])
def test_an_ordinary_user_gets_the_whole_report(number: int) -> None:
    assert failed(clear(run(*JSON, before=as_user(number)))) == []


def test_root_gets_the_whole_report() -> None:
    if not ROOT_USER:
        pytest.skip("root is asked only where the tests run as root")
    assert failed(clear(run(*JSON))) == []


def test_nothing_is_made_in_dev() -> None:
    if DRIVEN:
        pytest.skip("here runs an NVIDIA driver")
    before = sorted(Path("/dev").iterdir())
    clear(run(*JSON))
    assert sorted(Path("/dev").iterdir()) == before


@pytest.mark.parametrize("variable", ["LD_LIBRARY_PATH", "PYTHONPATH", "HOME", "XDG_CACHE_HOME", "VIRTUAL_ENV"])
def test_a_folder_that_may_not_be_entered_costs_no_probe(tmp_path: Path, variable: str) -> None:
    (tmp_path / "closed").mkdir()
    (tmp_path / "closed").chmod(0)
    try:
        report = clear(run(*JSON, env={"HOME": "/", variable: str(tmp_path / "closed/inner")}, before=as_user()))
    finally:
        (tmp_path / "closed").chmod(0o755)
    assert failed(report) == []


@pytest.mark.parametrize("home", ["read-only", "not there", "empty", "unset", "a file"])
def test_any_home_folder_will_do(public_folder: Path, home: str) -> None:
    folder = public_folder / "home"
    folder.mkdir(exist_ok=True)
    folder.chmod(0o555)
    value = {
        "read-only": str(folder),
        "not there": "/nowhere/at/all",
        "empty": "",
        "a file": str(write(public_folder / "file")),
    }
    report = clear(run(*JSON, env={"HOME": value.get(home)}, before=as_user()))
    assert failed(report) == []
    assert list(folder.iterdir()) == []


@contextlib.contextmanager
def full_disk(folder: Path):
    """A file system without a free byte."""
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=64k,mode=1777", "tmpfs", str(folder)]
    if not ROOT_USER or subprocess.run(command, capture_output=True, check=False).returncode:
        pytest.skip("a full disk is a small tmpfs, and mounting one needs root")
    try:
        with contextlib.suppress(OSError), (folder / "fill").open("wb", buffering=0) as file:
            while True:
                file.write(b"x" * 4096)
        yield folder
    finally:
        subprocess.run(["umount", folder], check=True)


def test_a_full_disk_is_reported_not_stumbled_over(tmp_path: Path) -> None:
    with full_disk(tmp_path / "full") as folder:
        places = dict.fromkeys(["HOME", "TMPDIR", "XDG_CACHE_HOME"], str(folder))
        report = clear(run(*JSON, env=places, cwd=folder))
        assert [path.name for path in folder.iterdir()] == ["fill"]
    assert "out-of-disk" in [finding["slug"] for finding in report["findings"]]
    assert failed(report) == []


@pytest.mark.parametrize("form", ["text", "json"])
def test_a_report_that_finds_no_room_is_told_in_one_line(form: str) -> None:
    if not Path("/dev/full").exists():
        pytest.skip("this system has no /dev/full")
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [*COMMAND, "doctor", "--format", form], stdout=full, stderr=subprocess.PIPE, text=True, check=False,
            env=clean_environment(),
        )  # fmt: skip
    assert done.returncode == 2
    assert "No space left on device" in done.stderr
    assert "internal error" not in done.stderr
    assert done.stderr.count("\n") == 1


def test_a_package_that_cannot_be_read_does_not_hold_the_report(tmp_path: Path) -> None:
    write(tmp_path / "torch/version.py", "__version__ = '2.13.0'\n")
    write(tmp_path / "torch-2.13.0.dist-info/INSTALLER", "pip\n")
    os.mkfifo(tmp_path / "torch-2.13.0.dist-info/METADATA")
    report = clear(run(*JSON, "--timeout", "1", env={"PYTHONPATH": str(tmp_path)}))
    assert any("gave no answer within 1 s" in error for error in failed(report))
    torch, _ = report["facts"]["frameworks"]
    assert "gave no answer within 1 s" in torch["installed"]["missing"]
    assert report["facts"]["system"]["os"]["value"] == "linux"


@pytest.mark.parametrize(
    ("name", "function"), [("libnvidia-ml.so.1", "nvmlInitWithFlags"), ("libcuda.so.1", "cuDriverGetVersion")]
)
def test_a_driver_that_hangs_does_not_hold_the_report(public_folder: Path, name: str, function: str) -> None:
    code = f"#include <unistd.h>\nint {function}() {{ sleep(600); return 0; }}"
    path = library(public_folder / f"hangs-{function}" / name, code=code)
    path.parent.chmod(0o755)
    ran = run(*JSON, "--timeout", "1", env={"LD_LIBRARY_PATH": str(path.parent)})
    driver = clear(ran)["facts"]["driver"]
    silent = driver["nvml_status"] if "nvml" in function else driver["cuinit_status"]
    assert "no answer within 1 s" in silent["missing"]
    assert left_behind(str(path)) == []


def left_behind(text: str) -> list[str]:
    """Processes whose command line names a file."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):
            found += [str(path)] if text.encode() in path.read_bytes() else []
    return found


@pytest.mark.parametrize("closed", ["<&-", "2>&-", "<&- 2>&-"])
def test_closed_streams_change_nothing(closed: str) -> None:
    usual = clear(run(*JSON))
    ran = run(*JSON, before=("sh", "-c", f'exec "$@" {closed}', "sh"))
    assert clear(ran)["verdict"] == usual["verdict"]


def test_a_reader_that_goes_away_changes_nothing() -> None:
    for form in ("text", "json"):
        status = run("doctor", "--format", form).status
        reader, writer = os.pipe()
        os.close(reader)
        done = subprocess.run(
            [*COMMAND, "doctor", "--format", form], stdout=writer, stderr=subprocess.PIPE, check=False,
            env=clean_environment(),
        )  # fmt: skip
        os.close(writer)
        assert (done.returncode, done.stderr) == (status, b"")


def test_a_working_folder_that_was_deleted(tmp_path: Path) -> None:
    (tmp_path / "gone").mkdir()
    before = ("sh", "-c", 'cd "$0" && rmdir "$0" && exec "$@"', str(tmp_path / "gone"))
    report = clear(run(*JSON, before=before))
    assert not (tmp_path / "gone").exists()
    assert report["facts"]["interpreter"]["version"]["value"]


@pytest.mark.parametrize(
    "variables",
    [
        {"PATH": None},
        {"PATH": ""},
        {"LANG": "C", "LC_ALL": "C"},
        {"LC_ALL": "xx_YY.banana"},
        {"PYTHONIOENCODING": "ascii"},
        {"TERM": None},
        {"TZ": "nowhere"},
        {"PYTHONWARNINGS": "error"},
    ],
    ids=str,
)
def test_any_environment_will_do(variables: dict[str, str | None]) -> None:
    assert failed(clear(run(*JSON, env=variables))) == []
    shown = run("doctor", env=variables)
    assert (shown.status, shown.err) == (run("doctor").status, "")
    assert shown.out.startswith(("Healthy", "Problem", "Inconclusive"))


def test_a_variable_that_is_not_utf8_is_reported_and_the_report_can_be_read_again(tmp_path: Path) -> None:
    odd = os.fsdecode(b"/opt/\xff\xe9/lib")
    ran = run(*JSON, env={"LD_LIBRARY_PATH": odd, "CUDA_VISIBLE_DEVICES": odd})
    report = clear(ran)
    assert failed(report) == []
    again = run(*JSON, "--from", str(write(tmp_path / "report.json", ran.out)))
    assert clear(again)["verdict"] == report["verdict"]


def on_terminal(width: int, *arguments: str) -> tuple[int, str]:
    """What the program shows on a terminal of some width."""
    ours, its = os.openpty()
    fcntl.ioctl(its, termios.TIOCSWINSZ, struct.pack("HHHH", 40, width, 0, 0))
    environment = {**clean_environment(), "TERM": "xterm", "COLUMNS": str(width)}
    process = subprocess.Popen([*COMMAND, *arguments], stdin=its, stdout=its, stderr=its, env=environment)
    os.close(its)
    shown = b""
    with contextlib.suppress(OSError):  # EIO: the other end is closed
        while block := os.read(ours, 65536):
            shown += block
    os.close(ours)
    return process.wait(timeout=120), re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", shown.decode())


@pytest.mark.parametrize("arguments", [("doctor",), ("doctor", "-v"), ("doctor", "-q")], ids=" ".join)
def test_a_narrow_terminal_is_kept_to(arguments: tuple[str, ...]) -> None:
    status, shown = on_terminal(30, *arguments)
    assert status == run(*arguments).status
    assert [line for line in shown.splitlines() if len(line) > 30] == []
    assert shown.startswith(("Healthy", "Problem", "Inconclusive"))


def test_nothing_is_wrapped_in_a_pipe() -> None:
    narrow = run("doctor", env={"COLUMNS": "30"})
    assert narrow.status in {0, 1, 3}
    assert narrow.out == run("doctor", env={"COLUMNS": "500"}).out
