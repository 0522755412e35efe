"""Who may import whom, and what must never be loaded on the doctor's path."""

from __future__ import annotations

import ast
import json
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import ROOT, clean_environment

PACKAGE = ROOT / "gpucheck"
# A room and the rooms of ours that it may import; itself always.
MAY_IMPORT = {
    "facts": set(),
    "findings": set(),
    "matrix": set(),
    "refresh": {"matrix"},
    "describe": {"facts", "matrix"},
    "recommend": {"checks", "describe", "diagnosis", "facts", "findings", "matrix"},
    "children": set(),
    "record": set(),
    "mask": set(),
    "checks": {"facts", "findings", "mask", "matrix"},
    "probe": {"facts", "children"},
    "intake": {"facts", "messages"},
    "diagnosis": {"checks", "facts", "findings", "matrix"},
    "attended": set(),
    "messages": {"facts"},
    "fixes": {"children", "facts", "findings", "mask"},
    "smoketest": {"facts", "fixes", "children"},
    "memory": {"facts", "findings", "diagnosis", "matrix", "checks"},
    "policy": {"facts", "findings", "matrix"},
    "fleet": {"checks", "children", "facts", "findings", "diagnosis", "policy", "matrix", "memory"},
    "catalogue": {"checks"},
    "tables": {"matrix"},
    "together": {"describe", "diagnosis", "matrix", "tables"},
    "report": {"facts", "findings", "fixes", "catalogue", "fleet", "recommend", "tables", "__version__"},
}
# They put the rooms together.
UNBOUND = {
    "cli",
    "api",
    "applying",
    "launch",
    "proving",
    "remembering",
    "repair",
    "__init__",
    "__main__",
    "pytest_plugin",
    "demands",
    "explaining",
    "model_tables",
}
SCRIPTS = "smoketest/children"
ONLY_IN = {
    "typer": {"cli"},
    "rich": {"report"},
    "matplotlib": {"report/pictures.py"},
    "pynvml": {"probe/child_driver.py"},
    "ray": {"fleet/launch/ray_child.py"},
    "torch": {
        "probe/child_framework.py",
        *(f"{SCRIPTS}/{name}_torch.py" for name in ("train", "proof", "events", "distribute")),
    },
    "tensorflow": {
        "probe/child_framework.py",
        *(f"{SCRIPTS}/{name}_tensorflow.py" for name in ("train", "proof", "events", "distribute")),
    },
    "numpy": {"smoketest/children"},
    "packaging": {"matrix", "refresh", "describe", "recommend", "policy"},
    "filelock": {"smoketest/download.py"},
    "requests": {"refresh"},
    "remotezip": {"refresh"},
    "tomli_w": {"refresh"},
    "yaml": {"describe"},
    "pytest": {"pytest_plugin.py"},
}
FORBIDDEN = {
    "torch", "tensorflow", "numpy", "pydantic", "jinja2", "asyncio", "importlib.metadata", "pynvml", "click",
    "rich.traceback", "rich.markdown", "rich.progress", "rich.syntax", "jsonschema", "unittest", "http.client",
    "urllib.request", "ssl", "multiprocessing", "concurrent.futures", "sqlite3", "xml", "email",
    "hashlib", "tempfile", "gpucheck.cli.matrix", "gpucheck.cli.smoke", "gpucheck.recommend", "gpucheck.describe",
    "gpucheck.smoketest", "gpucheck.checks.pages", "gpucheck.catalogue", "gpucheck.intake", "gpucheck.messages",
}  # fmt: skip


def modules() -> list[Path]:
    return sorted(path for path in PACKAGE.rglob("*.py"))


def imports(path: Path) -> set[str]:
    """Every module that a file imports at run time, also inside functions; not under TYPE_CHECKING."""
    found: set[str] = set()

    def visit(node: ast.AST) -> None:
        if isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING":
            return
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            found.update(f"{node.module}.{alias.name}" for alias in node.names)
        for child in ast.iter_child_nodes(node):
            visit(child)

    visit(ast.parse(path.read_text()))
    return found


def room(path: Path) -> str:
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


