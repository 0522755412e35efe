"""Cures that last: which steps this machine's findings ask for, and each carried out, verified and undone."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from gpucheck import fixes, probe
from gpucheck.diagnosis import diagnose
from gpucheck.findings import Safety, Severity
from gpucheck.fixes.lasting import installer, packages, places, settings, target
from gpucheck.fixes.lasting.entry import BEGUN, JournalError
from gpucheck.fixes.lasting.journal import Journal
from gpucheck.launch import known_slugs
from gpucheck.matrix.opening import open_matrix
from gpucheck.record import record

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from gpucheck.findings import Finding, Fix, Report
    from gpucheck.fixes.lasting.entry import Entry
    from gpucheck.fixes.lasting.installer import Planned

    Confirm = Callable[[tuple[Planned, ...]], bool]


@record
class Step:
    """One cure.

    Attributes:
        slug: The finding that it cures.
        subject: What the finding is about.
        title: The finding in one line.
        kind: ``packages``, ``settings`` or ``by-hand``.
        fix: The way out that is taken.
        others: Further ways out.
    """

    slug: str
    subject: str | None
    title: str
    kind: str
    fix: Fix
    others: tuple[Fix, ...] = ()


@record
class Repair:
    """What would be done.

    Attributes:
        steps: One a finding, the causes first.
        report: The judgement that they rest on.
        plan: The environment that settings would make last; None when no place was named.
        place: Where.
    """

    steps: tuple[Step, ...]
    report: Report
    plan: fixes.Plan | None = None
    place: places.Place | None = None


@record
class Done:
    """What became of a step.

    Attributes:
        helped: Whether the finding is gone, or the settings stand.
        text: What was done, in a sentence.
        entry: The journal's entry, None where nothing was changed.
    """

    helped: bool
    text: str
    entry: str | None = None


def plan(
    slugs: Sequence[str] = (),
    *,
    python: str | None = None,
    to: str | None = None,
    override: bool = False,
    environ: Mapping[str, str] | None = None,
    matrix: Path | None = None,
) -> Repair:
    """Work out the steps. Nothing is changed, and no network is opened.

    Args:
        slugs: Only these findings; all root causes by default.
        python: The interpreter concerned.
        to: Place for settings, see `places.find`.
        override: Whether settings of the user's own may be replaced.
        environ: The environment; this process's by default.
        matrix: A folder of rows to lay over the shipped matrix.

    Raises:
        ValueError: A slug or the place does not exist.
    """
    known_slugs(slugs)
    environ = os.environ if environ is None else environ
    facts = probe.gather(python)
    report = diagnose(facts, open_matrix(matrix))
    chosen = [one for one in report.findings if (one.slug in slugs if slugs else one.slug in report.root_causes)]
    place = places.find(to, facts.interpreter.prefix.value) if to is not None else None
    made = None
    if place is not None:
        options = fixes.Options(slugs=tuple(slugs), override=override)
        made = fixes.plan(facts, report.findings, _as_without_us(environ, place), options)
        if place.path is not None and place.kind != "conda":
            places.content(place, {change.name: change.after for change in made.made}, override=override)
    return Repair(steps=tuple(_step(one) for one in chosen if one.fixes), report=report, plan=made, place=place)


def _as_without_us(environ: Mapping[str, str], place: places.Place) -> dict[str, str]:
    """The environment before `gpucheck env`, and without what our block in the place has brought into it.

    Settings that last are worked out for a fresh shell, not for one in which they were tried.
    """
    before = fixes.shell.remembered(environ)
    back = {name: value for name, value in {**environ, **before}.items() if value is not None}
    return {name: value for name, value in back.items() if name not in places.in_block(place)}


def _step(finding: Finding) -> Step:
    """The first way out that can be carried out here, else the first one, for a person."""
    automatic = [fix for fix in finding.fixes if "fix" in fix.by]
    fix = (automatic or list(finding.fixes))[0]
    kind = "packages" if fix.install or fix.reinstall else "settings" if fix.environment else "by-hand"
    return Step(
        slug=finding.slug,
        subject=finding.subject,
        title=finding.title,
        kind=kind if automatic or kind == "settings" else "by-hand",
        fix=fix,
        others=tuple(other for other in finding.fixes if other is not fix),
    )


def change_packages(
    step: Step, report: Report, journal: Journal, confirm: Confirm, *, matrix: Path | None = None
) -> Done:
    """Carry out a step of packages: plan, ask, keep, install, look again, and roll back what did not help.

    Args:
        step: The step.
        report: The judgement before it.
        journal: The journal, held by this process.
        confirm: Asked with the resolver's plan before anything is changed.
        matrix: A folder of rows to lay over the shipped matrix.

    Raises:
        ValueError: The environment is not the user's, or the journal cannot be written; nothing is changed then.
    """
    interpreter = report.facts.interpreter
    python, kind = interpreter.executable.value, interpreter.kind.value
    if python is None:
        raise target.TargetError("the interpreter is not known; name it by --python")
    place = target.ask(python)
    target.permitted(place, os.environ, kind)
    tool = installer.of(place, kind=kind, environ=os.environ)
    installer.at_home(tool, place)
    planned = installer.plan(tool, place, reinstall=step.fix.reinstall, install=step.fix.install)
    packages.replaced(place, planned)  # refuses before the question
    if not planned:
        return Done(helped=False, text=f"{tool.name} would change nothing: what is asked for is installed already")
    if not confirm(planned):
        return Done(helped=False, text="left as it is, since nobody said yes")
    what = f"{step.slug}: {', '.join(map(str, planned))}"
    entry = packages.begin(journal, place, planned, what, step.slug)
    try:
        failure = installer.carry_out(tool, reinstall=step.fix.reinstall, install=step.fix.install)
        entry = packages.with_new_files(journal, entry, place)
        entry = journal.end(entry)
        failure = failure or installer.missing(target.ask(python), planned)
        failure = failure or _still_wrong(step, report, python, matrix)
    except BaseException:
        _roll_back(journal, entry, place)
        raise
    if failure is not None:
        _roll_back(journal, entry, place)
        return Done(helped=False, text=f"{failure}; everything is as it was", entry=entry.id)
    return Done(helped=True, text=f"cured by {', '.join(map(str, planned))}", entry=entry.id)


def _roll_back(journal: Journal, entry: Entry, place: target.Target) -> None:
    if entry.state == BEGUN:
        entry = packages.with_new_files(journal, entry, place)
    journal.undo(entry, checked=False)


def _still_wrong(step: Step, before: Report, python: str, matrix: Path | None) -> str | None:
    """Run the checks again: the finding must be gone, and no other error have come."""
    after = diagnose(probe.gather(python), open_matrix(matrix))
    found = {(one.slug, one.subject): one for one in after.findings}
    if (step.slug, step.subject) in found:
        return f"it did not help: {step.slug} is still found"
    errors = {key for key, one in found.items() if one.severity is Severity.ERROR}
    new = errors - {(one.slug, one.subject) for one in before.findings if one.severity is Severity.ERROR}
    return f"it brought {', '.join(sorted(slug for slug, _ in new))}" if new else None


def write_settings(repair: Repair, journal: Journal, *, override: bool) -> Done:
    """Make the planned environment last in the place that was named.

    Raises:
        ValueError: The place cannot hold it, or the journal cannot be written; nothing is changed then.
    """
    assert repair.plan is not None
    assert repair.place is not None
    values = {change.name: change.after for change in repair.plan.made}
    if not values:
        return Done(helped=True, text="there is nothing to set")
    entry = settings.write(journal, repair.place, values, override=override)
    kept = settings.kept(repair.place, values, override=override)
    said = f"; kept as it stands there: {', '.join(kept)} (--override replaces it)" if kept else ""
    if entry is None:
        return Done(helped=not kept, text=f"nothing to write in {repair.place.path}{said}")
    return Done(helped=True, text=f"{entry.what}{said}", entry=entry.id)


def needs_asking(repair: Repair) -> bool:
    """Whether a setting among those planned may change speed, memory or results."""
    return repair.plan is not None and any(change.safety is Safety.ASK for change in repair.plan.made)


def undo(journal: Journal, name: str | None) -> Entry:
    """Undo one change, the last one by default.

    Raises:
        ValueError: There is none, or a file was changed since; nothing is undone then.
    """
    entry = journal.entry(name)
    if entry.state == BEGUN and entry.python is not None:
        entry = packages.with_new_files(journal, entry, target.ask(entry.python, entry.names))
    try:
        return journal.undo(entry)
    except OSError as error:
        raise JournalError(f"{error.filename}: cannot be brought back: {error.strerror}") from None
