"""What both trainings share: idx files, digits, weights, the float64 convolution. Runs on numpy alone."""

from __future__ import annotations

import gzip
import struct
import sys
from pathlib import Path

import numpy as np
import pytest
from conftest import ROOT
from hypothesis import given, settings
from hypothesis import strategies as st

sys.path.insert(0, str(ROOT / "gpucheck/smoketest/children"))

from smokelib import control, convolution, course, digits, idx, recipe, weights
from smokelib.session import BadInput

from gpucheck.facts import Errors
from gpucheck.facts.arithmetic import arithmetic_of
from gpucheck.smoketest.layers import described
from gpucheck.smoketest.models import MODELS, REFERENCE


def idx_bytes(array: np.ndarray) -> bytes:
    return bytes([0, 0, 8, array.ndim]) + struct.pack(f">{array.ndim}I", *array.shape) + array.tobytes()


def small_set(folder: Path, train: int = 600, test: int = 200, packed: bool = True) -> Path:
    """Write a small but complete set of idx files."""
    images, labels = digits.make(train + test, 3)
    parts = {
        "train-images": images[:train], "train-labels": labels[:train],
        "t10k-images": images[train:], "t10k-labels": labels[train:],
    }  # fmt: skip
    folder.mkdir(exist_ok=True)
    for name, array in parts.items():
        content = idx_bytes(array)
        path = folder / (idx.NAMES[name] + (".gz" if packed else ""))
        path.write_bytes(gzip.compress(content) if packed else content)
    return folder


@pytest.mark.parametrize("packed", [True, False])
def test_idx_files_plain_and_packed(tmp_path: Path, packed: bool) -> None:
    arrays, sums = idx.load(str(small_set(tmp_path, packed=packed)))
    images, labels = digits.make(800, 3)
    assert np.array_equal(np.concatenate([arrays["train-images"], arrays["t10k-images"]]), images)
    assert np.array_equal(np.concatenate([arrays["train-labels"], arrays["t10k-labels"]]), labels)
    assert set(sums) == set(idx.NAMES.values())


def test_the_sums_are_those_of_the_unpacked_bytes(tmp_path: Path) -> None:
    packed = idx.load(str(small_set(tmp_path / "a")))[1]
    plain = idx.load(str(small_set(tmp_path / "b", packed=False)))[1]
    assert packed == plain


def test_real_mnist_is_known(mnist: Path) -> None:
    from gpucheck.smoketest.data import is_mnist

    arrays, sums = idx.load(str(mnist))
    assert arrays["train-images"].shape == (60_000, 28, 28)
    assert is_mnist(sums)


IMAGES = idx_bytes(np.zeros((2, 28, 28), np.uint8))
DAMAGE = {
    "wrong magic number": b"\x00\x00\x08\x01" + IMAGES[4:],
    "is cut off in its head": IMAGES[:9],
    "1568 bytes of data announced, 1000 found": IMAGES[:1016],
    "1568 bytes of data announced, 1569 found": IMAGES + b"x",
    "images of 14 x 56": idx_bytes(np.zeros((2, 14, 56), np.uint8)),
    "bytes of data announced, 0 found": bytes([0, 0, 8, 3]) + struct.pack(">3I", 2**31, 2**31, 4),
    "holds nothing": idx_bytes(np.zeros((0, 28, 28), np.uint8)),
}


@pytest.mark.parametrize("words", DAMAGE)
def test_damaged_images_are_named(tmp_path: Path, words: str) -> None:
    small_set(tmp_path, packed=False)
    path = tmp_path / idx.NAMES["train-images"]
    path.write_bytes(DAMAGE[words])
    with pytest.raises(BadInput, match=words) as error:
        idx.load(str(tmp_path))
    assert str(path) in str(error.value)


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("train-labels", idx_bytes(np.array([0, 1, 11], np.uint8)), "3 labels for 600 images"),
        (
            "train-labels",
            idx_bytes(np.array([0] * 599 + [10], np.uint8)),
            "label 10 at position 599 is out of range",
        ),
    ],
)
def test_wrong_labels_are_named(tmp_path: Path, name: str, content: bytes, words: str) -> None:
    small_set(tmp_path)
    (tmp_path / (idx.NAMES[name] + ".gz")).write_bytes(gzip.compress(content))
    with pytest.raises(BadInput, match=words):
        idx.load(str(tmp_path))


