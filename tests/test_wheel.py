"""What is shipped: the wheel and the sdist hold the code and the whole matrix, and the wheel works alone."""

from __future__ import annotations

import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest
from conftest import ROOT, clean_environment


@pytest.fixture(scope="module")
def built(tmp_path_factory) -> Path:
    """The sdist, and the wheel built from the sdist, as `python -m build` does."""
    folder = tmp_path_factory.mktemp("dist")
    subprocess.run(
        [sys.executable, "-m", "build", "--no-isolation", "--outdir", folder, ROOT],
        check=True,
        capture_output=True,
    )
    return folder


def tracked(folder: str) -> set[str]:
    done = subprocess.run(["git", "ls-files", folder], cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        pytest.skip("not a git checkout")
    return set(done.stdout.split())


def names(wheel: Path) -> set[str]:
    with zipfile.ZipFile(wheel) as archive:
        return set(archive.namelist())


def test_the_wheel_holds_the_code_and_the_matrix(built: Path) -> None:
    (wheel,) = built.glob("gpucheck_doctor-*.whl")
    shipped = {name for name in names(wheel) if ".dist-info/" not in name}
    (manual,) = (name for name in shipped if ".data/" in name)
    assert manual.endswith(".data/data/share/man/man1/gpucheck.1")
    shipped.remove(manual)
    matrix = {f"gpucheck/_matrix/{name.removeprefix('matrix/')}" for name in tracked("matrix")}
    assert shipped == tracked("gpucheck") | matrix
    assert "gpucheck/py.typed" in shipped


def test_the_wheels_metadata(built: Path) -> None:
    (wheel,) = built.glob("gpucheck_doctor-*.whl")
    with zipfile.ZipFile(wheel) as archive:
        (metadata,) = (name for name in archive.namelist() if name.endswith(".dist-info/METADATA"))
        text = archive.read(metadata).decode()
        scripts = archive.read(metadata.replace("METADATA", "entry_points.txt")).decode()
    assert "Name: gpucheck-doctor\n" in text
    assert "License-Expression: Apache-2.0\n" in text
    assert "Requires-Dist: typer<0.29,>=0.26" in text
    extras = {line.split(": ")[1] for line in text.splitlines() if line.startswith("Provides-Extra")}
    assert extras == {"torch", "tf", "tf-cuda", "plot", "tensorboard", "ray", "test", "docs", "refresh"}
    for script in ("gpucheck", "gpucheck-doctor"):
        assert f"{script} = gpucheck.__main__:main" in scripts


def test_the_sdist_can_build_and_test_itself(built: Path) -> None:
    (sdist,) = built.glob("gpucheck_doctor-*.tar.gz")
    with tarfile.open(sdist) as archive:
        shipped = {name.partition("/")[2] for name in archive.getnames()}
    wanted = {name for folder in ("gpucheck", "matrix", "tests", "docs", "tools") for name in tracked(folder)}
    assert wanted <= shipped
    assert {"Makefile", "constraints.txt", "LICENSE", "README.md"} <= shipped


def test_the_wheel_works_without_the_checkout(built: Path, tmp_path: Path) -> None:
    (wheel,) = built.glob("gpucheck_doctor-*.whl")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(tmp_path)
    code = (
        "import sys; sys.path.insert(0, sys.argv[1]); import gpucheck; from gpucheck.matrix import folder\n"
        "assert gpucheck.__file__.startswith(sys.argv[1]), gpucheck.__file__\n"
        "report = gpucheck.doctor(); print(folder(), report.exit_status)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, tmp_path],
        capture_output=True, text=True, cwd=tmp_path, env=clean_environment(), check=True,
    )  # fmt: skip
    assert done.stdout.startswith(str(tmp_path / "gpucheck/_matrix"))
