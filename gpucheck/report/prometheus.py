"""The verdict as Prometheus metrics, for the textfile collector of the node exporter (text format 0.0.4)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gpucheck import __version__
from gpucheck.findings import Severity, Status
from gpucheck.report.common import teller

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from gpucheck.findings import CheckResult, Report
    from gpucheck.report.cleaning import Redactor

Sample = tuple[dict[str, str], float]


def render(report: Report, redactor: Redactor | None, now: float) -> str:
    """Return the metrics.

    Args:
        report: What to tell.
        redactor: Takes private names out.
        now: When the checks ran, in seconds since 1970: without it a run that stopped long ago looks healthy.
    """
    tell = teller(redactor)
    return "".join(f"{line}\n" for metric in _metrics(report, tell, now) for line in _lines(*metric))


def _metrics(
    report: Report, tell: Callable[[str | None], str], now: float
) -> Iterator[tuple[str, str, Iterable[Sample]]]:
    judged = {Status.PASS: 1.0, Status.FAIL: 0.0}
    unsure = {Status.PASS: 0.0, Status.FAIL: 0.0, Status.UNKNOWN: 1.0, Status.CRASH: 1.0}
    yield (
        "check_status",
        "Whether a check holds (1) or does not (0); skipped and unknown ones have no sample.",
        _merged(report.checks, judged, min, tell),
    )
    yield (
        "check_unknown",
        "Whether a check could not be judged (1); skipped ones have no sample.",
        _merged(report.checks, unsure, max, tell),
    )
    count = {one: sum(finding.severity is one for finding in report.findings) for one in Severity}
    yield "findings", "Findings by severity.", [({"severity": one.value}, count[one]) for one in Severity]
    driver = report.facts.driver
    info = {
        "version": __version__,
        "matrix_date": report.matrix_date,
        "driver": tell(driver.version.value or driver.module_version.value),
        "verdict": report.verdict,
    }
    yield "info", "What judged, which driver, and the verdict; always 1.", [(info, 1)]
    yield "exit_status", "Exit status: 0 sound, 1 findings, 3 inconclusive.", [({}, report.exit_status)]
    yield "last_run_timestamp_seconds", "When the checks ran last, in seconds since 1970.", [({}, now)]


def _merged(
    checks: Iterable[CheckResult],
    values: dict[Status, float],
    worse: Callable[[float, float], float],
    tell: Callable[[str | None], str],
) -> list[Sample]:
    """Return one sample for each set of labels, the worst: two alike make the whole file invalid."""
    samples: dict[tuple[str, str, str], float] = {}
    for result in checks:
        if result.status in values:
            key = result.name, result.family, tell(result.subject)
            value = values[result.status]
            samples[key] = worse(samples.get(key, value), value)
    return [(dict(zip(("name", "family", "subject"), key, strict=True)), value) for key, value in samples.items()]


def _lines(name: str, meaning: str, samples: Iterable[Sample]) -> Iterator[str]:
    yield f"# HELP gpucheck_{name} {meaning}"
    yield f"# TYPE gpucheck_{name} gauge"
    for labels, value in samples:
        inner = ",".join(f'{key}="{_escape(text)}"' for key, text in labels.items())
        number = int(value) if value == int(value) else repr(value)
        yield f"gpucheck_{name}{{{inner}}} {number}" if inner else f"gpucheck_{name} {number}"


def _escape(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
