"""Do the frameworks and the packages around them go together in one environment?"""

from __future__ import annotations

from itertools import combinations
from typing import TYPE_CHECKING

from gpucheck.checks.reading import FRAMEWORK_NAMES, installed, platform
from gpucheck.checks.registry import Said, broken, check, holds, skipped, unknown
from gpucheck.checks.ways import by_packages
from gpucheck.findings import Evidence, Finding, Fix, Severity
from gpucheck.matrix import matches
from gpucheck.matrix.requirements import ANY_PYTHON, ENVIRONMENTS, admits_outside, can_agree, implied, needs

if TYPE_CHECKING:
    from collections.abc import Iterator

    from gpucheck.facts import Facts, Framework
    from gpucheck.matrix import Matrix, PackageLimit
    from gpucheck.matrix.requirements import Need

COMPANIONS = {"torchvision", "torchaudio", "tf-keras"}  # what the matrix may have a row for
TWO_ENVIRONMENTS = Fix(text="Give each framework an environment of its own.")
# Where a mismatch has a name of its own.
SLUGS = {"numpy": "numpy-abi-mismatch", "protobuf": "protobuf-mismatch", "keras": "keras-mismatch"}


def required(facts: Facts, framework: Framework) -> tuple[dict[str, Need] | None, str]:
    """Return what a framework requires here, by package; None and the reason when it is not known."""
    lines, where, python = framework.requires, platform(facts), facts.interpreter.version.value
    if lines.value is None:
        return None, lines.missing or "not looked at"
    if python is None and facts.described:
        python = ANY_PYTHON
    if where not in ENVIRONMENTS or python is None:
        return None, "the platform or the Python version is not known"
    return needs(lines.value, where, python), lines.source or framework.name


@check("frameworks-share-environment", "package-conflict", by_rows=True)
def frameworks_share_environment(facts: Facts, matrix: Matrix) -> Iterator[Said]:
    """The requirements of the frameworks can be met in one environment.

    Asked before anything is installed; afterwards `packages-as-required` looks at what is there.
    """
    both = installed(facts)
    if not facts.described or len(both) < 2:
        yield skipped("only asked of two frameworks that are still to be installed")
        return
    for first, second in combinations(both, 2):
        (ours, why), (theirs, why_not) = required(facts, first), required(facts, second)
        if ours is None or theirs is None:
            yield unknown(why if ours is None else why_not, f"{first.name} and {second.name}")
            continue
        clashes = [
            name for name in sorted(set(ours) & set(theirs)) if not _agree(matrix, ours[name], theirs[name])
        ]
        if clashes:
            yield broken(_cannot_share((first, second), clashes, ours, theirs))
        else:
            yield holds(f"no requirement of {first.name} and {second.name} excludes another")


def _agree(matrix: Matrix, ours: Need, theirs: Need) -> bool:
    known = next((row.versions for row in matrix.packages() if row.name == ours.name), ())
    return can_agree(ours.specifier, theirs.specifier, known)


def _cannot_share(
    pair: tuple[Framework, Framework], clashes: list[str], ours: dict[str, Need], theirs: dict[str, Need]
) -> Finding:
    (first, second), names = pair, [f"{FRAMEWORK_NAMES[one.name]} {one.version.value}" for one in pair]
    return Finding(
        slug="package-conflict",
        severity=Severity.ERROR,
        title=f"{names[0]} and {names[1]} cannot be installed into one environment",
        cause=f"They require versions of {', '.join(clashes)} that exclude each other.",
        evidence=tuple(
            Evidence(text=f"{one.name} requires {want[name].text}", source=one.requires.source)
            for name in clashes
            for one, want in ((first, ours), (second, theirs))
        ),
        fixes=(TWO_ENVIRONMENTS, Fix(text="`gpucheck recommend` names a pair that goes together.")),
    )


