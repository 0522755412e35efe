"""Child process: what torch or TensorFlow says of its GPUs, as JSON on the last line. A script, not a module.

Argument: ``torch`` or ``tensorflow``. It runs under the interpreter looked at, from ``/``, so that no local file
is imported in a framework's place.
"""

from __future__ import annotations

import json
import re
import sys
from typing import Any


def torch_answer() -> dict[str, Any]:
    """Ask torch."""
    import torch

    available = torch.cuda.is_available()
    names = [torch.cuda.get_device_name(index) for index in range(torch.cuda.device_count())] if available else []
    cudnn = torch.backends.cudnn.version() if torch.version.cuda else None
    return {
        "version": torch.__version__,
        "available": available,
        "devices": names,
        "arch_list": torch.cuda.get_arch_list(),
        "cudnn_number": cudnn,
        "cuda_runtime": torch.version.cuda,
    }


def tensorflow_answer() -> dict[str, Any]:
    """Ask TensorFlow."""
    import tensorflow as tf

    devices = tf.config.list_physical_devices("GPU")
    built = tf.sysconfig.get_build_info()
    details = tf.config.experimental.get_device_details
    codes = built.get("cuda_compute_capabilities") or []
    return {
        "version": tf.__version__,
        "available": bool(devices),
        "devices": [details(one).get("device_name", one.name) for one in devices],
        "arch_list": [str(code) for code in codes],
        "cudnn_number": None,
        "cuda_runtime": str(built["cuda_version"]) if "cuda_version" in built else None,
    }


def mapped() -> list[str]:
    """Return the CUDA libraries in this process."""
    try:
        with open("/proc/self/maps") as file:
            text = file.read()
    except OSError:
        return []
    found = re.findall(r"\s(/\S*/lib(?:cu|nccl|nvrtc|nvJitLink)[^/\s]*\.so\S*)$", text, re.MULTILINE)
    return sorted(set(found))


try:
    answer = torch_answer() if sys.argv[1] == "torch" else tensorflow_answer()
except BaseException as error:
    answer = {"error": f"{type(error).__name__}: {str(error)[:2000]}"}
sys.stdout.write("\n" + json.dumps(dict(answer, mapped=mapped())) + "\n")
