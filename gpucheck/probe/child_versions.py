"""Child process: the versions that CUDA libraries tell themselves, one JSON line a file. A script, not a module.

Arguments: absolute paths; so each answer belongs to the file named. cudaRuntimeGetVersion (CUDA runtime API, from
12 on), cudnnGetVersion (cuDNN API) and ncclGetVersion (NCCL API) need no GPU and touch no driver.
"""

from __future__ import annotations

import ctypes
import json
import os
import sys

BY_POINTER = {"libcudart": "cudaRuntimeGetVersion", "libnccl": "ncclGetVersion"}


class RefusedError(Exception):
    """The library was loaded, and does not tell."""


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
        raise RefusedError(f"{function} answers {status}")
    return number.value


for name in sys.argv[1:]:
    try:
        answer: dict[str, object] = {"path": name, "version": version(name)}
    except RefusedError as error:
        answer = {"path": name, "refused": str(error)}
    except (OSError, AttributeError) as error:
        answer = {"path": name, "error": str(error)}
    sys.stdout.write(json.dumps(answer) + "\n")
    sys.stdout.flush()  # a crash at the next file leaves this answer
