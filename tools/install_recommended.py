"""Installs the frameworks that ``gpucheck recommend`` names for this machine, for ``make smoke``.

Exit status 1, with the reason in one line, where it names none or an index that it names cannot be reached.
"""

from __future__ import annotations

import json
import shlex
import subprocess
import sys
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))
TIMEOUT = 15.0  # seconds


def recommended(framework: str) -> dict[str, Any] | None:
    """Return the choice: the pair that goes together, or the one framework that was asked for."""
    command = [sys.executable, "-m", "gpucheck", "recommend", "--framework", framework, "--format", "json"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode not in (0, 1):
        sys.stderr.write(done.stderr)
        return None
    answer = json.loads(done.stdout)
    alone = [one["choice"] for one in answer["frameworks"]]
    choice: dict[str, Any] | None = answer["together"] or (alone[0] if len(alone) == 1 else None)
    return choice


def unreachable(choice: dict[str, Any]) -> str | None:
    """Return the first index of a choice that does not answer: pip would take another build without a word."""
    for index in {wheel["index"] for wheel in choice["wheels"] if wheel["index"]}:
        try:
            urllib.request.urlopen(f"{index}/torch/", timeout=TIMEOUT).close()  # noqa: S310 - https, from a constant
        except (urllib.error.URLError, OSError):
            return str(index)
    return None


def main() -> int:
    """Install, or say why not."""
    choice = recommended(sys.argv[1])
    if choice is None or choice["python"] is not None:
        print("nothing is recommended for this machine and this Python as one environment")
        return 1
    if (index := unreachable(choice)) is not None:
        print(f"{index} cannot be reached from here")
        return 1
    print(f"pip install {shlex.join(choice['arguments'])}", flush=True)
    command = [sys.executable, "-m", "pip", "install", "--quiet", *choice["arguments"]]
    return subprocess.run(command, check=False).returncode


if __name__ == "__main__":
    raise SystemExit(main())
