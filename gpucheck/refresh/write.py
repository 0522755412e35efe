"""Rows into TOML files, written whole or not at all."""

from __future__ import annotations

import re
from dataclasses import MISSING, fields, is_dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from packaging.version import Version

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from gpucheck.matrix.releases import Release
    from gpucheck.matrix.rows import Row

# Where a row stands among others: the plain index first, then platforms as people look for them.
PLATFORMS = ("linux-x86_64", "linux-aarch64", "windows-x86_64", "windows-arm64", "macos-arm64", "macos-x86_64")


def table(row: Any) -> dict[str, Any]:
    """Return a row as a TOML table: keys with hyphens, without keys that say nothing."""
    found: dict[str, Any] = {}
    nested: dict[str, Any] = {}
    for item in sorted(fields(row), key=lambda item: item.name in LAST):
        value = getattr(row, item.name)
        if value is None or value == () or (item.default is not MISSING and value == item.default):
            continue
        key = item.name.replace("_", "-")
        if isinstance(value, tuple) and is_dataclass(value[0]):
            nested[key] = [table(one) for one in value]
        else:
            found[key] = list(value) if isinstance(value, tuple) else value
    return {**found, **nested}


LAST = ("source", "url", "checked", "note")


def release_file(release: Release) -> Path:
    """Return the place of a release's file in a matrix folder."""
    return Path("frameworks") / release.framework / f"{release.release}.toml"


def release_text(release: Release) -> str:
    """Return the file of a release."""
    content = table(release)
    content["build"] = [table(row) for row in sorted(release.build, key=_build_order)]
    return text({key: value for key, value in content.items() if value != []})


def _build_order(row: Any) -> tuple[bool, int, str, list[Version]]:
    place = PLATFORMS.index(row.platform) if row.platform in PLATFORMS else len(PLATFORMS)
    return not row.default, place, row.variant, [Version(text) for text in row.versions]


def rows_text(tables: Mapping[str, Sequence[Row]]) -> str:
    """Return a file of arrays of tables."""
    return text({key: [table(row) for row in rows] for key, rows in tables.items()})


def text(content: dict[str, Any]) -> str:
    """Return TOML text, with short lists on one line."""
    import tomli_w

    return LIST.sub(_one_line, tomli_w.dumps(content, indent=1))


LIST = re.compile(r"^([\w-]+) = \[\n((?: [^\n]*,\n)+)\]$", re.MULTILINE)
WIDTH = 115


def _one_line(found: re.Match[str]) -> str:
    line = f"{found[1]} = [{', '.join(item.strip().rstrip(',') for item in found[2].splitlines())}]"
    return line if len(line) <= WIDTH else found[0]


def write(folder: Path, file: Path, content: str) -> Path:
    """Write one file of a matrix folder; an interruption leaves the old one.

    Raises:
        OSError: It cannot be written.
    """
    path = folder / file
    path.parent.mkdir(parents=True, exist_ok=True)
    new = path.with_name(f".{path.name}.new")
    try:
        new.write_text(content, encoding="utf-8")
        new.replace(path)
    finally:
        new.unlink(missing_ok=True)
    return path
