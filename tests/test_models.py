"""Every reference network in real PyTorch and TensorFlow: equal numbers from equal weights, and every recipe."""

from __future__ import annotations

import json
import subprocess
import sys

import numpy as np
import pytest
from conftest import ROOT, clean_environment
from test_smoke import ALIKE, FRAMEWORKS, JSON, needs

from gpucheck.smoketest.layers import described
from gpucheck.smoketest.models import MODELS

LOGITS = """
import json, sys
sys.path.insert(0, sys.argv[1])
import numpy as np
from smokelib.weights import weights
name, every = sys.argv[2], json.loads(sys.argv[3])
x = np.random.default_rng(0).standard_normal((5, 28, 28)).astype(np.float32)
answers = {}
for model, layers in every.items():
    start, out = weights(layers, 4), []
    if name == "torch":
        import torch, train_torch
        network = train_torch.Network(torch, layers, start, torch.device("cpu"))
        for training in (False, True, False):
            out.append(network(torch.from_numpy(x)[:, None], training).tolist())
        sizes = [part.numel() for part in network.parts()]
    else:
        import tensorflow as tf, train_tensorflow
        network = train_tensorflow.Network(tf, layers, start)
        for training in (False, True, False):
            out.append(network(tf.constant(x)[..., None], training).numpy().tolist())
        sizes = [int(tf.size(variable)) for variable in network.variables]
    answers[model] = [sizes, out]
print(json.dumps(answers))
"""


def built(framework: str) -> dict:
    """Build every network in a framework, and return its parameters' sizes and its logits."""
    layers = json.dumps({name: described(model.layers) for name, model in MODELS.items()})
    command = [sys.executable, "-W", "ignore", "-c", LOGITS, str(ROOT / "gpucheck/smoketest/children"), framework]
    done = subprocess.run([*command, layers], capture_output=True, text=True, check=True, env=clean_environment())
    return json.loads(done.stdout.splitlines()[-1])


def test_both_builders_make_the_same_networks() -> None:
    """Equal weights, equal logits: before, in and after a training step's batch normalisation."""
    needs("torch")
    needs("tf")
    ours, theirs = built("torch"), built("tensorflow")
    assert list(ours) == list(MODELS)
    for name in MODELS:
        (sizes, logits), (other_sizes, other_logits) = ours[name], theirs[name]
        assert sizes == other_sizes
        # TensorFlow's running variance uses n - 1 as torch's does; batches of 5 x 12 x 12 leave no room to differ.
        assert np.allclose(logits, other_logits, rtol=2e-3, atol=2e-4), name


def test_the_list_of_models_names_shapes_and_parameters(gpucheck) -> None:
    ran = gpucheck("smoke", "--list-models")
    assert ran.status == 0
    for name in MODELS:
        assert f"\n{name} " in ran.out
    assert "61,706" in ran.out
    assert "conv 16@5x5" in ran.out
    assert "16 x 10 x 10" in ran.out


@pytest.mark.parametrize("framework", ALIKE)
def test_epochs_batches_and_a_validation(gpucheck, framework: str) -> None:
    needs(framework)
    options = (
        "--model",
        "cnn-128",
        "--recipe",
        "original",
        "--epochs",
        2,
        "--batch-size",
        200,
        "--validation",
        500,
    )
    ran = gpucheck(*JSON, "-f", framework, *options)
    (run,) = ran.report["smoke"]
    assert (run["model"], run["recipe"], run["batch_size"], run["parameters"]) == (
        "cnn-128",
        "original",
        200,
        104342,
    )
    assert run["changed"] == ["epochs 2", "batch size 200", "validation 500"]
    assert run["validation"] == "500 images"
    assert run["images_seen"] == 2 * 6400  # whole batches of the 6,500 images that are left
    assert {name: len(values) for name, values in run["curves"].items()} == dict.fromkeys(
        ("images", "loss", "accuracy", "validation_loss", "validation_accuracy"), 2
    )
    assert run["accuracy_limit"] is None
    assert ran.status == 3
    judged = next(check for check in ran.report["checks"] if check["name"] == "smoke-learned")
    assert judged["reason"].startswith("no accuracy is known to expect of cnn-128's original recipe with epochs 2")


