"""`gpucheck.apply` in real programs: TensorFlow on the stub driver and with injected devices; torch."""

from __future__ import annotations

import json
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest
from conftest import ROOT, clean_environment, write

NEEDS_TENSORFLOW = pytest.mark.skipif(find_spec("tensorflow") is None, reason="TensorFlow is not installed")
NEEDS_TORCH = pytest.mark.skipif(find_spec("torch") is None, reason="torch is not installed")
PRELUDE = """
import json, os, sys, gpucheck
told = []
def say(done): told.extend([r.fix, r.outcome.value, r.how] for r in done.results)
"""
EPILOGUE = "\nprint('TOLD', json.dumps(told))\n"


def program(tmp_path: Path, body: str, env: dict[str, str] | None = None) -> tuple[list[list[str]], str]:
    """Run a program; return what apply has told it, and its whole output."""
    path = write(tmp_path / "program.py", PRELUDE + body + EPILOGUE)
    done = subprocess.run(
        [sys.executable, path], capture_output=True, text=True, check=False,
        env=clean_environment(PYTHONPATH=str(ROOT), **(env or {})),
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-2000:]
    (line,) = [line for line in done.stdout.splitlines() if line.startswith("TOLD ")]
    return json.loads(line[5:]), done.stdout


MIXED = """
import tensorflow as tf
{before}
gpus = tf.config.list_physical_devices("GPU")
tf.config.experimental.set_memory_growth(gpus[0], True)
print("GPUS", len(tf.config.list_logical_devices("GPU")))
"""


@NEEDS_TENSORFLOW
@pytest.mark.parametrize("when", ["before the import", "after the import", "both"])
def test_a_program_with_mixed_growth_succeeds(stub, tmp_path, when: str) -> None:
    call = "say(gpucheck.apply())"
    body = (call if when != "after the import" else "") + MIXED.format(
        before=call if when != "before the import" else ""
    )
    told, out = program(tmp_path, body, stub())
    assert "GPUS 2" in out
    assert [entry[1] for entry in told] == (["applied", "already"] if when == "both" else ["applied"])


@NEEDS_TENSORFLOW
def test_an_import_through_other_modules_is_noticed_and_noticed_once(stub, tmp_path) -> None:
    write(tmp_path / "models.py", "from tensorflow.config import list_physical_devices\n")
    body = """
say(gpucheck.apply()); say(gpucheck.apply())
import models, tensorflow as tf
print("GROWTH", [tf.config.experimental.get_memory_growth(g) for g in tf.config.list_physical_devices("GPU")])
print("FINDERS", [type(f).__module__ for f in sys.meta_path if type(f).__module__.startswith("gpucheck")])
"""
    told, out = program(tmp_path, body, stub())
    assert [entry[1] for entry in told] == ["applied", "already"]
    assert "GROWTH [True, True]" in out
    assert "FINDERS []" in out


@NEEDS_TENSORFLOW
def test_too_late_is_told_with_the_reason_and_raised_only_when_strict(stub, tmp_path) -> None:
    body = """
import tensorflow as tf
tf.config.list_logical_devices()
say(gpucheck.apply())
try:
    gpucheck.apply(strict=True)
except RuntimeError as error:
    print("RAISED", type(error).__name__, error)
"""
    told, out = program(tmp_path, body, stub())
    assert told[0][1] == "too-late"
    assert "before the first operation" in told[0][2]
    assert "RAISED TooLateError memory-growth (tensorflow): too-late" in out


@NEEDS_TENSORFLOW
def test_after_the_error_of_mixed_growth_it_is_not_too_late(stub, tmp_path) -> None:
    body = MIXED.replace(
        'print("GPUS"', 'pass\ntry: tf.constant(1)\nexcept ValueError: say(gpucheck.apply())\nprint("GPUS"'
    )
    told, out = program(tmp_path, body.format(before=""), stub())
    assert told[0][1] == "applied"
    assert "GPUS 2" in out


@NEEDS_TENSORFLOW
def test_growth_is_never_combined_with_a_memory_limit(stub, tmp_path) -> None:
    body = """
import tensorflow as tf
gpus = tf.config.list_physical_devices("GPU")
tf.config.set_logical_device_configuration(gpus[1], [tf.config.LogicalDeviceConfiguration(memory_limit=64)])
say(gpucheck.apply())
growth = bool(tf.config.experimental.get_memory_growth(gpus[0]))
print("GROWTH", growth, os.environ.get("TF_FORCE_GPU_ALLOW_GROWTH"))
"""
    told, out = program(tmp_path, body, stub())
    assert told[0][1] == "skipped"
    assert "a memory limit is set on /physical_device:GPU:1" in told[0][2]
    assert "GROWTH False None" in out


