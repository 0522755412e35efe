"""The documentation site, built strictly and looked at in a real browser."""

from __future__ import annotations

import functools
import re
import subprocess
import sys
import threading
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from importlib.util import find_spec
from pathlib import Path

import pytest
from conftest import ROOT, clean_environment
from guides import GUIDES, messages

pytestmark = pytest.mark.slow
SEARCH = "[data-md-component=search-query]"
FOUND = ".md-search-result__link"
PAGES = {
    "": "gpucheck",
    "guides/": "Guides",
    "guides/cudnn/": "cuDNN and convolution failures",
    "troubles/": "Troubles",
    "troubles/cudnn-init-failed/": "cudnn-init-failed",
    "messages/": "Messages",
    "matrix/torch/": "PyTorch releases",
    "matrix/rows/": "The compatibility matrix",
    "reference-results/": "",
}
# What people paste, with numbers and paths of their own, and the page that must be among the first.
PASTED = {
    "2026-11-25 10:00:00.1: E external/local_xla/xla/stream_executor/cuda/cuda_dnn.cc:454] Loaded runtime CuDNN "
    "library: 8.1.0 but source was compiled with: 8.6.0.": "troubles/cudnn-version-mismatch/",
    "Could not create cudnn handle: CUDNN_STATUS_INTERNAL_ERROR": "guides/cudnn/",
    "ValueError: Memory growth cannot differ between GPU devices": "troubles/memory-growth-mixed/",
    "torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 3.77 GiB. GPU 1 has a capacity of 23.6 GiB":
        "troubles/gpu-out-of-memory/",
    "AttributeError: module 'tensorflow' has no attribute 'placeholder'": "guides/old-code/",
    "Failed to initialize NVML: Driver/library version mismatch": "troubles/driver-library-mismatch/",
    "cudnn-init": "troubles/cudnn-init-failed/",
    "driver-too-old": "troubles/driver-too-old/",
}  # fmt: skip


class Quiet(SimpleHTTPRequestHandler):
    """A server that logs nothing."""

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the library's name
        pass


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The site as `make docs` builds it."""
    if find_spec("material") is None:
        pytest.skip("mkdocs-material is not installed: pip install -c constraints.txt -e '.[docs]'")
    folder = tmp_path_factory.mktemp("site") / "site"
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", folder]
    done = subprocess.run(
        command,
        cwd=ROOT,
        env=clean_environment(NO_MKDOCS_2_WARNING="1"),
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return folder


@pytest.fixture(scope="module")
def address(site: Path):
    server = ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=str(site)))
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/"
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def tab(browser, address: str):
    """A page of the browser; afterwards nothing was complained of, and nothing asked of another server."""
    context = browser.new_context(viewport={"width": 1280, "height": 900})
    tab, asked, said = context.new_page(), [], []
    tab.on("request", lambda request: asked.append(request.url))
    tab.on("console", lambda line: said.append(line.text) if line.type in {"error", "warning"} else None)
    tab.on("pageerror", lambda problem: said.append(str(problem)))
    yield tab
    context.close()
    assert said == []
    assert asked
    assert [url for url in asked if not url.startswith((address, "data:", "blob:"))] == []


def found(tab, address: str, words: str) -> list[str]:
    """Search for something as a person would, and return the pages found, best first."""
    tab.fill(SEARCH, "")
    tab.press(SEARCH, "End")
    tab.wait_for_function(f"!document.querySelector('{FOUND}')")
    tab.fill(SEARCH, words)
    tab.press(SEARCH, "End")
    tab.wait_for_function(f"[...document.querySelectorAll('{FOUND}')].some(a => a.href.includes('?h='))")
    tab.wait_for_timeout(150)  # the list is filled piece by piece
    links = tab.eval_on_selector_all(FOUND, "all => all.map(one => one.href)")
    return list(dict.fromkeys(re.sub(r"[?#].*", "", link).removeprefix(address) for link in links))


def test_the_pages_stand_in_the_site(tab, address: str) -> None:
    for place, title in PAGES.items():
        tab.goto(address + place)
        assert title in tab.inner_text("h1"), place
        assert tab.inner_text("article").count("\n") > 5, place


def test_a_person_comes_from_the_start_to_a_guide_and_to_a_trouble(tab, address: str) -> None:
    tab.goto(address)
    tab.click("article >> text=cuDNN and convolution failures")
    tab.wait_for_url("**/guides/cudnn/")
    tab.click("article >> text=cudnn-version-mismatch")
    tab.wait_for_url("**/troubles/cudnn-version-mismatch/")
    assert tab.inner_text("h1").startswith("cudnn-version-mismatch")


@pytest.mark.parametrize("words", PASTED)
def test_what_people_paste_is_found(tab, address: str, words: str) -> None:
    tab.goto(address)
    pages = found(tab, address, words)
    assert PASTED[words] in pages[:5], pages


@pytest.mark.parametrize("path", [path for path in GUIDES if messages(path)], ids=lambda path: path.stem)
def test_every_message_of_a_guide_leads_to_it(tab, address: str, path: Path) -> None:
    tab.goto(address)
    for message in messages(path):
        assert f"guides/{path.stem}/" in found(tab, address, " ".join(message.split())), message


def test_nothing_is_wider_than_a_telephone(tab, address: str) -> None:
    tab.set_viewport_size({"width": 390, "height": 800})
    for place in PAGES:
        tab.goto(address + place)
        assert tab.evaluate("document.documentElement.scrollWidth") <= 390, place


def test_no_page_names_another_server_for_what_it_loads(site: Path) -> None:
    loads = re.compile(
        r"""<(?:script|img|iframe)\b[^>]*\bsrc=["']?(https?:)?//|<link\b[^>]*\bhref=["']?(https?:)?//"""
    )
    for page in site.rglob("*.html"):
        assert not loads.search(page.read_text(encoding="utf-8")), page
    for sheet in site.rglob("*.css"):
        assert not re.search(r"url\(['\"]?(https?:)?//|@import", sheet.read_text(encoding="utf-8")), sheet
