"""What a node hands in: its report, a file of its own, and frames that survive what launchers do to lines."""

from __future__ import annotations

import json
import random
import zlib
from pathlib import Path

import pytest
from fleet_data import document, report

from gpucheck.fleet import contract, framing
from gpucheck.fleet.contract import ContractError, encoded, frames, node_report, pseudonym, unframed, write_report
from gpucheck.intake.own import read

RNG = random.Random(7)
DOCUMENTS = {name: RNG.randbytes(size) for name, size in (("a", 4000), ("node-02", 700), ("ü b/c", 9000))}


def framed() -> dict[str, list[bytes]]:
    return {name: list(frames(content, name)) for name, content in DOCUMENTS.items()}


def test_a_report_says_who_it_is_and_ends_with_complete() -> None:
    made = node_report(
        document(), node="n1", started=0.5, seconds=1.23456,
        environment={"SLURM_JOB_ID": "7", "SLURM_JOB_PARTITION": "gpu", "SECRET": "x", "SLURMD_NODENAME": "n1"},
    )  # fmt: skip
    assert list(made)[-2:] == ["node", "complete"]
    assert made["complete"] is True
    about = made["node"]
    assert about["name"] == "n1"
    assert about["scheduler"] == {"SLURM_JOB_ID": "7", "SLURM_JOB_PARTITION": "gpu", "SLURMD_NODENAME": "n1"}
    assert (about["started"], about["seconds"]) == ("1970-01-01T00:00:00.500+00:00", 1.235)
    told = about["facts"]
    assert told["driver version"] == "580.95.05"
    assert told["GPU model"] == "NVIDIA H100 80GB HBM3"
    assert told["GPU count"] == "8"
    assert told["GPU memory"] == "80.0 GiB"
    assert told["environment NCCL_DEBUG"] == "WARN"
    assert all(isinstance(value, str) for value in told.values())
    assert not any("GPU-" in value for value in told.values())


def test_what_the_doctor_writes_is_all_there_and_can_be_read_as_any_report() -> None:
    made = report("n1")
    assert {key: made[key] for key in document()} == document()
    assert read(encoded(made).decode(), "x") is not None


def test_a_hidden_name_stands_nowhere_and_is_always_the_same() -> None:
    hidden = {"SLURMD_NODENAME": "secret-7", "SLURM_NODEID": "3"}
    made = node_report(document(), node="secret-7", started=0, seconds=0, redact=True, environment=hidden)
    assert b"secret-7" not in encoded(made)
    assert made["node"]["name"] == pseudonym("secret-7") != pseudonym("secret-8")


def test_numbers_have_units() -> None:
    made = document()
    made["smoke"] = [{"framework": "torch", "examples_per_second": 5e4, "seconds": {"device_start": 0.2}}]
    made["facts"]["distributed"] = []
    assert node_report(made, node="n", started=0, seconds=0)["node"]["numbers"] == {
        "torch training": {"value": 5e4, "unit": "examples/s", "better": "high"},
        "torch start of the device": {"value": 0.2, "unit": "s", "better": "low"},
    }


def test_frames_are_short_lines_and_come_back() -> None:
    for name, content in DOCUMENTS.items():
        lines = list(frames(content, name))
        assert all(len(line) <= 1000 and line.endswith(b"\n") and line.isascii() for line in lines)
        assert list(unframed(lines)) == [(name, content)]
    assert list(unframed([])) == []
    assert list(unframed(frames(b"", "empty"))) == [("empty", b"")]


def test_mixed_labelled_glued_doubled_and_in_pieces_of_any_size() -> None:
    lines = [line for of in framed().values() for line in of]
    RNG.shuffle(lines)
    noise = [b"slurmstepd: error: x\n", b"\x00\xff\n", b"gpucheck1\n", b"{}\n", b"\r\n"]
    mixed = b"".join(b"7: " + line + RNG.choice(noise) for line in (*lines, *lines))
    glued = mixed.replace(b".\n7: gpucheck1", b".7: gpucheck1")
    for stream in (mixed, glued):
        for size in (1, 7, 1000, 10**6):
            pieces = [stream[start : start + size] for start in range(0, len(stream), size)]
            assert dict(unframed(pieces)) == DOCUMENTS
            assert len(list(unframed(pieces))) == len(DOCUMENTS)


