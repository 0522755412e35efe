"""A pytest plugin: tests say what GPUs they need, and are skipped, or fail, with the doctor's reason.

Opt-in, by ``pytest_plugins = ["gpucheck.pytest_plugin"]`` in the top conftest.py or ``-p gpucheck.pytest_plugin``:
nothing registers it, so installing gpucheck changes nobody's test run.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from gpucheck.findings import Finding, Report

MARKER = "gpu(count=1, require=None): needs so many usable GPUs, and what `gpucheck doctor --require` demands."


class MarkError(ValueError):
    """A marker that cannot be understood."""


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the two options."""
    group = parser.getgroup("gpucheck")
    # A text and no Path: pytest-xdist hands options on as plain values.
    group.addoption("--gpucheck-policy", metavar="FILE", help="A policy that every test marked gpu needs as well.")
    group.addoption(
        "--gpucheck-missing",
        choices=("skip", "fail"),
        default="skip",
        help="What becomes of a test marked gpu where its GPUs are not there, or cannot be asked (default: skip).",
    )


def pytest_configure(config: pytest.Config) -> None:
    """Make the marker known, and the gate."""
    named = config.getoption("--gpucheck-policy")
    policy = Path(named) if named is not None else None
    if policy is not None and not policy.is_file():
        raise pytest.UsageError(f"--gpucheck-policy {policy}: there is no such file")
    config.addinivalue_line("markers", MARKER)
    config.pluginmanager.register(Gate(policy, config.getoption("--gpucheck-missing")), "gpucheck-gate")


class Gate:
    """Asks the doctor once, and answers for each marked test.

    Args:
        policy: A policy file, or None.
        missing: ``skip`` or ``fail``.
    """

    def __init__(self, policy: Path | None, missing: str) -> None:
        self._policy, self._missing = policy, missing
        self._report: Report | None = None
        self._wrong: str | None = None
        self._answers: dict[tuple[str, ...], str | None] = {}

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        """Ask the doctor where a marked test is to run, before any test can change the environment."""
        if session.config.option.collectonly or not any(item.get_closest_marker("gpu") for item in session.items):
            return
        import gpucheck

        policy: dict[str, Any] = {} if self._policy is None else {"policy": self._policy}
        try:
            self._report = gpucheck.doctor(**policy)
        except ValueError as error:
            self._wrong = str(error)

    # Ours is called before pytest's own, which reads the mark that is added here.
    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_setup(self, item: pytest.Item) -> None:
        """Skip the test or let it fail, before any fixture is made."""
        if item.get_closest_marker("gpu") is None:
            return
        wrong: str | None = None
        try:
            reason = self._reason(_demands(item))
        except ValueError as error:
            reason = wrong = str(error)
        if reason is not None and (wrong is not None or self._missing == "fail"):
            pytest.fail(f"gpucheck: {reason}", pytrace=False)
        if reason is not None:
            item.add_marker(pytest.mark.skip(reason=f"gpucheck: {reason}"))

    def _reason(self, demands: tuple[str, ...]) -> str | None:
        """Return why the demands, or the policy, are not met; None where they are."""
        if self._wrong is not None or self._report is None:
            raise MarkError(self._wrong or "the doctor was not asked: the marker came after collection")
        if demands not in self._answers:
            import gpucheck

            judged = gpucheck.doctor(facts=self._report.facts, require=demands)
            reports = [judged, self._report] if self._policy is not None else [judged]
            self._answers[demands] = next((text for report in reports for text in _unmet(report)), None)
        return self._answers[demands]


def _unmet(report: Report) -> Iterator[str]:
    """Yield the title of each demand that is not met or could not be judged, after what it follows from."""
    from gpucheck.findings import Severity, Status

    for check in report.checks:
        unsure = check.status in (Status.UNKNOWN, Status.CRASH)
        for finding in check.findings if check.family == "policy" else ():
            if unsure or finding.severity is Severity.ERROR:  # a policy may make a warning of it
                yield "; ".join([*(cause.title for cause in _causes(report, finding)), finding.title])


def _causes(report: Report, finding: Finding) -> Iterator[Finding]:
    """Yield the root cause of a finding, if the report has one."""
    first = (one for one in report.findings if one.slug in report.root_causes and one.leads_to(finding))
    yield from list(first)[:1]


def _demands(item: pytest.Item) -> tuple[str, ...]:
    """Return what the markers of a test, its class and its module demand together.

    Raises:
        MarkError: One of them cannot be understood.
    """
    found: list[str] = []
    for mark in item.iter_markers("gpu"):
        found += [f"gpu>={_count(mark)}", *_required(mark)]
    return tuple(dict.fromkeys(found))


def _count(mark: pytest.Mark) -> int:
    unknown = sorted(set(mark.kwargs) - {"count", "require"})
    if unknown or len(mark.args) > 1 or (mark.args and "count" in mark.kwargs):
        raise MarkError(f"the marker gpu takes count and require, not {', '.join(unknown) or mark.args}")
    count = mark.args[0] if mark.args else mark.kwargs.get("count", 1)
    if not isinstance(count, int) or isinstance(count, bool) or count < 0:
        raise MarkError(f"the marker gpu takes a whole number as count, not {count!r}")
    return count


def _required(mark: pytest.Mark) -> Sequence[str]:
    required = mark.kwargs.get("require") or ()
    if isinstance(required, str):
        return (required,)
    if isinstance(required, (list, tuple)) and all(isinstance(one, str) for one in required):
        return tuple(required)
    raise MarkError(f"the marker gpu takes a text or a list of texts as require, not {required!r}")
