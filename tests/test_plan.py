"""The plan of an environment: what changes, what is kept, and what is refused, on machines given as facts."""

from __future__ import annotations

import pytest

from gpucheck.facts import Driver, Facts, Framework, Gpu, GpuProcess, System, absent, seen
from gpucheck.findings import Evidence, Finding, Fix, Safety, Severity
from gpucheck.fixes import Options, PlanError, plan
from gpucheck.fixes.variables import merged

GROWTH, MASK, ORDER = "TF_FORCE_GPU_ALLOW_GROWTH", "CUDA_VISIBLE_DEVICES", "CUDA_DEVICE_ORDER"


def gpu(index: int, free: int = 80, *, status: int = 0, **facts) -> Gpu:
    told = {"mig": False, "mig_devices": (), "compute_mode": "default", "processes": (), **facts}
    return Gpu(
        index=index,
        status=seen(status, "NVML", None if status == 0 else "GPU is lost"),
        name=seen("NVIDIA H200", "NVML"),
        uuid=seen(f"GPU-{index}aaa", "NVML"),
        memory_free=seen(free << 30, "NVML"),
        **{name: seen(value, "NVML") for name, value in told.items()},
    )


def machine(*gpus: Gpu, tensorflow: str | None = "cuda", torch: str | None = None, scheduler: str = "none", **env):
    build = seen(tensorflow, "x") if tensorflow else absent("x")
    frameworks = (
        Framework(name="torch", installed=seen(torch is not None, "x"), version=seen(torch or "2.13.0", "x")),
        Framework(name="tensorflow", installed=seen(tensorflow is not None, "x"), build=build),
    )
    return Facts(
        gpus=seen(gpus, "NVML"),
        driver=Driver(visible_devices=seen(len(gpus), "cuDeviceGetCount")),
        system=System(os=seen("linux", "x"), wsl=seen(False, "x"), scheduler=seen(scheduler, "x")),
        frameworks=frameworks,
        environment=seen(dict(env), "environment"),
    )


def planned(facts: Facts, environ: dict[str, str] | None = None, findings=(), **options):
    environ = environ if environ is not None else dict(facts.environment.value)
    made = plan(facts, findings, environ, Options(**options))
    return made, made.environment(environ)


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


def test_the_freest_gpus() -> None:
    facts = machine(gpu(0, 10), gpu(1, 80), gpu(2, 40), gpu(3, 80, processes=(GpuProcess(pid=1),)))
    assert planned(facts, {}, gpus=1)[1][MASK] == "1"
    made, environment = planned(facts, {}, gpus=3)
    assert (environment[MASK], environment[ORDER], made.visible) == ("1,3,2", "PCI_BUS_ID", 3)


def test_the_freest_of_those_that_may_be_used() -> None:
    facts = machine(
        gpu(0, 90, status=15),
        gpu(1, 85, compute_mode="prohibited"),
        gpu(2, 80, compute_mode="exclusive-process", processes=(GpuProcess(pid=1),)),
        gpu(3, 75, mig=True),
        gpu(4, 1),
    )
    assert planned(facts, {}, gpus=1)[1][MASK] == "4"
    with pytest.raises(PlanError, match="only 1 usable"):
        planned(facts, {}, gpus=2)


def test_the_freest_within_the_users_mask() -> None:
    facts = machine(gpu(0, 10), gpu(1, 80), gpu(2, 40))
    assert planned(facts, {MASK: "0,2"}, gpus=1)[1][MASK] == "2"
    assert planned(facts, {MASK: "GPU-0,GPU-2"}, gpus=1)[1][MASK] == "GPU-2aaa"
    with pytest.raises(PlanError, match=r"only 2 usable in CUDA_VISIBLE_DEVICES='0,2'"):
        planned(facts, {MASK: "0,2"}, gpus=3)


def test_a_mig_device() -> None:
    facts = machine(gpu(0, mig=True, mig_devices=("MIG-abc", "MIG-abd")))
    assert planned(facts, {}, gpus=1)[1][MASK] == "MIG-abc"
    assert planned(facts, {}, devices="MIG-abd")[1][MASK] == "MIG-abd"
    assert planned(facts, {MASK: "MIG-abd"}, gpus=1)[1][MASK] == "MIG-abd"
    for wrong, why in {"MIG-ab": "fits 2", "MIG-x": "fits 0", "MIG-abc,MIG-abd": "one MIG device at most"}.items():
        with pytest.raises(PlanError, match=why):
            planned(facts, {}, devices=wrong)
    with pytest.raises(PlanError, match="names a MIG device"):
        planned(facts, {MASK: "MIG-abd"}, gpus=2)


@pytest.mark.parametrize(
    ("devices", "mask", "order"),
    [("1", "1", "PCI_BUS_ID"), ("1, 0", "1,0", "PCI_BUS_ID"), ("GPU-1", "GPU-1", None), ("none", "-1", None)],
)
def test_named_gpus(devices: str, mask: str, order: str | None) -> None:
    _, environment = planned(machine(gpu(0), gpu(1)), {}, devices=devices)
    assert (environment[MASK], environment.get(ORDER)) == (mask, order)


