"""Which cures a failed training is tried under, in which order, and when none is worth its time."""

from __future__ import annotations

from dataclasses import replace

import pytest
from machine_data import build

from gpucheck.facts import Convolution, Dependency, Errors, Library, SmokeData, SmokeRun, seen
from gpucheck.smoketest import retries

OWN = "/venv/lib/python3.12/site-packages/nvidia"
DATA = SmokeData(name="digits")
FAILED = SmokeRun(
    framework="tensorflow", data=DATA, failure="No DNN in stream executor.", failure_stage="device_start"
)
ERROR = Errors(norm=0.3, maximum=0.3)


def machine(framework: str = "tensorflow"):
    """A GPU machine whose framework ships cuBLAS and cuDNN in folders of its own."""
    facts = build({"frameworks": [{"name": framework, "version": "2.21.0", "build": "cuda"}]})
    shipped = [Library(path=f"{OWN}/{part}/lib/lib{part}.so.9") for part in ("cublas", "cudnn")]
    libraries = tuple(Dependency(soname=library.path.rpartition("/")[2], shipped=library) for library in shipped)
    own = replace(facts.framework(framework), libraries=seen(libraries, "test"))
    return replace(facts, frameworks=(own,))


FOLDERS = f"{OWN}/cublas/lib:{OWN}/cudnn/lib"


def test_memory_growth_first_then_the_frameworks_own_libraries() -> None:
    made = list(retries.cures("tensorflow", machine(), {"LD_LIBRARY_PATH": "/opt/old:/usr/lib/nvidia"}))
    assert made == [
        ("memory-growth", {"TF_FORCE_GPU_ALLOW_GROWTH": "true"}),
        ("own-libraries", {"LD_LIBRARY_PATH": f"{FOLDERS}:/opt/old:/usr/lib/nvidia"}),
    ]


@pytest.mark.parametrize(
    ("framework", "environment", "wanted"),
    [
        ("tensorflow", {"TF_FORCE_GPU_ALLOW_GROWTH": "true"}, ["own-libraries"]),
        ("tensorflow", {"LD_LIBRARY_PATH": f"{FOLDERS}:/opt"}, ["memory-growth"]),
        ("tensorflow", {"TF_FORCE_GPU_ALLOW_GROWTH": "true", "LD_LIBRARY_PATH": FOLDERS}, []),
        ("torch", {}, ["own-libraries"]),
    ],
)
def test_a_cure_that_is_in_force_is_not_tried(
    framework: str, environment: dict[str, str], wanted: list[str]
) -> None:
    assert [name for name, _ in retries.cures(framework, machine(framework), environment)] == wanted


@pytest.mark.parametrize(
    ("change", "worth"),
    [
        ({}, True),
        ({"failure_stage": "train"}, True),
        ({"failure_stage": "import"}, False),
        ({"asked": "cpu"}, False),
        ({"failure": "no result within 300 s; the process was ended"}, False),
        ({"failure": None, "convolution": Convolution(forward=ERROR, arithmetic=None)}, True),
        ({"failure": None, "convolution": Convolution(forward=ERROR, arithmetic="fp32")}, False),
        ({"failure": None, "convolution": Convolution(gpu_proved=False)}, True),
    ],
)
def test_what_a_cure_could_change_is_tried(change: dict, worth: bool) -> None:
    run = replace(FAILED, **{"failure_stage": None if "failure" in change else "device_start", **change})
    assert retries.worth_it(run) is worth


def test_the_first_cure_that_helps_is_the_last_one_tried() -> None:
    tried = []

    def train(variables: dict[str, str]) -> SmokeRun:
        tried.append(variables)
        return FAILED if "LD_LIBRARY_PATH" not in variables else replace(
            FAILED, failure=None, convolution=Convolution(arithmetic="fp32")
        )  # fmt: skip

    growth, own = retries.retry(FAILED, machine(), {}, train)
    assert (growth.cure, growth.passed, growth.failure) == ("memory-growth", False, "No DNN in stream executor.")
    assert (own.cure, own.passed, own.failure) == ("own-libraries", True, None)
    assert tried == [growth.environment, own.environment]
    done = replace(FAILED, failure=None, convolution=Convolution(arithmetic="tf32"))
    (only,) = retries.retry(FAILED, machine(), {}, lambda _: done)
    assert (only.cure, only.passed) == ("memory-growth", True)


def test_a_run_that_still_convolves_wrongly_has_not_passed() -> None:
    wrong = replace(FAILED, failure=None, convolution=Convolution(forward=ERROR, arithmetic=None))
    made = retries.retry(FAILED, machine(), {}, lambda _: wrong)
    assert [(one.passed, one.failure) for one in made] == [
        (False, "convolution is still wrong, or not done by cuDNN")
    ] * 2
