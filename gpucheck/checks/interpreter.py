"""Is this the interpreter that the user means, and does it import what it should?"""

from __future__ import annotations

from typing import TYPE_CHECKING

from gpucheck.checks.reading import evidence, installed
from gpucheck.checks.registry import Said, broken, check, holds, skipped, unknown
from gpucheck.findings import Confidence, Evidence, Finding, Fix, Severity

if TYPE_CHECKING:
    from collections.abc import Iterator

    from gpucheck.facts import Facts, OtherInterpreter
    from gpucheck.matrix import Matrix


@check("interpreter-has-frameworks", "wrong-interpreter")
def interpreter_has_frameworks(facts: Facts, _: Matrix) -> Iterator[Said]:
    """Where the interpreter looked at has no framework, the shell's own Python has none either.

    Not asked of an interpreter that --python named.
    """
    found = facts.interpreter
    if installed(facts) or facts.described:
        yield holds("a framework is installed here") if installed(facts) else skipped("nothing is installed yet")
    elif found.chosen_by.value == "--python":
        yield skipped("--python named this interpreter")
    elif found.others.value is None:
        yield unknown(found.others.missing or "other interpreters were not looked for")
    elif others := [one for one in found.others.value if one.frameworks]:
        yield broken(_elsewhere(facts, others[0]))
    else:
        yield holds("no other Python of this shell has one")


def _elsewhere(facts: Facts, other: OtherInterpreter) -> Finding:
    names = " and ".join(other.frameworks)
    return Finding(
        slug="wrong-interpreter",
        severity=Severity.WARN,
        title=f"{names} is installed in another Python than the one looked at",
        cause=f"gpucheck looked at {facts.interpreter.chosen_by.value}; {other.found_by} leads to another one.",
        evidence=(
            evidence("looked at", facts.interpreter.executable),
            Evidence(text=f"{names} in {other.executable}", source=other.found_by),
        ),
        fixes=(Fix(text="Look there.", commands=(f"gpucheck doctor --python {other.executable}",)),),
    )


@check("no-module-hidden", "shadowed-module")
def no_module_hidden(facts: Facts, _: Matrix) -> Iterator[Said]:
    """No file of the working folder or of PYTHONPATH hides a module that the frameworks import.

    A false alarm for programs that are not started here: the working folder counts for `python -c`, `-m` and
    scripts in it.
    """
    found = facts.interpreter.shadowing
    if facts.described:
        yield skipped("nothing is installed yet")
    elif found.value is None:
        yield unknown(found.missing or "not looked at")
    elif not found.value:
        yield holds("nothing hides one")
    else:
        yield broken(_hidden(found.value))


def _hidden(paths: tuple[str, ...]) -> Finding:
    names = [path.rpartition("/")[2].removesuffix(".py") for path in paths]
    some = ", ".join(names[:4]) + (" and more" if len(names) > 4 else "")
    return Finding(
        slug="shadowed-module",
        severity=Severity.WARN,
        title=f"Files here hide Python modules of the same name: {some}",
        cause="Programs started in this folder, or with this PYTHONPATH, import these files instead.",
        confidence=Confidence.LIKELY,
        evidence=tuple(Evidence(text="comes first on the import path", source=path) for path in paths[:4]),
        fixes=(Fix(text="Rename them, or start the program elsewhere, or with python -P (from 3.11)."),),
    )
