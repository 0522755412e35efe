"""The steps of `gpucheck fix`, and what became of them, as lines for a person."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gpucheck.report.screen import Piece

if TYPE_CHECKING:
    from collections.abc import Iterator

    from gpucheck.findings import Fix
    from gpucheck.fixes import Change
    from gpucheck.fixes.lasting.entry import Entry
    from gpucheck.fixes.lasting.installer import Planned
    from gpucheck.repair import Done, Repair, Step
    from gpucheck.report.screen import Line


def lines(repair: Repair, *, carried_out: bool) -> Iterator[Line]:
    """Yield the plan.

    Args:
        repair: What would be done.
        carried_out: Whether it is about to be.
    """
    python = repair.report.facts.interpreter.executable.value or "python not known"
    if not repair.steps and repair.plan is None:
        yield (
            Piece("Nothing to fix: ", "bold green"),
            Piece(f"no error and no warning on this machine ({python})"),
        )
        return
    yield (Piece("Plan for ", "bold"), Piece(python))
    for number, step in enumerate(repair.steps, 1):
        yield from _step(number, step)
    if repair.plan is not None and repair.place is not None:
        where = repair.place.path or "a Dockerfile"
        yield (Piece(f" {len(repair.steps) + 1} ", "bold"), Piece(f"settings for {where}"))
        yield from (_setting(change) for change in repair.plan.changes)
    if not carried_out:
        yield (Piece("nothing is changed; --apply carries out what is safe, and asks before the rest", "dim"),)


def _step(number: int, step: Step) -> Iterator[Line]:
    about = f" ({step.subject})" if step.subject else ""
    yield (Piece(f" {number} ", "bold"), Piece(f"{step.title}{about}"), Piece(f"  [{step.slug}]", "dim"))
    if step.kind == "packages":
        yield from _way("ask", step.fix)
    elif step.kind == "settings":
        yield from _way(step.fix.safety.value, step.fix)
        yield (Piece(f"        one program: gpucheck run --fix {step.slug} -- COMMAND", "cyan"),)
        if "fix" in step.fix.by:
            yield (Piece(f"        for good:    gpucheck fix {step.slug} --to .env --apply", "cyan"),)
    else:
        yield from _way("by hand", step.fix)
    for fix in step.others:
        yield from _way("or by hand" if not fix.by else "or", fix)


def _way(label: str, fix: Fix) -> Iterator[Line]:
    where = f"   (on: {', '.join(fix.systems)})" if fix.systems else ""
    yield (Piece(f"   {label}: ", "bold"), Piece(fix.text), Piece(where, "dim"))
    for command in fix.commands:
        yield (Piece(f"        {command}", "cyan"),)


def _setting(change: Change) -> Line:
    if change.kept is not None:
        return (Piece("     = ", "dim"), Piece(f"{change.name}={change.before}   kept: {change.kept}", "dim"))
    value = "taken out" if change.after is None else change.after
    return (Piece(f"   {change.safety.value}: ", "bold"), Piece(f"{change.name}={value}   {change.reason}"))


def resolved(planned: tuple[Planned, ...]) -> Iterator[Line]:
    """Yield the resolver's plan."""
    yield (Piece("   the resolver would change:", "bold"),)
    for one in planned:
        yield (Piece(f"        {one}", "cyan"),)


def working() -> Line:
    """Return what is said while an installer is at work, which may take minutes."""
    return (Piece("   installing, then the checks run again; Ctrl-C brings everything back", "dim"),)


def outcome(step: str, done: Done) -> Line:
    """Return what became of a step."""
    mark, style = ("✓", "green") if done.helped else ("✗", "red")
    undo = f"   (gpucheck undo {done.entry})" if done.helped and done.entry else ""
    return (Piece(f" {mark} ", style), Piece(f"{step}: {done.text}"), Piece(undo, "dim"))


def journal(entries: list[Entry]) -> Iterator[Line]:
    """Yield the journal."""
    if not entries:
        yield (Piece("the journal is empty", "dim"),)
    for entry in entries:
        state = {"begun": "was cut off", "done": "", "undone": "undone"}[entry.state]
        yield (Piece(f"{entry.id}  ", "bold"), Piece(entry.what), Piece(f"   {state}".rstrip(), "dim"))


def undone(entry: Entry) -> Line:
    """Return what was taken back."""
    return (Piece(" ✓ ", "green"), Piece(f"undone: {entry.what}"), Piece(f"   ({len(entry.files)} files)", "dim"))
