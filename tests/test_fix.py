"""`gpucheck fix` and `undo` with the real pip and uv, in scratch environments: cured, rolled back."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import StandIn, clean_environment, write
from scratch import QUIET, Scratch, wheel

pytestmark = pytest.mark.skipif(os.name != "posix", reason="the stand-in environments are laid out as on POSIX")


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


def test_what_was_not_done_is_rolled_back(gpucheck, scratch) -> None:
    """A pip that says that it has installed, and has not."""
    write(
        scratch.site / "sitecustomize.py",
        "import os, sys\nif 'install' in sys.argv and '--dry-run' not in sys.argv:\n    os._exit(0)\n",
    )
    before = scratch.tree()
    ran = gpucheck("fix", "--apply", "--yes", "--python", scratch.python, env={**scratch.env, **QUIET})
    assert ran.status == 1
    assert "helper is 1.0 afterwards, not 2.0; everything is as it was" in ran.out
    assert scratch.tree() == before


def test_an_environment_with_one_package_twice(gpucheck, scratch) -> None:
    shutil.copytree(next(scratch.site.glob("helper-1.0.dist-info")), scratch.site / "helper-0.9.dist-info")
    about = scratch.site / "helper-0.9.dist-info/METADATA"
    about.write_text(about.read_text().replace("Version: 1.0", "Version: 0.9"))
    before = scratch.tree()
    ran = gpucheck("fix", "--apply", "--yes", "--python", scratch.python, env=scratch.env)
    if ran.status != 0:
        assert "everything is as it was" in ran.out
        assert scratch.tree() == before


def test_files_of_others_that_a_new_package_overwrites_come_back(gpucheck, scratch) -> None:
    """pip puts a wheel's files in the place of whatever lies there, and tells nobody."""
    new = {
        "helper/__init__.py": "version = 2\n",
        "shared/x.py": "theirs\n",
        "helper-2.0.data/data/etc/user.conf": "new",
    }
    wheel(scratch.index, "helper", "2.0", new)
    write(scratch.site / "shared/x.py", "mine\n")
    write(scratch.folder / "etc/user.conf", "mine\n").chmod(0o600)
    before = scratch.tree()
    assert gpucheck("fix", "--apply", "--yes", "--python", scratch.python, env=scratch.env).status == 0
    assert (scratch.site / "shared/x.py").read_text() == "theirs\n"
    assert not list(scratch.folder.glob(".gpucheck*"))
    assert gpucheck("undo", env=scratch.env).status == 0
    assert scratch.tree() == before


def test_one_refusal_does_not_keep_the_other_pieces_from_being_done(gpucheck, stub, scratch, tmp_path) -> None:
    (scratch.index / "helper-2.0-py3-none-any.whl").unlink()
    work = tmp_path / "work"
    work.mkdir()
    options = ("--to", ".env", "--apply", "--yes", "--python", scratch.python)
    ran = gpucheck("fix", *options, env={**stub(), **scratch.env}, cwd=work)
    assert ran.status == 1
    assert "✗ package-conflict: pip finds no way" in ran.out
    assert "✓ settings: " in ran.out
    write(work / "damaged.env", "# >>> gpucheck >>>\n")
    before = scratch.tree()
    ran = gpucheck("fix", "--to", "damaged.env", *options[2:], env={**stub(), **scratch.env}, cwd=work)
    assert (ran.status, scratch.tree()) == (2, before)


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
