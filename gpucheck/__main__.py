"""`python -m gpucheck`."""

from __future__ import annotations

from gpucheck.cli import main

main()
