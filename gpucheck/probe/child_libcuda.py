"""Child process: what libcuda answers, as one JSON object on stdout. Runs as a script, not as a module.

Arguments: the library's path, and 1 if root's rights are to be given up first (cuInit, like nvmlInit,
creates device nodes as root). Functions: CUDA driver API, https://docs.nvidia.com/cuda/cuda-driver-api/.
"""

from __future__ import annotations

import ctypes
import json
import os
import sys


def drop_root() -> None:
    """Become the user nobody for good; a setuid helper cannot bring the rights back."""
    if os.getuid() == 0:
        ctypes.CDLL(None).prctl(38, 1, 0, 0, 0)  # PR_SET_NO_NEW_PRIVS, linux/prctl.h
        os.setgroups([])
        os.setgid(65534)
        os.setuid(65534)


def error_name(cuda: ctypes.CDLL, code: int) -> str:
    """Return the library's own name of a CUresult."""
    name = ctypes.c_char_p()
    if code and cuda.cuGetErrorName(code, ctypes.byref(name)) == 0 and name.value:
        return name.value.decode("ascii", "replace")
    return ""


def main() -> None:
    """Read and print."""
    path, give_up_rights = sys.argv[1:3]
    cuda = ctypes.CDLL(path)
    if give_up_rights == "1":
        drop_root()
    version, count = ctypes.c_int(), ctypes.c_int()
    answer: dict[str, object] = {"version_status": cuda.cuDriverGetVersion(ctypes.byref(version))}
    answer["version"] = version.value
    status = cuda.cuInit(0)
    answer["status"], answer["text"] = status, error_name(cuda, status)
    if status == 0:
        answer["count_status"] = cuda.cuDeviceGetCount(ctypes.byref(count))
        answer["count"] = count.value
    json.dump(answer, sys.stdout)


if __name__ == "__main__":
    main()
