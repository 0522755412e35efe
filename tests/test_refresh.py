"""`gpucheck matrix refresh`: a package index on this machine, real wheels by range requests, rows in and out."""

from __future__ import annotations

import datetime
import http.server
import io
import json
import re
import shutil
import threading
import zipfile
from pathlib import Path

import pytest
from conftest import ROOT

from gpucheck.matrix import Matrix
from gpucheck.matrix.validate import problems
from gpucheck.refresh import RefreshError, index, run
from gpucheck.refresh.requirements import required
from gpucheck.refresh.tensorflow import build_info
from gpucheck.refresh.torch import constants

TODAY = datetime.date(2026, 11, 22)
ARCH = b"\0sm_75 sm_80 sm_86 sm_90 sm_100 sm_120\0"
NEEDS = "Requires-Dist: nvidia-cudnn-cu13==9.26.0.51; platform_system == 'Linux'\nRequires-Dist: sympy>=1.13.3\n"


def wheel(files: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return buffer.getvalue()


def torch(version: str, cuda: str | None = "13.2", arch: bytes = ARCH, needs: str = NEEDS) -> bytes:
    label = f"+cu{cuda.replace('.', '')}" if cuda else "+cpu"
    text = f"__version__ = '{version}{label}'\ncuda: Optional[str] = {cuda!r}\n"
    text += "import os\nos.system('touch executed')\n"
    return wheel(
        {
            "torch/version.py": text.encode(),
            "torch/lib/libtorch_python.so": b"\x7fELF" + arch * 1,
            "torch/lib/libtorch_cuda.so": bytes(5_000_000),
            f"torch-{version}.dist-info/METADATA": f"Metadata-Version: 2.1\nName: torch\n{needs}\nText".encode(),
        }
    )


class Index(http.server.BaseHTTPRequestHandler):
    """A package index (PEP 691) whose files answer range requests."""

    wheels: dict[str, bytes]
    sent: int
    yanked: set[str]

    def do_GET(self) -> None:
        self.answer(body=True)

    def do_HEAD(self) -> None:
        self.answer(body=False)

    def answer(self, *, body: bool) -> None:
        content = self.content()
        if content is None:
            self.send_error(404)
            return
        part, status = content, 200
        asked = re.fullmatch(r"bytes=(\d*)-(\d*)", self.headers.get("Range", ""))
        if asked:
            start = int(asked[1]) if asked[1] else len(content) - int(asked[2])
            end = int(asked[2]) + 1 if asked[1] and asked[2] else len(content)
            part, status = content[max(start, 0) : end], 206
        self.send_response(status)
        if status == 206:
            begin = max(start, 0)
            self.send_header("Content-Range", f"bytes {begin}-{begin + len(part) - 1}/{len(content)}")
        self.send_header("Content-Length", str(len(part)))
        self.send_header("Accept-Ranges", "bytes")
        self.end_headers()
        if body:
            self.wfile.write(part)
            type(self).sent += len(part)

    def content(self) -> bytes | None:
        if self.path.startswith("/files/"):
            return self.wheels.get(self.path.removeprefix("/files/"))
        name = self.path.removeprefix("/simple/").strip("/").replace("-", "_")
        files = [
            {"filename": file, "url": f"http://127.0.0.1:{self.server.server_port}/files/{file}",
             "yanked": file in self.yanked}
            for file in self.wheels if file.startswith(f"{name}-")
        ]  # fmt: skip
        return json.dumps({"files": files}).encode() if files else None

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def serve(monkeypatch):
    """``serve({"torch-2.15.0-...whl": b"..."})`` starts an index that has these files."""
    servers = []

    def start(wheels: dict[str, bytes], yanked: set[str] | None = None) -> type[Index]:
        handler = type("Handler", (Index,), {"wheels": wheels, "sent": 0, "yanked": yanked or set()})
        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        servers.append(server)
        monkeypatch.setattr(index, "SIMPLE", f"http://127.0.0.1:{server.server_port}/simple")
        return handler

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


@pytest.fixture
def empty(tmp_path: Path) -> Matrix:
    """A matrix without any release."""
    shutil.copytree(ROOT / "matrix", tmp_path / "base", ignore=shutil.ignore_patterns("frameworks"))
    return Matrix(base=tmp_path / "base")


TWO = {
    "torch-2.15.0-cp312-cp312-manylinux_2_28_x86_64.whl": torch("2.15.0"),
    "torch-2.15.0-cp313-cp313t-manylinux_2_28_x86_64.whl": torch("2.15.0"),
    "torch-2.15.0-cp312-cp312-win_amd64.whl": torch("2.15.0", None),
    "torch-2.16.0rc1-cp312-cp312-manylinux_2_28_x86_64.whl": b"never read",
    "torch-2.15.0-cp312-cp312-manylinux_2_28_s390x.whl": b"never read",
}


def test_a_new_release_becomes_rows_that_are_used(serve, empty: Matrix, tmp_path: Path) -> None:
    handler = serve(TWO)
    changes = run.refresh(empty, ["torch"], TODAY, target=tmp_path / "new")
    assert [one.text for one in changes.differences] == [
        "torch 2.15.0 linux-x86_64: new (cu132, CUDA runtime 13.2)",
        "torch 2.15.0 windows-x86_64: new (cpu)",
    ]
    assert problems(tmp_path / "new", TODAY, overlay=True) == []
    linux, windows = Matrix(overlay=tmp_path / "new", base=empty.base).release("torch", "2.15").build
    assert (linux.python, linux.cuda_runtime, linux.cudnn) == (("3.12", "3.13t"), "13.2", "9.26.0")
    assert (linux.glibc, linux.arch_list[0], linux.checked) == ("2.28", "sm_75", TODAY)
    assert linux.requires == ("nvidia-cudnn-cu13==9.26.0.51", "sympy>=1.13.3")
    assert (windows.variant, windows.requires) == ("cpu", ("sympy>=1.13.3",))
    assert handler.sent < 200_000  # of 15 MB: only what is asked for is fetched
    assert not Path("executed").exists()


def test_what_was_written_is_clean_afterwards(serve, empty: Matrix, tmp_path: Path) -> None:
    serve(TWO)
    run.refresh(empty, ["torch"], TODAY, target=tmp_path / "new")
    again = run.refresh(Matrix(overlay=tmp_path / "new", base=empty.base), ["torch"], TODAY)
    assert again.differences == []
    assert again.lines() == [f"nothing new: 2 wheels read, the matrix of {empty.date} holds"]


def test_changes_are_named_field_by_field(serve, empty: Matrix, tmp_path: Path) -> None:
    serve(TWO)
    run.refresh(empty, ["torch"], TODAY, target=tmp_path / "new")
    name = "torch-2.15.0-cp312-cp312-manylinux_2_28_x86_64.whl"
    other = torch("2.15.0", arch=b"\0sm_80 sm_90\0", needs="Requires-Dist: sympy>=1.14\n")
    serve({**TWO, name: other, "torch-2.15.1-cp312-cp312-win_amd64.whl": torch("2.15.1", None)}, yanked={
        "torch-2.15.0-cp312-cp312-win_amd64.whl", "torch-2.15.0-cp313-cp313t-manylinux_2_28_x86_64.whl",
    })  # fmt: skip
    found = run.refresh(Matrix(overlay=tmp_path / "new", base=empty.base), ["torch"], TODAY)
    texts = "\n".join(one.text for one in found.differences)
    assert "torch 2.15.0 linux-x86_64: arch-list: not sm_75, not sm_86, not sm_100, not sm_120" in texts
    assert "requires: also sympy>=1.14, not nvidia-cudnn-cu13==9.26.0.51, not sympy>=1.13.3" in texts
    assert "python: not 3.13t" in texts
    assert "torch 2.15.1 windows-x86_64: new (cpu)" in texts
    assert "torch 2.15.0 windows-x86_64: no longer on the index" in texts


def test_patch_releases_share_a_row_where_they_are_equal(serve, empty: Matrix, tmp_path: Path) -> None:
    serve({
        f"torch-2.9.{patch}-cp312-cp312-manylinux_2_28_x86_64.whl": torch(f"2.9.{patch}", "12.8", needs=needs)
        for patch, needs in ((0, NEEDS), (1, NEEDS), (2, "Requires-Dist: sympy>=2\n"))
    })  # fmt: skip
    run.refresh(empty, ["torch"], TODAY, target=tmp_path)
    rows = Matrix(overlay=tmp_path, base=empty.base).release("torch", "2.9").build
    assert [row.versions for row in rows] == [("2.9.0", "2.9.1"), ("2.9.2",)]


def test_rows_by_hand_are_kept(serve, tmp_path: Path) -> None:
    shutil.copytree(ROOT / "matrix", tmp_path / "base", ignore=shutil.ignore_patterns("frameworks"))
    place = tmp_path / "base/frameworks/torch"
    place.mkdir(parents=True)
    shutil.copy(ROOT / "matrix/frameworks/torch/2.14.toml", place)
    before = Matrix(base=tmp_path / "base").release("torch", "2.14")
    serve({"torch-2.14.0-cp312-cp312-manylinux_2_28_x86_64.whl": torch("2.14.0", "13.0")})
    run.refresh(Matrix(base=tmp_path / "base"), ["torch"], TODAY, target=tmp_path / "base")
    after = Matrix(base=tmp_path / "base").release("torch", "2.14")
    assert [row for row in after.build if not row.default] == [row for row in before.build if not row.default]
    assert [row.platform for row in after.build if row.default] == ["linux-x86_64"]


TENSORFLOW = {
    "tensorflow/python/platform/build_info.py": b"build_info = collections.OrderedDict([('cuda_version',"
    b" '64_112'), ('cuda_compute_capabilities', ['sm_60', 'compute_80']), ('is_cuda_build', True)])",
    "tensorflow/include/third_party/gpus/cudnn/include/cudnn_version.h": b"#define CUDNN_MAJOR 9\n"
    b"#define CUDNN_MINOR 3\n#define CUDNN_PATCHLEVEL 0\n",
    "tensorflow-2.20.0.dist-info/METADATA": b"Name: tensorflow\nRequires-Dist: numpy>=1.26\n"
    b"Requires-Dist: nvidia-nccl-cu12>=2.25; extra == 'and-cuda'\n\n",
}
WRAPPER = {"tensorflow-2.20.0.dist-info/METADATA": b"Requires-Dist: tensorflow-intel==2.20.0; "
           b"platform_system == 'Windows'\n\n"}  # fmt: skip
INNER = {
    "tensorflow/python/platform/build_info.py": b"build_info = {'is_cuda_build': False}\n",
    "tensorflow_intel-2.20.0.dist-info/METADATA": b"Requires-Dist: numpy>=1.26\n\n",
}


def test_tensorflow_with_its_extra_and_a_wrapper(serve, empty: Matrix, tmp_path: Path) -> None:
    serve(
        {
            "tensorflow-2.20.0-cp312-cp312-manylinux_2_17_x86_64.manylinux2014_x86_64.whl": wheel(TENSORFLOW),
            "tensorflow-2.20.0-cp312-cp312-win_amd64.whl": wheel(WRAPPER),
            "tensorflow_intel-2.20.0-cp312-cp312-win_amd64.whl": wheel(INNER),
        }
    )
    changes = run.refresh(empty, ["tensorflow"], TODAY, target=tmp_path)
    assert changes.unread == []
    linux, windows = Matrix(overlay=tmp_path, base=empty.base).release("tensorflow", "2.20").build
    assert (linux.cuda_runtime, linux.cudnn, linux.glibc) == ("11.2", "9.3.0", "2.17")
    assert linux.arch_list == ("sm_60", "sm_80", "compute_80")
    assert (linux.requires, linux.and_cuda) == (("numpy>=1.26",), ("nvidia-nccl-cu12>=2.25",))
    assert (windows.variant, windows.requires) == ("cpu", ("numpy>=1.26",))


def test_a_wheel_that_cannot_be_read_is_named_and_the_others_are_read(serve, empty: Matrix) -> None:
    serve({**TWO, "torch-2.14.0-cp312-cp312-manylinux_2_28_x86_64.whl": b"not a zip"})
    changes = run.refresh(empty, ["torch"], TODAY)
    assert changes.read == 2
    (line,) = changes.unread
    assert line.startswith("torch-2.14.0-cp312-cp312-manylinux_2_28_x86_64.whl: cannot be read: ")
    assert any(line.startswith("not read: torch-2.14.0") for line in changes.lines())


def test_an_index_that_does_not_answer(monkeypatch, empty: Matrix) -> None:
    monkeypatch.setattr(index, "SIMPLE", "http://127.0.0.1:9/simple")
    monkeypatch.setattr(index, "RETRIES", 0)
    with pytest.raises(RefreshError, match="cannot be read: ConnectionError"):
        run.refresh(empty, ["torch"], TODAY)


def test_a_folder_that_cannot_be_written(serve, empty: Matrix, tmp_path: Path) -> None:
    serve(TWO)
    (tmp_path / "file").write_text("")
    with pytest.raises(RefreshError, match="--write"):
        run.refresh(empty, ["torch"], TODAY, target=tmp_path / "file")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [(("jax",), "write torch, tensorflow, packages"), (("--check", "--write", "x"), "exclude each other")],
)
def test_bad_input(gpucheck, arguments: tuple[str, ...], words: str) -> None:
    ran = gpucheck("matrix", "refresh", *arguments)
    assert (ran.status, ran.out, ran.err.count("\n")) == (2, "", 1)
    assert words in ran.err


