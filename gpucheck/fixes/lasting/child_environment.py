"""Child process: what an interpreter says of its environment and its packages, as JSON. A script, not a module.

Arguments: names of distributions, normalised; without any, all. It runs under any Python from 3.8 on.
"""

from __future__ import annotations

import importlib.metadata
import json
import os
import re
import sys
import sysconfig
from typing import Any


def distribution(found: importlib.metadata.Distribution) -> dict[str, Any]:
    """Return version, origin and files of a distribution."""
    files = [os.path.abspath(str(found.locate_file(file))) for file in found.files or ()]  # noqa: PTH100
    return {
        "version": found.version,
        "files": files,
        "direct_url": found.read_text("direct_url.json"),
        "installer": (found.read_text("INSTALLER") or "").strip(),
    }


def main() -> None:
    """Print it."""
    wanted = set(sys.argv[1:])
    found: dict[str, dict[str, Any]] = {}
    for one in importlib.metadata.distributions():
        name = re.sub(r"[-_.]+", "-", one.metadata["Name"] or "").lower()
        if not name or (wanted and name not in wanted):
            continue
        if name in found:  # a damaged environment has two of one name; the first is the one that counts
            found[name]["files"] += distribution(one)["files"]
        else:
            found[name] = distribution(one)
    paths = {name: sysconfig.get_path(name) for name in ("stdlib", "purelib", "platlib", "scripts")}
    marker = os.path.join(paths["stdlib"], "EXTERNALLY-MANAGED")  # noqa: PTH118
    answer = {
        **paths,
        "executable": sys.executable,
        "prefix": sys.prefix,
        "virtual": sys.prefix != sys.base_prefix,
        "externally_managed": os.path.exists(marker),  # noqa: PTH110
        "distributions": found,
    }
    json.dump(answer, sys.stdout)


main()
