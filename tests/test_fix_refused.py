"""What `gpucheck fix` leaves alone: environments that are not the user's, packages that could not be had again."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest
from conftest import write
from scratch import refused

pytestmark = pytest.mark.skipif(os.name != "posix", reason="the stand-in environments are laid out as on POSIX")


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


def test_only_named_findings_and_unknown_ones(gpucheck, scratch) -> None:
    ran = gpucheck("fix", "driver-too-old", "--python", scratch.python, env=scratch.env)
    assert ran.status == 0
    assert "Nothing to fix" in ran.out
    wrong = gpucheck("fix", "package-conflicts", env=scratch.env)
    assert (wrong.status, wrong.err.count("\n")) == (2, 1)
    assert "did you mean package-conflict?" in wrong.err


@pytest.mark.parametrize("name", ["PIP_PREFIX", "PIP_TARGET", "PIP_USER", "PIP_DRY_RUN"])
def test_a_pip_that_would_install_elsewhere(gpucheck, scratch, tmp_path, name: str) -> None:
    value = "1" if name in ("PIP_USER", "PIP_DRY_RUN") else str(tmp_path / "elsewhere")
    refused(gpucheck, scratch, "pip is configured by", **{name: value})
    assert not (tmp_path / "elsewhere").exists()
