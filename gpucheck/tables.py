"""The matrix's rows as tables of text, for the screen and for the pages in docs/."""

from __future__ import annotations

import datetime
import difflib
import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from gpucheck.matrix.products import near
from gpucheck.matrix.reference import Reference
from gpucheck.matrix.validate import all_rows
from gpucheck.matrix.versions import parse_version

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from gpucheck.matrix import Build, Matrix, Release, Row

SUBJECTS = ("torch", "tensorflow", "cuda", "cudnn", "gpus")


@dataclass(frozen=True)
class Table:
    """A table.

    Attributes:
        title: What it shows.
        columns: Headings.
        rows: Cells, one text for each heading.
        note: A sentence below it.
    """

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    note: str = ""


class SubjectError(ValueError):
    """There is no such table, release or product; the message names the nearest."""


def select(matrix: Matrix, subject: str, name: str | None) -> Iterator[Table]:
    """Yield the tables of a subject, or of one release or product in it.

    Raises:
        SubjectError: There is none.
    """
    subject = subject.lower()
    subject = {"tf": "tensorflow", "pytorch": "torch", "gpu": "gpus"}.get(subject, subject)
    if subject not in SUBJECTS:
        near = difflib.get_close_matches(subject, SUBJECTS, n=1)
        hint = f"; did you mean {near[0]}?" if near else ""
        raise SubjectError(f"matrix show {subject!r}: write one of {', '.join(SUBJECTS)}{hint}")
    if name is None:
        yield from overview(matrix, subject)
    elif subject in ("torch", "tensorflow"):
        found = matrix.release(subject, name)
        exact = parse_version(name)
        if found is None or exact is None or (exact.micro and exact not in matrix.patches(subject, name)):
            raise SubjectError(matrix.why_unknown(subject, name))
        yield from release(found)
    else:
        yield from _narrowed(matrix, subject, name)


def _narrowed(matrix: Matrix, subject: str, name: str) -> Iterator[Table]:
    """The rows of a subject that name a version or product, with their sources where it is one kind of row."""
    kept = 0
    for table in overview(matrix, subject):
        words = name.casefold()
        exact = [row for row in table.rows if any(cell.casefold() == words for cell in row[:2])]
        rows = exact or [row for row in table.rows if words in row[0].casefold()]
        kept += len(rows)
        if rows:
            yield replace(table, rows=tuple(rows))
    if not kept:
        hint = near(matrix.products(), name) if subject == "gpus" else ()
        suffix = f"; did you mean {' or '.join(hint)}?" if hint else ""
        raise SubjectError(f"the matrix of {matrix.date} has nothing on {name!r} under {subject}{suffix}")
    if subject == "gpus":
        yield sourced([row for row in matrix.products() if name.casefold() in row.name.casefold()])
    elif subject == "cudnn":
        yield sourced([row for row in matrix.cudnn_releases() if name in row.version])


def inventory(matrix: Matrix, months: int) -> Iterator[Table]:
    """Yield what the matrix holds, how old it is, and which rows were last checked longer ago than some months."""
    rows = [(place, row) for folder in matrix.folders for place, row in all_rows(folder)]
    files: dict[str, list[Row]] = {}
    for place, row in rows:
        files.setdefault(_group(place), []).append(row)
    counted = [
        (name, str(len(some)), str(min(row.checked for row in some)), str(max(row.checked for row in some)))
        for name, some in sorted(files.items())
    ]
    newest = ", ".join(
        f"{name} {max(matrix.patches(name, str(matrix.releases(name)[-1])))}" for name in ("torch", "tensorflow")
    )
    addresses = {row.url for _, row in rows}
    hosts = {url.split("/")[2] for url in addresses}
    noted = sum(row.note is not None for _, row in rows)
    total = (
        f"{len(rows)} rows from {len(addresses)} addresses of {len(hosts)} sites; {noted} carry a note on what is "
        f"not confirmed. Newest: {newest}."
    )
    yield Table(
        f"Matrix of {matrix.date}", ("rows of", "count", "oldest check", "newest check"), tuple(counted), total
    )
    limit = datetime.datetime.now(tz=datetime.timezone.utc).date() - datetime.timedelta(days=round(months * 30.44))
    old = [(place, str(row.checked), row.source) for place, row in rows if row.checked < limit]
    yield Table(
        f"Checked more than {months} months ago", ("row", "checked", "source"), tuple(old), "" if old else "None."
    )


def _group(place: str) -> str:
    path, _, table = place.partition(" ")
    table = table.partition("]]")[0].removeprefix("[[")
    file = path.rpartition("/")[0] if path.startswith("frameworks/") else path
    return f"{file} {table or 'releases'}"


def overview(matrix: Matrix, subject: str) -> Iterator[Table]:
    """Yield the tables of a subject, one of `SUBJECTS`."""
    if subject in ("torch", "tensorflow"):
        yield _releases(matrix, subject)
    elif subject == "cuda":
        yield from _cuda(matrix)
    elif subject == "cudnn":
        yield _cudnn(matrix)
    else:
        yield _gpus(matrix)


def _releases(matrix: Matrix, framework: str) -> Table:
    rows = []
    for version in reversed(matrix.releases(framework)):
        release = matrix.release(framework, str(version))
        build = _shown(release) if release is not None else None
        if release is None or build is None:
            continue
        tested = release.tested_on("linux")
        cudnn = build.cudnn or (tested.cudnn if tested else None)
        rows.append(
            (
                str(version), build.variant if build.distribution is None else build.distribution,
                build.cuda_runtime or "-", cudnn or "-", pinned(build, "nvidia-nccl-"), pinned(build, "triton"),
                span(build.python), " ".join(code.removeprefix("sm_") for code in build.arch_list) or "-",
            )
        )  # fmt: skip
    heads = ("release", "build", "CUDA runtime", "cuDNN", "NCCL", "Triton", "Python", "arch list (sm_)")
    note = "The Linux x86_64 wheel of the newest patch release on the package index; other builds: name a release."
    return Table(f"{framework}: what a plain pip install brings", heads, tuple(rows), note)