@pytest.mark.parametrize("damage", ["cut", "garbage", "flipped", "missing"])
def test_damaged_gzip_is_named(tmp_path: Path, damage: str) -> None:
    path = small_set(tmp_path) / (idx.NAMES["t10k-images"] + ".gz")
    content = bytearray(path.read_bytes())
    if damage == "cut":
        content = content[:-100]
    elif damage == "garbage":
        content = bytearray(b"this is no gzip file")
    else:
        content[len(content) // 2] ^= 0xFF
    path.write_bytes(content)
    if damage == "missing":
        path.unlink()
    with pytest.raises(BadInput, match="t10k-images"):
        idx.load(str(tmp_path))


@given(st.binary(max_size=60), st.sampled_from([1, 3]))
@settings(max_examples=300)
def test_any_bytes_are_read_or_refused(content: bytes, dimensions: int) -> None:
    try:
        array = idx.parse("file", content, dimensions)
    except BadInput:
        return
    assert array.ndim == dimensions


def test_digits_are_the_same_for_the_same_seed() -> None:
    first, again, other = digits.make(300, 5), digits.make(300, 5), digits.make(300, 6)
    assert np.array_equal(first[0], again[0])
    assert np.array_equal(first[1], again[1])
    assert not np.array_equal(first[0], other[0])
    assert first[0].shape == (300, 28, 28)
    assert first[0].dtype == np.uint8


def test_digits_are_balanced_and_look_like_ink_on_paper() -> None:
    images, labels = digits.make(2000, 1)
    counts = np.bincount(labels, minlength=10)
    assert counts.min() > 140
    centre, border = images[:, 6:22, 6:22].mean(), images[:, [0, 27], :].mean()
    assert centre > 2 * border
    for digit in range(10):
        assert images[labels == digit].std(axis=0).mean() > 20  # no two alike


def naive(case, x, w, g):
    """Convolution as its definition says, in nested loops."""
    _, _, size, _, kernel, stride, padding = case
    x, w, g = (array.astype(np.float64) for array in (x, w, g))
    padded = np.pad(x, ((0, 0), (0, 0), (padding, padding), (padding, padding)))
    y, dx, dw = np.zeros_like(g), np.zeros_like(padded), np.zeros_like(w)
    for i in range(g.shape[2]):
        for j in range(g.shape[3]):
            rows, columns = slice(i * stride, i * stride + kernel), slice(j * stride, j * stride + kernel)
            window = padded[:, :, rows, columns]
            for out in range(len(w)):
                y[:, out, i, j] = (window * w[out]).sum((1, 2, 3))
                dw[out] += (window * g[:, out, i, j][:, None, None, None]).sum(0)
                dx[:, :, rows, columns] += w[out] * g[:, out, i, j][:, None, None, None]
    return y, dx[:, :, padding : padding + size, padding : padding + size], dw


@pytest.mark.parametrize("case", [*convolution.CASES, (2, 3, 8, 4, 3, 2, 0), (1, 1, 5, 1, 5, 1, 2)])
def test_the_reference_is_convolution(case) -> None:
    inputs = convolution.problem(case, 0)
    for want, have in zip(naive(case, *inputs), convolution.reference(case, *inputs), strict=True):
        assert np.allclose(want, have, rtol=1e-12, atol=1e-12)


def errors_of(convolve) -> dict[str, Errors]:
    return {name: Errors(**value) for name, value in convolution.measure(convolve, 0).items()}


def rounded(bits: int):
    """Inputs rounded to so many bits of mantissa, then exact: a model of tensor cores."""

    def cut(array):
        mantissa, exponent = np.frexp(array.astype(np.float64))
        return np.ldexp(np.round(mantissa * 2**bits) / 2**bits, exponent)

    return lambda case, x, w, g: convolution.reference(case, cut(x), cut(w), cut(g))


@pytest.mark.parametrize(("bits", "name"), [(24, "fp32"), (11, "tf32"), (8, "bf16"), (4, None)])
def test_errors_tell_the_arithmetic(bits: int, name: str | None) -> None:
    assert arithmetic_of(tuple(errors_of(rounded(bits)).values())) == name


def test_one_wrong_element_is_seen() -> None:
    def convolve(case, x, w, g):
        y, dx, dw = convolution.reference(case, x, w, g)
        y[0, 0, 0, 0] += 1
        return y, dx, dw

    assert arithmetic_of((errors_of(convolve)["forward"],)) is None


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_a_nan_is_seen(bad: float) -> None:
    def convolve(case, x, w, g):
        y, dx, dw = convolution.reference(case, x, w, g)
        dw[0] = bad
        return y, dx, dw

    errors = errors_of(convolve)
    assert arithmetic_of((errors["grad_weight"],)) is None
    assert arithmetic_of((errors["forward"],)) == "fp32"


# Counted by hand from the tutorials' texts (lenet5: (5*5+1)*6, (5*5*6+1)*16, (5*5*16+1)*120, (120+1)*84,
# (84+1)*10).
PARAMETERS = {
    "reference": (400, 32, 4640, 64, 51264, 650),
    "conv8-sgd": (80, 162360, 1210),
    "lenet5": (156, 2416, 48120, 10164, 850),
    "cnn-1024": (832, 51264, 3212288, 10250),
    "cnn-64": (320, 18496, 102464, 650),
    "cnn-128": (156, 2416, 100480, 1290),
}


@pytest.mark.parametrize("name", MODELS)
def test_parameters_layer_by_layer(name: str) -> None:
    layers = described(MODELS[name].layers)
    made = weights.weights(layers, 0)
    assert tuple(sum(array.size for array in own) for own in made if own) == PARAMETERS[name]
    assert all(array.dtype == np.float32 for own in made for array in own)
    assert layers[-1]["output"] == (10,)


@pytest.mark.parametrize(
    ("start", "weight", "bias"),
    [
        ("fan_in_uniform", 1 / np.sqrt(150), 1 / np.sqrt(150)),
        ("he_uniform", np.sqrt(6 / 150), 0),
        ("glorot_uniform", np.sqrt(6 / (150 + 400)), 0),
        ("xavier_uniform", np.sqrt(6 / (150 + 400)), 1 / np.sqrt(150)),
    ],
)
def test_uniform_initialisers_fill_their_bounds(start: str, weight: float, bias: float) -> None:
    made = weights.draw(np.random.default_rng(0), start, [(16, 6, 5, 5), (16,)])
    assert 0.98 * weight < np.abs(made[0]).max() <= weight
    assert 0.8 * bias <= np.abs(made[1]).max() <= bias


def test_the_truncated_normal_stays_within_two_deviations() -> None:
    made = weights.draw(np.random.default_rng(0), "normal_0.05", [(128, 784), (128,)])
    assert 0.099 < np.abs(made[0]).max() <= 0.1
    assert made[0].std() == pytest.approx(0.05 * 0.88, rel=0.01)  # a normal cut at two deviations
    assert (made[1] == np.float32(0.05)).all()


def test_each_step_sees_whole_batches_of_different_images() -> None:
    order = recipe.order({"examples": 2600, "batch": 256, "sampling": "shuffle"}, 1000, 0)
    assert order.shape == (10, 256)
    assert len(set(order.ravel()[:1000])) == 1000
    assert order.max() < 1000


def test_an_epoch_sees_no_image_twice() -> None:
    order = recipe.order({"epochs": 3, "batch": 300, "sampling": "shuffle"}, 1000, 0)
    assert order.shape == (9, 300)
    for epoch in range(3):
        assert len(set(order[3 * epoch : 3 * epoch + 3].ravel())) == 900
    drawn = recipe.order({"epochs": 1, "batch": 100, "sampling": "replacement"}, 1000, 0)
    assert len(set(drawn.ravel())) < 700  # about 632 of 1,000 draws with replacement are different


def test_a_batch_is_no_larger_than_the_data() -> None:
    assert recipe.order({"epochs": 2, "batch": 300, "sampling": "shuffle"}, 50, 0).shape == (2, 50)


def test_the_rate_goes_up_and_down_once() -> None:
    rates = recipe.rates(REFERENCE.quick, 100)
    top = int(np.argmax(rates))
    assert len(rates) == 100
    assert (np.diff(rates[: top + 1]) > 0).all()
    assert (np.diff(rates[top:]) < 0).all()
    assert rates[top] == pytest.approx(0.02, rel=0.01)
    assert rates[0] == pytest.approx(0.02 / 25)
    assert rates[-1] < 1e-4
    assert len(recipe.rates(REFERENCE.quick, 1)) == 1
    assert set(recipe.rates(MODELS["cnn-64"].original, 5)) == {np.float32(1e-3)}


def test_folds_hold_each_image_out_once() -> None:
    splits = recipe.splits({"folds": 5, "validation": None}, 1003)
    held = np.concatenate([out for _, out in splits])
    assert sorted(held) == list(range(1003))
    for chosen, out in splits:
        assert not set(chosen) & set(out)
        assert len(chosen) + len(out) == 1003
    ((chosen, out),) = recipe.splits({"folds": 0, "validation": 100}, 1000)
    assert (len(chosen), len(out), out[0]) == (900, 100, 900)


def test_reports_are_the_ends_of_epochs() -> None:
    assert recipe.reports({"epochs": 4}, 40) == [10, 20, 30, 40]
    assert recipe.reports({"examples": 1}, 3) == [1, 2, 3]
    assert len(recipe.reports({"examples": 1}, 140)) == 20
    pauses = recipe.pauses({"epochs": 4}, 4000)
    assert set(recipe.reports({"epochs": 4}, 4000)) <= set(pauses)
    assert len(pauses) <= 104


def test_the_control_tells_shuffled_labels_and_noise(mnist: Path) -> None:
    arrays, _ = idx.load(str(mnist))
    images, labels, tests, answers = (arrays[name] for name in idx.NAMES)
    rng = np.random.default_rng(0)
    assert control.nearest_mean(images, labels, tests, answers) == pytest.approx(0.8203)
    assert control.nearest_mean(images, rng.permutation(labels), tests, answers) < 0.2
    assert control.neighbour_correlation(images) > 0.7
    assert abs(control.neighbour_correlation(rng.integers(0, 256, images.shape, np.uint8))) < 0.01
    assert control.neighbour_correlation(np.zeros_like(images)) == 0


def test_the_measure_of_answers() -> None:
    logits = np.array([[2.0, 0.0], [0.0, 1.0], [3.0, 0.0]], np.float32)
    found = course.measure(logits, np.array([0, 1, 1]))
    assert found["accuracy"] == pytest.approx(2 / 3)
    assert found["loss"] == pytest.approx(np.mean(np.log(1 + np.exp([-2.0, -1.0, 3.0]))))
