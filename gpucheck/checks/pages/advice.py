"""What stands on the page of a trouble beside its meaning."""

from __future__ import annotations

from gpucheck.record import record

SYSTEMS = ("any", "linux", "wsl", "windows", "container", "cluster", "notebook")


@record
class Advice:
    """The long text on one trouble; commands and words of programs stand between back-quotes.

    Attributes:
        why: Why it happens.
        confirm: What decides whether it is this one, each a command or an observation.
        cures: What to do, each after the system where it is done (one of SYSTEMS).
        vain: Popular advice that does not help here, and why.
        references: Title and address of documentation and public threads.
    """

    why: str
    confirm: tuple[str, ...]
    cures: tuple[tuple[str, str], ...]
    vain: tuple[str, ...] = ()
    references: tuple[tuple[str, str], ...] = ()
