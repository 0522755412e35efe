"""What a smoke training leaves on request: pictures, CSV, TensorBoard's event files; and how it is broken off."""

from __future__ import annotations

import csv
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from conftest import COMMAND, as_from_a_terminal, clean_environment
from test_download import Mirror
from test_smoke import ALIKE, JSON, needs

from gpucheck.facts import SmokeRun
from gpucheck.report.keeping import Wanted, table
from gpucheck.smoketest.data import FILES

LISTING = ["ps", "-ww", "-eo", "pid,ppid,args"]
PICTURES = ("--plot", "--samples", "--confusion")


@pytest.fixture(scope="module")
def kept(gpucheck, tmp_path_factory) -> tuple[dict, Path]:
    """A cross-validation in torch with everything that can be kept."""
    needs("torch")
    folder = tmp_path_factory.mktemp("kept")
    options = [word for option in PICTURES for word in (option, f"{option[2:]}.png")]
    ran = gpucheck(
        *JSON, "-f", "torch", "--folds", 2, *options, "--csv", "curves.csv", "--tensorboard", "board", cwd=folder
    )
    assert ran.status == 0, ran.err
    return ran.report["smoke"][0], folder


def test_pictures_are_drawn(kept) -> None:
    from PIL import Image

    _, folder = kept
    for option in PICTURES:
        with Image.open(folder / f"{option[2:]}.png") as picture:
            picture.load()
            assert picture.width > 400
            assert picture.height > 400
            colors = picture.convert("RGB").getcolors(2**24)
        assert len(colors) > 100, f"{option} is nearly empty"
    assert sorted(path.name for path in folder.iterdir()) == [
        "board", "confusion.png", "curves.csv", "plot.png", "samples.png"
    ]  # fmt: skip


def test_the_curves_as_csv(kept) -> None:
    run, folder = kept
    rows = list(csv.DictReader((folder / "curves.csv").read_text().splitlines()))
    assert list(rows[0]) == ["framework", "device", "fold", "images", "loss", "accuracy", "validation_loss",
                             "validation_accuracy"]  # fmt: skip
    assert [row["fold"] for row in rows] == ["1"] * 20 + ["2"] * 20
    for fold, part in enumerate((rows[:20], rows[20:])):
        for name in ("images", "loss", "validation_accuracy"):
            assert [float(row[name]) for row in part] == run["folds"][fold]["curves"][name]


def test_samples_and_confusion_are_in_the_report(kept) -> None:
    run, _ = kept
    samples = run["samples"]
    assert (len(samples["images"]), len(samples["labels"]), len(samples["logits"])) == (20, 20, 10)
    assert {len(image) for image in samples["images"]} == {784}
    assert samples["logits"].index(max(samples["logits"])) == samples["predictions"][0]
    right = sum(run["confusion"][digit][digit] for digit in range(10))
    assert right / sum(map(sum, run["confusion"])) == pytest.approx(run["accuracy"])


def events(folder: Path):
    pytest.importorskip("tensorboard")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    read = EventAccumulator(str(folder), size_guidance={"tensors": 0, "scalars": 0})
    read.Reload()
    return read


def test_tensorboard_reads_what_torch_wrote(kept) -> None:
    run, folder = kept
    training, validation = (events(folder / f"board/torch/fold-2/{part}") for part in ("training", "validation"))
    for name, read, curve in (("loss", training, "loss"), ("accuracy", validation, "validation_accuracy")):
        points = read.Scalars(name)
        assert [point.step for point in points] == run["folds"][1]["curves"]["images"]
        assert [point.value for point in points] == pytest.approx(run["folds"][1]["curves"][curve], abs=1e-5)
    operators = {node.op for node in training.Graph().node}
    assert "aten::_convolution" in operators


def test_tensorboard_reads_what_tensorflow_wrote(gpucheck, tmp_path: Path) -> None:
    needs("tf")
    pytest.importorskip("tensorboard")
    from tensorboard.util import tensor_util

    options = ("-f", "tf", "--tensorboard", tmp_path / "board", "--validation", "test")
    (run,) = gpucheck(*JSON, *options).report["smoke"]
    training, validation = (events(tmp_path / f"board/tensorflow/{part}") for part in ("training", "validation"))
    points = validation.Tensors("accuracy")
    assert [point.step for point in points] == run["curves"]["images"]
    values = [float(tensor_util.make_ndarray(point.tensor_proto)) for point in points]
    assert values == pytest.approx(run["curves"]["validation_accuracy"], abs=1e-5)
    assert "Conv2D" in {node.op for node in training.Graph().node}


def test_nothing_is_loaded_that_was_not_asked_for(tmp_path: Path) -> None:
    needs("torch")
    code = (
        "import sys\nfrom gpucheck.cli import run\nrun(['smoke', '-f', 'torch', '--csv', 'curves.csv', '-q'])\n"
        "sys.stderr.write(' '.join(sys.modules))"
    )
    command, env = [sys.executable, "-c", code], clean_environment()
    done = subprocess.run(command, capture_output=True, text=True, env=env, check=True, cwd=tmp_path)
    loaded = {name.partition(".")[0] for name in done.stderr.split()}
    assert not loaded & {"matplotlib", "tensorboard", "PIL", "numpy", "torch", "urllib3", "filelock"}


def test_what_is_no_plain_file_is_written_to_and_stays(tmp_path: Path) -> None:
    run = SmokeRun(
        data="digits", framework="torch", device="cpu", accuracy=0.98, curves={"images": [512], "loss": [2.0]}
    )
    pipe, link, far = tmp_path / "pipe", tmp_path / "link.csv", tmp_path / "far.csv"
    os.mkfifo(pipe)
    link.symlink_to(far)
    reader = subprocess.Popen(["cat", pipe], stdout=subprocess.PIPE, text=True)
    for path in (pipe, link):
        wanted = Wanted(csv=path)
        wanted.check()
        wanted.keep([run])
    assert reader.communicate(timeout=60)[0] == far.read_text() == table([run])
    assert pipe.is_fifo()
    assert link.is_symlink()


