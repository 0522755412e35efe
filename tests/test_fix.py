"""`gpucheck fix` and `undo` with the real pip and uv, in scratch environments: cured, rolled back, refused."""

from __future__ import annotations

import hashlib
import os
import shutil
import signal
import subprocess
import sys
import time
import zipfile
from pathlib import Path

import pytest
from conftest import COMMAND, StandIn, as_from_a_terminal, clean_environment, write

QUIET = {"PYTHONDONTWRITEBYTECODE": "1"}
pytestmark = pytest.mark.skipif(os.name != "posix", reason="the stand-in environments are laid out as on POSIX")


def wheel(folder: Path, name: str, version: str, files: dict[str, str], requires: tuple[str, ...] = ()) -> Path:
    """Make a small wheel (PEP 427); its RECORD is the installer's matter."""
    stem = f"{name.replace('-', '_')}-{version}"
    folder.mkdir(exist_ok=True)
    path = folder / f"{stem}-py3-none-any.whl"
    about = [
        f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}",
        *(f"Requires-Dist: {one}" for one in requires),
    ]
    with zipfile.ZipFile(path, "w") as archive:
        for file, text in files.items():
            archive.writestr(file, text)
        archive.writestr(f"{stem}.dist-info/METADATA", "\n".join(about) + "\n")
        archive.writestr(
            f"{stem}.dist-info/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        )
        names = [*files, *(f"{stem}.dist-info/{one}" for one in ("METADATA", "WHEEL", "RECORD"))]
        archive.writestr(f"{stem}.dist-info/RECORD", "".join(f"{one},,\n" for one in names))
    return path


class Scratch:
    """An environment with the real pip, a stand-in TensorFlow that requires ``helper==2.0``, and helper 1.0."""

    def __init__(
        self, folder: Path, made: Path, *, tensorflow: str = "2.21.0", requires: tuple[str, ...] = ()
    ) -> None:
        self.folder, self.index, self.state = folder / "environment", folder / "index", folder / "state"
        shutil.copytree(made, self.folder, symlinks=True)
        self.python = self.folder / "bin/python"
        self.site = next((self.folder / "lib").glob("python*")) / "site-packages"
        self.one = wheel(
            self.index, "helper", "1.0", {"helper/__init__.py": "version = 1\n", "helper/old.py": "x = 1\n"}
        )
        two = {"helper/__init__.py": "version = 2\n", "helper/new.py": "", "extra/x.py": ""}
        wheel(self.index, "helper", "2.0", two, requires)
        self.env = {"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(self.index), "UV_FIND_LINKS": str(self.index),
                    "UV_NO_INDEX": "1", "XDG_STATE_HOME": str(self.state)}  # fmt: skip
        self.pip("install", "helper==1.0")
        table = [("cuda_version", None), ("is_cuda_build", False), ("is_rocm_build", False)]
        build = f"import collections\nbuild_info = collections.OrderedDict({table!r})\n"
        write(self.site / "tensorflow/python/platform/build_info.py", build)
        about = self.site / f"tensorflow-{tensorflow}.dist-info"
        lines = [
            f"Name: tensorflow\nVersion: {tensorflow}",
            "Requires-Dist: helper==2.0",
            "Requires-Dist: protobuf",
        ]
        write(about / "METADATA", "\n".join(lines) + "\n\n")
        write(about / "INSTALLER", "pip\n")

    def pip(self, *words: str) -> None:
        command = [self.python, "-m", "pip", "-q", *words]
        subprocess.run(command, check=True, env=clean_environment(**self.env), capture_output=True)

    def version(self) -> str:
        return subprocess.run(
            [self.python, "-Bc", "import helper; print(helper.version)"],
            capture_output=True,
            text=True,
            check=True,
        ).stdout.strip()

    def tree(self) -> dict[str, tuple[str, int, int]]:
        """Every file by contents, mode and time of change; folders too."""
        found = {}
        for path in self.folder.rglob("*"):
            seen = path.lstat()
            link = path.is_symlink() or path.is_dir()
            text = str(path.readlink()) if path.is_symlink() else ""
            digest = text if link else hashlib.sha256(path.read_bytes()).hexdigest()
            found[str(path.relative_to(self.folder))] = (
                digest,
                seen.st_mode,
                0 if path.is_dir() else seen.st_mtime_ns,
            )
        return found


@pytest.fixture(scope="module")
def made(tmp_path_factory) -> Path:
    """A fresh environment with the real pip; each test gets a copy."""
    folder = tmp_path_factory.mktemp("made") / "environment"
    subprocess.run([sys.executable, "-m", "venv", folder], check=True)
    return folder


@pytest.fixture
def scratch(tmp_path: Path, made: Path) -> Scratch:
    return Scratch(tmp_path, made)


def test_the_plan_is_shown_and_nothing_is_changed(gpucheck, scratch: Scratch) -> None:
    before = scratch.tree()
    ran = gpucheck("fix", "--python", scratch.python, env=scratch.env)
    assert ran.status == 0
    assert "TensorFlow 2.21.0 requires other versions of helper" in ran.out
    assert f"{scratch.python} -m pip install 'helper==2.0'" in ran.out
    assert "nothing is changed" in ran.out
    assert scratch.tree() == before
    assert not scratch.state.exists()


@pytest.mark.parametrize("installer", ["pip", "uv"])
def test_a_package_is_changed_verified_and_brought_back_byte_for_byte(gpucheck, scratch, installer: str) -> None:
    if installer == "uv":
        if shutil.which("uv", path=str(Path(sys.executable).parent)) is None:
            pytest.skip("uv is not installed")
        scratch.env["PATH"] = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
        command = [
            shutil.which("uv", path=scratch.env["PATH"]),
            "pip",
            "install",
            "-q",
            "--python",
            scratch.python,
            "--reinstall",
            "helper==1.0",
        ]
        subprocess.run(command, check=True, env=clean_environment(**scratch.env))
        subprocess.run(
            [
                shutil.which("uv", path=scratch.env["PATH"]),
                "pip",
                "uninstall",
                "-q",
                "--python",
                scratch.python,
                "pip",
            ],
            check=True,
        )
    before = scratch.tree()
    ran = gpucheck("fix", "--apply", "--yes", "--python", scratch.python, env=scratch.env)
    assert ran.status == 0, ran.out + ran.err
    assert "helper 1.0 -> 2.0" in ran.out
    assert "✓ package-conflict: cured" in ran.out
    assert scratch.version() == "2"
    assert (scratch.site / "extra/x.py").exists()
    listed = gpucheck("undo", "--list", env=scratch.env).out
    assert "package-conflict: helper 1.0 -> 2.0" in listed
    undone = gpucheck("undo", env=scratch.env)
    assert undone.status == 0, undone.err
    assert scratch.tree() == before
    assert scratch.version() == "1"
    again = gpucheck("undo", env=scratch.env)
    assert (again.status, again.err) == (2, "gpucheck: there is nothing to undo\n")


def test_the_resolvers_plan_is_shown_before_the_question(gpucheck, scratch) -> None:
    before = scratch.tree()
    ran = gpucheck("fix", "--apply", "--python", scratch.python, env=scratch.env, stdin=subprocess.DEVNULL)
    assert ran.status == 1
    assert "helper 1.0 -> 2.0" in ran.out
    assert "--yes says yes" in ran.err
    assert scratch.tree() == before


def test_what_brings_another_error_is_rolled_back(gpucheck, tmp_path, made) -> None:
    """helper 2.0 brings a protobuf 4, with which TensorFlow 2.8.0 does not work (a row of the matrix)."""
    scratch = Scratch(tmp_path, made, tensorflow="2.8.0", requires=("protobuf==4.21.1",))
    wheel(scratch.index, "protobuf", "4.21.1", {"google_protobuf_stand_in.py": ""})
    before = scratch.tree()
    ran = gpucheck("fix", "package-conflict", "--apply", "--yes", "--python", scratch.python, env=scratch.env)
    assert ran.status == 1
    assert "protobuf 4.21.1 (new)" in ran.out
    assert "it brought protobuf-mismatch; everything is as it was" in ran.out
    assert scratch.tree() == before


def test_what_did_not_help_is_rolled_back(gpucheck, scratch) -> None:
    """A pip that says that it has installed, and has not."""
    write(
        scratch.site / "sitecustomize.py",
        "import os, sys\nif 'install' in sys.argv and '--dry-run' not in sys.argv:\n    os._exit(0)\n",
    )
    before = scratch.tree()
    ran = gpucheck("fix", "--apply", "--yes", "--python", scratch.python, env={**scratch.env, **QUIET})
    assert ran.status == 1
    assert "it did not help: package-conflict is still found; everything is as it was" in ran.out
    assert scratch.tree() == before


def test_what_fails_while_installing_is_rolled_back(gpucheck, scratch, tmp_path) -> None:
    """The resolver is content with the wheel's metadata; its contents are cut off."""
    path = scratch.index / "helper-2.0-py3-none-any.whl"
    content = path.read_bytes().replace(b"version = 2", b"version = X")  # its checksum is wrong now
    path.write_bytes(content)
    before = scratch.tree()
    ran = gpucheck("fix", "--apply", "--yes", "--python", scratch.python, env=scratch.env)
    assert ran.status == 1, ran.out
    assert "everything is as it was" in ran.out
    assert scratch.tree() == before
    assert scratch.version() == "1"
    assert gpucheck("undo", env=scratch.env).status == 2


def test_a_plan_that_the_resolver_cannot_make(gpucheck, scratch) -> None:
    (scratch.index / "helper-2.0-py3-none-any.whl").unlink()
    before = scratch.tree()
    ran = gpucheck("fix", "--apply", "--yes", "--python", scratch.python, env=scratch.env)
    assert ran.status == 2
    assert "pip finds no way to install helper==2.0" in ran.err
    assert "Traceback" not in ran.err
    assert scratch.tree() == before


def refused(gpucheck, scratch: Scratch, words: str, **env: str) -> None:
    before = scratch.tree()
    ran = gpucheck("fix", "--apply", "--yes", "--python", scratch.python, env={**scratch.env, **env})
    assert ran.status == 2, ran.out
    assert words in ran.err
    assert ran.err.count("\n") == 1
    assert scratch.tree() == before


def test_what_could_not_be_had_again_is_not_replaced(gpucheck, scratch, tmp_path) -> None:
    scratch.pip("install", "--force-reinstall", str(scratch.one))
    refused(
        gpucheck, scratch, "helper 1.0 is not from a package index (direct_url.json): it could not be had again"
    )
    about = next(scratch.site.glob("helper-1.0.dist-info"))
    write(about / "direct_url.json", '{"dir_info": {"editable": true}, "url": "file:///x"}')
    refused(gpucheck, scratch, "helper 1.0 is an editable installation")
    (about / "direct_url.json").unlink()
    (about / "INSTALLER").write_text("conda\n")
    refused(gpucheck, scratch, "was not installed by pip or uv")


def test_environments_that_are_not_the_users(gpucheck, scratch) -> None:
    (scratch.folder / "conda-meta").mkdir()
    (scratch.folder / "condabin").mkdir()
    write(scratch.folder / "condabin/conda")
    refused(gpucheck, scratch, "it is conda's base environment")
    shutil.rmtree(scratch.folder / "condabin")
    refused(gpucheck, scratch, "conda's base", CONDA_DEFAULT_ENV="base", CONDA_PREFIX=str(scratch.folder))
    shutil.rmtree(scratch.folder / "conda-meta")
    scratch.site.chmod(0o777)
    refused(gpucheck, scratch, "may be written by everybody: it is shared")
    scratch.site.chmod(0o755)


@pytest.mark.skipif(os.name != "posix" or os.geteuid() != 0, reason="only root can give a folder away")
def test_an_environment_of_another_user(gpucheck, scratch) -> None:
    os.chown(scratch.site, 65534, 65534)
    refused(gpucheck, scratch, "belongs to another user")


def facts_of_a_target(**changes):
    from gpucheck.fixes.lasting.target import Target

    base = {"python": "/p", "prefix": "/usr", "sites": (), "roots": (), "virtual": False,
            "externally_managed": False, "distributions": {}}  # fmt: skip
    return Target(**{**base, **changes})


@pytest.mark.parametrize(
    ("changes", "environ", "kind", "words"),
    [
        ({"externally_managed": True}, {}, "system", "EXTERNALLY-MANAGED"),
        ({}, {"NVIDIA_PYTORCH_VERSION": "25.11"}, "ngc", "NVIDIA's container image"),
        ({}, {"COLAB_RELEASE_TAG": "x"}, "system", "Colab's image"),
        ({"virtual": True}, {}, "pipx", "a tool's own environment, made by pipx"),
    ],
)
def test_refusals_that_need_another_machine(changes, environ, kind, words) -> None:
    from gpucheck.fixes.lasting.target import refusal

    assert words in refusal(facts_of_a_target(**changes), environ, kind)
    assert refusal(facts_of_a_target(virtual=True), {"COLAB_RELEASE_TAG": "x"}, "venv") is None
    if os.geteuid() == 0:
        assert "this is root" in refusal(facts_of_a_target(), {}, "system")


def test_the_systems_python_is_left_alone(gpucheck, tmp_path) -> None:
    if not Path("/usr/bin/python3").exists() or not list(Path("/usr/lib").glob("python3*/EXTERNALLY-MANAGED")):
        pytest.skip("this system has no externally managed Python")
    from gpucheck.fixes.lasting import target

    found = target.ask("/usr/bin/python3")
    assert found.externally_managed
    assert not found.virtual
    with pytest.raises(target.TargetError, match=r"PEP 668.*environment of your own"):
        target.permitted(found, {}, "system")


def test_a_file_that_changed_since_is_not_overwritten(gpucheck, scratch) -> None:
    assert gpucheck("fix", "--apply", "--yes", "--python", scratch.python, env=scratch.env).status == 0
    (scratch.site / "helper/__init__.py").write_text("version = 99  # mine\n")
    before = scratch.tree()
    ran = gpucheck("undo", env=scratch.env)
    assert ran.status == 2
    assert "helper/__init__.py changed since" in ran.err
    assert "nothing was undone" in ran.err
    assert scratch.tree() == before


def test_what_was_installed_later_stays(gpucheck, scratch) -> None:
    assert gpucheck("fix", "--apply", "--yes", "--python", scratch.python, env=scratch.env).status == 0
    wheel(scratch.index, "later", "1.0", {"later/__init__.py": "", "extra/later.py": ""})
    scratch.pip("install", "later")
    assert gpucheck("undo", env=scratch.env).status == 0
    assert scratch.version() == "1"
    assert (scratch.site / "later/__init__.py").exists()
    assert (scratch.site / "extra/later.py").exists()
    assert not (scratch.site / "extra/x.py").exists()


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


def test_only_named_findings_and_unknown_ones(gpucheck, scratch) -> None:
    ran = gpucheck("fix", "driver-too-old", "--python", scratch.python, env=scratch.env)
    assert ran.status == 0
    assert "Nothing to fix" in ran.out
    wrong = gpucheck("fix", "package-conflicts", env=scratch.env)
    assert (wrong.status, wrong.err.count("\n")) == (2, 1)
    assert "did you mean package-conflict?" in wrong.err


def test_what_needs_root_is_printed_and_never_run(gpucheck, stub, stand_in: StandIn, tmp_path) -> None:
    env = {**stub("fail.nvmlInit=18", GPUSIM_CUINIT="803"), "XDG_STATE_HOME": str(tmp_path / "state")}
    mark = tmp_path / "sudo-was-called"
    sudo = write(tmp_path / "bin/sudo", f"#!/bin/sh\ntouch {mark}\n")
    sudo.chmod(0o755)
    env["PATH"] = f"{sudo.parent}:{os.environ['PATH']}"
    ran = gpucheck("fix", "--apply", "--yes", "--python", stand_in.python, env=env)
    assert ran.status == 1
    assert "by hand: Reboot" in ran.out
    assert "sudo reboot" in ran.out
    assert not mark.exists()


def test_a_healthy_machine_has_nothing_to_fix(gpucheck, stand_in) -> None:
    ran = gpucheck("fix", "--apply", "--python", stand_in.python)
    assert ran.status == 0
    assert ran.out.startswith("Nothing to fix")