@check("companions-match", "torch-torchvision-mismatch", by_rows=True)
def companions_match(facts: Facts, matrix: Matrix) -> Iterator[Said]:
    """Companions, such as torchvision, are of the releases that go with this torch: each pins it exactly."""
    found = {name: text for name, text in (facts.packages.value or {}).items() if text}
    for framework in installed(facts):
        rows = matrix.companions(framework.name, framework.version.value) if COMPANIONS & found.keys() else ()
        here = [row for row in rows if row.package in found]
        wrong = [row for row in here if matches(f"=={row.version}.*", found[row.package]) is False]
        if not here:
            yield skipped("no companion package with a row", framework.name)
        elif not wrong:
            yield holds(", ".join(f"{row.package} {found[row.package]}" for row in here), framework.name)
        for row in wrong:
            name = f"{FRAMEWORK_NAMES[framework.name]} {framework.version.value}"
            yield broken(
                Finding(
                    slug="torch-torchvision-mismatch",
                    severity=Severity.ERROR,
                    subject=framework.name,
                    title=f"{row.package} {found[row.package]} does not belong to {name}",
                    cause=f"{row.package} is compiled against one torch; {row.version} is that for {row.release}.",
                    evidence=(Evidence(text=f"{row.package} {found[row.package]}", source=facts.packages.source),),
                    fixes=(
                        by_packages(facts, "Install the one that belongs to it.",
                                    install=(f"{row.package}=={row.version}.*",)),
                    ),
                    source=row.citation,
                )
            )  # fmt: skip


@check(
    "packages-as-required",
    "package-conflict",
    "numpy-abi-mismatch",
    "protobuf-mismatch",
    "keras-mismatch",
    by_rows=True,
)
def packages_as_required(facts: Facts, matrix: Matrix) -> Iterator[Said]:
    """The packages around a framework have versions that it works with, declared or not.

    A pin that is not met is a warning: some people replace a library on purpose.
    """
    versions = {name: text for name, text in (facts.packages.value or {}).items() if text}
    for framework in installed(facts):
        if not facts.packages.known:
            yield unknown(facts.packages.missing or "not looked at", framework.name)
            continue
        wanted, why = required(facts, framework)
        broke = {row.package: row for row in _broken_limits(facts, matrix, framework, versions)}
        yield from (broken(_limit(facts, framework, row, versions[name])) for name, row in broke.items())
        left_open = _open_limits(facts, matrix, framework, wanted or {}, versions)
        yield from (broken(_left_open(framework, row)) for row in left_open)
        if wanted is None:
            some = versions or not facts.described
            yield (
                unknown(why, framework.name) if some else skipped("no version is given to compare", framework.name)
            )
            continue
        unmet = [
            need
            for name, need in wanted.items()
            if name in versions and name not in broke and matches(need.specifier, versions[name]) is False
        ]
        if unmet:
            yield broken(_unmet(facts, framework, unmet, versions))
        elif not broke and not left_open:
            yield holds(f"{sum(name in versions for name in wanted)} packages compared", framework.name)


def _broken_limits(
    facts: Facts, matrix: Matrix, framework: Framework, versions: dict[str, str]
) -> Iterator[PackageLimit]:
    for row in matrix.package_limits(framework.name, framework.version.value, versions):
        here = row.platform is None or row.platform == platform(facts)
        if here and row.package in versions and matches(row.needs, versions[row.package]) is False:
            yield row


def _open_limits(
    facts: Facts, matrix: Matrix, framework: Framework, wanted: dict[str, Need], versions: dict[str, str]
) -> list[PackageLimit]:
    """Limits that pip would overstep, since the requirements leave the package open: it takes the newest."""
    if not facts.described:
        return []
    rows = [
        row
        for row in matrix.package_limits(framework.name, framework.version.value)
        if row.package in SLUGS
        and row.package in wanted
        and row.package not in versions
        and row.platform in (None, platform(facts))
        and admits_outside(wanted[row.package].specifier, row.needs)
    ]
    return [row for row in rows if not implied(row.needs, [o.needs for o in rows if o.package == row.package])]


def _left_open(framework: Framework, row: PackageLimit) -> Finding:
    name = f"{FRAMEWORK_NAMES[framework.name]} {framework.version.value}"
    return Finding(
        slug=SLUGS[row.package],
        severity=Severity.WARN,
        subject=framework.name,
        title=f"{name} leaves {row.package} open, and pip would take a newer one than it works with",
        cause=row.breaks,
        evidence=(Evidence(text=f"{row.package}{row.needs} is needed", source=row.source),),
        fixes=(
            Fix(text="Name it in the same command.", commands=(f"pip install ... '{row.package}{row.needs}'",)),
        ),
        source=row.citation,
    )


