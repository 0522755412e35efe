"""One node's report as a pile keeps it: flat facts, verdict, slugs and numbers, and nothing else of it."""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass
from math import isfinite
from typing import TYPE_CHECKING, Any

from gpucheck.fleet.flat import flat, numbers

if TYPE_CHECKING:
    from collections.abc import Callable

SCHEMA_VERSION = 1
POOL = ("SLURM_JOB_PARTITION",)  # of the scheduler's variables, what parts a cluster into pools
OURS = ("schema_version", "verdict", "facts", "exit_status")
NOT_GIVEN = "gave this job no GPU"  # how `gpucheck.checks` says it
LONGEST = 200  # of a name


class DamagedError(ValueError):
    """A document that is no whole report; the message says what it is instead."""


@dataclass(frozen=True)
class Entry:
    """What is kept of a node's report.

    Attributes:
        name: The node's, as it says itself.
        source: The file, or where in a stream it stood.
        verdict: ``healthy``, ``problem`` or ``inconclusive``.
        status: Its exit status.
        roots: Slugs of its root causes, the most probable first.
        slugs: Slugs of its errors and warnings.
        facts: Flat facts; the same object for all nodes that have the same.
        numbers: What was measured: value, unit and which way is better.
        boot: What the kernel calls this boot.
        pool: The scheduler's partition.
        started: ISO form.
        seconds: How long it took.
        plain: Whether it is a report without a node's identity, as `gpucheck doctor --format json` writes it.
        skipped: Whether a scheduler had given it no GPU.
        unmet: Demands that it does not meet, and those that could not be determined.
    """

    name: str
    source: str
    verdict: str
    status: int
    roots: tuple[str, ...]
    slugs: tuple[str, ...]
    facts: dict[str, str]
    numbers: dict[str, tuple[float, str, str]]
    boot: str | None = None
    pool: str | None = None
    started: str = ""
    seconds: float = 0.0
    plain: bool = False
    skipped: bool = False
    unmet: tuple[tuple[str, ...], tuple[str, ...]] = ((), ())


class Reader:
    """Reads reports one after the other, and shares what they have in common.

    Attributes:
        advice: Of each slug the title of one finding, and its first way out.
    """

    def __init__(self, judge: Callable[[Any], tuple[tuple[str, ...], tuple[str, ...]]] | None = None) -> None:
        self.advice: dict[str, tuple[str, str, tuple[str, ...]]] = {}
        self._judge = judge
        self._profiles: dict[tuple[tuple[str, str], ...], dict[str, str]] = {}
        self._slugs: dict[tuple[str, ...], tuple[str, ...]] = {}

    def read(self, content: bytes, source: str, name: str | None) -> Entry:
        """Return what is kept of a report.

        Args:
            content: The document.
            source: Where it comes from.
            name: What its node is called where the report does not say so.

        Raises:
            DamagedError: It is no whole report of a schema that is known here.
        """
        document = parsed(content)
        try:
            return self._entry(document, source, name)
        except (LookupError, TypeError, ValueError, AttributeError, ArithmeticError, RecursionError) as error:
            if isinstance(error, DamagedError):
                raise
            raise DamagedError(f"a damaged report: {type(error).__name__} {str(error)[:80]}") from None

    def _entry(self, document: dict[str, Any], source: str, name: str | None) -> Entry:
        plain = document.get("node") is None
        about: dict[str, Any] = self._about(document, source, name) if plain else document["node"]
        if not plain and document.get("complete") is not True:
            raise DamagedError("half a report: it does not say that it is complete")
        findings = document["findings"]
        grave = [one["slug"] for one in findings if one["severity"] != "info"]
        for one in findings:
            if one["slug"] not in self.advice:
                self._advise(one)
        scheduler = about.get("scheduler") or {}
        pool = next((scheduler[key] for key in POOL if scheduler.get(key)), None)
        return Entry(
            name=_text(about["name"]),
            source=source,
            verdict=sys.intern(_text(document["verdict"])),
            status=int(document["exit_status"]),
            roots=self._shared(document["root_causes"]),
            slugs=self._shared(dict.fromkeys(grave)),
            facts=self._profile(about["facts"]),
            numbers={
                sys.intern(_text(key)): (float(one["value"]), sys.intern(one["unit"]), sys.intern(one["better"]))
                for key, one in about["numbers"].items()
                if isfinite(one["value"])
            },
            boot=_text(about["boot_id"]) if about.get("boot_id") is not None else None,
            pool=sys.intern(_text(pool)) if pool else None,
            started=_text(about.get("started") or ""),
            seconds=_finite(about.get("seconds") or 0),
            plain=plain,
            skipped=_skipped(document, about["facts"]),
            unmet=self._judge(document["facts"]) if self._judge is not None else ((), ()),
        )

    def _about(self, document: dict[str, Any], source: str, name: str | None) -> dict[str, Any]:
        """Return what a report without a node's identity shows of it."""
        from gpucheck.facts import Facts, from_json

        facts = flat(from_json(Facts, document["facts"]))
        return {"name": name or source, "facts": facts, "numbers": numbers(document)}

    def _profile(self, facts: dict[str, str]) -> dict[str, str]:
        key = tuple(facts.items())
        kept = self._profiles.get(key)
        if kept is None:
            kept = {sys.intern(_text(name)): sys.intern(_text(value)) for name, value in key}
            self._profiles[tuple(kept.items())] = kept
        return kept

    def _shared(self, slugs: Any) -> tuple[str, ...]:
        key = tuple(slugs)
        if not key:
            return ()
        return self._slugs.setdefault(key, tuple(sys.intern(_text(slug)) for slug in key))

    def _advise(self, finding: dict[str, Any]) -> None:
        fix = next(iter(finding["fixes"]), None) or {"text": "", "commands": []}
        text = (str(finding["title"]), str(fix["text"]), tuple(map(str, fix["commands"])))
        self.advice[_text(finding["slug"])] = text