BAD = {
    ("--plot", "curves.gif"): "--plot curves.gif: a name that ends with .png, .svg, .pdf expected",
    ("--samples", "no/such/a.png"): "--samples no/such/a.png: the folder no/such is not there",
    ("--csv", "."): "--csv .: is a folder",
    ("--tensorboard", "no/such/folder"): "--tensorboard no/such/folder: a folder, or a name in one, expected",
}


@pytest.mark.parametrize("options", BAD, ids=" ".join)
def test_a_place_that_cannot_be_written_is_told_before_training(gpucheck, tmp_path: Path, options) -> None:
    ran = gpucheck("smoke", *options, cwd=tmp_path)
    assert (ran.status, ran.out) == (2, "")
    assert ran.err == f"gpucheck: {BAD[options]}\n"
    assert list(tmp_path.iterdir()) == []


WITHOUT_MATPLOTLIB = """
import importlib.util, sys
real = importlib.util.find_spec
importlib.util.find_spec = lambda name, *rest: None if name == "matplotlib" else real(name, *rest)
from gpucheck.cli import run
sys.exit(run(["smoke", "--plot", "a.png"]))
"""


def test_matplotlib_is_asked_for_by_its_command(tmp_path: Path) -> None:
    command = [sys.executable, "-c", WITHOUT_MATPLOTLIB]
    env = clean_environment()
    done = subprocess.run(command, capture_output=True, text=True, env=env, cwd=tmp_path, check=False)
    assert done.returncode == 2
    assert done.stderr.endswith("python -m pip install matplotlib\n")


def test_ctrl_c_in_the_middle_of_training(tmp_path: Path) -> None:
    """130, one line, no half-written file, nothing left running."""
    needs("torch")
    command = [*COMMAND, "smoke", "-f", "torch", "--model", "cnn-1024", "--epochs", "50", "--plot", "a.png"]
    started = subprocess.Popen(
        command, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        env=clean_environment(TMPDIR=str(tmp_path)), preexec_fn=as_from_a_terminal,
    )  # fmt: skip
    child = training_child(started)
    started.send_signal(signal.SIGINT)
    out, err = started.communicate(timeout=60)
    assert (started.returncode, out, err) == (130, "", "interrupted\n")
    assert list(tmp_path.iterdir()) == []
    assert gone(child)


def test_a_killed_gpucheck_leaves_no_training() -> None:
    """Not even SIGKILL, which nobody can answer: the training sees its parent go."""
    needs("torch")
    command = [*COMMAND, "smoke", "-f", "torch", "--model", "cnn-1024", "--epochs", "50"]
    started = subprocess.Popen(
        command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=clean_environment()
    )
    child = training_child(started)
    started.kill()
    started.wait()
    assert gone(child)


def training_child(parent: subprocess.Popen) -> int:
    """Wait for the training script, and a little longer, so that it trains."""
    for _ in range(600):
        listed = subprocess.run(LISTING, capture_output=True, text=True, check=True).stdout
        found = [line.split() for line in listed.splitlines() if "train_torch.py" in line]
        mine = [int(pid) for pid, ppid, *_ in found if int(ppid) == parent.pid]
        if mine:
            time.sleep(6)
            return mine[0]
        time.sleep(0.1)
    parent.kill()
    parent.communicate()
    raise AssertionError("no training was started")


def gone(child: int) -> bool:
    for _ in range(300):
        try:
            os.kill(child, 0)
        except ProcessLookupError:
            return True
        time.sleep(0.1)
    return False


@pytest.mark.parametrize("framework", ALIKE)
def test_mnist_is_downloaded_when_asked_for(gpucheck, mnist: Path, tmp_path: Path, framework: str) -> None:
    needs(framework)
    server = Mirror(mnist)
    env = {"GPUCHECK_MNIST_MIRROR": server.url, "XDG_CACHE_HOME": str(tmp_path), "no_proxy": "*"}
    (run,) = gpucheck(*JSON, "-f", framework, "--data", "mnist", env=env).report["smoke"]
    assert run["data"]["known"] is True
    assert run["data"]["path"] == str(tmp_path / "gpucheck/mnist")
    assert sorted(name for name, _ in server.asked) == sorted(FILES)
    server.shutdown()
    server.server_close()
    again = gpucheck(*JSON, "-f", framework, "--data", "mnist", "--target", "99", env=env)  # from the cache
    assert again.status == 0
    assert again.report["smoke"][0]["accuracy"] >= again.report["smoke"][0]["accuracy_limit"] == 0.986


def test_a_mirror_that_is_down_is_one_line(gpucheck, tmp_path: Path) -> None:
    env = {"GPUCHECK_MNIST_MIRROR": "http://127.0.0.1:9/mnist/", "XDG_CACHE_HOME": str(tmp_path), "no_proxy": "*"}
    ran = gpucheck("smoke", "--data", "mnist", env=env)
    assert (ran.status, ran.out) == (2, "")
    assert ran.err.startswith("gpucheck: --data mnist: ")
    assert ran.err.count("\n") == 1
    assert "--data DIR" in ran.err


def test_the_report_carries_all_that_was_asked(gpucheck) -> None:
    needs("torch")
    report = json.loads(gpucheck(*JSON, "-f", "torch").out)
    (run,) = report["smoke"]
    assert run["samples"] is None
    assert run["folds"] == []
    assert sum(map(sum, run["confusion"])) == run["data"]["test"]
