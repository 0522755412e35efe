"""Did all ranks of a distributed run arrive, come to its end, and compute the same as one process would?"""

from __future__ import annotations

import statistics
from typing import TYPE_CHECKING

from gpucheck.checks.reading import FRAMEWORK_NAMES, gpu_present
from gpucheck.checks.registry import Said, broken, check, holds, skipped, unknown
from gpucheck.checks.troubles import TROUBLES
from gpucheck.findings import Confidence, Evidence, Finding, Fix, Severity

if TYPE_CHECKING:
    from collections.abc import Iterator

    from gpucheck.facts import DistributedRun, Facts, Rank
    from gpucheck.matrix import Matrix

NOT_RUN = "no distributed run was made"
LEAST_LATE, TIMES_LATE = 10.0, 5.0  # seconds, and times the median of the others
# float32 sums in another order differ by 1e-7 to 1e-6 (measured, 2 to 8 ranks); a share that is lost by 1 / n.
MOST_DIFFERENT = 1e-5
SHOWN = 16
SOURCE = "gpucheck smoke --distributed"
NCCL_ADVICE = "NCCL_DEBUG=INFO shows what NCCL chose and where it stopped."


@check("ranks-arrived", "rank-absent", decisive=True)
def ranks_arrived(facts: Facts, _: Matrix) -> Iterator[Said]:
    """Every rank of the world arrives at the meeting point in time."""
    for run in facts.distributed:
        arrived = sum(one.late is not None for one in run.ranks)
        if run.rank != 0:
            yield skipped("only rank 0 knows", run.framework)
        elif run.absent:
            yield broken(_absent(run))
        elif arrived == run.size:
            yield holds(f"all {run.size} ranks", run.framework)
        else:
            yield unknown(f"{arrived} of {run.size} ranks had arrived when the run failed", run.framework)
    if not facts.distributed:
        yield skipped(NOT_RUN)


def _absent(run: DistributedRun) -> Finding:
    return Finding(
        slug="rank-absent",
        severity=Severity.ERROR,
        subject=run.framework,
        title=f"{_named(run.absent)} of {run.size} did not arrive within {run.meeting_limit or 0:.0f} s",
        cause=run.failure or "",
        evidence=_ranks(run),
        fixes=(
            Fix(text="Start as many ranks as the world size says, all at the same time."),
            Fix(text="See that every machine reaches rank 0's: its MASTER_ADDR, and the ports MASTER_PORT and 100 "
                "above it."),
            Fix(text="If they are only slow to start, give them longer.",
                commands=("gpucheck smoke --distributed --timeout 900",)),
        ),
    )  # fmt: skip


@check("ranks-in-time", "rank-slow")
def ranks_in_time(facts: Facts, _: Matrix) -> Iterator[Said]:
    """No rank arrives much later than the others.

    A false alarm where its machine loaded the framework for the first time, and the others had it in their caches.
    """
    for run in facts.distributed:
        late = {one.rank: one.late for one in run.ranks if one.late is not None}
        if run.rank != 0:
            yield skipped("only rank 0 knows", run.framework)
        elif run.absent or len(late) < 2:
            yield skipped("not all have arrived", run.framework)
        else:
            rank, seconds = max(late.items(), key=lambda pair: pair[1])
            usual = statistics.median(other for number, other in late.items() if number != rank)
            if seconds > LEAST_LATE and seconds > TIMES_LATE * usual:
                yield broken(_slow(run, rank, seconds, usual))
            else:
                yield holds(f"the last, rank {rank}, {seconds:.1f} s after the first", run.framework)
    if not facts.distributed:
        yield skipped(NOT_RUN)


def _slow(run: DistributedRun, rank: int, seconds: float, usual: float) -> Finding:
    host = next((one.host for one in run.ranks if one.rank == rank), None)
    return Finding(
        slug="rank-slow",
        severity=Severity.WARN,
        subject=run.framework,
        title=f"Rank {rank} on {host} arrived {seconds:.0f} s after the first, the others {usual:.0f} s",
        cause="All ranks wait for the slowest, at the start and in every step.",
        evidence=_ranks(run),
        fixes=(Fix(text=f"Look at {host}: its load, the disk that the framework is read from, its GPU's start."),),
        confidence=Confidence.LIKELY,
    )


