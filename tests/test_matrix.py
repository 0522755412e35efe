"""The matrix: our own rows are sound, bad rows are named by file, row and key, unknown stays unknown."""

from __future__ import annotations

import datetime
import json
import shutil
import sys
from pathlib import Path

import jsonschema
import pytest
from conftest import ROOT

from gpucheck.matrix import Matrix, folder, matches, parse_version, published
from gpucheck.matrix.validate import TABLES, all_rows, problems

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

FLOOR = '[[floor]]\ncuda-major = 12\nlinux = "600.1"\nsource = "s"\nurl = "https://x"\nchecked = 2026-01-01\n'


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """A copy of our matrix that may be damaged."""
    shutil.copytree(ROOT / "matrix", tmp_path / "matrix")
    return tmp_path / "matrix"


def test_our_rows_are_sound() -> None:
    assert problems(folder()) == []


def test_every_row_has_a_source_and_a_date() -> None:
    rows = list(all_rows(folder()))
    assert len(rows) > 1000
    for place, row in rows:
        assert row.source, place
        assert row.url.startswith("https://"), place
        assert row.checked <= datetime.datetime.now(tz=datetime.timezone.utc).date(), place


@pytest.mark.parametrize("framework", ["torch", "tensorflow"])
def test_the_newest_three_releases_are_there(framework: str) -> None:
    assert len(Matrix().releases(framework)) >= 3


def schema_of(path: Path) -> Path:
    kind = {"torch": "framework", "tensorflow": "framework", "messages": "messages"}
    name = kind.get(path.parent.name, path.stem) if path.parent.name != "packages" else path.stem
    return ROOT / f"matrix/schema/{name}.schema.json"


@pytest.mark.parametrize(
    "path", sorted((ROOT / "matrix").rglob("*.toml")), ids=lambda path: str(path.relative_to(ROOT))
)
def test_the_files_fit_their_schemas(path: Path) -> None:
    content, schema = tomllib.loads(path.read_text()), json.loads(schema_of(path).read_text())
    assert list(jsonschema.Draft202012Validator(schema).iter_errors(content)) == []


@pytest.mark.parametrize(
    ("file", "old", "new", "words"),
    [
        ("cuda/floors.toml", 'linux = "525.60.13"', "linux = 525.6", "must be text in quotes, found 525.6"),
        ("cuda/floors.toml", 'linux = "525.60.13"', 'linux = ""', "key 'linux': is empty"),
        ("cuda/floors.toml", 'linux = "525.60.13"', 'linx = "525.60.13"', "unknown key 'linx'"),
        ("cuda/floors.toml", 'linux = "525.60.13"', "", "the key 'linux' is missing"),
        ("cuda/floors.toml", 'linux = "525.60.13"', 'linux = "new"', "linux 'new' is not a version"),
        ("cuda/floors.toml", "cuda-major = 12", "cuda-major = 13", "13 is there twice"),
        ("cuda/floors.toml", "cuda-major = 12", "cuda-major = true", "must be a whole number, found True"),
        ("cuda/floors.toml", "[[floor]]", "[floor]", "is not valid TOML"),
        ("cuda/floors.toml", "[[floor]]", "[[flor]]", "unknown table 'flor'"),
        ("cudnn.toml", 'cudnn = ">=9.11"', 'cudnn = "9.11"', "'9.11' is not a version specifier"),
        ("frameworks/torch/2.13.toml", 'release = "2.13"', 'release = "2.12"', "says torch 2.12"),
        ("frameworks/torch/2.13.toml", '"sm_75"', '"75"', "arch-list has '75'"),
        ("frameworks/torch/2.13.toml", "default = true", 'default = "yes"', "must be true or false"),
        ("gpus.toml", 'architecture = "Hopper"', 'architecture = "Volta"', "is Volta, but 9.0 is Hopper"),
        ("frameworks/torch/2.13.toml", 'cuda-runtime = "13.0"', 'cuda-runtime = "13.9"', "no row for CUDA 13.9"),
        ("frameworks/torch/2.13.toml", 'cudnn = "9.20.0"', 'cudnn = "9.77.0"', "no row for cuDNN 9.77.0"),
        ("frameworks/torch/2.13.toml", "==9.20.0.48", "==9.20.0.47", "nvidia-cudnn-cu13 has no version 9.20.0.47"),
        ("frameworks/torch/2.13.toml", '"sm_75"', '"sm_79"', "sm_79 belongs to no architecture"),
        ("frameworks/torch/2.13.toml", 'versions = ["2.13.0"]', 'versions = ["2.12.0"]', "do not belong to 2.13"),
        ("frameworks/torch/2.9.toml", 'versions = ["2.9.1"]', 'versions = ["2.9.0"]', "a second cu128 build"),
        ("frameworks/torch/2.9.toml", '"2.9.0", "2.9.1"', '"2.9.1", "2.9.0"', "not in order"),
        ("cudnn.toml", 'version = "9.10.2"', 'version = "9.99.2"', "out of order"),
        ("cuda/branches.toml", 'kind = "production"', 'kind = "good"', "kind 'good' is none of"),
        ("packages/torch.toml", 'needs = "<2"', 'needs = "2"', "'2' is not a version specifier"),
        ("matrix.toml", "date = 2026-11-29", "date = 2020-01-01", "but the newest row was checked on 2026-11-29"),
    ],
)
def test_a_bad_row_is_named(copy: Path, file: str, old: str, new: str, words: str) -> None:
    path = copy / file
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))
    found = problems(copy)
    assert any(words in line and Path(file).name in line for line in found), found


