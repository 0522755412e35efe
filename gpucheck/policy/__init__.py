"""What a project demands of its machines: from ``--require`` and from a policy file, judged on facts."""

from __future__ import annotations

from gpucheck.policy.applying import MissingGpu, adjusted, judged
from gpucheck.policy.errors import PolicyError
from gpucheck.policy.file import Ignore, Policy, files, find, load
from gpucheck.policy.requirement import NAMES, Requirement, parse_requirement

__all__ = [
    "NAMES",
    "Ignore",
    "MissingGpu",
    "Policy",
    "PolicyError",
    "Requirement",
    "adjusted",
    "files",
    "find",
    "judged",
    "load",
    "parse_requirement",
]
