"""Which GPUs a program gets: the freest, named ones, those of a mask that needs repair, never fewer unasked."""

from __future__ import annotations

import pytest
from planning import MASK, ORDER, gpu, machine, planned

from gpucheck.facts import Facts, GpuProcess, absent
from gpucheck.fixes import PlanError


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
     ("0,GPU-1", "'GPU-1' is"),
     ("GPU-", "fits 2 GPUs"), ("-1", "'-1' is not an index"), ("1x", "'1x' is not"), ("+1", "not an index")],
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


def test_only_what_is_not_here_is_called_so() -> None:
    assert planned(machine(gpu(0), gpu(1)), {MASK: "1,GPU-0"})[0].notes[0].startswith("a program") is True
    assert "also names 9: not here" in planned(machine(gpu(0), gpu(1)), {MASK: "1,9,0"})[0].notes[0]


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