def _skipped(document: dict[str, Any], facts: dict[str, str]) -> bool:
    """Whether the node's scheduler gave the job no GPU, so that nothing can be said of them."""
    if facts.get("scheduler", "none") == "none" or document["exit_status"] == 1:
        return False
    return any(one["status"] == "skip" and (one["reason"] or "").endswith(NOT_GIVEN) for one in document["checks"])


def _finite(value: Any) -> float:
    number = float(value)
    if not isfinite(number):
        raise DamagedError(f"a damaged report: {value} stands where a time belongs")
    return number


def _text(value: Any) -> str:
    if not isinstance(value, str) or len(value) > LONGEST * 2:
        raise DamagedError(f"a damaged report: {str(value)[:40]!r} stands where a short text belongs")
    return value


def parsed(content: bytes) -> dict[str, Any]:
    """Return a report of ours as Python values.

    Raises:
        DamagedError: It is none, or not whole; the message says what is wrong.
    """
    try:
        document = json.loads(content)
    except (ValueError, RecursionError):
        raise DamagedError(_unreadable(content)) from None
    if not isinstance(document, dict) or "schema_version" not in document:
        raise DamagedError("no report of gpucheck")
    version = document["schema_version"]
    if version != SCHEMA_VERSION:
        newer = isinstance(version, int) and version > SCHEMA_VERSION
        what = "of a newer schema" if newer else "of an unknown schema"
        raise DamagedError(
            f"a report {what} ({str(version)[:20]}; this gpucheck reads {SCHEMA_VERSION}): update it"
        )
    missing = next((key for key in OURS if key not in document), None)
    if missing is not None:
        raise DamagedError(f"no report of gpucheck: it has no {missing!r}")
    return document


def _unreadable(content: bytes) -> str:
    start = content[:2000].lstrip(b"\xef\xbb\xbf \t\r\n")
    if not start:
        return "empty"
    if start.startswith(b"{") and b'"schema_version"' in start:
        twice = len(content) > 4 and content.rstrip().endswith(b"}") and content.count(b'"complete":true}') > 1
        return "two reports in one file" if twice else f"half a report: {len(content):,} bytes, and no end"
    return "garbage"