@check("distributed-finished", "distributed-failed", "nccl-error", decisive=True)
def distributed_finished(facts: Facts, _: Matrix) -> Iterator[Said]:
    """Every rank comes to the end of the distributed run."""
    for run in facts.distributed:
        if run.failure is None:
            yield holds(f"{run.size} ranks over {run.backend}, {run.seconds or 0:.1f} s", run.framework)
        elif run.absent:
            yield skipped("not all ranks arrived", run.framework)
        else:
            yield broken(_failed(run))
    if not facts.distributed:
        yield skipped(NOT_RUN)


def _failed(run: DistributedRun) -> Finding:
    nccl = "nccl" in (run.failure or "").lower()
    name = FRAMEWORK_NAMES[run.framework]
    who = f", by {_named(run.blamed).lower()}" if run.blamed else ""
    slug = "nccl-error" if nccl else "distributed-failed"
    told = (Fix(text=NCCL_ADVICE, commands=("export NCCL_DEBUG=INFO",)),) if run.backend == "nccl" else ()
    return Finding(
        slug=slug,
        severity=Severity.ERROR,
        subject=run.framework,
        title=f"{name}'s distributed run failed in its stage {run.failure_stage!r}{who}",
        cause=run.failure or "",
        evidence=(*_ranks(run), *(Evidence(text=line, source="that rank's output") for line in run.log)),
        fixes=(*told, Fix(text=TROUBLES[slug].remedy)),
    )


@check("all-reduce-exact", "all-reduce-wrong", decisive=True)
def all_reduce_exact(facts: Facts, _: Matrix) -> Iterator[Said]:
    """An all-reduce of whole numbers gives the exact sum, on every rank and for every size of message."""
    for run in facts.distributed:
        wrong = [one for one in run.all_reduce if not one.exact]
        if wrong:
            yield broken(_wrong_sum(run))
        elif run.failure is not None:
            yield skipped("the run failed before", run.framework)
        elif not run.all_reduce:
            yield unknown("no rank has reported it", run.framework)
        else:
            yield holds(f"{len(run.all_reduce)} sizes of message", run.framework)
    if not facts.distributed:
        yield skipped(NOT_RUN)


def _wrong_sum(run: DistributedRun) -> Finding:
    ranks = sorted({rank for one in run.all_reduce for rank in one.wrong_ranks})
    told = tuple(
        Evidence(text=f"{one.bytes:,} bytes: wrong on {_named(one.wrong_ranks).lower()}" if not one.exact
                 else f"{one.bytes:,} bytes: exact", source=SOURCE)
        for one in run.all_reduce
    )  # fmt: skip
    return Finding(
        slug="all-reduce-wrong",
        severity=Severity.ERROR,
        subject=run.framework,
        title=f"An all-reduce over {run.backend} gave a wrong sum on {_named(ranks).lower()}",
        cause="Whole numbers that float32 holds exactly were added up wrongly: the library, the network or a card "
        "changes what it carries.",
        evidence=(*told, *_ranks(run)),
        fixes=(
            Fix(text="Run it on the CPU: if that is right, suspect the cards or what joins them.",
                commands=(f"gpucheck smoke --distributed --device cpu --framework {run.framework}",)),
        ),
    )  # fmt: skip