@pytest.mark.parametrize("path", modules(), ids=lambda path: str(path.relative_to(PACKAGE)))
def test_import_direction(path: Path) -> None:
    own = room(path)
    if own in UNBOUND:
        return
    ours = {name.split(".")[1] for name in imports(path) if name.startswith("gpucheck.")}
    assert ours - {own, "record"} <= MAY_IMPORT[own]


@pytest.mark.parametrize("path", modules(), ids=lambda path: str(path.relative_to(PACKAGE)))
def test_each_library_has_its_place(path: Path) -> None:
    place = path.relative_to(PACKAGE).as_posix()
    for name in imports(path):
        allowed = ONLY_IN.get(name.split(".")[0])
        if allowed is not None:
            assert any(place == where or place.startswith(f"{where}/") for where in allowed), name


@pytest.mark.parametrize("path", sorted((PACKAGE / "checks").glob("*.py")), ids=lambda path: path.name)
def test_checks_do_no_input_or_output(path: Path) -> None:
    found = {name.split(".")[0] for name in imports(path)}
    assert not found & {"os", "subprocess", "pathlib", "sys", "socket", "ctypes", "time", "io"}
    names = {node.id for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Name)}
    assert not names & {"open", "print", "input"}


@pytest.mark.parametrize(
    "path", sorted((PACKAGE / "smoketest/children").rglob("*.py")), ids=lambda path: path.name
)
def test_training_scripts_need_nothing_of_gpucheck(path: Path) -> None:
    assert not {name for name in imports(path) if name.startswith("gpucheck")}


@pytest.mark.parametrize("path", modules(), ids=lambda path: str(path.relative_to(PACKAGE)))
def test_files_and_functions_stay_small(path: Path) -> None:
    text = path.read_text()
    assert text.count("\n") <= 300
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            # A command's options are its arguments: the lines that do something are counted.
            assert (node.end_lineno or 0) - node.body[0].lineno < 60, node.name


def loaded_by(*arguments: str, env: dict[str, str] | None = None) -> set[str]:
    code = (
        "import json, sys\nfrom gpucheck.cli import run\nstatus = run(sys.argv[1:])\n"
        "sys.stderr.write(json.dumps([status, sorted(sys.modules)]))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments], capture_output=True, text=True, check=True,
        env=clean_environment(**(env or {})),
    )  # fmt: skip
    status, names = json.loads(done.stderr)
    assert status in (0, 1)
    return set(names)


@pytest.mark.parametrize("form", ["text", "json"])
def test_the_doctor_loads_no_heavy_module(stub, form: str) -> None:
    for env in ({}, stub()):
        loaded = loaded_by("doctor", "--format", form, env=env)
        assert not {name for name in FORBIDDEN if name in loaded}


# Modules of the doctor's whole path, with both formats counted at 327 and 276 on Python 3.11 and typer 0.28.
MOST_MODULES = {"text": 345, "json": 290}


@pytest.mark.parametrize("form", ["text", "json"])
def test_the_doctor_loads_few_modules(form: str) -> None:
    assert len(loaded_by("doctor", "--format", form)) <= MOST_MODULES[form]


def test_machine_formats_skip_rich() -> None:
    assert not {name for name in loaded_by("doctor", "--format", "json") if name.split(".")[0] == "rich"}


def test_importing_gpucheck_loads_nothing() -> None:
    code = "import sys; before = set(sys.modules); import gpucheck; print(*(set(sys.modules) - before))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = {name.split(".")[0] if not name.startswith("gpucheck") else name for name in done.stdout.split()}
    assert {name for name in loaded if name.startswith("gpucheck")} == {"gpucheck"}
    assert not loaded & {"typer", "rich", "dataclasses", "subprocess", "json", "packaging"}


def test_the_python_interface() -> None:
    import gpucheck
    from gpucheck.findings import Report

    report = gpucheck.doctor(require=["gpu>=0"])
    assert isinstance(report, Report)
    assert {"doctor", "smoke"} <= set(dir(gpucheck))
    with pytest.raises(AttributeError, match="no attribute 'nope'"):
        gpucheck.nope  # noqa: B018
    with pytest.raises(ValueError, match="did you mean 'gpu'"):
        gpucheck.doctor(require=["gpus>=1"])
    with pytest.raises(ValueError, match="torch, tf or all"):
        gpucheck.smoke("jax")
