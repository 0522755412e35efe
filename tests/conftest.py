"""What the tests share: the stub driver, interpreters with stand-in frameworks, the command line."""

from __future__ import annotations

import base64
import functools
import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from importlib.util import find_spec
from pathlib import Path

import hypothesis
import jsonschema
import pytest

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")

# Machines are noisy: how long an example takes says nothing about the code.
hypothesis.settings.register_profile(
    "untimed", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow]
)
hypothesis.settings.load_profile("untimed")
ROOT = Path(__file__).parents[1]
SHARED = ROOT.parent / "shared"
SCRIPT = Path(sys.executable).with_name("gpucheck")
# A borrowed GPU machine may have no network to install from: there the checkout itself is run.
COMMAND = [str(SCRIPT)] if SCRIPT.exists() else [sys.executable, "-m", "gpucheck"]
SCHEMA = json.loads((ROOT / "docs/schema/report.schema.json").read_text())
VALIDATOR = jsonschema.Draft202012Validator(SCHEMA)  # jsonschema.validate would check the schema itself every time


def clean_environment(**extra: str) -> dict[str, str]:
    """This process's environment without what would change a verdict."""
    changing = (
        "CUDA_",
        "NVIDIA_",
        "LD_",
        "GPUSIM_",
        "GPUCHECK_",
        "SLURM_",
        "RAY_",
        "KUBERNETES_",
        "TF_",
        "NO_COLOR",
    )
    kept = {name: value for name, value in os.environ.items() if not name.startswith(changing)}
    return {**kept, "COLUMNS": "100", **extra}


def write(path: Path, text: str = "") -> Path:
    """Write a file and the folders above it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


@functools.lru_cache(maxsize=64)
def _compiled(soname: str, needed: tuple[str, ...], tag: str, folders: str, code: str) -> bytes:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for one in needed:
            subprocess.run(
                ["gcc", "-shared", "-o", folder / one, f"-Wl,-soname,{one}", "-x", "c", "/dev/null"], check=True
            )
        order = "--disable-new-dtags" if tag == "rpath" else "--enable-new-dtags"
        search = [f"-Wl,{order},-rpath,{folders}"] if folders else []
        (folder / "x.c").write_text(code)
        command = [
            "gcc",
            "-shared",
            "-fPIC",
            "-w",
            "-o",
            folder / "out.so",
            folder / "x.c",
            f"-Wl,-soname,{soname}",
        ]
        linked = [f"-L{folder}", "-Wl,--no-as-needed", *(f"-l:{one}" for one in needed)]
        subprocess.run([*command, *search, *linked], check=True)
        return (folder / "out.so").read_bytes()


def library(
    path: Path,
    *,
    needed: tuple[str, ...] = (),
    rpath: str = "",
    runpath: str = "",
    code: str = "",
    soname: str = "",
) -> Path:
    """Compile a real shared library with these tags."""
    if shutil.which("gcc") is None:
        pytest.skip("stand-in libraries need gcc")
    tag = "rpath" if rpath else "runpath"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(_compiled(path.name, tuple(needed), tag, rpath or runpath, code))
    return path


def as_from_a_terminal() -> None:
    """For ``preexec_fn``: nohup, and a shell's ``&``, leave signals ignored that a test is about."""
    for name in ("SIGHUP", "SIGINT", "SIGTERM"):
        signal.signal(getattr(signal, name), signal.SIG_DFL)


def validate(schema: str, content: object) -> None:
    """See that a document is as docs/schema/SCHEMA.schema.json has it."""
    jsonschema.validate(content, json.loads((ROOT / f"docs/schema/{schema}.schema.json").read_text()))


class Ran:
    """A finished command of gpucheck."""

    def __init__(self, done: subprocess.CompletedProcess[str]) -> None:
        self.status, self.out, self.err = done.returncode, done.stdout, done.stderr

    @property
    def report(self) -> dict:
        """The JSON report, checked against its schema."""
        report = json.loads(self.out)
        VALIDATOR.validate(report)
        assert report["exit_status"] == self.status
        return report


