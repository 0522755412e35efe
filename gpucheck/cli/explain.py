"""`gpucheck explain`: what a finding means and what cures it."""

from __future__ import annotations

from typing import Annotated, Optional

import typer

from gpucheck.cli.common import emit


def explain(
    slug: Annotated[Optional[str], typer.Argument(help="A finding's name; without one, the list.")] = None,  # noqa: UP045
) -> None:
    """Explain a finding: what it means, what cures it, what follows from it."""
    from gpucheck import catalogue

    if slug is None:
        emit("".join(f"{name}\n" for name in catalogue.slugs()))
        return
    page = catalogue.page(slug)
    checks = "".join(f"  {name}: {summary}\n" for name, summary in page.checks)
    follows = f"\nCan bring with it: {', '.join(page.follows)}\n" if page.follows else ""
    found = f"\nFound by the checks:\n{checks}" if checks else ""
    emit(f"{page.slug}\n\n{page.meaning}\n\nCure: {page.remedy}\n{follows}{found}")
