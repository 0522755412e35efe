"""A distributed run in a few lines: ranks and hosts, who was last, bandwidths, the gradients' difference."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from gpucheck.facts import DistributedRun, Facts
    from gpucheck.findings import Report

MOST_HOSTS, MOST_DIFFERENT = 8, 1e-5
UNITS = ((1 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB"))


def readiness(facts: Facts) -> str:
    """Say in one sentence what was proved."""
    runs = facts.distributed
    done = ", ".join(f"{run.framework} with {run.size} ranks over {run.backend or '?'}" for run in runs)
    cpu = all(run.device == "cpu" for run in runs)
    return f"{done}: all-reduce is exact, gradients agree{'; nothing is proved about GPUs.' if cpu else '.'}"


def overview(report: Report) -> Iterator[tuple[str, str]]:
    """Yield a mark and a text for each line."""
    for run in report.facts.distributed:
        right = run.failure is None and all(one.exact for one in run.all_reduce) and _agree(run)
        yield "✓" if right else "✗", _head(run)
        for text in filter(None, (_arrivals(run), _all_reduce(run), _gradients(run))):
            yield "", text


def _agree(run: DistributedRun) -> bool:
    errors = (run.gradient_error, run.mirrored_error)
    return run.gradient_error is not None and all(one is None or one < MOST_DIFFERENT for one in errors)


def _head(run: DistributedRun) -> str:
    device = "the CPU" if run.device == "cpu" else run.device_name or run.device
    where = f" on {device} over {run.backend}" if device else ""
    name = f"{run.framework} {run.version}" if run.version else run.framework
    result = "no result" if run.failure is not None else f"{run.seconds or 0:.1f} s"
    return f"{name}, {run.size} ranks by {run.launcher}{where}: {result}"


def _arrivals(run: DistributedRun) -> str:
    hosts: dict[str, list[int]] = {}
    for one in run.ranks:
        hosts.setdefault(one.host or "?", []).append(one.rank)
    parts = [f"{host} {_span(ranks)}" for host, ranks in list(hosts.items())[:MOST_HOSTS]]
    more = f" and {len(hosts) - MOST_HOSTS} more hosts" if len(hosts) > MOST_HOSTS else ""
    late = {one.rank: one.late for one in run.ranks if one.late is not None}
    last = max(late, key=lambda rank: late[rank], default=None)
    arrival = f"; the last, rank {last}, arrived {late[last]:.1f} s after the first" if last is not None else ""
    missing = f"; absent: {_span(list(run.absent))}" if run.absent else ""
    return f"ranks: {', '.join(parts)}{more}{arrival}{missing}"


def _span(ranks: list[int]) -> str:
    """Return ``0-3, 7``."""
    parts: list[list[int]] = []
    for rank in sorted(ranks):
        if parts and rank == parts[-1][-1] + 1:
            parts[-1].append(rank)
        else:
            parts.append([rank])
    return ", ".join(f"{part[0]}-{part[-1]}" if len(part) > 1 else f"{part[0]}" for part in parts)


def _all_reduce(run: DistributedRun) -> str:
    parts = []
    for one in run.all_reduce:
        if one.algorithm_bandwidth is None or one.bus_bandwidth is None:
            continue
        wrong = f", WRONG on {_span(list(one.wrong_ranks))}" if not one.exact else ""
        speeds = f"{one.algorithm_bandwidth / 1e9:.2g} (bus {one.bus_bandwidth / 1e9:.2g})"
        parts.append(f"{_size(one.bytes)} {speeds}{wrong}")
    return f"all-reduce, GB/s: {', '.join(parts)}" if parts else ""


def _size(number: int) -> str:
    unit, name = next(((unit, name) for unit, name in UNITS if number >= unit), (1, "bytes"))
    return f"{number / unit:g} {name}"


def _gradients(run: DistributedRun) -> str:
    if run.gradient_error is None:
        return ""
    mirrored = ""
    if run.mirrored_error is not None:
        devices = run.mirrored_devices or 0
        proof = "" if devices > 1 else ", which proves nothing"
        mirrored = (
            f"; MirroredStrategy over {devices} device{'s' * (devices != 1)} {run.mirrored_error:.0e}{proof}"
        )
    return f"averaged gradients within {run.gradient_error:.0e} of the whole batch's{mirrored}"
