"""What of a report drains a node, what clears it, and how the reason and the cap are written."""

from __future__ import annotations

import json
import os

import pytest
from machine_data import load

from gpucheck.demands import read as read_demands
from gpucheck.diagnosis import diagnose
from gpucheck.findings import FailOn
from gpucheck.fleet.gate.controller import CapError, Standing, read_cap, reason
from gpucheck.fleet.gate.decision import OF_THE_NODE, Decision, decide, from_json, to_json
from gpucheck.matrix import Matrix

pytestmark = pytest.mark.skipif(os.name != "posix", reason="Slurm's nodes are POSIX systems")
MACHINES = {machine.title: machine.facts for machine in load()}
# Judging starts a Python and reads the disk: on a busy machine of ours more than 2 s.
WORDS = ("--budget", "60s")
BROKEN, SOUND = ("--require", "python<3"), ("--require", "python>=3")


def decision_on(title: str) -> Decision:
    return decide(diagnose(MACHINES[title], Matrix(), fail_on=FailOn.ERROR))


@pytest.mark.parametrize(
    ("title", "drains"),
    [
        ("health: a failed row remapping", ["uncorrectable-ecc"]),
        ("health: a row remapping that waits for a reset", []),  # a warning
        ("health: a GPU that has not joined the NVLink fabric", []),  # likely
        ("diagnostics: a card that DCGM wants isolated", ["hardware-diagnostic-failed"]),
        ("diagnostics: Health Validation finds a critical trouble", []),  # perhaps only a sensor that was not read
        ("diagnostics: a verdict under the driver of before", []),  # unknown
        ("health: an exclusive GPU with a program on it", []),  # somebody's own business
    ],
)
def test_only_certain_errors_of_the_node_drain_it(title: str, drains: list[str]) -> None:
    assert [slug for slug, _ in decision_on(title).drains] == drains


def test_no_healthy_machine_and_no_broken_environment_drains_a_node() -> None:
    for title in MACHINES:
        decision = decision_on(title)
        assert {slug for slug, _ in decision.drains} <= set(OF_THE_NODE)
        assert not {slug for slug, _ in decision.drains} & set(decision.sound)
        if title.startswith(("frameworks:", "packages:", "libraries:", "smoke:")):
            assert {slug for slug, _ in decision.drains} <= {"gpu-unsupported-by-driver"}, title


def test_what_was_not_looked_at_clears_nothing() -> None:
    healthy, unread = (
        decision_on("health: a healthy data-centre GPU, idle"),
        decision_on("diagnostics: a verdict under the driver of before"),
    )
    assert {"gpu-lost", "driver-library-mismatch"} <= set(healthy.sound)
    assert "uncorrectable-ecc" not in healthy.sound, "the kernel's log was not read"
    assert "hardware-diagnostic-failed" not in healthy.sound, "no diagnostic was handed in"
    assert "hardware-diagnostic-failed" not in unread.sound
    assert any("hardware-diagnostics-passed" in line for line in unread.unsure)


def test_an_undetermined_demand_drains_nobody_and_an_unmet_one_does() -> None:
    facts = MACHINES["health: a GPU that is too hot"]  # how much memory it has was not told

    def of(demand: str) -> Decision:
        return decide(read_demands([demand], None, None, None).report(facts, Matrix(), FailOn.ERROR))

    unknown, unmet, met = of("gpu-memory>=39GiB"), of("gpu>=2"), of("gpu>=1")
    assert unknown.drains == ()
    assert "requirement-unmet" not in unknown.sound
    assert any("gpu-memory" in line for line in unknown.unsure)
    assert [slug for slug, _ in unmet.drains] == ["requirement-unmet"]
    assert "requirement-unmet" in met.sound


def test_a_decision_goes_through_json() -> None:
    decision = decision_on("health: a failed row remapping")
    assert from_json(json.loads(json.dumps(to_json(decision)))) == decision
    with pytest.raises(ValueError, match="no decision"):
        from_json({"drains": 3})


@pytest.mark.parametrize(
    ("text", "ours", "slugs"),
    [
        ("gpucheck: gpu-lost: GPU 1 is lost (gpucheck)", True, ("gpu-lost",)),
        ("gpucheck: gpu-lost, gpu-missing: GPU 1 (gpucheck)", True, ("gpu-lost", "gpu-missing")),
        ("gpucheck: gpu-lost: GPU 1 is lost (gpucheck) : Not responding", True, ("gpu-lost",)),
        ("gpucheck: gpu-lost: GPU 1 is lost (gpucheck) : reboot requested", True, ("gpu-lost",)),
        ("gpucheck: gpu-lost: GPU 1 is lost (gpucheck); KEEP OUT, RMA 4711", False, ()),
        ("gpucheck: gpu-lost: GPU 1 is lost (gpucheck) : Low RealMemory", False, ()),
        ("gpucheck: gpu-lost: see the ticket", False, ()),
        ("fan broken", False, ()),
        ("gpucheckers are coming", False, ()),
    ],
)
def test_whose_reason_it_is(text: str, ours: bool, slugs: tuple[str, ...]) -> None:
    standing = Standing(drained=True, reason=text)
    assert standing.ours is ours
    assert standing.slugs == slugs
    assert not Standing(drained=False, reason=text).ours


def test_a_reason_is_one_plain_line() -> None:
    text = reason((("gpu-lost", "GPU \x1b[31m1\n is 'lost' : [gone] @home" + "x" * 300), ("gpu-missing", "")))
    assert text.startswith("gpucheck: gpu-lost, gpu-missing: GPU")
    assert len(text) <= 200
    assert not set("\x1b\n'[]@") & set(text)
    assert Standing(drained=True, reason=text).ours


@pytest.mark.parametrize(
    ("text", "nodes", "most"), [("5%", 1000, 50), ("5%", 8, 1), ("3", 8, 3), ("0", 8, 0), ("0%", 8, 0)]
)
def test_the_cap(text: str, nodes: int, most: int) -> None:
    assert read_cap(text).of(nodes) == most


@pytest.mark.parametrize("text", ["", "x", "-1", "101%", "5 nodes"])
def test_a_wrong_cap(text: str) -> None:
    with pytest.raises(CapError, match="a number of nodes, or per cent"):
        read_cap(text)
