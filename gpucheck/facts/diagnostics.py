"""What other tools say of the hardware: their verdicts are facts here, and are not reached again."""

from __future__ import annotations

from gpucheck.record import record


@record
class DiagnosticTest:
    """One test of another tool's.

    Attributes:
        name: As the tool calls it: ``pcie``, ``Persistence Mode``...
        status: ``pass``, ``warn``, ``fail``, ``skip`` or ``unknown``.
        subject: What it looked at: ``GPU 0``; None: the node.
        text: What the tool says of it.
        action: What the tool wants done, by DCGM's names (dcgm_errors.h): ``monitor``, ``isolate``, ``triage``,
            ``configure`` or ``reset``; None: it does not say.
    """

    name: str
    status: str
    subject: str | None = None
    text: str | None = None
    action: str | None = None


@record
class Diagnostic:
    """One run of such a tool.

    Attributes:
        tool: ``dcgmi diag`` or ``NVIDIA Health Validation``.
        source: The file.
        version: The tool's version.
        driver: The driver that it saw.
        tests: The tests that did not pass.
        passed: How many tests passed.
        error: Why it ended without a verdict.
        stale: Why it says nothing of the machine as it is now: the file is older than this boot.
    """

    tool: str
    source: str
    version: str | None = None
    driver: str | None = None
    tests: tuple[DiagnosticTest, ...] = ()
    passed: int = 0
    error: str | None = None
    stale: str | None = None
