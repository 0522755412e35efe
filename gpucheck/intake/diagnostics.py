"""Verdicts of other tools on the hardware: `dcgmi diag --json` of DCGM 2 to 4, and NVIDIA Health Validation.

DCGM's forms were read in NVIDIA/DCGM (dcgmi/Diag.cpp, nvvs/include/NvvsJsonStrings.h, dcgmlib/dcgm_errors.h, tags
2.1.4 to 4.6.0; checked 2026-11-29). Of Health Validation's NodeVerdict only keys that its documentation names are
read (https://docs.nvidia.com/health-validation/reference/verdict-schema.md, checked 2026-11-29).
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

from gpucheck.facts import Diagnostic, DiagnosticTest, Facts

DCGM, VALIDATION = "dcgmi diag", "NVIDIA Health Validation"
MAIN = ("DCGM Diagnostic", "DCGM GPU Diagnostic")  # from DCGM 4 on, and before
SEVERITY = "overall_severity"
STATUSES = {"pass": "pass", "fail": "fail", "skip": "skip", "warn": "warn"}
# error_severity of DCGM 3.3 and later; 3 is a code that DCGM itself does not know.
ACTIONS = {1: "monitor", 2: "isolate", 4: "triage", 5: "configure", 6: "reset"}
# The gravest first: of several warnings it is the one that counts.
GRAVITY = ("isolate", "reset", "triage", "configure", "monitor")
VERDICTS = {"pass": "pass", "info": "pass", "warning": "warn", "critical": "fail"}
MOST_TESTS, MOST_TEXT = 200, 300
START = re.compile(r"^[ \t]*\{", re.MULTILINE)


def read(text: str) -> Facts | None:
    """Return the verdicts that stand anywhere in a text, or None where there is none."""
    found = tuple(diagnostics(text, "the text"))
    return Facts(diagnostics=found) if found else None


def diagnostics(text: str, source: str) -> Iterator[Diagnostic]:
    """Yield the verdicts in a text; text of other kinds around them is left alone."""
    if not any(word in text for word in (*MAIN, SEVERITY)):
        return
    decoder, place = json.JSONDecoder(), 0
    while (start := START.search(text, place)) is not None:
        try:
            document, place = decoder.raw_decode(text, start.end() - 1)
        except (ValueError, RecursionError):
            place = start.end()
            continue
        for one in _documents(document):
            yield _read(one, source)


def _read(document: dict[str, Any], source: str) -> Diagnostic:
    ours = any(isinstance(document.get(key), dict) for key in MAIN)
    try:
        return _dcgm(document, source) if ours else _validation(document, source)
    except (AttributeError, LookupError, TypeError, ValueError) as error:
        what = f"it is damaged: {type(error).__name__}"
        return Diagnostic(tool=DCGM if ours else VALIDATION, source=source, error=what)


def _documents(document: Any) -> Iterator[dict[str, Any]]:
    """Yield a verdict, or those of several iterations."""
    rounds = document.get("iterations") if isinstance(document, dict) else None
    for one in rounds if isinstance(rounds, list) else [document]:
        if isinstance(one, dict) and (
            any(isinstance(one.get(key), dict) for key in MAIN) or isinstance(one.get(SEVERITY), str)
        ):
            yield one


def _dcgm(document: dict[str, Any], source: str) -> Diagnostic:
    main = next(document[key] for key in MAIN if isinstance(document.get(key), dict))
    about = document.get("metadata") if isinstance(document.get("metadata"), dict) else document
    tests = [test for category in _list(main, "test_categories") for test in _list(category, "tests")]
    told = [one for test in tests for one in _test(test)]
    error = main.get("runtime_error")
    return Diagnostic(
        tool=DCGM,
        source=source,
        version=_text((about or {}).get("version") or main.get("version")),
        driver=_text((about or {}).get("Driver Version Detected")),
        tests=tuple(one for one in told if one.status != "pass")[:MOST_TESTS],
        passed=sum(one.status == "pass" for one in told),
        error=_text(error) if error is not None else None if told else "it has no test in it",
    )


def _test(test: dict[str, Any]) -> Iterator[DiagnosticTest]:
    """Yield what a test says of each thing; its summary where it names none."""
    results = _list(test, "results")
    summary = test.get("test_summary")
    if not results and isinstance(summary, dict):
        results = [summary]
    for result in results:
        said = str(result.get("status", "")).strip().lower()
        status = STATUSES.get(said, "unknown")
        warnings = list(_warnings(result))
        actions = [action for _, action in warnings if action is not None]
        text = "; ".join(text for text, _ in warnings if text) or _text(result.get("info"))
        yield DiagnosticTest(
            name=_text(test.get("name")) or "a test without a name",
            status=status,
            subject=_subject(result),
            text=(text or (f"its status is {said!r}" if status == "unknown" else None)),
            action=min(actions, key=GRAVITY.index) if actions else None,
        )


def _warnings(result: dict[str, Any]) -> Iterator[tuple[str, str | None]]:
    told = result.get("warnings")
    if isinstance(told, str):  # before 3.3, and of Deployment tests in 3.3.1
        yield told[:MOST_TEXT], ACTIONS.get(_whole(result.get("error_severity")))
        return
    for one in told if isinstance(told, list) else ():
        if isinstance(one, dict):
            # 3.3.3 to 3.3.9 say "warnings" in Deployment tests.
            text = _text(one.get("warning", one.get("warnings"))) or ""
            yield text, ACTIONS.get(_whole(one.get("error_severity")))


def _subject(result: dict[str, Any]) -> str | None:
    group, entity = result.get("entity_group"), result.get("entity_id")
    if isinstance(group, str) and isinstance(entity, int):
        return f"{group[:20]} {entity}"
    one = result.get("gpu_id", result.get("gpu_ids"))
    number = str(one) if one is not None else ""
    return f"GPU {number}" if number.isascii() and number.isdecimal() and len(number) < 4 else None


def _validation(document: dict[str, Any], source: str) -> Diagnostic:
    said = document[SEVERITY].strip().lower()
    parts = [one for value in document.values() if isinstance(value, list) for one in value if _component(one)]
    tests = [
        DiagnosticTest(
            name=_text(", ".join(map(str, one["check_ids"][:5]))) or "checks",
            status=VERDICTS.get(str(one["max_severity"]).lower(), "unknown"),
            text=_text(f"{one.get('category', '')}: {_text(one.get('entities')) or ''}"),
        )
        for one in parts
    ]
    overall = VERDICTS.get(said, "unknown")
    if not any(one.status == overall for one in tests):
        tests.append(
            DiagnosticTest(name="overall severity", status=overall, text=f"it is {document[SEVERITY][:40]}")
        )
    return Diagnostic(
        tool=VALIDATION,
        source=source,
        tests=tuple(one for one in tests if one.status != "pass")[:MOST_TESTS],
        passed=sum(one.status == "pass" for one in tests),
    )


def _component(value: Any) -> bool:
    """Whether it is what the documentation calls an AffectedComponent."""
    return isinstance(value, dict) and isinstance(value.get("check_ids"), list) and "max_severity" in value


def _list(value: dict[str, Any], key: str) -> list[dict[str, Any]]:
    """Return the objects of a list; older DCGM fills gaps with null."""
    found = value.get(key)
    return [one for one in found if isinstance(one, dict)] if isinstance(found, list) else []


def _whole(value: Any) -> int:
    return value if isinstance(value, int) else 0


def _text(value: Any) -> str | None:
    if isinstance(value, list):
        value = "; ".join(str(one) for one in value[:5])
    return str(value).strip()[:MOST_TEXT] or None if value is not None else None
