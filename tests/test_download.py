"""MNIST from a mirror: a real HTTP server on this machine that behaves well, and badly."""

from __future__ import annotations

import gzip
import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from conftest import as_from_a_terminal, clean_environment

from gpucheck.smoketest import download
from gpucheck.smoketest.data import FILES, DataError
from gpucheck.smoketest.download import fetch_mnist

TRAIN, LABELS = FILES[0], FILES[1]
BEGIN = {"event": "stage", "name": "download"}
NOISY = """import json
from gpucheck.smoketest.download import fetch_mnist
fetch_mnist(lambda event: print(json.dumps(event), flush=True))"""


class Handler(BaseHTTPRequestHandler):
    """Sends a file from the wanted byte on; `Mirror.how` tells what is different about one."""

    def do_GET(self) -> None:
        name, wanted = self.path.removeprefix("/mnist/").removesuffix(".gz"), self.headers.get("Range")
        self.server.asked.append((name, wanted))
        how = self.server.how.get(name, {})
        content = how.get("change", bytes)(packed(self.server.folder, name))
        begin = int(re.fullmatch(r"bytes=(\d+)-", wanted)[1]) if wanted and how.get("ranges", True) else 0
        status = how.get("status") or (416 if begin >= len(content) else 206 if begin else 200)
        begin = how.get("begin", begin)
        body = content[begin:] if status in {200, 206} else b""
        fields = {"Content-Range": f"bytes {begin}-{len(content) - 1}/{len(content)}", "Content-Length": len(body)}
        self.send_response(status, how.get("reason"))
        for field, value in {**fields, **how.get("fields", {})}.items():
            if value is not None:
                self.send_header(field, str(value))
        self.end_headers()
        half = len(body) // 2
        self.wfile.write(body[:half])
        if "gate" in how:
            how["gate"].wait(60)
        self.wfile.write(b"" if how.get("cut") else body[half:])

    def log_message(self, *_) -> None:
        pass


class Mirror(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, folder: Path) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.folder, self.how, self.asked = folder, {}, []
        self.host = f"127.0.0.1:{self.server_port}"
        self.url = f"http://{self.host}/mnist/"
        threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()

    def handle_error(self, *_) -> None:
        """Say nothing: the other end may hang up."""


@pytest.fixture
def two(mnist: Path, monkeypatch):
    """Two mirrors that stand for the public ones."""
    servers = (Mirror(mnist), Mirror(mnist))
    monkeypatch.setenv("no_proxy", "*")
    monkeypatch.delenv("GPUCHECK_MNIST_MIRROR", raising=False)
    monkeypatch.setattr(download, "MIRRORS", tuple(server.url for server in servers))
    yield servers
    for server in servers:
        server.shutdown()
        server.server_close()


