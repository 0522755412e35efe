"""The environment that a program should get on this machine: safe cures always, the others when asked for."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING

from gpucheck.facts import usable_gpus
from gpucheck.findings import Fix, Safety
from gpucheck.fixes import devices
from gpucheck.fixes.planned import Change, Options, Plan, PlanError
from gpucheck.fixes.variables import PATHS, merged, shortens
from gpucheck.mask import ORDER, VARIABLE

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from gpucheck.facts import Facts
    from gpucheck.findings import Finding

GROWTH = "TF_FORCE_GPU_ALLOW_GROWTH"
GROWTH_SLUGS = ("memory-growth-mixed", "memory-growth-late")
MEMORY_SLUG = "gpu-out-of-memory"
SHADOWING_SLUG = "ld-library-path-shadowing"
SEVERAL_GPUS = (
    "a program that calls set_memory_growth on only some of its {count} GPUs still fails, since TensorFlow does "
    "not look at the variable there; what cures that is gpucheck.apply() at its top, or --gpus 1"
)


def plan(
    facts: Facts, findings: Iterable[Finding], environ: Mapping[str, str], options: Options | None = None
) -> Plan:
    """Work out the environment for a program. Nothing is changed.

    Memory growth: TensorFlow takes all memory of every GPU unless it is on; the variable sets it for all alike.
    Source: TensorFlow's guide "Use a GPU", "Limiting GPU memory growth". What the user has set is kept unless
    ``override``, lists are merged by key, and no GPU is taken away unasked.

    Args:
        facts: What was seen of this machine.
        findings: What was found on it.
        environ: The environment that the program would get without us.
        options: What the user asked for.

    Raises:
        PlanError: What was asked for cannot be done.
    """
    options = options or Options()
    chosen = devices.choose(facts, environ, options)
    changes = [*_growth(facts, environ, options), *chosen.changes]
    mask_cured = {change.slug for change in changes if change.slug}
    notes = list(chosen.notes)
    for slug in options.slugs:
        made = [] if slug in mask_cured else list(_asked(slug, facts, list(findings), environ, changes, options))
        if not made and slug not in mask_cured and slug not in GROWTH_SLUGS:
            notes.append(f"{slug}: not found on this machine, so there is nothing to cure")
        changes = _put_together(changes, made)
    made_of = Plan(changes=tuple(changes), visible=chosen.visible, refusal=chosen.refusal)
    return replace(made_of, notes=(*notes, *_limits_of_growth(facts, made_of, environ)))


def safe_environment(framework: str, facts: Facts, environ: Mapping[str, str]) -> dict[str, str]:
    """Return the variables that the safe cures set for a framework's child process."""
    changes = plan(facts, (), environ).made
    return {
        change.name: change.after
        for change in changes
        if change.after is not None and change.framework in (None, framework)
    }


def curable(findings: Iterable[Finding]) -> tuple[str, ...]:
    """Return the slugs of the findings that an environment would cure, if asked for."""
    slugs = [one.slug for one in findings for fix in one.fixes if fix.environment and fix.safety is Safety.ASK]
    return tuple(dict.fromkeys(slugs))


def _growth(facts: Facts, environ: Mapping[str, str], options: Options) -> Iterator[Change]:
    tensorflow = facts.framework("tensorflow")
    if not tensorflow.installed.value or not (facts.gpus.value or facts.driver.visible_devices.value):
        return
    if tensorflow.build.value not in (None, "cuda"):
        return
    before = environ.get(GROWTH)
    if before != "true":
        yield Change(
            name=GROWTH,
            before=before,
            after="true",
            reason="memory growth on every GPU alike",
            framework="tensorflow",
            kept=None if before is None or options.override else _set_by_user(GROWTH, before),
        )


def _set_by_user(name: str, value: str) -> str:
    # LOG(ERROR) "... Valid values are \"true\" or \"false\"", gpu_bfc_allocator.cc
    unread = name == GROWTH and value not in ("true", "false")
    return "you have set it" + (", to a value that TensorFlow does not read: true or false" if unread else "")


