"""What a recommendation says: the choice, what speaks against newer ones, what a driver would open up."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from gpucheck.describe import Pin, Wanted

if TYPE_CHECKING:
    from gpucheck.facts import Facts
    from gpucheck.matrix import Build


@dataclass(frozen=True, kw_only=True)
class Choice:
    """A wheel that fits.

    Attributes:
        framework: ``torch`` or ``tensorflow``.
        version: ``2.10.0``.
        newest_patch: Whether it is the newest of its minor release that the matrix knows.
        build: Its row.
        cuda: Whether it is to use a GPU.
        python: The Python to take, where it is not the machine's own.
        pins: Other packages to name in the command.
        notes: What is not confirmed, or slow.
    """

    framework: str
    version: str
    newest_patch: bool
    build: Build
    cuda: bool
    python: str | None = None
    pins: tuple[Pin, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def leaves_cuda_to_the_user(self) -> bool:
        """Whether its CUDA libraries must be there already, as for TensorFlow before 2.14."""
        return self.cuda and self.framework == "tensorflow" and not self.build.and_cuda

    @property
    def wanted(self) -> Wanted:
        """The choice as a wish, to be judged again."""
        return Wanted(
            framework=self.framework,
            distribution=self.build.distribution or self.framework,
            specifier=f"=={self.version}",
            variant=None if self.build.default else self.build.variant,
            extras=frozenset({"and-cuda"}) if self.build.and_cuda and self.cuda else frozenset(),
        )


@dataclass(frozen=True, kw_only=True)
class Rejected:
    """A newer wheel that does not fit, and the first thing that speaks against it."""

    framework: str
    version: str
    variant: str
    slug: str
    why: str


@dataclass(frozen=True, kw_only=True)
class Advice:
    """The answer for one framework.

    Attributes:
        choice: What to install; None when nothing that the matrix knows fits.
        rejected: Newer wheels that do not, newest first.
        with_driver: A driver that would allow a newer release, and that release.
    """

    framework: str
    choice: Choice | None
    rejected: tuple[Rejected, ...] = ()
    with_driver: tuple[str, Choice] | None = None


@dataclass(frozen=True, kw_only=True)
class Recommendation:
    """The whole answer.

    Attributes:
        machine: The described machine.
        advice: One for each framework asked for.
        pair: torch and TensorFlow that live in one environment; None when there are none, or one was asked for.
        matrix_date: Date of the matrix, ISO form.
    """

    machine: Facts
    advice: tuple[Advice, ...]
    pair: tuple[Choice, Choice] | None
    matrix_date: str

    @property
    def exit_status(self) -> int:
        """0: something fits for every framework; 1: not for every one."""
        return int(any(one.choice is None for one in self.advice))
