"""Facts carry their values and reasons through JSON, and refuse what is not facts."""

from __future__ import annotations

import contextlib
import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from machine_data import load

from gpucheck.facts import Facts, FactsError, Gpu, PciCard, absent, blank, from_json, seen, to_json
from gpucheck.facts.versions import cuda_version, cudnn_version
from gpucheck.intake import IntakeError, read_text


@pytest.mark.parametrize("machine", load(), ids=lambda machine: machine.title)
def test_facts_survive_json(machine) -> None:
    text = json.dumps(to_json(machine.facts))
    assert from_json(Facts, json.loads(text)) == machine.facts


@given(st.text(st.characters(exclude_categories=["Cs"])), st.integers(-(2**62), 2**62), st.booleans())
def test_any_text_survives(text: str, number: int, flag: bool) -> None:
    gpu = Gpu(
        index=0, name=seen(text, "x"), memory_total=seen(number, "x"), mig=seen(flag, text), uuid=absent(text)
    )
    assert from_json(Gpu, json.loads(json.dumps(to_json(gpu)))) == gpu


@pytest.mark.parametrize(
    ("data", "place"),
    [
        ([], "facts: dict expected"),
        ({"gpus": {"value": 3}}, "facts.gpus.value: list expected"),
        ({"gpus": {"value": [{"index": "0"}]}}, "facts.gpus.value[0].index: int expected"),
        ({"gpus": {"value": [{"index": True}]}}, "facts.gpus.value[0].index: int expected"),
        ({"gpus": {"value": [{}]}}, "facts.gpus.value[0]: the key 'index' is missing"),
        ({"driver": {"verion": {}}}, "facts.driver: unknown key 'verion'"),
        ({"driver": {"version": {"value": 580}}}, "facts.driver.version.value: str expected"),
        (
            {"driver": {"version": {"value": "\ud800"}}},
            "facts.driver.version.value: the text is not valid Unicode",
        ),
        (
            {"driver": {"nvml_status": {"value": 10**400}}},
            "facts.driver.nvml_status.value: the number is too large",
        ),
        ({"gpus": {"value": None, "missing": None}}, "facts.gpus: has neither a value nor a reason"),
    ],
)
def test_a_wrong_document_is_refused_with_its_place(data: object, place: str) -> None:
    with pytest.raises(FactsError) as error:
        from_json(Facts, data)
    assert place in str(error.value)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)


@given(st.dictionaries(st.sampled_from(["driver", "gpus", "frameworks", "smoke", "system", "facts"]), json_values))
@settings(max_examples=300)
def test_damaged_facts_never_bring_a_traceback(data: dict) -> None:
    with contextlib.suppress(FactsError):
        from_json(Facts, data)


def test_a_blank_gives_every_fact_its_reason() -> None:
    gpu = blank(Gpu, "the probe crashed", index=3)
    assert gpu.index == 3
    assert gpu.name.missing == gpu.mig.missing == "the probe crashed"
    assert not gpu.name.known


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "is empty"),
        ('{"facts": ', "is not a whole gpucheck report in JSON"),
        ('{"facts": ' * 100_000, "is not a whole gpucheck report in JSON"),
        ('{"schema_version": 7}', "schema_version is 7"),
        ('{"schema_version": 1}', "facts: dict expected"),
        ('{"driver": 1}', "facts.driver: dict expected"),
    ],
)
def test_a_report_that_cannot_be_read_is_one_line(text: str, words: str) -> None:
    with pytest.raises(IntakeError) as error:
        read_text(text, "report.json", ())
    assert str(error.value).startswith("report.json: ")
    assert words in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(("number", "text"), [(13000, "13.0"), (12040, "12.4"), (11080, "11.8"), (9020, "9.2")])
def test_cuda_numbers(number: int, text: str) -> None:
    assert cuda_version(number) == text


@pytest.mark.parametrize(
    ("number", "text"),
    [(7104, "7.1.4"), (8907, "8.9.7"), (90100, "9.1.0"), (91002, "9.10.2"), (0, None), (-1, None)],
)
def test_cudnn_numbers(number: int, text: str | None) -> None:
    assert cudnn_version(number) == text


def test_a_card_without_a_driver_keeps_its_null() -> None:
    card = PciCard(address="0000:01:00.0", vendor="10de", device="2204")
    assert to_json(card)["kernel_driver"] is None
    assert from_json(PciCard, to_json(card)) == card
