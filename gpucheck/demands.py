"""What is demanded of a machine, from the command line and from a policy file, put together with the doctor."""

from __future__ import annotations

import datetime
import os
from dataclasses import replace
from typing import TYPE_CHECKING

from gpucheck import policy as room
from gpucheck.checks.troubles import TROUBLES
from gpucheck.diagnosis import diagnose
from gpucheck.facts import seen
from gpucheck.record import record

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from gpucheck.facts import Facts
    from gpucheck.findings import CheckResult, FailOn, Report
    from gpucheck.matrix import Matrix


@record
class Demands:
    """Requirements and, where there is one, the policy that they come from.

    Attributes:
        requirements: All of them.
        missing: What those on GPUs mean where there is none.
        policy: The policy, or None.
    """

    requirements: tuple[room.Requirement, ...]
    missing: room.MissingGpu
    policy: room.Policy | None = None

    @property
    def fail_on(self) -> str | None:
        """The policy's threshold, or None."""
        return self.policy.fail_on if self.policy is not None else None

    def with_variables(self, facts: Facts) -> Facts:
        """Return facts of this machine with the environment variables that the policy names, and no others."""
        names = self.policy.environment if self.policy is not None else ()
        known = facts.environment.value or {}
        found = {name: os.environ[name] for name in names if name in os.environ}
        if not names or not facts.environment.known:
            return facts
        return replace(facts, environment=seen({**known, **found}, facts.environment.source or "environment"))

    def report(self, facts: Facts, matrix: Matrix, fail_on: FailOn) -> Report:
        """Judge facts, and whether they meet the demands."""
        demanded = room.judged(self.requirements, facts, self.missing)
        return diagnose(facts, matrix, fail_on=fail_on, demanded=demanded, adjust=self._adjust)

    def _adjust(self, results: list[CheckResult]) -> list[CheckResult]:
        if self.policy is None:
            return results
        today = datetime.datetime.now(tz=datetime.timezone.utc).date()
        return list(room.adjusted(results, self.policy, today))


def read(
    require: Sequence[str] = (),
    policy: Path | None = None,
    profile: str | None = None,
    on_missing_gpu: str | None = None,
) -> Demands:
    """Read what is demanded, before anything is probed, so that a wrong demand is told at once.

    Args:
        require: Requirements such as ``gpu>=4``.
        policy: A policy file.
        profile: Which of its profiles counts on top.
        on_missing_gpu: ``fail``, ``skip`` or ``warn``; default: the policy's, or fail.

    Raises:
        ValueError: One of them cannot be used; the message says which and where.
    """
    own = tuple(room.parse_requirement(text) for text in require)
    if policy is None and profile is not None:
        raise room.PolicyError(f"--profile {profile}: there is no policy that could have it")
    read_one = room.load(policy, profile, frozenset(TROUBLES)) if policy is not None else None
    missing = on_missing_gpu or (read_one.on_missing_gpu if read_one is not None else None) or "fail"
    try:
        chosen = room.MissingGpu(missing)
    except ValueError:
        raise room.PolicyError(f"--on-missing-gpu {missing!r}: fail, skip or warn expected") from None
    stated = read_one.requirements if read_one is not None else ()
    return Demands(requirements=(*stated, *own), missing=chosen, policy=read_one)