# TensorFlow's CPU build takes devices that are put into its context's lists, and raises its own errors over them.
INJECTED = """
import tensorflow as tf
from tensorflow.python.eager import context
ctx = context.context(); ctx._initialize_physical_devices()
made = [context.PhysicalDevice(f"/physical_device:GPU:{n}", "GPU") for n in range(3)]
ctx._physical_devices += made; ctx._visible_device_list += made
for one in made: ctx._memory_growth_map.setdefault(one, False)
"""


@NEEDS_TENSORFLOW
def test_every_gpu_grows_the_hidden_ones_too(tmp_path) -> None:
    body = (
        INJECTED
        + """
tf.config.set_visible_devices(made[:2], "GPU")
tf.config.experimental.set_memory_growth(made[0], True)
say(gpucheck.apply())
print("MAP", [ctx._memory_growth_map[one] for one in made], ctx._compute_gpu_options().allow_growth)
"""
    )
    told, out = program(tmp_path, body)
    assert told[0][1] == "applied"
    assert "MAP [True, True, True] True" in out


@NEEDS_TENSORFLOW
def test_without_a_gpu_there_is_nothing_to_do(tmp_path) -> None:
    told, _ = program(tmp_path, "import tensorflow\nsay(gpucheck.apply())")
    assert told == [["memory-growth", "skipped", "TensorFlow sees no GPU"]]


def test_growth_switched_off_by_the_user_stays_off(tmp_path) -> None:
    told, _ = program(tmp_path, "say(gpucheck.apply())", {"TF_FORCE_GPU_ALLOW_GROWTH": "false"})
    assert told[0][1] == "skipped"
    assert "TensorFlow obeys it" in told[0][2]


def test_a_program_without_tensorflow_does_not_load_it(tmp_path) -> None:
    body = "say(gpucheck.apply())\nprint('LOADED', sorted(n for n in sys.modules if n.partition('.')[0] in "
    body += "('tensorflow', 'torch', 'typer', 'rich', 'numpy', 'packaging')))"
    _, out = program(tmp_path, body)
    assert "LOADED []" in out


def test_visible_devices_before_cuda_has_started(stub, tmp_path) -> None:
    body = "say(gpucheck.apply(visible=[1])); say(gpucheck.apply(visible='1', memory_growth=False))\n"
    body += "import numpy; say(gpucheck.apply(False, numpy.int64(1)))\n"
    body += "print('MASK', os.environ['CUDA_VISIBLE_DEVICES'], os.environ['CUDA_DEVICE_ORDER'])"
    told, out = program(tmp_path, body, stub())
    assert [entry[:2] for entry in told] == [
        ["visible-devices", "applied"], ["memory-growth", "applied"], ["visible-devices", "already"],
        ["visible-devices", "already"],
    ]  # fmt: skip
    assert "MASK 1 PCI_BUS_ID" in out


START_CUDA = "import ctypes; cuda = ctypes.CDLL('libcuda.so.1')\n"


def test_visible_devices_after_cuda_has_started_is_too_late(stub, tmp_path) -> None:
    """Asked of the driver's library itself: loaded alone it is in time, after cuInit it is not."""
    body = START_CUDA + "say(gpucheck.apply(visible=[1], memory_growth=False))\ncuda.cuInit(0)\n"
    body += (
        "say(gpucheck.apply(visible=[0], memory_growth=False)); print('MASK', os.environ['CUDA_VISIBLE_DEVICES'])"
    )
    told, out = program(tmp_path, body, stub())
    assert [entry[1] for entry in told] == ["applied", "too-late"]
    assert "reads CUDA_VISIBLE_DEVICES once" in told[1][2]
    assert "MASK 1" in out


@NEEDS_TENSORFLOW
def test_visible_devices_after_tensorflow_has_looked(stub, tmp_path) -> None:
    looked = "import tensorflow as tf\ntf.config.list_physical_devices('GPU')\n"
    body = f"{looked}say(gpucheck.apply(visible=[1], memory_growth=False))"
    assert program(tmp_path, body, stub())[0][0][1] == "too-late"
    body = "import tensorflow as tf\nsay(gpucheck.apply(visible=[1]))\n"
    body += "print('SEES', len(tf.config.list_physical_devices('GPU')))"
    told, out = program(tmp_path, body, stub())
    assert [entry[1] for entry in told] == ["applied", "applied"]
    assert "SEES 1" in out


