"""Machines for the tests of snapshots, differences, baselines and the history."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any

from machine_data import build

if TYPE_CHECKING:
    from gpucheck.facts import Facts

UUIDS = [f"GPU-{n}f3a1c2d-1111-2222-3333-44444444444{n}" for n in range(2)]
HEALTHY: dict[str, Any] = {
    "driver": {
        "module_loaded": True,
        "module_version": "580.159.03",
        "library_version": "580.159.03",
        "version": "580.159.03",
        "driver_cuda": "13.0",
        "nvml_status": 0,
        "cuinit_status": 0,
        "visible_devices": 2,
        "nvml_library": "/usr/lib/libnvidia-ml.so.1",
        "cuda_library": "/usr/lib/libcuda.so.1",
    },
    "gpus": [
        {
            "name": "NVIDIA H200",
            "compute_capability": "9.0",
            "memory_total": 150 * 2**30,
            "uuid": uuid,
            "pci_address": f"00000000:{n}8:00.0",
            "mig": False,
            "ecc_uncorrected": 0,
        }
        for n, uuid in enumerate(UUIDS)
    ],
    "pci_cards": [{"address": f"0000:{n}8:00.0", "vendor": "10de", "device": "2335"} for n in range(2)],
    "frameworks": [
        {
            "name": "torch",
            "version": "2.10.0+cu128",
            "build": "cuda",
            "cuda_runtime": "12.8",
            "cudnn_built": "9.10.2",
            "cudnn_loaded": "9.10.2",
            "libraries": [{"soname": "libcublas.so.12", "taken": "/site/libcublas.so.12 12.8.4"}],
        }
    ],
    "packages": {"torch": "2.10.0+cu128", "numpy": "2.1.0"},
}


def machine(**changed: Any) -> Facts:
    """The healthy machine with other values: ``torch__version="2.9.0"``, ``driver__version=...``, ``gpus=[]``."""
    table = copy.deepcopy(HEALTHY)
    for place, value in changed.items():
        room, _, name = place.partition("__")
        if not name:
            table[room] = value
        elif room == "torch":
            table["frameworks"][0][name] = value
        else:
            table.setdefault(room, {})[name] = value
    return build(table)
