"""Writes the pages in docs/matrix/ from the rows of the matrix, and those of the troubles (trouble_pages.py).

``python tools/pages.py`` writes them; with ``--check`` it only says, by exit status 1, that one is out of date.
"""

from __future__ import annotations

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "tools")]

import trouble_pages  # noqa: E402

from gpucheck.matrix import Matrix  # noqa: E402
from gpucheck.tables import SUBJECTS, Table, overview  # noqa: E402
from gpucheck.together import pairs  # noqa: E402

FOLDER = ROOT / "docs/matrix"
TITLES = {
    "torch": "PyTorch releases",
    "tensorflow": "TensorFlow releases",
    "cuda": "CUDA toolkits, drivers and architectures",
    "cudnn": "cuDNN releases",
    "gpus": "GPU products",
}


def page(matrix: Matrix, subject: str) -> str:
    """Return the page of a subject."""
    parts = [
        f"# {TITLES[subject]}",
        f"Generated from the rows of the matrix of {matrix.date} by `make pages`. The source of a row: "
        f"`gpucheck matrix show {subject} NAME`, or the file in matrix/.",
        *(markdown(table) for table in overview(matrix, subject)),
    ]
    return "\n\n".join(parts) + "\n"


def markdown(table: Table) -> str:
    """Return a table in Markdown."""
    lines = [f"## {table.title}", ""]
    if table.note:
        lines += [table.note, ""]
    lines += [_line(table.columns), _line(["---"] * len(table.columns)), *map(_line, table.rows)]
    return "\n".join(lines)


def _line(cells: tuple[str, ...] | list[str]) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def together(matrix: Matrix) -> str:
    """Return the page of which frameworks live in one environment."""
    return (
        "# TensorFlow and PyTorch in one environment\n\n"
        f"Derived from the pins in the rows of the matrix of {matrix.date} by `make pages`, for Linux x86_64 and "
        "Python 3.11, with the newest patch releases on the package index and `tensorflow[and-cuda]`.\n\n"
        "- **-**: the pins exclude each other, pip refuses.\n"
        "- **one set**: both share one set of CUDA libraries.\n"
        "- **cuDNN, NCCL**: pip installs them, and the packages for two CUDA majors overwrite each other's files "
        "of these libraries. What then happens on a GPU has not been measured.\n\n"
        + markdown(pairs(matrix))
        + "\n"
    )


def main() -> int:
    """Write or check."""
    matrix = Matrix()
    wanted = {FOLDER / f"{subject}.md": page(matrix, subject) for subject in SUBJECTS}
    wanted[FOLDER / "together.md"] = together(matrix)
    wanted |= trouble_pages.pages()
    gone = [path for path in trouble_pages.FOLDER.glob("*.md") if path not in wanted]
    stale = [
        path for path, text in wanted.items() if not path.exists() or path.read_text(encoding="utf-8") != text
    ]
    for path in stale:
        print(f"{'out of date' if '--check' in sys.argv else 'written'}: {path.relative_to(ROOT)}")
        if "--check" not in sys.argv:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(wanted[path], encoding="utf-8")
    for path in gone:
        print(f"{'left over' if '--check' in sys.argv else 'removed'}: {path.relative_to(ROOT)}")
        if "--check" not in sys.argv:
            path.unlink()
    return int(bool(stale or gone) and "--check" in sys.argv)


if __name__ == "__main__":
    raise SystemExit(main())
