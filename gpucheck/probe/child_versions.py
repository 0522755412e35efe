"""Child process: the versions that CUDA libraries tell themselves, one JSON line a file. A script, not a module.

Arguments: absolute paths; so each answer belongs to the file named. The functions need no GPU and no driver:
cudaRuntimeGetVersion (CUDA runtime API), cudnnGetVersion (cuDNN API), ncclGetVersion (NCCL API).
"""

from __future__ import annotations

import ctypes
import json
import os
import sys

BY_POINTER = {"libcudart": "cudaRuntimeGetVersion", "libnccl": "ncclGetVersion"}


def version(path: str) -> int:
    """Return a library's own version number."""
    library = ctypes.CDLL(path)
    function = BY_POINTER.get(os.path.basename(path).partition(".so")[0])  # noqa: PTH119 - a script
    if function is None:
        library.cudnnGetVersion.restype = ctypes.c_size_t
        return int(library.cudnnGetVersion())
    number = ctypes.c_int()
    status = getattr(library, function)(ctypes.byref(number))
    if status:
        raise OSError(f"{function} answers {status}")
    return number.value


for name in sys.argv[1:]:
    try:
        answer: dict[str, object] = {"path": name, "version": version(name)}
    except (OSError, AttributeError) as error:
        answer = {"path": name, "error": str(error)}
    sys.stdout.write(json.dumps(answer) + "\n")
    sys.stdout.flush()  # a crash at the next file leaves this answer