@pytest.fixture(scope="session")
def gpucheck():
    """Run the installed script: ``gpucheck("doctor", "--format", "json", env={...})``."""

    def run(*arguments: object, env: dict[str, str] | None = None, timeout: float = 300, **options) -> Ran:
        command = [*COMMAND, *map(str, arguments)]
        environment = clean_environment(**(env or {}))
        return Ran(
            subprocess.run(
                command, capture_output=True, text=True, env=environment, timeout=timeout, check=False, **options
            )
        )

    return run


@pytest.fixture(scope="session")
def public_folder():
    """A folder that every user may read: the probe's children give up root's rights."""
    folder = Path(tempfile.mkdtemp(prefix="gpucheck-test-"))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder)


@pytest.fixture(scope="session")
def stub_folder(public_folder: Path) -> Path:
    """The stub driver libraries, compiled."""
    if sys.platform != "linux" or shutil.which("gcc") is None or shutil.which("nm") is None:
        pytest.skip("the stub driver needs Linux, gcc and nm")
    folder = public_folder / "stub"
    subprocess.run(["bash", ROOT / "tests/gpusim/build.sh", folder], check=True)
    folder.chmod(0o755)
    return folder


@pytest.fixture
def stub(stub_folder: Path, public_folder: Path, request):
    """Return the environment of a machine with the stub driver.

    ``stub("gpu.1.fail.*=15", GPUSIM_COUNT="2")``: lines added to the NVML fixture, and variables.
    """
    base = (ROOT / "tests/gpusim/two.env").read_text()

    def environment(*lines: str, **variables: str) -> dict[str, str]:
        fixture = public_folder / f"{abs(hash(request.node.nodeid))}.env"
        fixture.write_text(base + "\n".join(lines) + "\n")
        fixture.chmod(0o644)
        return {
            "LD_LIBRARY_PATH": str(stub_folder),
            "GPUSIM_FIXTURE": str(fixture),
            "GPUSIM_COUNT": "2",
            **variables,
        }

    return environment


