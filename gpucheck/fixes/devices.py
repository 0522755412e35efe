"""Which GPUs a program gets: named ones, the freest ones, or those of a mask that needs repair."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from gpucheck.fixes.planned import Change, Options, PlanError
from gpucheck.mask import GIVES_MASKS, GIVES_NONE, ORDER, VARIABLE, by_indices, read_mask, repaired
from gpucheck.record import record

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from gpucheck.facts import Facts, Gpu

BY_BUS = "PCI_BUS_ID"
HIDE_ALL = "none"


@record
class Choice:
    """The mask that a program gets.

    Attributes:
        changes: The variables.
        notes: What should be said of it.
        visible: How many GPUs must be seen; None when nobody asked for a number.
        refusal: Why a program should not be started with the mask that is there.
    """

    changes: tuple[Change, ...] = ()
    notes: tuple[str, ...] = ()
    visible: int | None = None
    refusal: str | None = None


def choose(facts: Facts, environ: Mapping[str, str], options: Options) -> Choice:
    """Return the mask.

    Raises:
        PlanError: The GPUs asked for are not here, or the options exclude each other.
    """
    if options.gpus is not None and options.devices is not None:
        raise PlanError("--gpus and --devices exclude each other")
    if options.devices is not None:
        return _asked(facts, environ, options, named(facts, environ, options.devices), "--devices")
    if options.gpus is not None:
        return _asked(facts, environ, options, _freest(facts, environ, options), "--gpus")
    return _as_it_is(facts, environ, options)


def owner(facts: Facts, environ: Mapping[str, str]) -> str | None:
    """Return the scheduler that has set the mask, or None."""
    scheduler = facts.system.scheduler.value
    return scheduler if VARIABLE in environ and scheduler in (*GIVES_MASKS, "kubernetes") else None


def _asked(
    facts: Facts, environ: Mapping[str, str], options: Options, entries: tuple[str, ...], option: str
) -> Choice:
    leave_to_scheduler(facts, environ, entries, option, force=options.force)
    changes = _set(environ, entries, f"asked for by {option}")
    return Choice(changes=tuple(changes), visible=0 if entries == ("-1",) else len(entries))


def leave_to_scheduler(
    facts: Facts, environ: Mapping[str, str], entries: tuple[str, ...], option: str, *, force: bool
) -> None:
    """Let a scheduler's mask be narrowed, but not replaced.

    Raises:
        PlanError: The entries name a GPU outside of it, and nobody forces that.
    """
    scheduler = owner(facts, environ)
    if scheduler is not None and not force and not _within(facts, environ[VARIABLE], entries):
        raise PlanError(
            f"{option}: {scheduler} has given this job {VARIABLE}={environ[VARIABLE]!r}; "
            f"{'--force' if option.startswith('-') else 'force=True'} overrides it all the same"
        )


def _within(facts: Facts, mask: str, entries: tuple[str, ...]) -> bool:
    """Whether the choice only narrows a mask, which takes nothing from anybody."""
    uuids = _uuids(facts)
    given, wanted = read_mask(mask, uuids), read_mask(",".join(entries), uuids)
    if given.visible is None or wanted.visible is None:
        return set(entries) <= set(given.entries)
    return set(wanted.visible) <= set(given.visible)


def _set(
    environ: Mapping[str, str], entries: tuple[str, ...], reason: str, slug: str | None = None
) -> Iterator[Change]:
    value = ",".join(entries)
    if environ.get(VARIABLE) != value:
        yield Change(name=VARIABLE, before=environ.get(VARIABLE), after=value, reason=reason, slug=slug)
    yield from _order(environ, entries)


def _order(environ: Mapping[str, str], entries: tuple[str, ...]) -> Iterator[Change]:
    if by_indices(entries) and ORDER not in environ:
        reason = "so that an index means the GPU that nvidia-smi shows by it"
        yield Change(name=ORDER, before=None, after=BY_BUS, reason=reason)


def named(facts: Facts, environ: Mapping[str, str], text: str, option: str = "--devices") -> tuple[str, ...]:
    """Return the entries of the mask that shows the GPUs named.

    Args:
        facts: What was seen of this machine.
        environ: The environment.
        text: Indices of nvidia-smi, UUIDs, one MIG device, or ``none``.
        option: How the user has named them, for messages.

    Raises:
        PlanError: One of them is not here or does not answer.
    """
    if text.strip() == HIDE_ALL:
        return ("-1",)  # survives shells and tools that drop empty variables
    gpus = _listed(facts, option)
    mask = read_mask(well_formed(text, option, gpus), _uuids(facts))
    if mask.visible is None:
        return _mig_device(gpus, mask.entries, option)
    if mask.cut is not None or not mask.visible:
        raise PlanError(f"{option} {text}: {mask.cut or 'no GPU is named'}; here are {_shown(gpus)}")
    for index in mask.visible:
        if gpus[index].status.value != 0:
            raise PlanError(f"{option} {text}: GPU {index} does not answer ({gpus[index].status.raw or 'NVML'})")
    if by_indices(mask.entries):
        return _by_bus(gpus, mask.visible, environ)
    return mask.entries


def well_formed(text: str, option: str, gpus: tuple[Gpu, ...] = ()) -> str:
    """Return a list of GPUs as it is written; the driver would read ``1x`` as 1, nobody means that.

    Raises:
        PlanError: An entry is neither an index, nor a UUID, nor a MIG device.
    """
    for entry in text.split(","):
        if not re.fullmatch(r"\s*([0-9]+|(GPU|MIG)-[0-9A-Za-z/-]*)\s*", entry, re.ASCII):
            here = f"; here are {_shown(gpus)}" if gpus else ""
            what = (
                f"{entry.strip()!r} is not an index, a UUID or a MIG device"
                if entry.strip()
                else "no GPU is named"
            )
            raise PlanError(f"{option} {text}: {what}{here}")
    return text


def _by_bus(gpus: tuple[Gpu, ...], indices: tuple[int, ...], environ: Mapping[str, str]) -> tuple[str, ...]:
    """Indices of nvidia-smi; as UUIDs where the user has ordered the devices otherwise."""
    uuids = [gpus[index].uuid.value for index in indices]
    if environ.get(ORDER, BY_BUS) != BY_BUS and all(uuids):
        return tuple(filter(None, uuids))
    return tuple(map(str, indices))


def _mig_device(gpus: tuple[Gpu, ...], entries: tuple[str, ...], option: str) -> tuple[str, ...]:
    if len(entries) > 1:
        raise PlanError(f"{option} {','.join(entries)}: CUDA shows a program one MIG device at most")
    known = [uuid for gpu in gpus for uuid in gpu.mig_devices.value or ()]
    found = [uuid for uuid in known if uuid.startswith(entries[0])]
    if len(found) != 1 and "/" not in entries[0]:
        here = ", ".join(known) or "none"
        raise PlanError(f"{option} {entries[0]}: fits {len(found)} MIG devices; here are: {here}")
    return entries


def _freest(facts: Facts, environ: Mapping[str, str], options: Options) -> tuple[str, ...]:
    number = options.gpus or 0
    if number < 1:
        raise PlanError(f"--gpus {number}: a number from 1 on is wanted; --devices none hides all GPUs")
    gpus = _listed(facts, "--gpus")
    mask = environ.get(VARIABLE)
    if mask is not None and read_mask(mask, _uuids(facts)).visible is None:  # it names a MIG device
        if number == 1:
            return tuple(entry.strip() for entry in mask.split(","))[:1]
        raise PlanError(f"--gpus {number}: {VARIABLE}={mask!r} names a MIG device, and CUDA shows one at most")
    allowed = range(len(gpus)) if mask is None else _indices(facts, mask)
    free = sorted((gpus[index] for index in allowed if _usable(gpus[index])), key=_fullness)
    plain = [gpu.index for gpu in free if not gpu.mig.value]
    if number == 1 and free and free[0].mig.value:
        return (free[0].mig_devices.value or ("",))[:1]
    if len(plain) < number:
        within = f" in {VARIABLE}={mask!r}" if mask is not None else ""
        raise PlanError(f"--gpus {number}: only {len(plain)} usable{within}; here are {_shown(gpus)}")
    if mask is not None and mask.strip().startswith("GPU-"):
        return tuple(gpus[index].uuid.value or str(index) for index in plain[:number])
    return _by_bus(gpus, tuple(plain[:number]), environ)


def _indices(facts: Facts, mask: str) -> tuple[int, ...]:
    """GPUs that a mask names, those after an invalid entry too."""
    return read_mask(",".join(repaired(mask, _uuids(facts))), _uuids(facts)).visible or ()


def _usable(gpu: Gpu) -> bool:
    """Answers, accepts programs, is not held by one alone, and with MIG has a device to give."""
    taken = gpu.compute_mode.value == "exclusive-process" and bool(gpu.processes.value)
    divided = bool(gpu.mig.value) and not gpu.mig_devices.value
    return gpu.status.value == 0 and gpu.compute_mode.value != "prohibited" and not taken and not divided


def _fullness(gpu: Gpu) -> tuple[bool, int, int, int]:
    free = gpu.memory_free.value
    return free is None, -(free or 0), len(gpu.processes.value or ()), gpu.index


def _as_it_is(facts: Facts, environ: Mapping[str, str], options: Options) -> Choice:
    """Repair a mask that the driver would cut; leave every other one, and what a scheduler has set."""
    text, gpus = environ.get(VARIABLE), facts.gpus.value
    if text is None or not gpus:
        return Choice()
    mask = read_mask(text, _uuids(facts))
    scheduler = owner(facts, environ) if not options.force else None
    if mask.visible is None or (mask.cut is None and mask.visible):
        orders = mask.visible is not None and len(gpus) > 1 and scheduler is None
        return Choice(changes=tuple(_order(environ, mask.entries)) if orders else ())
    if text.strip() in GIVES_NONE:
        return Choice(notes=(f"{VARIABLE}={text!r} hides every GPU, and is left so",))
    keep = repaired(text, _uuids(facts))
    if scheduler is not None:
        sees = len(mask.visible)
        return Choice(notes=(f"{scheduler} has set {VARIABLE}={text!r}, of which CUDA sees {sees}: {mask.cut}",))
    if not keep:
        return Choice(
            refusal=f"{VARIABLE}={text!r} shows no GPU: {mask.cut}; here are {_shown(gpus)}. "
            "Correct or unset it, or choose with --devices (none hides all)"
        )
    reason = f"names only GPUs that are here; CUDA would have ended the list: {mask.cut}"
    missing = [entry for entry in mask.entries if not repaired(entry, _uuids(facts))]
    notes = (f"{VARIABLE} also names {', '.join(missing)}: not here",) if missing else ()
    slug = "visible-devices-truncated" if mask.visible else "visible-devices-hides-gpu"
    return Choice(changes=tuple(_set(environ, keep, reason, slug)), notes=notes)


def _listed(facts: Facts, option: str) -> tuple[Gpu, ...]:
    if not facts.gpus.value:
        raise PlanError(f"{option}: no GPU can be listed here: {facts.gpus.missing or 'the driver lists none'}")
    return facts.gpus.value


def _uuids(facts: Facts) -> list[str | None]:
    return [gpu.uuid.value for gpu in facts.gpus.value or ()]


def _shown(gpus: tuple[Gpu, ...]) -> str:
    return ", ".join(f"{gpu.index} ({gpu.name.value or 'name not known'})" for gpu in gpus[:8])
