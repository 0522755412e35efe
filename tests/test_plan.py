"""The plan of an environment: what changes, what is kept, and what is refused, on machines given as facts."""

from __future__ import annotations

import pytest
from planning import GROWTH, gpu, machine, planned

from gpucheck.facts import Facts
from gpucheck.findings import Evidence, Finding, Fix, Safety, Severity
from gpucheck.fixes import PlanError
from gpucheck.fixes.variables import merged


def test_growth_for_tensorflow_and_nothing_else() -> None:
    made, environment = planned(machine(gpu(0)), {"HOME": "/h"})
    assert environment == {"HOME": "/h", GROWTH: "true"}
    assert [change.safety for change in made.made] == [Safety.SAFE]


@pytest.mark.parametrize(
    "facts",
    [machine(), machine(gpu(0), tensorflow=None), machine(gpu(0), tensorflow="cpu")],
    ids=["no GPU", "no TensorFlow", "a CPU build"],
)
def test_nothing_changes_where_nothing_is_to_be_cured(facts: Facts) -> None:
    made, environment = planned(facts, {"A": "b"})
    assert (made.changes, made.notes, environment) == ((), (), {"A": "b"})


@pytest.mark.parametrize("value", ["false", "1", "True", ""])
def test_what_the_user_has_set_is_kept(value: str) -> None:
    made, environment = planned(machine(gpu(0)), {GROWTH: value})
    assert environment[GROWTH] == value
    assert ("does not read" in made.changes[0].kept) is (value != "false")
    assert planned(machine(gpu(0)), {GROWTH: value}, override=True)[1][GROWTH] == "true"


def test_the_variable_is_not_sold_as_a_cure_for_mixed_growth() -> None:
    (note,) = planned(machine(gpu(0), gpu(1)), {})[0].notes
    assert "gpucheck.apply()" in note
    assert "--gpus 1" in note
    assert planned(machine(gpu(0), gpu(1)), {}, gpus=1)[0].notes == ()
    assert planned(machine(gpu(0)), {})[0].notes == ()


def shadowing(environment: dict[str, str]) -> Finding:
    fix = Fix(text="Take /old out of LD_LIBRARY_PATH.", environment=environment, safety=Safety.ASK, by=("run",))
    return Finding(
        slug="cudnn-version-mismatch",
        severity=Severity.ERROR,
        title="t",
        cause="c",
        evidence=(Evidence(text="e"),),
        fixes=(fix,),
    )


def test_what_may_change_results_is_done_by_name_only() -> None:
    path = "/driver:/old:/own"
    facts = machine(gpu(0), LD_LIBRARY_PATH=path)
    findings = [shadowing({"LD_LIBRARY_PATH": "/driver:/own"})]
    assert planned(facts, findings=findings)[1]["LD_LIBRARY_PATH"] == path
    for slug in ("cudnn-version-mismatch", "ld-library-path-shadowing"):
        made, environment = planned(facts, findings=findings, slugs=(slug,))
        assert environment["LD_LIBRARY_PATH"] == "/driver:/own"
        assert [change.safety for change in made.made if change.slug == slug] == [Safety.ASK]


def test_a_schedulers_mask_is_not_unset_by_name() -> None:
    facts = machine(gpu(0), scheduler="slurm", CUDA_VISIBLE_DEVICES="7")
    fix = Fix(text="Unset it.", environment={"CUDA_VISIBLE_DEVICES": ""}, safety=Safety.ASK, by=("run",))
    slug = "visible-devices-hides-gpu"
    finding = Finding(slug=slug, severity=Severity.ERROR, title="t", cause="c", fixes=(fix,))
    with pytest.raises(PlanError, match="slurm has set CUDA_VISIBLE_DEVICES; --force overrides"):
        planned(facts, findings=[finding], slugs=(slug,))
    forced = planned(facts, findings=[finding], slugs=(slug,), force=True)
    assert forced[0].refusal is not None or "CUDA_VISIBLE_DEVICES" not in forced[1]


def test_several_cures_of_one_list_go_together() -> None:
    facts = machine(gpu(0), LD_LIBRARY_PATH="/a:/b:/c")
    findings = [shadowing({"LD_LIBRARY_PATH": "/b:/c"}), shadowing({"LD_LIBRARY_PATH": "/a:/b"})]
    made, environment = planned(facts, findings=findings, slugs=("ld-library-path-shadowing",))
    assert environment["LD_LIBRARY_PATH"] == "/b"
    assert len([change for change in made.made if change.name == "LD_LIBRARY_PATH"]) == 1
    everything = [*findings, shadowing({"LD_LIBRARY_PATH": "/a:/c"})]
    assert "LD_LIBRARY_PATH" not in planned(facts, findings=everything, slugs=("ld-library-path-shadowing",))[1]