def test_a_date_in_the_future_and_an_unsafe_url_are_problems(copy: Path) -> None:
    text = FLOOR.replace("2026-01-01", "2027-01-01").replace("https", "http")
    (copy / "cuda/floors.toml").write_text(text)
    found = problems(copy, today=datetime.date(2026, 11, 22))
    assert any("lies in the future" in line for line in found)
    assert any("does not start with https://" in line for line in found)


def test_an_overlay_comes_first(tmp_path: Path) -> None:
    (tmp_path / "cuda").mkdir()
    (tmp_path / "cuda/floors.toml").write_text(FLOOR)
    matrix = Matrix(overlay=tmp_path)
    assert matrix.floor(12).linux == "600.1"
    assert matrix.floor(11).linux == Matrix().floor(11).linux


def test_an_overlay_may_bring_a_release(tmp_path: Path) -> None:
    place = tmp_path / "frameworks/torch"
    place.mkdir(parents=True)
    text = (folder() / "frameworks/torch/2.15.toml").read_text().replace('release = "2.15"', 'release = "2.99"')
    (place / "2.99.toml").write_text(text)
    assert Matrix(overlay=tmp_path).release("torch", "2.99.1").release == "2.99"
    assert Matrix().release("torch", "2.99.1") is None


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"\xff\xfe", "is not UTF-8 text"),
        (b"not toml", "is not valid TOML"),
        (b"[[floor]]\nlinux = 3\n", "[[floor]] row 1: the key 'source' is missing"),
        (
            FLOOR.replace('"600.1"', "600.1").encode(),
            "[[floor]] row 1, key 'linux': must be text in quotes, found 600.1",
        ),
        (FLOOR.replace("600.1", "new").encode(), "[[floor]] row 1: linux 'new' is not a version"),
    ],
)
@pytest.mark.parametrize("command", ["doctor", "smoke"])
def test_a_malformed_row_of_the_users_own_is_one_line_and_status_2(
    gpucheck, tmp_path: Path, command: str, content: bytes, words: str
) -> None:
    (tmp_path / "cuda").mkdir()
    (tmp_path / "cuda/floors.toml").write_bytes(content)
    ran = gpucheck(command, env={"GPUCHECK_MATRIX": str(tmp_path)})
    assert (ran.status, ran.out, ran.err.count("\n")) == (2, "", 1)
    assert "floors.toml" in ran.err
    assert words in ran.err


def test_a_sound_overlay_is_used(gpucheck, tmp_path: Path) -> None:
    (tmp_path / "cuda").mkdir()
    (tmp_path / "cuda/floors.toml").write_text(FLOOR)
    assert gpucheck("doctor", "--matrix", tmp_path).status == 0


def test_an_overlay_that_is_no_folder(gpucheck, tmp_path: Path) -> None:
    ran = gpucheck("doctor", "--matrix", tmp_path / "nowhere")
    assert ran.status == 2
    assert ran.err.count("\n") == 1
    assert "nowhere: is not a folder" in ran.err


def test_why_a_version_is_unknown() -> None:
    matrix = Matrix()
    assert f"newer than the matrix of {matrix.date}" in matrix.why_unknown("torch", "9.9.0")
    assert "has no row" in matrix.why_unknown("torch", "1.0.0")
    assert "build of its own" in matrix.why_unknown("torch", "2.13.0a0+b4e4ee81d3.nv26.05")
    assert "not a version" in matrix.why_unknown("torch", "nv24.06")


@pytest.mark.parametrize(
    ("version", "answer"),
    [("2.13.0", True), ("2.13.0+cu130", True), ("2.13.0+cpu", True), ("2.13.0rc1", False), ("2.13.0+git1", False),
     ("x", False), (None, False)],
)  # fmt: skip
def test_published(version: str | None, answer: bool) -> None:
    assert published(version) is answer


def test_versions_compare_by_their_numbers_only() -> None:
    assert parse_version("535.288.01-grid") is None
    assert parse_version("535.54.03") == parse_version("535.54.3")
    assert matches(">=9.11", "9.2") is False
    assert matches(">=9.11", "9.20") is True
    assert matches(">=2.9", "2.10.0a0+b4e4ee81d3.nv25.11") is True
    assert matches("nonsense", "1.0") is None
    assert matches(">=1", "nonsense") is None


def test_every_table_has_a_file() -> None:
    assert all((folder() / file).exists() for file in TABLES)