def _asked(
    slug: str,
    facts: Facts,
    findings: list[Finding],
    environ: Mapping[str, str],
    before: list[Change],
    options: Options,
) -> Iterator[Change]:
    if slug == MEMORY_SLUG:
        fixes = _allocators(facts, environ)
    else:
        fixes = _fixes_of(slug, findings, facts)
        if not fixes and any(finding.slug == slug for finding in findings):
            raise PlanError(f"--fix {slug}: no environment variable cures it; see `gpucheck fix {slug}`")
    seen = facts.environment.value or {}
    current = {**environ, **{change.name: change.after for change in before if change.kept is None}}
    for fix in fixes:
        if VARIABLE in fix.environment and not options.force and (scheduler := devices.owner(facts, environ)):
            raise PlanError(f"--fix {slug}: {scheduler} has set {VARIABLE}; --force overrides it all the same")
        for name, wanted in fix.environment.items():
            if name == ORDER and ORDER in environ:
                continue
            unset = name == VARIABLE and not wanted  # asked for by its slug, so the user's own value goes
            value = None if unset else merged(
                name, current.get(name), wanted, seen.get(name), override=options.override or name == VARIABLE
            )  # fmt: skip
            kept = value == current.get(name) and name not in PATHS
            yield Change(
                name=name,
                before=environ.get(name),
                after=wanted if kept else value,
                reason=fix.text.rstrip("."),
                slug=slug,
                safety=fix.safety,
                kept=_set_by_user(name, environ[name]) if kept and name in environ else None,
            )
            current[name] = value


def _fixes_of(slug: str, findings: list[Finding], facts: Facts) -> list[Fix]:
    """The first environment of each finding; of shadowing, whatever only takes folders out of LD_LIBRARY_PATH."""
    found, path = [], (facts.environment.value or {}).get("LD_LIBRARY_PATH", "")
    for finding in findings:
        ways = [fix for fix in finding.fixes if fix.environment]
        if finding.slug == slug:
            found += ways[:1]
        elif slug == SHADOWING_SLUG:
            found += [fix for fix in ways[:1] if shortens(path, fix.environment.get("LD_LIBRARY_PATH"))]
    return found


def _allocators(facts: Facts, environ: Mapping[str, str]) -> list[Fix]:
    """Allocators that waste less memory; each may change speed.

    Sources: PyTorch's CUDA semantics, "Optimizing memory usage"; TensorFlow's guide "Use a GPU".
    """
    found = []
    # On Windows it only warns, on WSL it breaks (https://github.com/pytorch/pytorch/issues/192330); new in 2.1.
    plain_linux = facts.system.os.value == "linux" and not facts.system.wsl.value
    if facts.framework("torch").installed.value and plain_linux and _torch(facts) >= (2, 1):
        found.append(
            Fix(
                text="PyTorch's allocator grows its segments instead of cutting up new ones",
                environment={_allocator_variable(facts, environ): "expandable_segments:True"},
                safety=Safety.ASK,
            )
        )
    if facts.framework("tensorflow").installed.value:
        found.append(
            Fix(
                text="TensorFlow takes memory by cudaMallocAsync, which fragments less",
                environment={"TF_GPU_ALLOCATOR": "cuda_malloc_async"},
                safety=Safety.ASK,
            )
        )
    return found


def _allocator_variable(facts: Facts, environ: Mapping[str, str]) -> str:
    """The older name, which every release reads and which wins, unless the user has used the new one alone.

    Releases before 2.10 do not look at the new one on CUDA. Source: headers of the wheels 2.0.1 to 2.12.0, read
    2026-11-25, and https://github.com/pytorch/pytorch/issues/183387.
    """
    alone = "PYTORCH_ALLOC_CONF" in environ and "PYTORCH_CUDA_ALLOC_CONF" not in environ
    return "PYTORCH_ALLOC_CONF" if alone and _torch(facts) >= (2, 10) else "PYTORCH_CUDA_ALLOC_CONF"


def _torch(facts: Facts) -> tuple[int, int]:
    """Torch's release; (0, 0) where it is not known."""
    found = re.match(r"(\d+)\.(\d+)", facts.framework("torch").version.value or "")
    return (int(found.group(1)), int(found.group(2))) if found else (0, 0)


def _put_together(before: list[Change], made: list[Change]) -> list[Change]:
    """Later changes of a variable continue earlier ones."""
    names = {change.name for change in made if change.kept is None}
    last = {change.name: change for change in made}
    return [*(change for change in before if change.name not in names), *last.values()]


def _limits_of_growth(facts: Facts, made: Plan, environ: Mapping[str, str]) -> tuple[str, ...]:
    """The variable alone does not cure a program that sets growth on one of several GPUs (measured, TF 2.21.0)."""
    on = made.environment(environ).get(GROWTH) == "true"
    usable, _ = usable_gpus(facts)
    count = made.visible if made.visible is not None else (usable or 0)
    if not on or count < 2 or not facts.framework("tensorflow").installed.value:
        return ()
    return (SEVERAL_GPUS.format(count=count),)