def _shown(release: Release) -> Build | None:
    """Return the build that stands for a release: for Linux x86_64, with CUDA where there is one."""
    rows = [row for row in release.build if row.platform == "linux-x86_64" and row.from_index]
    rows.sort(key=lambda row: (row.variant == "cpu", not row.default))
    return rows[-1] if rows and rows[0].variant == "cpu" else max(
        (row for row in rows if row.variant != "cpu" and row.default == rows[0].default),
        key=lambda row: row.versions[-1],
        default=None,
    )  # fmt: skip


def pinned(build: Build, stem: str) -> str:
    """Return what a build requires of the first package whose name begins so."""
    for text in (*build.requires, *build.and_cuda):
        found = re.match(rf"{re.escape(stem)}[\w-]*?((?:[=<>~!]=?|===)[^;]*)", text)
        if found:
            return found[1].strip().removeprefix("==")
    return "-"


def span(pythons: Iterable[str]) -> str:
    """Return ``3.9-3.13`` for a list of Python versions."""
    plain = [text for text in pythons if not text.endswith("t")]
    return f"{plain[0]}-{plain[-1]}" if len(plain) > 1 else "".join(plain) or "-"


def _cuda(matrix: Matrix) -> Iterator[Table]:
    facts = Reference(matrix)
    floors = [(f"{row.cuda_major}.x", row.linux, row.windows or "-") for row in facts.floors()]
    note = "Any runtime of the major runs on it or a newer one, PTX excepted; below CUDA 11 see the toolkit."
    yield Table("Lowest driver for a CUDA runtime", ("CUDA runtime", "Linux", "Windows"), tuple(floors), note)
    toolkits = [(row.version, row.linux or "-", row.windows or "-") for row in facts.toolkits()]
    note = "The driver a toolkit shipped with; a demand only below CUDA 11. A dash: none is named."
    yield Table("CUDA toolkits", ("toolkit", "Linux driver", "Windows driver"), tuple(toolkits), note)
    branches = [
        (f"R{row.branch}", row.driver_cuda or "?", row.kind or "?", row.end_of_life or "?")
        for row in facts.branches()
    ]
    yield Table("Driver branches", ("branch", "driver CUDA", "kind", "end of life"), tuple(branches))
    architectures = [
        (row.name, " ".join(row.compute_capabilities), row.first_toolkit or "?",
         f"{row.last_toolkit_major}.x" if row.last_toolkit_major else "going on",
         f"R{row.last_driver_branch}" if row.last_driver_branch else "going on")
        for row in facts.architectures()
    ]  # fmt: skip
    heads = ("architecture", "compute capability", "first toolkit", "last toolkit", "last driver branch")
    yield Table("Architectures", heads, tuple(architectures))
    support = [(row.products, "yes" if row.supported else "no") for row in facts.forward_support()]
    yield Table("Forward compatibility (cuda-compat)", ("products", "supported"), tuple(support))
    packages = [
        (row.package, row.cuda, " ".join(f"R{branch}" for branch in row.driver_branches))
        for row in facts.forward_packages()
    ]
    yield Table("cuda-compat packages", ("package", "CUDA", "beside driver branches"), tuple(packages))


def _cudnn(matrix: Matrix) -> Table:
    rows = [
        (row.version, " ".join(row.cuda) or "?", row.compute_capability or "?", row.driver_linux or "-")
        for row in reversed(matrix.cudnn_releases())
    ]
    heads = ("cuDNN", "CUDA", "compute capability", "Linux driver")
    return Table(
        "cuDNN releases",
        heads,
        tuple(rows),
        "The widest of a release's builds; a whole number of CUDA means all of it.",
    )


def _gpus(matrix: Matrix) -> Table:
    rows = [(row.name, row.compute_capability, row.architecture) for row in matrix.products()]
    return Table("GPU products", ("product", "compute capability", "architecture"), tuple(rows))


def release(release: Release) -> Iterator[Table]:
    """Yield every build of a release, what it was tested with, and what is known to break."""
    rows = [
        (row.platform, row.variant, " ".join(row.versions) or "all", row.cuda_runtime or "-", row.cudnn or "-",
         span(row.python), " ".join(row.arch_list) or "-")
        for row in release.build
    ]  # fmt: skip
    heads = ("platform", "build", "versions", "CUDA runtime", "cuDNN", "Python", "arch list")
    yield Table(f"{release.framework} {release.release}", heads, tuple(rows))
    tested = [
        (row.system, row.variant, row.cuda or "-", row.cudnn or "-", span(row.python), row.compiler or "-")
        for row in release.tested
    ]
    if tested:
        yield Table(
            "Tested by the project", ("system", "build", "CUDA", "cuDNN", "Python", "compiler"), tuple(tested)
        )
    troubles = [(row.compute_capability, row.kind, row.url) for row in release.trouble]
    if troubles:
        yield Table("Reported troubles", ("compute capability", "kind", "source"), tuple(troubles))
    sources = dict.fromkeys((row.source, row.url, str(row.checked), row.note or "") for row in release.build)
    yield Table("Sources", ("source", "address", "checked", "note"), tuple(sources))


def sourced(rows: Iterable[Row]) -> Table:
    """Return the sources of some rows."""
    found = dict.fromkeys((row.source, row.url, str(row.checked), row.note or "") for row in rows)
    return Table("Sources", ("source", "address", "checked", "note"), tuple(found))