@check("gradients-agree", "gradients-differ", decisive=True)
def gradients_agree(facts: Facts, _: Matrix) -> Iterator[Said]:
    """Gradients averaged over the ranks' shares of a batch are the gradient of the whole batch.

    TensorFlow's MirroredStrategy over one machine's devices is held against the same.
    """
    for run in facts.distributed:
        errors = {"over all ranks": run.gradient_error, "in MirroredStrategy": run.mirrored_error}
        wrong = {where: error for where, error in errors.items() if error is not None and error >= MOST_DIFFERENT}
        if wrong:
            yield broken(_differ(run, wrong))
        elif run.failure is not None:
            yield skipped("the run failed before", run.framework)
        elif run.gradient_error is None:
            yield unknown("no rank has reported it", run.framework)
        else:
            yield holds(
                f"relative difference {max(filter(None, errors.values()), default=0.0):.0e}", run.framework
            )
    if not facts.distributed:
        yield skipped(NOT_RUN)


def _differ(run: DistributedRun, wrong: dict[str, float]) -> Finding:
    return Finding(
        slug="gradients-differ",
        severity=Severity.ERROR,
        subject=run.framework,
        title=f"Averaged gradients are not those of the whole batch {' and '.join(wrong)}",
        cause="Each rank gives what its share of the batch gives, and the average of equal shares is the whole: "
        "what differs was lost or changed between them.",
        evidence=(
            *(Evidence(text=f"relative difference {error:.1e} {where}, below {MOST_DIFFERENT:.0e} expected",
                       source=SOURCE) for where, error in wrong.items()),
            *_ranks(run),
        ),
        fixes=(Fix(text=TROUBLES["gradients-differ"].remedy),),
    )  # fmt: skip


@check("ranks-on-gpu", "silent-cpu-fallback", "ran-on-cpu", decisive=True)
def ranks_on_gpu(facts: Facts, _: Matrix) -> Iterator[Said]:
    """Where a GPU is present the distributed run uses it, unless the CPU was asked for."""
    for run in facts.distributed:
        if run.device is None:
            yield skipped("it did not come to its device", run.framework)
        elif run.device != "cpu":
            yield holds(f"{run.device_name or run.device}", run.framework)
        else:
            yield broken(_on_cpu(run, fallback=run.asked != "cpu" and gpu_present(facts)))
    if not facts.distributed:
        yield skipped(NOT_RUN)


def _on_cpu(run: DistributedRun, *, fallback: bool) -> Finding:
    name = FRAMEWORK_NAMES[run.framework]
    asked = "--device cpu asked for it." if run.asked == "cpu" else "There is no NVIDIA GPU in this machine."
    title = f"{name}'s ranks ran on the CPU"
    return Finding(
        slug="silent-cpu-fallback" if fallback else "ran-on-cpu",
        severity=Severity.ERROR if fallback else Severity.INFO,
        subject=run.framework,
        title=f"{title} although a GPU is present"
        if fallback
        else f"{title}: this proves nothing about GPUs or NCCL",
        cause="The framework saw no usable GPU and said nothing." if fallback else asked,
        evidence=(Evidence(text=f"device {run.device}, backend {run.backend}", source=run.framework),),
        fixes=(Fix(text="If the CPU is meant, say --device cpu."),) if fallback else (),
    )


def _named(ranks: tuple[int, ...] | list[int]) -> str:
    some = ", ".join(map(str, ranks[:SHOWN]))
    more = f" and {len(ranks) - SHOWN} more" if len(ranks) > SHOWN else ""
    return f"Rank{'s' * (len(ranks) > 1)} {some}{more}"


def _ranks(run: DistributedRun) -> tuple[Evidence, ...]:
    """Return a line for each rank, those first that the failure comes from."""
    order = sorted(run.ranks, key=lambda one: (one.rank not in run.blamed, one.rank))
    return tuple(Evidence(text=_rank(one), source=SOURCE) for one in order[:SHOWN])


def _rank(one: Rank) -> str:
    arrived = f"arrived {one.late:.1f} s after the first" if one.late is not None else "did not arrive"
    silent = f", last sign of life {one.silent:.0f} s before the end" if one.silent is not None else ""
    failure = f": {one.failure}" if one.failure is not None else ""
    return f"rank {one.rank} on {one.host}: {arrived}, stage {one.stage!r}{silent}{failure}"
