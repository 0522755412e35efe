"""Names of nodes: ranges as Slurm writes them, and host files."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from gpucheck.fleet.launch.slurm import SlurmNode
from gpucheck.fleet.nodes import NodesError, expand, fold, read_hostfile, read_nodes, shown


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("a", ["a"]),
        ("node-[001-003,070]", ["node-001", "node-002", "node-003", "node-070"]),
        ("n[9-11]", ["n9", "n10", "n11"]),
        ("gpu[1-2]-[a,b]", ["gpu1-a", "gpu1-b", "gpu2-a", "gpu2-b"]),
        ("gpu[1-2]-[a], x.example.org", ["gpu1-a", "gpu2-a", "x.example.org"]),
        ("a,b,a", ["a", "b"]),
        ("n[1-2,2-3]", ["n1", "n2", "n3"]),
        ("rack[08-10]-u[1,3]", ["rack08-u1", "rack08-u3", "rack09-u1", "rack09-u3", "rack10-u1", "rack10-u3"]),
    ],
)
def test_ranges(text: str, names: list[str]) -> None:
    assert expand(text) == names


@pytest.mark.parametrize(
    ("text", "place", "what"),
    [
        ("node-[001-x]", 7, "is no range of numbers"),
        ("ab,,c", 4, "a name is missing"),
        ("", 1, "a name is missing"),
        ("a[1-2", 2, "is not closed"),
        ("a]b", 2, "a ] without a ["),
        ("a[[1]]", 3, "a [ within brackets"),
        ("n[5,9-3]", 5, "9-3 goes backwards"),
        ("n[1-]", 3, "is no range of numbers"),
        ("n[]", 3, "a number or a word is missing"),
        ("a b", 2, "is no part of a name"),
        ("../x", 3, "is no part of a name"),
        ("n[0-99999999]", 3, "more than 1,000,000 names"),
        ("n[0-9999][0-9999]", 11, "more than 1,000,000 names"),
        ("n[0-999999999999999999]", 3, "more than 1,000,000 names"),
    ],
)
def test_a_bad_range_is_one_line_that_says_where(text: str, place: int, what: str) -> None:
    with pytest.raises(NodesError) as told:
        expand(text)
    assert f"character {place}: " in str(told.value)
    assert what in str(told.value)
    assert "\n" not in str(told.value)


@pytest.mark.parametrize(
    ("names", "text"),
    [
        ([f"node-{n:03}" for n in (3, *range(17, 28))], "node-[003,017-027]"),
        (["n10", "n9", "n8", "x"], "n[8-10],x"),
        (["a"], "a"),
        ([], ""),
        (["n1", "n01"], "n[01,1]"),
        (["n098", "n099", "n100"], "n[098-100]"),
        (["gpu1-a", "gpu2-a", "gpu2-b"], "gpu[1-2]-a,gpu2-b"),
    ],
)
def test_folding(names: list[str], text: str) -> None:
    assert fold(names) == text


@pytest.mark.parametrize("seed", range(30))
def test_what_is_folded_expands_to_the_same(seed: int) -> None:
    rng = random.Random(seed)
    heads, tails = ("n", "rack1-", "", "a2b"), ("", "-x", ".org")
    names = {
        f"{rng.choice(heads)}{str(rng.randrange(150)).zfill(rng.choice((1, 2, 3)))}{rng.choice(tails)}"
        for _ in range(rng.randrange(1, 80))
    }
    assert sorted(expand(fold(names))) == sorted(names)


def test_many_are_cut_for_a_line() -> None:
    assert shown(["a", "b"]) == "a,b"
    text = shown(f"n{number * 2}" for number in range(500))
    assert len(text) < 130
    assert text.endswith(",…")


def test_host_files(tmp_path: Path) -> None:
    path = tmp_path / "hosts"
    path.write_text("# all of them\nnode-[1-2] slots=8\n\nx  # the odd one\nnode-2\n")
    assert read_nodes(str(path)) == ["node-1", "node-2", "x"]
    assert read_nodes("node-[1-2]") == ["node-1", "node-2"]
    path.write_text("a\nb[1\n")
    with pytest.raises(NodesError, match=r"hosts:2: node range 'b\[1', character 2"):
        read_nodes(str(path))
    path.write_text("# none\n")
    with pytest.raises(NodesError, match="names no node"):
        read_nodes(str(path))
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(NodesError, match="it is no text"):
        read_nodes(str(path))
    with pytest.raises(NodesError, match=r"nodes\.txt: cannot be read: No such file"):
        read_nodes("nodes.txt")


def test_slurm_is_given_no_text_behind_a_range() -> None:
    names = ["rack1-gpu", "rack2-gpu", "n1", "n2"]
    assert fold(names) == "n[1-2],rack[1-2]-gpu"
    assert fold(names, tails=False) == "n[1-2],rack1-gpu,rack2-gpu"


def test_a_long_line_of_a_hostfile_is_read(tmp_path: Path) -> None:
    hosts = tmp_path / "hosts"
    hosts.write_text(",".join(f"host-with-a-long-name-{number}" for number in range(6_000)) + "\nextra1\n")
    assert len(read_hostfile(hosts)) == 6_001


@pytest.mark.parametrize(
    ("state", "inside", "reserved", "closed"),
    [
        ("idle", False, False, False),
        ("maint", False, False, True),
        ("maint", False, True, False),
        ("reserved", False, True, False),
        ("drained", False, True, True),
        ("draining", True, False, False),
        ("allocated", False, False, True),
        ("allocated", True, False, False),
        ("down*", True, True, True),
        ("idle*", False, False, True),
    ],
)
def test_to_which_nodes_slurm_gives_work(state: str, inside: bool, reserved: bool, closed: bool) -> None:
    node = SlurmNode(name="n1", state=state, gpus=8, reason="")
    assert (node.closed(inside=inside, reserved=reserved) is not None) is closed
