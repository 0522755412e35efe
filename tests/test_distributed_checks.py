"""What is said of distributed runs that are only described: GPUs, many ranks, and what no CPU machine shows."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from conftest import VALIDATOR

from gpucheck.diagnosis import diagnose
from gpucheck.facts import AllReduce, DistributedRun, Driver, Facts, Rank, from_json, seen, to_json
from gpucheck.matrix.opening import open_matrix
from gpucheck.report import document, ranks
from gpucheck.report.cleaning import Redactor
from gpucheck.report.screen import lines

GOOD = AllReduce(bytes=1 << 20, seconds=1e-3, algorithm_bandwidth=1.05e9, bus_bandwidth=1.05e9, exact=True)


def run(**changes) -> DistributedRun:
    """A healthy run of four ranks on two machines."""
    own = tuple(Rank(rank=rank, host=f"gpu{rank // 2}", late=0.1 * rank, stage="gradients") for rank in range(4))
    healthy = DistributedRun(
        framework="torch", version="2.13.0", launcher="srun", backend="nccl", rank=0, size=4, device="cuda:0",
        device_name="NVIDIA H200", meeting_limit=60.0, ranks=own, all_reduce=(GOOD,), gradient_error=3e-7,
        seconds=9.0,
    )  # fmt: skip
    return replace(healthy, **changes)


def report(*runs: DistributedRun, gpus: int = 1):
    """What the family says."""
    facts = Facts(driver=Driver(visible_devices=seen(gpus, "test")), distributed=runs)
    return diagnose(facts, open_matrix(), select=lambda check: check.family == "distributed")


def statuses(*runs: DistributedRun) -> dict[str, str]:
    return {result.name: result.status.value for result in report(*runs).checks}


def late(*seconds: float) -> tuple[Rank, ...]:
    return tuple(Rank(rank=rank, host="h", late=one, stage="meet") for rank, one in enumerate(seconds))


def test_a_healthy_run_passes_every_check() -> None:
    assert set(statuses(run()).values()) == {"pass"}
    assert report(run()).exit_status == 0


def test_without_a_run_every_check_is_skipped() -> None:
    assert set(statuses().values()) == {"skip"}


def test_what_nobody_reported_is_unknown() -> None:
    said = statuses(run(all_reduce=(), gradient_error=None, ranks=()))
    names = ("ranks-arrived", "all-reduce-exact", "gradients-agree")
    assert {name: said[name] for name in names} == dict.fromkeys(names, "unknown")
    assert report(run(gradient_error=None)).exit_status == 3


@pytest.mark.parametrize(
    ("changes", "slug"),
    [
        (
            {"absent": (2, 5), "failure": "ranks 2 and 5 of 8 did not arrive", "failure_stage": "meet"},
            "rank-absent",
        ),
        ({"failure": "rank 1 on h failed: Broken pipe", "failure_stage": "barrier"}, "distributed-failed"),
        (
            {"failure": "rank 1 on h failed: ncclInvalidUsage: Duplicate GPU", "failure_stage": "barrier"},
            "nccl-error",
        ),
        ({"all_reduce": (GOOD, replace(GOOD, exact=False, wrong_ranks=(3,)))}, "all-reduce-wrong"),
        ({"gradient_error": 1e-5}, "gradients-differ"),
        ({"mirrored_error": 0.5, "mirrored_devices": 2}, "gradients-differ"),
        ({"device": "cpu", "device_name": None, "backend": "gloo"}, "silent-cpu-fallback"),
    ],
)
def test_each_trouble(changes, slug: str) -> None:
    found = report(run(**changes))
    assert found.root_causes == (slug,)
    assert found.exit_status == 1
    if "failure" in changes:
        said = {result.name: result.status.value for result in found.checks}
        assert said["all-reduce-exact"] == said["gradients-agree"] == "skip"


@pytest.mark.parametrize(
    ("ranks_", "slow"),
    [
        (late(0.0, 9.9), None),
        (late(0.0, 10.1), 1),
        (late(0.0, 3.0, 3.0, 14.0), None),  # less than five times the others'
        (late(12.0, 0.0, 0.5, 0.2), 0),
        (late(0.0, 30.0, 30.0, 31.0), None),  # one is early, none is slow
    ],
)
def test_a_slow_rank_is_one_that_is_late_by_itself(ranks_: tuple[Rank, ...], slow: int | None) -> None:
    found = report(run(ranks=ranks_, size=len(ranks_)))
    assert found.root_causes == (() if slow is None else ("rank-slow",))
    assert found.exit_status == 0
    if slow is not None:
        assert found.findings[0].title.startswith(f"Rank {slow} on h arrived")


def test_the_cpu_is_no_fault_where_it_was_asked_for_or_no_gpu_is() -> None:
    cpu = {"device": "cpu", "device_name": None, "backend": "gloo"}
    for found in (report(run(**cpu, asked="cpu")), report(run(**cpu), gpus=0)):
        assert [finding.slug for finding in found.findings] == ["ran-on-cpu"]
        assert found.exit_status == 0


def test_another_rank_judges_its_own_part_only() -> None:
    own = run(rank=3, ranks=(Rank(rank=3, host="gpu1", late=0.0, stage="gradients"),))
    said = statuses(own)
    assert (said["ranks-arrived"], said["ranks-in-time"], said["all-reduce-exact"]) == ("skip", "skip", "pass")


def test_the_report_keeps_its_schema_and_hides_the_own_host_everywhere() -> None:
    failed = run(failure="rank 1 on gpu0 hung in stage 'barrier'", failure_stage="barrier", blamed=(1,))
    found = report(failed)
    content = document.render(found, Redactor(host="gpu0"))
    VALIDATOR.validate(json.loads(content))
    assert "gpu0" not in content
    assert "<host>" in content
    assert from_json(Facts, to_json(found.facts)) == found.facts


def test_the_screen_is_short_and_shows_text_of_other_ranks_as_text() -> None:
    many = tuple(Rank(rank=rank, host=f"n{rank // 8}", late=0.0, stage="gradients") for rank in range(256))
    told = [text for _, text in ranks.overview(report(run(ranks=many, size=256)))]
    assert told == [
        "torch 2.13.0, 256 ranks by srun on NVIDIA H200 over nccl: 9.0 s",
        "ranks: "
        + ", ".join(f"n{n} {8 * n}-{8 * n + 7}" for n in range(8))
        + " and 24 more hosts; the last, rank 0, "
        "arrived 0.0 s after the first",
        "all-reduce, GB/s: 1 MiB 1.1 (bus 1.1)",
        "averaged gradients within 3e-07 of the whole batch's",
    ]
    absent = tuple(range(3, 256))
    screen = list(
        lines(report(run(ranks=many[:3], size=256, absent=absent, failure="x", failure_stage="meet")), 0)
    )
    assert "absent: 3-255" in "".join(piece.text for line in screen for piece in line)
    assert max(len("".join(piece.text for piece in line)) for line in screen) < 300


@pytest.mark.parametrize(
    ("texts", "blamed"),
    [
        (("RuntimeError: Connection closed by peer [::1]:1", "ValueError: odd"), [1]),
        (("RuntimeError: Timed out waiting 24000ms for recv", "DistBackendError: ncclRemoteError"), [0, 1]),
    ],
)
def test_a_rank_that_speaks_of_another_is_not_the_cause(texts: tuple[str, str], blamed: list[int]) -> None:
    from gpucheck.smoketest.ranks.outcome import blame
    from gpucheck.smoketest.ranks.roster import Limits, Roster

    roster = Roster(size=2)
    for rank, text in enumerate(texts):
        roster.join(rank, "h", "127.0.0.1")
        roster.hear(rank, {"stage": "all_reduce"})
        roster.hear(rank, {"ended": {"failure": text, "died": False, "terminated": False, "log": [text]}})
    found = blame(roster, Limits(deadline=300))
    assert list(found.ranks) == blamed
    assert found.log == (texts[blamed[0]],)


def test_who_is_behind_where_nobody_fails() -> None:
    from gpucheck.smoketest.ranks.outcome import addresses, blame
    from gpucheck.smoketest.ranks.roster import Limits, Roster

    roster = Roster(size=3)
    for rank, stage in enumerate(("all_reduce", "barrier", "all_reduce")):
        roster.join(rank, f"n{rank}", ("127.0.0.1", "10.0.0.2", "fe80::1")[rank])
        roster.hear(rank, {"stage": stage, "arrived": {"port": 5000 + rank}})
    found = blame(roster, Limits(deadline=300))
    assert found.ranks == (1,)
    assert found.failure == "rank 1 on n1 did not get on: 0 s in stage 'barrier'"
    assert addresses(roster.everybody()) == ["n0:5000", "10.0.0.2:5001", "[fe80::1]:5002"]
