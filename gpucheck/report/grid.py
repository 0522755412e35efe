"""Tables of the matrix on the screen (rich) and as JSON."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from rich.table import Table as Grid
from rich.text import Text

from gpucheck.report.cleaning import clean

if TYPE_CHECKING:
    from collections.abc import Iterable

    from rich.console import Console

    from gpucheck.tables import Table

WIDE = 10_000  # columns; in a pipe no cell is wrapped


def render(tables: Iterable[Table], target: Console) -> str:
    """Return tables for a console; in a pipe one line a row."""
    with target.capture() as captured:
        for number, table in enumerate(tables):
            if number:
                target.print()
            target.print(Text(clean(table.title), "bold"))
            _show(table, target)
            if table.note:
                target.print(Text(clean(table.note), "dim"), soft_wrap=not target.is_terminal)
    return captured.get()


def _show(table: Table, target: Console) -> None:
    if not target.is_terminal:
        widths = [max(map(len, column)) for column in zip(table.columns, *table.rows, strict=True)]
        for row in (table.columns, *table.rows):
            line = "  ".join(clean(cell).ljust(width) for cell, width in zip(row, widths, strict=True))
            target.print(Text(line.rstrip()), soft_wrap=True)
        return
    grid = Grid(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for name in table.columns:
        grid.add_column(Text(name, "cyan"), overflow="fold")
    for row in table.rows:
        grid.add_row(*(Text(clean(cell)) for cell in row))
    target.print(grid)


def document(tables: Iterable[Table], matrix_date: str) -> str:
    """Return tables as JSON: a list of objects with title, note and rows by column."""
    content = {
        "schema_version": 1,
        "matrix_date": matrix_date,
        "tables": [
            {
                "title": table.title,
                "note": table.note or None,
                "rows": [dict(zip(table.columns, row, strict=True)) for row in table.rows],
            }
            for table in tables
        ],
    }
    return json.dumps(content, indent=2) + "\n"
