"""Files and pipes that commands read, of any size; every trouble with them in one line."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import typer

if TYPE_CHECKING:
    from gpucheck.messages import Excerpt


def content_of(source: str, option: str) -> Excerpt:
    """Return what is to be looked at of a file, or of stdin for ``-``; of an enormous one a part.

    Args:
        source: The file's name.
        option: How the user has named it, for messages.

    Raises:
        typer.BadParameter: It cannot be read.
    """
    from gpucheck.messages import excerpt

    try:
        if source == "-":
            if sys.stdin is None:
                raise typer.BadParameter(f"{option} -: there is no stdin")
            return excerpt(sys.stdin.buffer)
        with Path(source).open("rb") as file:
            return excerpt(file)
    except IsADirectoryError:
        raise typer.BadParameter(f"{option} {source}: is a folder, not a file") from None
    except (OSError, ValueError) as error:
        raise typer.BadParameter(
            f"{option} {source}: cannot be read: {getattr(error, 'strerror', error)}"
        ) from None