def test_an_index_means_what_nvidia_smi_shows_whatever_order_was_set() -> None:
    environment = planned(machine(gpu(0), gpu(1)), {ORDER: "FASTEST_FIRST"}, devices="1")[1]
    assert (environment[MASK], environment[ORDER]) == ("GPU-1aaa", "FASTEST_FIRST")


@pytest.mark.parametrize(
    ("devices", "why"),
    [("7", "there is no GPU 7"), ("0,0", "twice"), ("a", "not an index"), ("", "no GPU is named"),
     ("0,GPU-1", "'GPU-1' is"),     ("GPU-", "fits 2 GPUs"), ("-1", "no GPU -1")],
)  # fmt: skip
def test_a_gpu_that_is_not_there(devices: str, why: str) -> None:
    with pytest.raises(PlanError, match=why) as told:
        planned(machine(gpu(0), gpu(1)), {}, devices=devices)
    assert "0 (NVIDIA H200), 1 (NVIDIA H200)" in str(told.value)


def test_a_gpu_that_does_not_answer_is_not_given() -> None:
    with pytest.raises(PlanError, match="GPU 1 does not answer"):
        planned(machine(gpu(0), gpu(1, status=15)), {}, devices="0,1")


def test_contradictions() -> None:
    with pytest.raises(PlanError, match="exclude each other"):
        planned(machine(gpu(0)), {}, gpus=1, devices="0")
    with pytest.raises(PlanError, match="from 1 on"):
        planned(machine(gpu(0)), {}, gpus=0)
    unlisted = Facts(gpus=absent("NVML is not here"))
    for options in ({"gpus": 1}, {"devices": "0"}):
        with pytest.raises(PlanError, match="no GPU can be listed here: NVML is not here"):
            planned(unlisted, {}, **options)


@pytest.mark.parametrize(
    ("mask", "repaired"),
    [
        ("0,5,1", "0,1"),
        ("0,a,1", "0,1"),
        ("0,0", "0"),
        ("GPU-1,GPU-9", "GPU-1"),
        ("0,GPU-1", "0,1"),
        ("1,-1,0", "1,0"),
    ],
)
def test_a_mask_that_the_driver_would_cut_is_repaired_as_asked(mask: str, repaired: str) -> None:
    made, environment = planned(machine(gpu(0), gpu(1)), {MASK: mask})
    assert environment[MASK] == repaired
    assert made.refusal is None


@pytest.mark.parametrize("mask", ["7", "a", "GPU-x", "5,6"])
def test_a_mask_without_any_gpu_is_told_before_the_start(mask: str) -> None:
    made, environment = planned(machine(gpu(0)), {MASK: mask})
    assert made.refusal is not None
    assert f"{MASK}={mask!r} shows no GPU" in made.refusal
    assert environment[MASK] == mask


@pytest.mark.parametrize("mask", ["", "-1", "NoDevFiles"])
def test_a_mask_that_hides_all_on_purpose_is_left(mask: str) -> None:
    made, environment = planned(machine(gpu(0)), {MASK: mask})
    assert environment[MASK] == mask
    assert made.refusal is None
    assert "left so" in made.notes[0]


def test_no_gpu_is_taken_away_unasked() -> None:
    for environ in ({}, {MASK: "1,0"}, {MASK: "GPU-1,GPU-0"}, {MASK: "MIG-x"}):
        environment = planned(machine(gpu(0), gpu(1)), environ)[1]
        assert environment.get(MASK) == environ.get(MASK)


def test_the_order_beside_indices_where_there_is_more_than_one() -> None:
    assert planned(machine(gpu(0), gpu(1)), {MASK: "1"})[1][ORDER] == "PCI_BUS_ID"
    assert ORDER not in planned(machine(gpu(0)), {MASK: "0"})[1]
    assert ORDER not in planned(machine(gpu(0), gpu(1)), {MASK: "GPU-1"})[1]
    assert planned(machine(gpu(0), gpu(1)), {MASK: "1", ORDER: "FASTEST_FIRST"})[1][ORDER] == "FASTEST_FIRST"


@pytest.mark.parametrize("scheduler", ["slurm", "kubernetes", "ray"])
def test_a_schedulers_mask_is_narrowed_but_not_replaced(scheduler: str) -> None:
    facts = machine(gpu(0, 10), gpu(1, 20), gpu(2, 99), scheduler=scheduler)
    environ = {MASK: "0,1"}
    assert planned(facts, environ, gpus=1)[1][MASK] == "1"
    with pytest.raises(PlanError, match=f"{scheduler} has given this job .* use --force|--force overrides"):
        planned(facts, environ, devices="2")
    assert planned(facts, environ, devices="2", force=True)[1][MASK] == "2"
    made, environment = planned(facts, {MASK: "0,9,1"})
    assert environment[MASK] == "0,9,1"
    assert "of which CUDA sees 1" in made.notes[0]
    assert ORDER not in planned(facts, environ)[1]


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
