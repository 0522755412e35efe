"""Scratch environments with the real pip, small wheels, and a stand-in TensorFlow that asks for one of them."""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import zipfile
from pathlib import Path

from conftest import clean_environment, write

QUIET = {"PYTHONDONTWRITEBYTECODE": "1"}


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


def refused(gpucheck, scratch: Scratch, words: str, **env: str) -> None:
    """Assert that `fix --apply` refuses in one line, and changes nothing."""
    before = scratch.tree()
    ran = gpucheck("fix", "--apply", "--yes", "--python", scratch.python, env={**scratch.env, **env})
    assert ran.status == 2, ran.out
    assert words in ran.err
    assert ran.err.count("\n") == 1
    assert scratch.tree() == before
