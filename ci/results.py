#!/usr/bin/env python3
"""Reads the output of `mqttspec run --json` (docs/json.md), for the other scripts here.

    ci/results.py summary RESULT.json       how many cases have each verdict, in one line
    ci/results.py bad RESULT.json           the cases with an unexpected verdict, one per line
    ci/results.py cases RESULT.json         how many cases there are
    ci/results.py slowest RESULT.json       seconds and id of the slowest case
    ci/results.py changes RESULT.json...    every case whose verdict differs from that in the first of these runs; exits 3
                                            if there is one. Then how many plays were void
"""

import json
import sys
from collections import Counter

UNEXPECTED = ("fail", "crash", "fixed", "error")
# The reason of a case that was void each time: the machine was too busy for its timers.
VOID = "machine too slow: "


def read(path: str) -> dict:
    with open(path, encoding="utf-8") as file:
        run = json.load(file)
    if run["format"] not in (1, 2):
        sys.exit(f"{path}: format {run['format']} is not known here")
    return run


def summary(run: dict) -> str:
    target = run["target"]
    counts = [f"{n} {verdict}" for verdict, n in run["summary"].items() if n]
    cut = ", interrupted" if run["interrupted"] else ""
    name = " ".join(filter(None, [target["name"], target["version"]]))
    return f"{name}: {', '.join(counts)} in {run['seconds']:.1f}s{cut}"


def bad(run: dict) -> str:
    return "\n".join(
        f"{case['verdict']} {case['id']}: {case['reason'] or ''}" for case in run["cases"] if case["verdict"] in UNEXPECTED
    )


def cases(run: dict) -> str:
    return str(len(run["cases"]))


def slowest(run: dict) -> str:
    case = max(run["cases"], key=lambda case: case["seconds"] or 0)
    return f"{case['seconds']:.1f} s, `{case['id']}`"


def changes(paths: list[str]) -> tuple[list[str], int]:
    """The changes, and how many plays were void.

    A skip and a void play count as nothing. Only a profile makes a deviation a known one, so it counts as a failure.
    """
    first: dict[str, str] = {}
    seen: Counter[str] = Counter()
    void = 0
    for path in paths:
        for case in read(path)["cases"]:
            verdict = {"known": "fail"}.get(case["verdict"], case["verdict"])
            if verdict == "error" and (case["reason"] or "").startswith(VOID):
                void += 1
                continue
            if verdict == "skip":
                continue
            before = first.setdefault(case["id"], verdict)
            if verdict != before:
                seen[f"{case['id']} was {before}, is {verdict}"] += 1
    return [f"changed: {what} ({times} times)" for what, times in sorted(seen.items())], void


if __name__ == "__main__":
    single = {"summary": summary, "bad": bad, "cases": cases, "slowest": slowest}
    match sys.argv[1:]:
        case ["changes", _, *_]:
            found, void = changes(sys.argv[2:])
            notes = [f"void, because the machine was too busy: {void} plays"] if void else []
            for line in found + notes:
                print(line)
            sys.exit(3 if found else 0)
        case [what, path] if what in single:
            if text := single[what](read(path)):
                print(text)
        case _:
            print(__doc__, file=sys.stderr)
            sys.exit(2)
