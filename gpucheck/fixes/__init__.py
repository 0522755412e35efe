"""Cures: which environment a program should get on this machine, and what can be mended for good."""

from __future__ import annotations

from gpucheck.fixes import shell
from gpucheck.fixes.environment import plan, safe_environment
from gpucheck.fixes.planned import Change, Options, Plan, PlanError

__all__ = ["Change", "Options", "Plan", "PlanError", "plan", "safe_environment", "shell"]