@pytest.fixture
def mirror(two, monkeypatch) -> Mirror:
    """The mirror that GPUCHECK_MNIST_MIRROR names."""
    monkeypatch.setenv("GPUCHECK_MNIST_MIRROR", two[0].url)
    return two[0]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch) -> Path:
    """Where the files go."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    return tmp_path / "gpucheck/mnist"


@pytest.fixture
def nearly(folder: Path, mnist: Path) -> Path:
    """The same, holding all but the training labels."""
    folder.mkdir(parents=True)
    for name in {*FILES} - {LABELS}:
        (folder / f"{name}.gz").write_bytes(packed(mnist, name))
    return folder


def packed(folder: Path, name: str = LABELS) -> bytes:
    return (folder / f"{name}.gz").read_bytes()


def part(folder: Path, name: str = LABELS) -> Path:
    return folder / f"{name}.gz.part"


def refusal() -> str:
    """What the user is told, in one line."""
    with pytest.raises(DataError) as error:
        fetch_mnist()
    text = str(error.value)
    assert text.startswith("--data mnist: ")
    assert text.isprintable()
    return text


def start(mirror: Mirror, folder: Path) -> subprocess.Popen[str]:
    named = {"XDG_CACHE_HOME": str(folder.parents[1]), "GPUCHECK_MNIST_MIRROR": mirror.url, "no_proxy": "*"}
    return subprocess.Popen(
        [sys.executable, "-c", NOISY], env=clean_environment(**named), stdout=subprocess.PIPE,
        stderr=subprocess.PIPE, text=True, preexec_fn=as_from_a_terminal,
    )  # fmt: skip


def wait_for(condition) -> None:
    limit = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < limit
        time.sleep(0.01)


def test_all_four_are_fetched_once(mirror: Mirror, mnist: Path, folder: Path) -> None:
    events: list[dict] = []
    assert fetch_mnist(events.append) == folder
    assert {path.name for path in folder.iterdir()} == {*(f"{name}.gz" for name in FILES), "download.lock"}
    assert all(packed(folder, name) == packed(mnist, name) for name in FILES)
    assert events[0] == BEGIN
    for name in FILES:
        size = len(packed(mnist, name))
        assert {"event": "download", "file": name, "done": size, "total": size} in events
    fetch_mnist(pytest.fail)
    assert mirror.asked == [(name, None) for name in FILES]


@pytest.mark.parametrize(
    ("how", "begun", "requests"),
    [({}, 10_000, 1), ({"ranges": False}, 10_000, 1), ({"begin": 0}, 10_000, 2), ({}, 40_000, 2)],
    ids=["rest", "ranges ignored", "another range", "part too long"],
)
def test_a_part_is_gone_on_with_where_it_can_be(mirror, mnist, nearly, how, begun, requests) -> None:
    part(nearly).write_bytes(packed(mnist).ljust(begun, b"x")[:begun])
    mirror.how[LABELS] = how
    fetch_mnist()
    assert mirror.asked == [(LABELS, f"bytes={begun}-"), (LABELS, None)][:requests]
    assert packed(nearly) == packed(mnist)
    assert not part(nearly).exists()


def test_a_cut_connection_is_gone_on_with(mirror: Mirror, mnist: Path, folder: Path) -> None:
    size = len(packed(mnist, TRAIN))
    mirror.how[TRAIN] = {"cut": True}
    assert f"{mirror.host}: the connection ended after {size // 2} of {size} bytes" in refusal()
    assert not (folder / f"{TRAIN}.gz").exists()
    assert part(folder, TRAIN).stat().st_size == size // 2
    mirror.how.clear()
    fetch_mnist()
    assert mirror.asked[1] == (TRAIN, f"bytes={size // 2}-")
    assert packed(folder, TRAIN) == packed(mnist, TRAIN)


def flipped(content: bytes) -> bytes:
    return content[:10_000] + bytes([content[10_000] ^ 1]) + content[10_001:]


SHUT, UNMEASURED = threading.Event(), {"Content-Length": None}
BAD = {
    "damaged": ({"change": flipped}, "damaged: its SHA-256|no sound gzip file"),
    "another": ({"change": gzip.compress}, "damaged: its SHA-256 is not that of MNIST"),
    "html": ({"change": lambda _: b"<html>Please log in"}, "no sound gzip file: Not a gzipped file"),
    "bomb": ({"change": lambda _: gzip.compress(bytes(70_000_000), 1)}, "more than 64 MB when unpacked"),
    "large": ({"change": lambda _: bytes(32_000_001), "gate": SHUT}, "more than 32 MB"),
    "endless": ({"change": lambda _: bytes(65_000_000), "fields": UNMEASURED, "gate": SHUT}, "more than 32 MB"),
    "empty": ({"status": 204}, "HTTP 204 No Content"),
    "missing": ({"status": 404}, "HTTP 404 Not Found"),
    "rude": ({"status": 503, "reason": "\x1b[2J" + "gone " * 500}, r"HTTP 503 \?\[2J(gone ){30,40}"),
    "ftp": ({"status": 302, "fields": {"Location": "ftp://127.0.0.1/labels.gz"}}, "unknown url type: ftp"),
    "file": ({"status": 302, "fields": {"Location": "file:///etc/hostname"}}, "'file:.*' is not allowed"),
}


@pytest.mark.parametrize("case", BAD)
def test_what_is_not_the_file_is_refused(mirror: Mirror, nearly: Path, case: str) -> None:
    mirror.how[LABELS], words = BAD[case]
    text = refusal()
    begin = f"--data mnist: {LABELS}.gz could not be fetched: {mirror.host}: "
    end = "; copy the four files into a folder and name it with --data DIR"
    assert (text[: len(begin)], text[-len(end) :]) == (begin, end)
    reason = text[len(begin) : -len(end)]
    assert re.search(words, reason)
    assert len(reason) <= 200
    assert not (nearly / f"{LABELS}.gz").exists()
    assert not part(nearly).exists()
    assert len(mirror.asked) == 1


def test_each_mirror_is_named_with_its_reason(two, folder: Path, monkeypatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        nobody = f"127.0.0.1:{closed.getsockname()[1]}"
    two[0].how[TRAIN] = {"status": 404}
    monkeypatch.setattr(download, "MIRRORS", (two[0].url, f"http://{nobody}/"))
    assert f"{two[0].host}: HTTP 404 Not Found; {nobody}: Connection refused; copy" in refusal()


@pytest.mark.parametrize("how", [{"status": 404}, {"change": flipped}, {"cut": True}], ids=" ".join)
def test_the_second_mirror_stands_in(two, mnist: Path, nearly: Path, how: dict) -> None:
    two[0].how[LABELS] = how
    fetch_mnist()
    assert [len(each.asked) for each in two] == [1, 1]
    assert packed(nearly) == packed(mnist)


def test_mirrors_that_pack_differently(two, mnist: Path, nearly: Path) -> None:
    """The first sends half, the second's rest does not fit: each is then asked for the whole, once."""
    again = gzip.compress(gzip.decompress(packed(mnist)), 1, mtime=0)
    two[0].how[LABELS], two[1].how[LABELS] = {"cut": True}, {"change": lambda _: again}
    fetch_mnist()
    assert two[0].asked == [(LABELS, None), (LABELS, None)]
    assert two[1].asked == [(LABELS, f"bytes={len(packed(mnist)) // 2}-"), (LABELS, None)]
    assert packed(nearly) == again