def test_a_finding_that_no_variable_cures() -> None:
    finding = Finding(slug="driver-too-old", severity=Severity.ERROR, title="t", cause="c", fixes=(Fix(text="x"),))
    with pytest.raises(PlanError, match="no environment variable cures it; see `gpucheck fix driver-too-old`"):
        planned(machine(gpu(0)), {}, findings=[finding], slugs=("driver-too-old",))
    made, _ = planned(machine(gpu(0)), {}, slugs=("driver-too-old",))
    assert made.notes == ("driver-too-old: not found on this machine, so there is nothing to cure",)


@pytest.mark.parametrize(
    ("torch", "environ", "name", "value"),
    [
        ("2.13.0", {}, "PYTORCH_CUDA_ALLOC_CONF", "expandable_segments:True"),
        ("2.13.0", {"PYTORCH_ALLOC_CONF": "max_split_size_mb:128"}, "PYTORCH_ALLOC_CONF",
         "max_split_size_mb:128,expandable_segments:True"),
        ("2.9.1", {"PYTORCH_ALLOC_CONF": "max_split_size_mb:128"}, "PYTORCH_CUDA_ALLOC_CONF",
         "expandable_segments:True"),
        ("2.13.0", {"PYTORCH_CUDA_ALLOC_CONF": "expandable_segments:False"}, "PYTORCH_CUDA_ALLOC_CONF",
         "expandable_segments:False"),
    ],
)  # fmt: skip
def test_torchs_allocator(torch: str, environ: dict[str, str], name: str, value: str) -> None:
    facts = machine(gpu(0), tensorflow=None, torch=torch)
    assert planned(facts, environ)[1] == environ
    environment = planned(facts, environ, slugs=("gpu-out-of-memory",))[1]
    assert environment == {**environ, name: value}


@pytest.mark.parametrize("torch", ["2.0.1", "unknown"])
def test_a_torch_that_has_no_such_allocator_gets_none(torch: str) -> None:
    facts = machine(gpu(0), tensorflow=None, torch=torch)
    assert planned(facts, {}, slugs=("gpu-out-of-memory",))[1] == {}


def test_tensorflows_allocator() -> None:
    facts = machine(gpu(0))
    environment = planned(facts, {}, slugs=("gpu-out-of-memory",))[1]
    assert environment == {GROWTH: "true", "TF_GPU_ALLOCATOR": "cuda_malloc_async"}
    kept = planned(facts, {"TF_GPU_ALLOCATOR": "cuda_malloc"}, slugs=("gpu-out-of-memory",))[1]
    assert kept["TF_GPU_ALLOCATOR"] == "cuda_malloc"


@pytest.mark.parametrize(
    ("name", "current", "wanted", "seen_before", "override", "after"),
    [
        (
            "XLA_FLAGS",
            "--xla_a=1 --xla_b",
            "--xla_a=1 --xla_b --xla_c=/x",
            None,
            False,
            "--xla_a=1 --xla_b --xla_c=/x",
        ),
        ("XLA_FLAGS", "--xla_c=/mine", "--xla_c=/x", None, False, "--xla_c=/mine"),
        ("XLA_FLAGS", "--xla_c=/mine --xla_a", "--xla_c=/x", None, True, "--xla_c=/x --xla_a"),
        ("XLA_FLAGS", None, "--xla_c=/x", None, False, "--xla_c=/x"),
        ("XLA_FLAGS", "/tmp/flags.txt", "--xla_c=/x", None, False, "/tmp/flags.txt"),
        ("XLA_FLAGS", "--a='p  q'", "--xla_c=/x", None, False, "--a='p  q' --xla_c=/x"),
        ("LD_LIBRARY_PATH", "/a:/b", "/new:/a:/b", "/a:/b", False, "/new:/a:/b"),
        ("LD_LIBRARY_PATH", "/z:/a:/b", "/b", "/a:/b", False, "/z:/b"),
        ("LD_LIBRARY_PATH", None, "/new", None, False, "/new"),
        ("LD_LIBRARY_PATH", "/a", "", "/a", False, None),
        ("LD_LIBRARY_PATH", "/a::/b", "/b", "/a::/b", False, "/b"),
        ("TF_GPU_ALLOCATOR", "cuda_malloc", "cuda_malloc_async", None, False, "cuda_malloc"),
        ("TF_GPU_ALLOCATOR", "cuda_malloc", "cuda_malloc_async", None, True, "cuda_malloc_async"),
    ],
)
def test_values_are_merged(name, current, wanted, seen_before, override, after) -> None:
    assert merged(name, current, wanted, seen_before, override=override) == after
