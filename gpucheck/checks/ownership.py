"""Are the files of NVIDIA's packages those that the packages installed?"""

from __future__ import annotations

import re
from itertools import groupby
from typing import TYPE_CHECKING

from gpucheck.checks.reading import installed
from gpucheck.checks.registry import Said, broken, check, holds, skipped, unknown
from gpucheck.checks.ways import by_packages
from gpucheck.findings import Confidence, Evidence, Finding, Fix, Severity

if TYPE_CHECKING:
    from collections.abc import Iterator

    from gpucheck.facts import Facts, PackageFile
    from gpucheck.matrix import Matrix


@check("package-files-as-installed", "package-files-overwritten")
def package_files_as_installed(facts: Facts, _: Matrix) -> Iterator[Said]:
    """Each library file of NVIDIA's packages is the one that its package's RECORD describes.

    Sizes are compared, contents only with --deep or where two packages claim one file. A file that two packages
    install alike is no trouble.
    """
    found = facts.package_files
    if facts.described:
        yield skipped("nothing is installed yet")
    elif found.value is None:
        yield unknown(found.missing or "not looked at")
    elif not found.value:
        yield holds(found.source or "every file as recorded")
    else:
        for owners, files in groupby(sorted(found.value, key=lambda one: one.owners), key=lambda one: one.owners):
            yield broken(_changed(facts, owners or ("a package that is not known",), list(files)))


def _changed(facts: Facts, owners: tuple[str, ...], files: list[PackageFile]) -> Finding:
    winners = sorted({owner for one in files for owner in one.recorded})
    losers = [owner for owner in owners if owner not in winners]
    served = any(_asked_for(facts, owner) for owner in winners)
    robbed = [] if served else [owner for owner in losers if _asked_for(facts, owner)]
    serious = bool(robbed and len(owners) > 1) or any(_unusable(facts, one) for one in files)
    shared = len(owners) > 1
    again = robbed or losers if shared else list(owners)
    return Finding(
        slug="package-files-overwritten",
        severity=Severity.ERROR if serious else Severity.WARN,
        subject=None if shared else owners[0].partition(" ")[0],
        title=f"{' and '.join(owners)} overwrite each other's files" if shared else _title(owners[0], files),
        cause=_shared_cause(files, winners) if shared else _cause(files),
        confidence=Confidence.LIKELY,
        evidence=(
            *(Evidence(text=_trouble(one), source=one.path) for one in files[:4]),
            *(Evidence(text=f"overwritten: {owner}") for owner in losers if shared),
        ),
        fixes=(
            by_packages(facts,
                        "Install again what the framework asks for." if shared else "Install the package again.",
                        reinstall=tuple("==".join(owner.partition(" ")[::2]) for owner in again)),
            *((Fix(text="For good: an environment of its own for each framework."),) if shared else ()),
        ),
    )  # fmt: skip


def _asked_for(facts: Facts, owner: str) -> bool:
    """Whether a framework here requires a distribution."""
    name = owner.partition(" ")[0]
    lines = [line for framework in installed(facts) for line in framework.requires.value or ()]
    return any(re.match(rf"{re.escape(name)}(?![\w-])", line.replace("_", "-")) for line in lines)


def _unusable(facts: Facts, one: PackageFile) -> bool:
    """Whether a framework here asks for this very file, and it is gone or cannot be loaded."""
    name = one.path.rpartition("/")[2]
    asked = [wanted for framework in installed(facts) for wanted in framework.libraries.value or ()]
    wanted = next((wanted for wanted in asked if wanted.soname == name), None)
    taken = wanted.taken.value if wanted is not None else None
    lost = wanted is not None and not wanted.taken.known
    return lost or (taken is not None and taken.path == one.path and not taken.version.known)


def _title(owner: str, files: list[PackageFile]) -> str:
    some = f"{len(files)} files of {owner} are" if len(files) > 1 else f"A file of {owner} is"
    return f"{some} {'gone' if _all_missing(files) else 'not what it installed'}"


def _all_missing(files: list[PackageFile]) -> bool:
    return all(one.trouble == "missing" for one in files)


def _cause(files: list[PackageFile]) -> str:
    them = "them" if len(files) > 1 else "it"
    if _all_missing(files):
        return f"The package's RECORD lists {them}: removed by hand, or with another package."
    return f"What is there differs from the package's RECORD: it was overwritten, or writing {them} was cut off."


def _shared_cause(files: list[PackageFile], winners: list[str]) -> str:
    count = f"{len(files)} file{'s' * (len(files) > 1)}"
    now = (
        f"What lies there now belongs to {' and '.join(winners)}"
        if winners
        else "What lies there now fits neither"
    )
    return f"They install {count} under one name. {now}. pip does not notice; removing one breaks the other."


def _trouble(one: PackageFile) -> str:
    if one.trouble == "missing":
        return "is missing"
    losers = ", ".join(sorted(set(one.owners) - set(one.recorded)))
    return f"its {one.trouble} is not that in the RECORD of {losers}"