def test_what_is_missing_or_cut_is_said_and_the_others_come() -> None:
    of = framed()
    lost = of["ü b/c"].pop(3)
    cut = of["a"][1][:500]
    stream = [*of["node-02"], of["a"][0], cut, *of["a"][2:], *of["ü b/c"]]  # a cut line and the next in one
    said = list(unframed(stream))
    assert said[0] == ("node-02", DOCUMENTS["node-02"])
    assert ("ü b/c", f"1 of {len(of['ü b/c']) + 1} frames are missing: 4") in said
    assert ("a", f"1 of {len(of['a'])} frames are missing: 2") in said
    assert said[-1] == ("", "1 damaged frame in the stream")
    assert list(unframed([*stream, lost, *framed()["a"]]))[1:3] == [
        ("ü b/c", DOCUMENTS["ü b/c"]),
        ("a", DOCUMENTS["a"]),
    ]


@pytest.mark.parametrize("seed", range(40))
def test_no_damage_makes_another_report(seed: int) -> None:
    rng = random.Random(seed)
    stream = bytearray(b"".join(line for of in framed().values() for line in of))
    for _ in range(rng.randrange(1, 12)):
        place = rng.randrange(len(stream))
        what = rng.randrange(3)
        if what == 0:
            stream[place] = rng.randrange(256)
        elif what == 1:
            del stream[place : place + rng.randrange(1, 1500)]
        else:
            stream[place:place] = stream[rng.randrange(len(stream)) :][: rng.randrange(1, 1500)]
    for name, content in unframed([bytes(stream)]):
        assert isinstance(content, str) or DOCUMENTS[name] == content


def test_two_reports_of_one_node_are_two() -> None:
    lines = [*frames(b"one" * 500, "n"), *frames(b"two" * 500, "n")]
    lines[0], lines[-1] = lines[-1], lines[0]
    assert sorted(unframed(lines)) == [("n", b"one" * 500), ("n", b"two" * 500)]


def test_a_bomb_is_not_unpacked(monkeypatch: pytest.MonkeyPatch) -> None:
    lines = list(frames(b"x" * 100_000, "n"))
    monkeypatch.setattr(framing, "LARGEST", 1000)
    (said,) = unframed(lines)
    assert "not the report that was sent" in str(said[1])
    with pytest.raises(ValueError, match="too long"):
        next(frames(b"x" * 1001, "n"))
    with pytest.raises(ValueError, match="too long"):
        next(frames(b"", "x" * 201))


def test_frames_that_do_not_unpack_are_said() -> None:
    (line,) = frames(b"x", "n")
    head, payload = f"n {zlib.crc32(b'x'):08x} 1/1", "QUJD"
    check = zlib.crc32(f"{head} {payload}".encode())
    ((_, said),) = unframed([f"gpucheck1 {head} {check:08x} {payload}.\n".encode()])
    assert "cannot be unpacked" in str(said)
    assert len(line) < 200


def test_a_file_is_written_whole_under_a_safe_name(tmp_path: Path) -> None:
    names = ["node-1", "../../etc/passwd", ".hidden", "a b%c", "ü", "", "n" * 400, "m" * 400]
    paths = [write_report(tmp_path, name, name.encode()) for name in names]
    assert {path.parent for path in paths} == {tmp_path / "nodes"}
    assert len({path.name for path in paths}) == len(names)
    assert paths[0].name == "node-1.json"
    assert [path.read_bytes() for path in paths] == [name.encode() for name in names]
    assert sorted(one.name for one in (tmp_path / "nodes").iterdir()) == sorted(path.name for path in paths)
    write_report(tmp_path, "node-1", b"again")
    assert paths[0].read_bytes() == b"again"


def test_a_full_disk_keeps_what_was_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write_report(tmp_path, "n", b"before")

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(contract.os, "fsync", full)
    with pytest.raises(ContractError, match="No space left on device"):
        write_report(tmp_path, "n", b"after")
    assert path.read_bytes() == b"before"
    assert [one.name for one in (tmp_path / "nodes").iterdir()] == ["n.json"]


def test_nothing_but_json(tmp_path: Path) -> None:
    made = report("n")
    made["node"]["seconds"] = float("nan")
    with pytest.raises(ValueError, match="JSON"):
        encoded(made)
    assert json.loads(encoded(report("n")))["node"]["name"] == "n"