class StandIn:
    """An interpreter with stand-in packages: files and metadata, no code worth running."""

    def __init__(self, folder: Path) -> None:
        subprocess.run([sys.executable, "-m", "venv", "--without-pip", folder], check=True)
        self.python = folder / "bin/python"
        self.site = next((folder / "lib").glob("python*")) / "site-packages"

    def write(self, path: str, text: str = "") -> Path:
        """Write a file below site-packages."""
        target = self.site / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text)
        return target

    def distribution(self, name: str, version: str, *requirements: str) -> None:
        """Add a dist-info folder."""
        lines = [f"Name: {name}", f"Version: {version}", *(f"Requires-Dist: {text}" for text in requirements)]
        folder = f"{name.replace('-', '_')}-{version}.dist-info"
        self.write(f"{folder}/METADATA", "\n".join(lines) + "\n\nText\n")
        self.write(f"{folder}/INSTALLER", "pip\n")

    def record(self, name: str, version: str, *files: str) -> None:
        """Write the RECORD of a distribution from the files as they are now."""
        lines = []
        for file in files:
            content = (self.site / file).read_bytes()
            digest = base64.urlsafe_b64encode(hashlib.sha256(content).digest()).decode().rstrip("=")
            lines.append(f"{file},sha256={digest},{len(content)}")
        self.write(f"{name.replace('-', '_')}-{version}.dist-info/RECORD", "\n".join(lines) + "\n")

    def numpy(self) -> StandIn:
        """Lend it the numpy of the tests' own environment."""
        folder = Path(find_spec("numpy").origin).parent
        for name in ("numpy", "numpy.libs"):
            if (folder.parent / name).exists() and not (self.site / name).exists():
                (self.site / name).symlink_to(folder.parent / name)
        return self

    def torch(self, version: str = "2.13.0+cu130", cuda: str | None = "13.0", cudnn: str = "9.20.0.48") -> StandIn:
        """Add torch as its wheel would look, with its cuDNN package."""
        lines = [f"__version__ = '{version}'", f"cuda: Optional[str] = {cuda!r}", "hip: Optional[str] = None"]
        self.write("torch/version.py", "\n".join(["from typing import Optional", *lines]))
        if cuda:
            folders = "$ORIGIN/../../nvidia/cudnn/lib:$ORIGIN/../../nvidia/cu13/lib:$ORIGIN"
            library(self.site / "torch/lib/libtorch_cuda.so", needed=("libcudnn.so.9",), rpath=folders)
        pins = [f'nvidia-cudnn-cu13=={cudnn} ; platform_system == "Linux"'] if cuda else []
        self.distribution("torch", version.partition("+")[0], "filelock", *pins)
        return self

    def tensorflow(
        self, version: str = "2.21.0", cuda: str | None = "12.5.1", requirements: tuple[str, ...] = ()
    ) -> StandIn:
        """Add TensorFlow as its wheel would look."""
        codes = ["sm_60", "sm_70", "sm_80", "sm_89", "compute_90"]
        table = [("cuda_compute_capabilities", codes), ("cuda_version", cuda), ("cudnn_version", "9")]
        table += [("is_cuda_build", cuda is not None), ("is_rocm_build", False)]
        text = f"import collections\nbuild_info = collections.OrderedDict({table!r})\n"
        self.write("tensorflow/python/platform/build_info.py", text)
        self.distribution("tensorflow", version, *requirements)
        folders = ":".join(
            f"$ORIGIN/../nvidia/{name}/lib" for name in ("cudnn", "cuda_runtime", "cublas", "cufft")
        )
        if cuda:
            library(self.site / "tensorflow/libtensorflow_framework.so.2", runpath=folders)
        return self

    def cudnn(self, version: str = "9.20.0.48", package: str = "nvidia-cudnn-cu13") -> StandIn:
        """Add a cuDNN package."""
        major, minor, patch = (int(part) for part in version.split(".")[:3])
        code = f"unsigned long cudnnGetVersion(void) {{ return {major * 10000 + minor * 100 + patch}; }}"
        library(self.site / "nvidia/cudnn/lib/libcudnn.so.9", rpath="$ORIGIN", code=code)
        self.distribution(package, version)
        self.record(package, version, "nvidia/cudnn/lib/libcudnn.so.9")
        return self


@pytest.fixture
def stand_in(tmp_path: Path) -> StandIn:
    """A fresh interpreter without packages."""
    if os.name != "posix":
        pytest.skip("stand-in interpreters are laid out as on POSIX")
    return StandIn(tmp_path / "environment")


@pytest.fixture
def mnist() -> Path:
    """The real MNIST files."""
    folder = SHARED / "mnist"
    if not folder.is_dir():
        pytest.skip("the real MNIST files are not at ../shared/mnist")
    return folder


@pytest.fixture(scope="session")
def made(tmp_path_factory) -> Path:
    """A fresh environment with the real pip; each scratch environment is a copy of it."""
    folder = tmp_path_factory.mktemp("made") / "environment"
    subprocess.run([sys.executable, "-m", "venv", folder], check=True)
    return folder


@pytest.fixture
def scratch(tmp_path: Path, made: Path):
    """An environment of `scratch.Scratch`."""
    from scratch import Scratch

    return Scratch(tmp_path, made)


@pytest.fixture(scope="session")
def browser():
    """A real browser for the tests that look at pages."""
    executable = next(filter(None, map(shutil.which, BROWSERS)), None)
    if executable is None:
        pytest.skip(f"no browser here: none of {', '.join(BROWSERS)}")
    if find_spec("playwright") is None:
        pytest.skip("playwright is not installed: pip install -c constraints.txt -e '.[docs]'")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as driver:
        started = driver.chromium.launch(executable_path=executable, args=["--no-sandbox"])
        yield started
        started.close()
