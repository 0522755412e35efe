"""Are the files of NVIDIA's packages those that the packages installed?"""

from __future__ import annotations

from itertools import groupby
from typing import TYPE_CHECKING

from gpucheck.checks.registry import Said, broken, check, holds, skipped, unknown
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
            yield broken(_changed(owners, list(files)))


def _changed(owners: tuple[str, ...], files: list[PackageFile]) -> Finding:
    winners = sorted({owner for one in files for owner in one.recorded})
    losers = [owner for owner in owners if owner not in winners]
    count = f"{len(files)} file{'s' * (len(files) > 1)}"
    if len(owners) > 1:
        title = f"{' and '.join(owners)} overwrite each other's files"
        cause = (
            f"They install {count} under one name. What lies there now belongs to {' and '.join(winners)}."
            if winners
            else f"They install {count} under one name; what lies there now fits neither."
        ) + " pip does not notice, and removing one of them breaks the other."
        fix = Fix(text="One environment for each framework; or install again, last, what the one in use needs.")
    else:
        title = f"{count} of {owners[0]} are not what it installed" if len(files) > 1 else (
            f"A file of {owners[0]} is not what it installed"
        )  # fmt: skip
        missing = all(one.trouble == "missing" for one in files)
        cause = "The package's RECORD lists it, and it is gone." if missing else (
            "It differs from the package's RECORD: overwritten by hand or by another package, or cut off while it "
            "was written."
        )  # fmt: skip
        fix = Fix(text="Install the package again.", commands=(_again(owners[0]),))
    return Finding(
        slug="package-files-overwritten",
        severity=Severity.WARN,
        subject=None if len(owners) > 1 else owners[0].partition(" ")[0],
        title=title,
        cause=cause,
        confidence=Confidence.LIKELY,
        evidence=(
            *(Evidence(text=_trouble(one), source=one.path) for one in files[:4]),
            *(Evidence(text=f"overwritten: {owner}") for owner in losers if len(owners) > 1),
        ),
        fixes=(fix,),
    )  # fmt: skip


def _trouble(one: PackageFile) -> str:
    if one.trouble == "missing":
        return "is missing"
    losers = ", ".join(sorted(set(one.owners) - set(one.recorded)))
    return f"its {one.trouble} is not that in the RECORD of {losers}"


def _again(owner: str) -> str:
    name, _, version = owner.partition(" ")
    return f"pip install --force-reinstall --no-deps '{name}=={version}'"
