"""Machines remembered, without a screen: snapshots and what differs, accepted findings, earlier runs."""

from __future__ import annotations

import datetime
from dataclasses import replace
from typing import TYPE_CHECKING

from gpucheck import explaining, probe
from gpucheck.findings import FailOn
from gpucheck.matrix.opening import open_matrix
from gpucheck.memory import baseline as accepting
from gpucheck.memory import snapshot as snapshots
from gpucheck.record import record
from gpucheck.report.cleaning import Redactor

if TYPE_CHECKING:
    from pathlib import Path

    from gpucheck.facts import Facts
    from gpucheck.findings import Report
    from gpucheck.memory.diff import Difference
    from gpucheck.memory.past import Past
    from gpucheck.messages import Excerpt


class MachineError(ValueError):
    """What was to be remembered or compared cannot be used; the message says why."""


@record
class Since:
    """What became of a machine since its last good run.

    Attributes:
        when: When that was; None: no good run is known.
        difference: What differs; None likewise.
        notes: What of the history could not be read or written.
    """

    when: datetime.datetime | None = None
    difference: Difference | None = None
    notes: tuple[str, ...] = ()


def take(
    python: str | None = None,
    *,
    deep: bool = False,
    redact: bool = True,
    timeout: float = probe.DEFAULT_DEADLINE,
) -> str:
    """Return a snapshot of this machine.

    Args:
        python: Another interpreter to look into.
        deep: Whether the frameworks themselves are asked.
        redact: Whether home, user and host name are taken out.
        timeout: Seconds that any one probe may take.

    Raises:
        ValueError: The interpreter cannot be used.
    """
    facts = probe.gather(python, deadline=timeout, deep=deep)
    return snapshots.snapshot(facts, Redactor() if redact else None)


def read_machine(text: str | bytes | Excerpt, name: str, matrix: Path | None = None) -> Facts:
    """Return the machine that a snapshot shows, or any report that `gpucheck doctor --from` reads.

    Raises:
        ValueError: It cannot be read, or nothing in it tells of a machine.
    """
    facts = explaining.read(text, name, open_matrix(matrix))
    told = (facts.gpus, facts.packages, facts.pci_cards, facts.driver.version, facts.driver.module_version,
            facts.interpreter.version, facts.system.os)  # fmt: skip
    versions = [one.version for one in facts.frameworks]
    if facts.reports == ("text",) or not any(fact.known for fact in (*told, *versions)):
        raise MachineError(f"{name}: nothing in it tells of a machine; a snapshot or a report is wanted")
    return facts


def difference(old: Facts, new: Facts, matrix: Path | None = None) -> Difference:
    """Compare two machines, or one at two times; what changes by itself is left out.

    Raises:
        ValueError: A row of the matrix cannot be used.
    """
    from gpucheck.memory.diff import compare

    notes = [run.error for facts in (old, new) for run in facts.probes if run.name == "reading" and run.error]
    found = compare(old, new, open_matrix(matrix), Redactor())
    return replace(found, notes=tuple(notes))


def read_baseline(path: Path, *, update: bool = False) -> accepting.Baseline:
    """Read accepted findings, before anything is probed: a bad file is told at once.

    Args:
        path: The file.
        update: Whether it is about to be written: then it need not be there.

    Raises:
        ValueError: It cannot be read or written, or is no baseline.
    """
    if update:
        from gpucheck.report.files import check

        check("baseline", path)
        if not path.exists():
            return ()
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise accepting.BaselineError(f"--baseline {path}: cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise accepting.BaselineError(f"--baseline {path}: is not UTF-8 text") from None
    return accepting.read(text, f"--baseline {path}")


def apply_baseline(report: Report, path: Path, fail_on: str = "error") -> Report:
    """Return a report in which the findings that a file accepts are shown and do not count.

    Raises:
        ValueError: The file cannot be used.
    """
    return accepting.apply(
        report, read_baseline(path), fail_on=FailOn(fail_on), today=_today(), redactor=Redactor()
    )


def update_baseline(report: Report, path: Path) -> accepting.Baseline:
    """Accept in a file every error and warning of a report, and nothing else; reasons that it has stay.

    Args:
        report: As it was judged, before `apply_baseline`.
        path: The file; it need not be there.

    Raises:
        ValueError: The file cannot be used or written.
    """
    from gpucheck.report.files import write

    before = read_baseline(path, update=True)
    accepted = accepting.updated(report, before, today=_today(), redactor=Redactor())
    write("baseline", path, accepting.write(accepted).encode())
    return accepted


def history(report: Report, matrix: Path | None = None) -> Since:
    """Say what changed since the last good run, then remember this one.

    Only for a report on this machine: what ``--from`` reads is another one.
    """
    past = _past()
    since = _since(past, report, matrix)
    return replace(since, notes=tuple(dict.fromkeys((*since.notes, *_keep(past, report)))))


def changed_since_last_good(report: Report, matrix: Path | None = None) -> Since:
    """Compare a report on this machine with the last good run of the same interpreter; nothing is written."""
    return _since(_past(), report, matrix)


def remember(report: Report) -> tuple[str, ...]:
    """Keep a report's snapshot in the user's state folder. Return what went wrong; it is no reason to fail."""
    return _keep(_past(), report)


def _past() -> Past:
    from gpucheck.fixes.lasting.journal import state_folder
    from gpucheck.memory.past import Past

    return Past(state_folder() / "history")


def _since(past: Past, report: Report, matrix: Path | None) -> Since:
    found = past.last_good(_python(report))
    if found is None:
        return Since(notes=past.damaged)
    run, facts = found
    return Since(
        when=datetime.datetime.fromisoformat(run.good or run.last),
        difference=difference(facts, report.facts, matrix),
        notes=past.damaged,
    )


def _keep(past: Past, report: Report) -> tuple[str, ...]:
    now = datetime.datetime.now(tz=datetime.timezone.utc).isoformat()
    try:
        past.keep(snapshots.snapshot(report.facts, Redactor()), _python(report), report.verdict, now)
    except OSError as error:
        return (f"history: {past.folder} cannot be written: {error.strerror}",)
    return past.damaged


def _python(report: Report) -> str:
    return Redactor().text(report.facts.interpreter.executable.value or "unknown")


def _today() -> datetime.date:
    return datetime.datetime.now(tz=datetime.timezone.utc).date()