@NEEDS_TORCH
def test_visible_devices_after_torch_was_imported_is_in_time(stub, tmp_path) -> None:
    body = "import torch\nsay(gpucheck.apply(visible=[1], memory_growth=False))\n"
    body += "print('PARSED', torch.cuda._parse_visible_devices())\n"
    body += "torch.cuda.is_initialized = lambda: True\nsay(gpucheck.apply(visible=[0], memory_growth=False))"
    told, out = program(tmp_path, body, stub())
    assert [entry[1] for entry in told] == ["applied", "too-late"]
    assert "(torch)" in told[1][2]
    assert "PARSED [1]" in out


@pytest.mark.parametrize(
    ("visible", "why"),
    [
        ("[7]", "there is no GPU 7"),
        ("'0,0'", "twice"),
        ("'GPU-x'", "fits no GPU"),
        ("[]", "no GPU is named"),
        ("'0x1'", "not an index"),
        ("[0.0]", "are wanted"),
        ("True", "are wanted"),
        ("b'1'", "are wanted"),
        ("[-5]", "not an index"),
        ("1.0", "are wanted"),
    ],
)
def test_a_gpu_that_is_not_there_is_refused_and_nothing_is_set(stub, tmp_path, visible: str, why: str) -> None:
    body = f"try: gpucheck.apply(visible={visible})\nexcept ValueError as error: print('RAISED', error)\n"
    body += "print('MASK', os.environ.get('CUDA_VISIBLE_DEVICES'), os.environ.get('TF_FORCE_GPU_ALLOW_GROWTH'))"
    _, out = program(tmp_path, body, stub())
    assert "RAISED visible" in out
    assert why in out
    assert "MASK None None" in out


def test_a_schedulers_mask_is_not_replaced(stub, tmp_path) -> None:
    env = stub(SLURM_JOB_ID="7", CUDA_VISIBLE_DEVICES="0")
    body = "try: gpucheck.apply(visible=[1])\nexcept ValueError as error: print('RAISED', error)\n"
    body += "say(gpucheck.apply(visible=[1], force=True, memory_growth=False))"
    told, out = program(tmp_path, body, env)
    assert "slurm has given this job" in out
    assert "force=True overrides" in out
    assert told[0][1] == "applied"


def test_where_no_driver_can_be_asked_it_is_said(tmp_path) -> None:
    body = "say(gpucheck.apply(False, '0')); say(gpucheck.apply(False, 'none'))"
    told, _ = program(tmp_path, body)
    assert "not checked against the driver" in told[0][2]
    assert told[1][1:] == ["applied", "CUDA_VISIBLE_DEVICES=-1"]


def test_visible_devices_reads_the_mask(stub, tmp_path) -> None:
    body = "m = gpucheck.visible_devices(); print('READ', m.visible, m.entries, m.cut)"
    assert "READ (0, 1) ('0', '1') None" in program(tmp_path, body, stub())[1]
    masked = program(tmp_path, body, stub(CUDA_VISIBLE_DEVICES="1,9,0"))[1]
    assert "READ (1,) ('1', '9', '0') there is no GPU 9" in masked
    assert "READ (1,)" in program(tmp_path, body.replace("()", "('GPU-00000002')", 1), stub())[1]


def test_threads_at_once(tmp_path) -> None:
    body = """
import threading
threads = [threading.Thread(target=lambda: say(gpucheck.apply())) for _ in range(16)]
for t in threads: t.start()
for t in threads: t.join()
print("FINDERS", sum(type(f).__module__.startswith("gpucheck") for f in sys.meta_path))
"""
    told, out = program(tmp_path, body)
    assert sorted(entry[1] for entry in told) == ["already"] * 15 + ["applied"]
    assert "FINDERS 1" in out


def test_the_result_reads_well() -> None:
    from gpucheck.applying import Applied, Outcome, Result

    done = Applied(
        results=(Result(fix="memory-growth", outcome=Outcome.APPLIED, how="x", framework="tensorflow"),)
    )
    assert str(done) == "memory-growth (tensorflow): applied: x"
    assert done.of("applied") == done.results
    assert done.of("skipped") == ()
    with pytest.raises(ValueError, match="never"):
        done.of("never")