def test_requirements_by_platform() -> None:
    lines = [
        "a==1; sys_platform == 'linux'",
        "b>=2",
        "c; python_version < '3.11'",
        "d; extra == 'x'",
        "e; extra == 'y'",
    ]
    assert required(lines, "linux-x86_64", ["3.10", "3.12"]) == ("a==1", "b>=2", 'c; python_version < "3.11"')
    assert required(lines, "windows-x86_64", ["3.12"]) == ("b>=2",)
    assert required(lines, "linux-x86_64", ["3.12"], "x") == ("d",)


def test_the_forms_of_build_info() -> None:
    assert build_info("is_cuda_build = True\ncuda_version_number = '10.1'\n") == {
        "is_cuda_build": True, "cuda_version": "10.1",
    }  # fmt: skip
    assert build_info("build_info = {'is_cuda_build': True}") == {"is_cuda_build": True}
    assert build_info("build_info = collections.OrderedDict([('is_cuda_build', False)])") == {
        "is_cuda_build": False
    }
    assert build_info("not python (") == {}
    assert constants("a: str = 'x'\nb = 'y'\nc = f()\n") == {"a": "x", "b": "y"}


@pytest.mark.slow
def test_the_shipped_matrix_is_what_the_index_has(gpucheck) -> None:
    """Over the network: new releases make this fail, and that is what it is for."""
    ran = gpucheck("matrix", "refresh", "--check")
    assert ran.status == 0, ran.out
    assert ran.out.startswith("nothing new")
