"""Any pile of reports, in constant memory a node: a run's folder, files, a stream; and what is wrong with each.

Nothing is lost: what cannot be counted is named with its place and what it is instead.
"""

from __future__ import annotations

from pathlib import Path
from typing import IO, TYPE_CHECKING, Any
from urllib.parse import unquote

from gpucheck.fleet.one import Reader
from gpucheck.fleet.run_folder import is_run, read_file, read_run
from gpucheck.fleet.runs import Pile, PileError, Run, Trouble
from gpucheck.fleet.stream import read_stream

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

STREAMS = (".jsonl", ".ndjson", ".log", ".txt", ".out")
# Names that many give to a report: then the folder says whose it is, as that of a CI artifact does.
NO_NAMES = {"report", "gpucheck", "gpucheck-report", "doctor", "result", "node", "index"}
FOREIGN = ("no report of gpucheck", "garbage", "empty")
PIECE = 2**20


def read_pile(
    sources: Sequence[str],
    *,
    stdin: IO[bytes] | None = None,
    judge: Callable[[Any], tuple[tuple[str, ...], tuple[str, ...]]] | None = None,
) -> Pile:
    """Read a pile.

    Reports that were named apart from a run's folder, such as one that was brought by hand, are part of that run;
    of several runs nobody knows to which they belong.

    Args:
        sources: Folders of runs, folders of runs' folders, folders with reports, files, ``-``.
        stdin: What ``-`` is.
        judge: Judges a report's facts: demands that are not met, and those that could not be determined.

    Raises:
        PileError: Something that was named is not there, or belongs to no run.
    """
    reader = Reader(judge)
    loose = Run()
    runs: list[Run] = []
    for source in sources:
        path = Path(source)
        if source == "-":
            if stdin is None:
                raise PileError("-: there is no stdin")
            read_stream(iter(lambda: stdin.read(PIECE), b""), "stdin", reader, loose)
        elif path.is_dir():
            runs += _folder(path, reader, loose)
        elif path.is_file():
            _file(path, reader, loose)
        else:
            raise PileError(f"{source}: there is no such file or folder")
    if len(runs) == 1:
        runs[0].join(loose)
    elif runs and (loose.entries or loose.troubles):
        one = next(iter(loose.entries.values()), None)
        what = one.source if one is not None else loose.troubles[0].source
        raise PileError(f"{what}: to which of the {len(runs)} runs does it belong? name one run, or put it there")
    elif not runs:
        runs.append(loose)
    runs.sort(key=lambda run: run.started)
    return Pile(runs, reader.advice)


def _folder(path: Path, reader: Reader, loose: Run) -> list[Run]:
    try:
        if is_run(path):
            return [read_run(path, reader)]
        inside = sorted(path.iterdir())
        below = [one for one in inside if one.is_dir() and is_run(one)]
        if below:
            runs = [read_run(one, reader) for one in below]
            _beside(path, [one for one in inside if one not in below], runs)
            return runs
        _loose_folder(path, reader, loose)
    except OSError as error:
        raise PileError(f"{path}: cannot be read: {error.strerror}") from None
    return []


def _beside(path: Path, others: Sequence[Path], runs: Sequence[Run]) -> None:
    """Tell of files beside the folders of runs: they belong to none of them, and are not read."""
    files = [one for other in others for one in ((other,) if other.is_file() else other.rglob("*.json"))]
    could = sum(one.suffix in (".json", *STREAMS) for one in files)
    if could:
        said = f"{could} file{'s' * (could > 1)} beside the folders of runs not read; name them to have them read"
        for run in runs:
            run.troubles.append(Trouble(str(path), said))


def _loose_folder(path: Path, reader: Reader, run: Run) -> None:
    """Read the reports anywhere in a folder; what is none is counted and left alone."""
    for file in sorted(path.rglob("*")):
        if file.is_dir():
            continue
        if not file.is_file() or file.suffix not in (".json", *STREAMS):
            run.foreign += 1
            continue
        before = len(run.troubles), len(run.entries), run.foreign
        _file(file, reader, run)
        new = run.troubles[before[0] :]
        if len(run.entries) == before[1] and all(one.what.startswith(FOREIGN) for one in new):
            del run.troubles[before[0] :]
            run.foreign = before[2] + 1
        elif file.suffix in STREAMS:
            run.foreign = before[2]  # the other lines of a log that holds reports


def _file(path: Path, reader: Reader, run: Run) -> None:
    if path.suffix in STREAMS:
        try:
            with path.open("rb") as file:
                read_stream(iter(lambda: file.read(PIECE), b""), str(path), reader, run)
        except OSError as error:
            run.troubles.append(Trouble(str(path), f"cannot be read: {error.strerror}"))
        return
    stem = path.stem.removesuffix(".report")
    name = path.resolve().parent.name if stem.lower() in NO_NAMES else unquote(stem)
    entry = read_file(str(path), reader, run, name)
    if entry is not None:
        run.add(entry)