def test_both_frameworks_learn_alike(gpucheck) -> None:
    """The same weights, images and order: the losses agree step by step, up to rounding."""
    needs("torch")
    needs("tf")
    runs = gpucheck(*JSON, "--model", "lenet5", "--epochs", 1).report["smoke"]
    ours, theirs = (run["curves"]["loss"] for run in runs)
    assert ours == pytest.approx(theirs, rel=1e-3)


@pytest.mark.parametrize("framework", ALIKE)
def test_a_cross_validation(gpucheck, framework: str) -> None:
    needs(framework)
    (run,) = gpucheck(*JSON, "-f", framework, "--folds", 3).report["smoke"]
    assert run["validation"] == "3 folds"
    assert len(run["folds"]) == 3
    assert run["accuracy"] == pytest.approx(np.mean([fold["test_accuracy"] for fold in run["folds"]]))
    assert all(fold["accuracy"] > 0.9 for fold in run["folds"])
    assert len({fold["accuracy"] for fold in run["folds"]}) == 3
    assert sum(map(sum, run["confusion"])) == 3 * 2000
    screen = gpucheck("smoke", "-f", framework, "--folds", 2).out
    assert "held out" in screen
    assert "±" in screen


# The shortest two in make test, all of them in make test-all.
SHORT = {("torch", "conv8-sgd"), ("torch", "cnn-128")}
QUICK = [
    pytest.param(framework, model, marks=() if (framework, model) in SHORT else pytest.mark.slow)
    for framework in FRAMEWORKS
    for model in MODELS
    if model != "reference"
]


@pytest.mark.parametrize(("framework", "model"), QUICK)
def test_each_quick_recipe_passes(gpucheck, framework: str, model: str) -> None:
    needs(framework)
    ran = gpucheck(*JSON, "-f", framework, "--model", model)
    (run,) = ran.report["smoke"]
    assert run["accuracy_limit"] is not None
    assert run["accuracy"] >= run["accuracy_limit"]
    assert ran.status == 0


WRONG = {
    ("--model", "vgg"): "--model 'vgg': reference, conv8-sgd, lenet5, cnn-1024, cnn-64 or cnn-128 expected",
    ("--recipe", "slow"): "--recipe 'slow': quick or original expected",
    ("--recipe", "original"): "the model reference is ours and has the quick recipe only",
    ("--epochs", "0"): "--epochs 0: a number from 1 to 10000 expected",
    ("--batch-size", "-3"): "--batch-size -3: a number from 1 to 10000 expected",
    ("--folds", "0"): "--folds 0: a number from 1 to 100 expected",
    ("--folds", "2", "--validation", "test"): "--folds and --validation: each fold is validated on its own part",
    ("--validation", "some"): "--validation 'some': a number of images, or test, expected",
    ("--validation", "9999"): "--validation 9999: a number from 1 to 3500 expected",
    ("--seed", "-1"): "--seed -1: a number from 0 to 2147483647 expected",
    ("--target", "97"): "--target 97: 98 or 99 expected",
    ("--target", "99"): "--target 99: needs the real MNIST",
    (
        "--target",
        "99",
        "--model",
        "lenet5",
    ): "--target 99: is known for the quick recipe of the model reference only",
    ("--arithmetic", "fp8"): "--arithmetic 'fp8': default or fp32 expected",
    ("--timeout", "nan"): "--timeout nan: seconds, more than 0, expected",
    ("--device", "tpu"): "--device 'tpu': auto, gpu or cpu expected",
    ("--all-gpus", "--device", "cpu"): "--all-gpus and --device cpu: give only one",
    ("--all-gpus",): "--all-gpus: no GPU is usable here",
    ("--data", "/no/such/folder"): "--data /no/such/folder: is not a folder",
    ("--epochs", "many"): "Invalid value for '--epochs'",
}


@pytest.mark.parametrize("options", WRONG, ids=" ".join)
def test_a_wrong_value_is_one_line(gpucheck, options: tuple[str, ...]) -> None:
    ran = gpucheck("smoke", *options)
    assert (ran.status, ran.out) == (2, "")
    assert WRONG[options] in ran.err
    assert ran.err.count("\n") == 1