@pytest.mark.parametrize("content", [b"", b"rubbish", None], ids=["empty", "rubbish", "cut"])
def test_a_damaged_file_in_the_cache_is_replaced(mirror, mnist, nearly, content) -> None:
    (nearly / f"{LABELS}.gz").write_bytes(packed(mnist)[:-9] if content is None else content)
    fetch_mnist()
    assert mirror.asked == [(LABELS, None)]
    assert packed(nearly) == packed(mnist)


def test_two_processes_share_one_download(mirror: Mirror, folder: Path) -> None:
    gate = threading.Event()
    mirror.how[TRAIN] = {"gate": gate}
    with start(mirror, folder) as first:
        wait_for(lambda: mirror.asked)
        with start(mirror, folder) as second:
            assert json.loads(second.stdout.readline()) == {"event": "stage", "name": "download_wait"}
            gate.set()
            assert second.communicate(timeout=60) == ("", "")
        first.communicate(timeout=60)
    assert (first.returncode, second.returncode) == (0, 0)
    assert mirror.asked == [(name, None) for name in FILES]


@pytest.mark.skipif(os.name != "posix", reason="signals are POSIX's")
def test_an_interruption_leaves_the_part_and_no_lock(mirror: Mirror, folder: Path) -> None:
    mirror.how[TRAIN] = {"gate": threading.Event()}
    with start(mirror, folder) as process:
        wait_for(lambda: part(folder, TRAIN).exists() and part(folder, TRAIN).stat().st_size > 10**6)
        process.send_signal(signal.SIGINT)
        assert "KeyboardInterrupt" in process.communicate(timeout=60)[1]
    mirror.how.pop(TRAIN)["gate"].set()
    assert not (folder / f"{TRAIN}.gz").exists()
    size, events = part(folder, TRAIN).stat().st_size, []
    fetch_mnist(events.append)
    assert events[0] == BEGIN  # nobody to wait for
    assert mirror.asked[1] == (TRAIN, f"bytes={size}-")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="/dev/full is Linux's")
def test_no_space(mirror: Mirror, nearly: Path) -> None:
    part(nearly).symlink_to("/dev/full")
    reason = "No space left on device, the four files need 12 MB; name another place by XDG_CACHE_HOME"
    assert refusal() == f"--data mnist: {nearly} cannot be written: {reason}"


def test_a_cache_that_is_no_folder(mirror: Mirror, monkeypatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", __file__)
    assert re.search(f"{__file__}.* cannot be written: .*; name another place by XDG_CACHE_HOME", refusal())
    assert not mirror.asked


@pytest.mark.parametrize("url", ["file:///srv/", "ftp://h/", "/srv", "http://", "http://[", "http://i:secret@h/"])
def test_other_kinds_of_mirror_are_refused(folder: Path, monkeypatch, url: str) -> None:
    monkeypatch.setenv("GPUCHECK_MNIST_MIRROR", url)
    text = refusal()
    assert "GPUCHECK_MNIST_MIRROR" in text
    assert "secret" not in text
    assert not folder.exists()
