"""The program's entry: `gpucheck` and `python -m gpucheck`."""

from __future__ import annotations

import gc
import sys


def main() -> None:
    """Run the command line; the doctor lives for a blink and makes no garbage worth a search."""
    if sys.argv[1:2] == ["doctor"]:
        gc.disable()
    from gpucheck.cli import main as command_line

    command_line()


if __name__ == "__main__":
    main()