def _limit(facts: Facts, framework: Framework, row: PackageLimit, version: str) -> Finding:
    name = f"{FRAMEWORK_NAMES[framework.name]} {framework.version.value}"
    return Finding(
        slug=SLUGS.get(row.package, "package-conflict"),
        severity=Severity.WARN if row.package not in SLUGS else Severity.ERROR,
        subject=framework.name,
        title=f"{name} does not work with {row.package} {version}",
        cause=row.breaks,
        evidence=(Evidence(text=f"{row.package} {version}; {row.needs} is needed", source=row.source),),
        fixes=(by_packages(facts, f"Install a {row.package} that fits.", install=(f"{row.package}{row.needs}",)),),
        source=row.citation,
    )


def _unmet(facts: Facts, framework: Framework, unmet: list[Need], versions: dict[str, str]) -> Finding:
    name = f"{FRAMEWORK_NAMES[framework.name]} {framework.version.value}"
    return Finding(
        slug="package-conflict",
        severity=Severity.ERROR if facts.described else Severity.WARN,
        subject=framework.name,
        title=f"{name} requires other versions of {', '.join(need.name for need in unmet)}",
        cause="pip refuses such a set." if facts.described else "Something installed later has replaced them.",
        evidence=tuple(
            Evidence(text=f"requires {need.text}, here {versions[need.name]}", source=framework.requires.source)
            for need in unmet
        ),
        fixes=(Fix(text="Ask for versions that fit, or use two environments.")
               if facts.described
               else by_packages(facts, "Install what it requires.", install=tuple(need.text for need in unmet)),),
    )  # fmt: skip


@check("packages-own-their-files", "package-files-overwritten", by_rows=True)
def packages_own_their_files(facts: Facts, matrix: Matrix) -> Iterator[Said]:
    """No two packages install the same library files.

    The cu12 and cu13 packages of cuDNN and NCCL do, pip says nothing, and the last one installed wins. That
    is a warning: what then happens on a GPU has not been measured.
    """
    found = facts.packages.value
    if facts.package_files.known and not facts.described:
        yield skipped("the files themselves were read; another check judges them")
        return
    if found is None:
        yield unknown(facts.packages.missing or "not looked at")
        return
    generations = {name.rpartition("-cu")[0] for name in found if "-cu1" in name}
    doubled = [stem for stem in generations if sum(name.startswith(f"{stem}-cu1") for name in found) > 1]
    rows = [row for row in matrix.packages() if row.name in found] if doubled else []
    pairs = [
        (one, other, sorted(set(one.files) & set(other.files)))
        for one, other in combinations(rows, 2)
        if one.folder == other.folder
        and set(one.files) & set(other.files)
        and _same_major(found[one.name], found[other.name], one.library)
    ]
    if not pairs:
        yield holds(f"{len(found)} packages looked at")
        return
    yield broken(
        Finding(
            slug="package-files-overwritten",
            severity=Severity.WARN,
            title="Packages for different CUDA majors overwrite each other's files: "
            + ", ".join(dict.fromkeys(one.library for one, _, _ in pairs)),
            cause="Both install the same files. The last one wins, and removing one removes the other's.",
            evidence=tuple(
                Evidence(text=f"{one.name}, {other.name}: {one.folder}/{files[0]} and {len(files) - 1} more",
                         source=one.url)
                for one, other, files in pairs
            ),
            fixes=(TWO_ENVIRONMENTS,),
            source=f"{pairs[0][0].source}, checked {pairs[0][0].checked}",
        )
    )  # fmt: skip


def _same_major(first: str, second: str, library: str) -> bool:
    """Files of cuDNN 8 and 9 have names of their own; every NCCL is libnccl.so.2."""
    majors = {text.partition(".")[0] for text in (first, second) if text}
    return library != "cuDNN" or len(majors) < 2
