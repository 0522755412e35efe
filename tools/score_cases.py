"""Scores `gpucheck explain` on a folder of labelled texts: ``python tools/score_cases.py DIR [-v]``.

Each file is JSON with ``text``, ``cause``, ``also`` (other right answers) and ``benign``. A text is right at first
when the first root cause is among its labels; a benign or healthy one when there is no root cause at all.
"""

from __future__ import annotations

import json
import sys
from collections import Counter
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from gpucheck import explaining  # noqa: E402
from gpucheck.findings import Report  # noqa: E402

MOST = 3


def answers(report: Report) -> list[str]:
    """Return the causes that a report names, the first one first, with what the first may be instead."""
    roots = [finding for finding in report.findings if finding.slug in report.root_causes]
    named = [finding.slug for finding in roots]
    for finding in roots:
        named += finding.instead
    return list(dict.fromkeys(named))


def right(case: dict, named: list[str], told: list[str]) -> bool:
    """Whether the first answer is one of the labels."""
    labels = {case["cause"], *case["also"]}
    if case["benign"] or case["cause"] == "healthy":
        return not named
    # A cause that is only information, such as a machine without a GPU, is no root cause.
    first = named[:1] or told[:1] or ["healthy"]
    return bool(labels & set(first))


def main(folder: Path, verbose: bool) -> int:
    """Print the score; 1 where nothing could be scored."""
    cases = [json.loads(path.read_text(encoding="utf-8")) for path in sorted(folder.glob("*.json"))]
    if not cases:
        print(f"{folder}: holds no labelled texts (*.json)", file=sys.stderr)
        return 1
    first, third, kinds, causes, alarms, misses = 0, 0, Counter(), Counter(), [], []
    for case in cases:
        report = explaining.explain(case["text"])
        named, told = answers(report), [finding.slug for finding in report.findings]
        hit = right(case, named, told)
        first += hit
        third += hit or bool({case["cause"], *case["also"]} & set(named[:MOST]))
        kinds[case["kind"], hit] += 1
        causes[case["cause"], hit] += 1
        if not hit and (case["benign"] or case["cause"] == "healthy"):
            alarms.append(f"  {case['id']}: {', '.join(named)}")
        elif not hit:
            misses.append(f"  {case['id']}: {case['cause']}, said {', '.join(named or told) or 'nothing'}")
    print(f"first answer right: {first} of {len(cases)} ({first / len(cases):.1%})")
    print(f"among the first {MOST}: {third} of {len(cases)} ({third / len(cases):.1%})")
    print(f"false alarms: {len(alarms)}")
    for title, table in (("kind", kinds), ("cause", causes)):
        wanted = sorted({key for key, _ in table}) if verbose or title == "kind" else []
        for key in wanted:
            print(f"  {title} {key}: {table[key, True]} of {table[key, True] + table[key, False]}")
    print("\n".join(["false alarms:", *alarms] if alarms else []), end="\n" if alarms else "")
    print("\n".join(["misses:", *misses] if misses else []))
    return 0


if __name__ == "__main__":
    arguments = [one for one in sys.argv[1:] if one != "-v"]
    if len(arguments) != 1 or not Path(arguments[0]).is_dir():
        sys.exit("write: python tools/score_cases.py DIR [-v]")
    sys.exit(main(Path(arguments[0]), "-v" in sys.argv))
