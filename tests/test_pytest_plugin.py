"""The pytest plugin: opt-in, one question to the doctor, a test skipped or failed with its reason."""

from __future__ import annotations

import importlib.metadata
import inspect
import os

import pytest
from conftest import clean_environment

pytest_plugins = ["pytester"]

PLUGIN = ("-p", "gpucheck.pytest_plugin")
MARKED = """
    import pytest

    @pytest.fixture
    def costly():
        raise RuntimeError("a fixture of a test that cannot run")

    @pytest.mark.gpu(count=%s)
    def test_marked(costly):
        pass

    def test_plain():
        pass
"""
# Which runs the doctor notes in a file.
COUNTED = """
    import gpucheck.api

    real = gpucheck.api.doctor

    def counting(*args, **options):
        if options.get("facts") is None:
            with open("asked", "a") as file:
                file.write("x")
        return real(*args, **options)

    gpucheck.api.doctor = counting
"""


@pytest.fixture
def run(pytester, monkeypatch):
    """Run a test file with the plugin, in a process of its own: ``run(source, "--gpucheck-missing=fail")``."""

    def start(source: str, *arguments: str, env: dict[str, str] | None = None, plugin=PLUGIN):
        pytester.makepyfile(inspect.cleandoc(source))
        if COUNTED not in source:
            pytester.makeconftest(inspect.cleandoc(COUNTED))
        wanted = clean_environment(**(env or {}))
        for name in set(os.environ) - set(wanted):
            monkeypatch.delenv(name)
        for name, value in (env or {}).items():
            monkeypatch.setenv(name, value)
        return pytester.runpytest_subprocess(*plugin, "-rsxfE", "--strict-markers", *arguments)

    return start


def asked(pytester) -> int:
    file = pytester.path / "asked"
    return len(file.read_text()) if file.exists() else 0


def test_it_is_registered_by_nobody() -> None:
    groups = {point.group for point in importlib.metadata.distribution("gpucheck-doctor").entry_points}
    assert groups == {"console_scripts"}


def test_without_the_plugin_the_marker_is_unknown(run) -> None:
    done = run(MARKED % 1, plugin=())
    done.stdout.fnmatch_lines(["*'gpu' not found in `markers`*"])


def test_a_test_is_skipped_with_the_findings_title_before_its_fixtures(run, pytester) -> None:
    done = run(MARKED % 400)
    done.assert_outcomes(passed=1, skipped=1)
    done.stdout.fnmatch_lines(["SKIPPED*test_a_test_is_skipped*.py:*gpucheck: gpu>=400 is demanded*"])
    assert asked(pytester) == 1


def test_or_it_fails(run) -> None:
    done = run(MARKED % 400, "--gpucheck-missing=fail")
    done.assert_outcomes(passed=1, errors=1)
    done.stdout.fnmatch_lines(["*ERROR at setup of test_marked*", "gpucheck: gpu>=400 is demanded*"])
    assert "a fixture of a test" not in done.stdout.str()


def test_no_question_where_no_marked_test_is_to_run(run, pytester) -> None:
    for arguments in (("-k", "plain"), ("--collect-only",)):
        assert run(MARKED % 1, *arguments).ret == 0
    assert asked(pytester) == 0


DEMANDS = """
    import pytest

    @pytest.mark.gpu
    def test_one(): pass

    @pytest.mark.gpu(2)
    def test_two(): pass

    @pytest.mark.gpu(count=3)
    def test_three(): pass

    @pytest.mark.gpu(count=0, require="gpu>=3")
    def test_required(): pass

    @pytest.mark.gpu(require=["gpu<3", "gpu!=2"])
    def test_both(): pass

    @pytest.mark.gpu(count=3)
    class TestInherited:
        @pytest.mark.gpu
        def test_inside(self): pass
"""


def test_each_test_has_demands_of_its_own(run, pytester, stub) -> None:
    done = run(DEMANDS, env=stub())
    done.assert_outcomes(passed=2, skipped=4)
    text = done.stdout.str()
    assert "gpu>=3 is demanded" in text
    assert "gpu!=2 is demanded" in text
    assert asked(pytester) == 1


def test_the_root_cause_comes_first(run, stub) -> None:
    done = run(MARKED % 2, env=stub("gpu.1.fail.*=15"))
    done.assert_outcomes(passed=1, skipped=1)
    done.stdout.fnmatch_lines(["SKIPPED*gpucheck: GPU 1 is lost*; gpu>=2 is demanded, * 1"])


@pytest.mark.parametrize(
    ("mark", "told"),
    [
        ("count='2'", "whole number"),
        ("count=True", "whole number"),
        ("1, count=1", "takes count and require"),
        ("cuont=2", "not cuont"),
        ("require=3", "text or a list of texts"),
        ("require='gpus>=1'", "did you mean 'gpu'"),
    ],
)
def test_a_wrong_marker_fails_its_test_whatever_is_missing(run, mark: str, told: str) -> None:
    done = run(f"import pytest\n@pytest.mark.gpu({mark})\ndef test_marked(): pass\n")
    done.assert_outcomes(errors=1)
    done.stdout.fnmatch_lines([f"*gpucheck: *{told}*"])


def test_the_conftest_can_name_it(run, pytester) -> None:
    pytester.makeconftest('pytest_plugins = ["gpucheck.pytest_plugin"]')
    pytester.makepyfile(inspect.cleandoc(MARKED % 400))
    pytester.runpytest_subprocess("--gpucheck-missing=skip").assert_outcomes(passed=1, skipped=1)


def test_side_by_side(run, pytester) -> None:
    pytest.importorskip("xdist")
    done = run(MARKED % 400, "-n", "2")
    done.assert_outcomes(passed=1, skipped=1)
    assert asked(pytester) == 2  # once in each worker


def test_a_policy_that_is_not_there(run) -> None:
    done = run(MARKED % 1, "--gpucheck-policy=nowhere.toml")
    assert done.ret == pytest.ExitCode.USAGE_ERROR
    done.stderr.fnmatch_lines(["*nowhere.toml: there is no such file*"])


POLICY = """
[require]
cuda-runtime = ">=99"
[require.gpu]
count = ">=400"
"""


@pytest.mark.parametrize("beside", [(), ("-n", "1")], ids=["alone", "xdist"])
def test_a_policy_holds_for_every_marked_test(run, pytester, beside: tuple[str, ...]) -> None:
    pytester.makefile(".toml", policy=POLICY)
    done = run(MARKED % 0, "--gpucheck-policy=policy.toml", *beside)
    done.assert_outcomes(passed=1, skipped=1)
    done.stdout.fnmatch_lines(["SKIPPED*gpucheck: *cuda-runtime>=99 is demanded*"])


def test_what_a_policy_makes_of_a_missing_gpu_holds_for_its_own_demands(run, pytester) -> None:
    pytester.makefile(".toml", policy='on-missing-gpu = "skip"\n[require.gpu]\ncount = ">=400"\n')
    done = run(
        "import pytest\n@pytest.mark.gpu(count=0)\ndef test_marked(): pass\n", "--gpucheck-policy=policy.toml"
    )
    done.assert_outcomes(passed=1)


def test_a_policy_that_cannot_be_used_is_no_reason_to_skip(run, pytester) -> None:
    pytester.makefile(".toml", policy="[requier]\n")
    done = run(MARKED % 0, "--gpucheck-policy=policy.toml")
    done.assert_outcomes(passed=1, errors=1)
    done.stdout.fnmatch_lines(["gpucheck: *requier*"])
