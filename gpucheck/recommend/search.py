"""The walk from the newest wheel down: which the doctor's own checks find nothing against."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from packaging.version import Version

from gpucheck.describe import Pin, installed_into, platform
from gpucheck.diagnosis import diagnose
from gpucheck.facts import seen
from gpucheck.findings import Severity, Status
from gpucheck.matrix.requirements import ANY_PYTHON, admits_outside, implied, needs
from gpucheck.recommend.answer import Choice, Rejected

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from gpucheck.facts import Facts
    from gpucheck.findings import Finding
    from gpucheck.matrix import Build, Matrix
    from gpucheck.matrix.releases import Tested

# Undeclared limits of these are met by naming them in the command.
PINNED = ("numpy", "protobuf", "keras")


@dataclass
class Search:
    """One walk from the newest wheel down."""

    matrix: Matrix
    facts: Facts
    variant: str | None
    rejected: list[Rejected] = field(default_factory=list)

    def first(
        self, framework: str, pythons: Sequence[str] | None = None, above: str | None = None
    ) -> Choice | None:
        """Return the newest wheel that fits.

        Args:
            framework: The framework.
            pythons: Pythons to try, by default the machine's own.
            above: Only releases newer than this one.
        """
        for version, build in candidates(self.matrix, framework, self.facts, self.variant):
            if above is not None and Version(version) <= Version(above):
                return None
            for python in pythons if pythons is not None else (None,):
                if python is not None and build.python and python not in build.python:
                    continue
                choice = self.attempt(framework, version, build, python)
                if choice is not None:
                    return choice
        return None

    def attempt(self, framework: str, version: str, build: Build, python: str | None) -> Choice | None:
        """Return one wheel as a choice when nothing speaks against it; else note what does."""
        facts = _with_python(self.facts, python)
        choice = Choice(
            framework=framework,
            version=version,
            newest_patch=Version(version) == max(self.matrix.patches(framework, version)),
            build=build,
            cuda=bool(facts.gpus.value) and build.variant != "cpu",
            python=python,
        )
        choice = replace(choice, pins=_pins(self.matrix, facts, choice))
        reasons = objections(self.matrix, facts, [choice])
        if reasons and _only_cudnn(reasons):
            older = Pin(name=_cudnn_package(build), specifier="<9.11")
            choice = replace(choice, pins=(*choice.pins, older))
            reasons = objections(self.matrix, facts, [choice])
        if not reasons:
            return replace(choice, notes=_notes(self.matrix, facts, choice))
        if python is None:
            slug, why = reasons[0]
            self.rejected.append(
                Rejected(framework=framework, version=version, variant=build.variant, slug=slug, why=why)
            )
        return None


def fitting(matrix: Matrix, facts: Facts, framework: str, variant: str | None = None) -> Iterator[Choice]:
    """Yield every wheel that fits alone, newest first; of each version the first that fits."""
    search = Search(matrix, facts, variant)
    done: set[str] = set()
    for version, build in candidates(matrix, framework, facts, variant):
        choice = search.attempt(framework, version, build, None) if version not in done else None
        if choice is not None:
            done.add(version)
            yield choice


def candidates(matrix: Matrix, framework: str, facts: Facts, variant: str | None) -> Iterator[tuple[str, Build]]:
    """Yield versions and their wheels for the machine's platform: newest version first, the index's own first.

    Without a GPU the CPU builds come first: they save a download of several GB.
    """
    gpu = bool(facts.gpus.value)
    for release in reversed(matrix.releases(framework)):
        for version in reversed(matrix.patches(framework, str(release))):
            rows = [
                row
                for row in matrix.builds(framework, str(version), platform(facts))
                if row.distribution is None and (variant is None or row.variant == variant)
            ]
            cuda = [row for row in rows if row.variant != "cpu"]
            cuda.sort(key=lambda row: (not row.default, -float(row.cuda_runtime or 0)))
            cpu = [row for row in rows if row.variant == "cpu" and (row.default or not gpu or variant)]
            for row in (*cuda, *cpu) if gpu else (*cpu, *cuda):
                yield str(version), row


def objections(matrix: Matrix, facts: Facts, choices: Sequence[Choice]) -> list[tuple[str, str]]:
    """Return what speaks against installing some wheels together: slug and title, the weightiest first."""
    wanted = [one.wanted for one in choices]
    pins = [pin for one in choices for pin in one.pins]
    report = diagnose(installed_into(facts, matrix, [*wanted, *pins]), matrix)
    found = [_objection(finding) for finding in report.findings if finding.severity is not Severity.INFO]
    unsure = [
        (result.name, f"{result.name}: {result.reason}")
        for result in report.checks
        if result.status in (Status.UNKNOWN, Status.CRASH)
    ]
    return found + unsure


def _objection(finding: Finding) -> tuple[str, str]:
    return finding.slug, finding.title


def _with_python(facts: Facts, python: str | None) -> Facts:
    if python is None:
        return facts
    return replace(facts, interpreter=replace(facts.interpreter, version=seen(python, "as recommended")))


def _pins(matrix: Matrix, facts: Facts, choice: Choice) -> tuple[Pin, ...]:
    """Name the packages that the release needs older than pip would take, though its metadata does not say so."""
    place, python = platform(facts), facts.interpreter.version.value or ANY_PYTHON
    declared = needs(choice.build.requires, place, python)
    found: dict[str, list[str]] = {}
    for row in matrix.package_limits(choice.framework, choice.version):
        here = row.platform in (None, place) and row.package in PINNED and not row.declared
        open_ = row.package not in declared or admits_outside(declared[row.package].specifier, row.needs)
        if here and open_ and (row.package in declared or row.package == "numpy"):
            found.setdefault(row.package, []).append(row.needs)
    return tuple(
        Pin(name=name, specifier=",".join(text for text in dict.fromkeys(texts) if not implied(text, texts)))
        for name, texts in found.items()
    )


def _only_cudnn(reasons: Sequence[tuple[str, str]]) -> bool:
    return {slug for slug, _ in reasons} == {"cudnn-gpu-unsupported"}


def _cudnn_package(build: Build) -> str:
    major = (build.cuda_runtime or "12").partition(".")[0]
    return f"nvidia-cudnn-cu{major}"


def _notes(matrix: Matrix, facts: Facts, choice: Choice) -> tuple[str, ...]:
    report = diagnose(installed_into(facts, matrix, [choice.wanted, *choice.pins]), matrix)
    notes = [finding.title for finding in report.findings if finding.severity is Severity.INFO]
    tested = _tested(matrix, facts, choice)
    if choice.build.platform.startswith("macos") and choice.build.note:
        notes.append(choice.build.note)
    if choice.leaves_cuda_to_the_user and tested is not None:
        notes.append(
            f"This release brings no CUDA libraries: install CUDA {tested.cuda} and cuDNN {tested.cudnn} yourself."
        )
    if not choice.build.from_index and choice.build.variant != "cpu":
        notes.append(
            f"The {choice.build.variant} build is known from {choice.build.source}; its wheel was not read."
        )
    return tuple(notes)


def _tested(matrix: Matrix, facts: Facts, choice: Choice) -> Tested | None:
    release = matrix.release(choice.framework, choice.version)
    return release.tested_on(facts.system.os.value or "") if release is not None else None
