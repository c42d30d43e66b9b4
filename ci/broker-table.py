#!/usr/bin/env python3
"""The rows of the tables in docs/brokers.md.

    ci/broker-table.py RESULT.json...          from what `mqttspec run --json` wrote, such as target/all-brokers/*.json
    ci/broker-table.py --causes PROFILE...     the causes of each severity in the profiles, such as ci/brokers/*.yaml

The text below the tables explains the columns. A known deviation is one of not refusing if the step that fails
expects a refusal or a close; one that already shows in a case's control affects clients that keep to the protocol.
"""

import json
import re
import sys
from collections import Counter
from pathlib import Path

REFUSAL = re.compile(r"<- (refused|closed)")
SEVERITIES = ("data-loss", "wrong-delivery", "interoperability", "leniency", "cosmetic")
# Both are on a line of their own in the profiles here, so that no YAML library is needed.
SEVERITY = re.compile(r"^    severity: (\S+)$", re.MULTILINE)
KNOWN_FROM = re.compile(r"^known_from: (\S+)$", re.MULTILINE)


def row(path: Path) -> str:
    run = json.loads(path.read_text())
    cases = run["cases"]
    known = [case for case in cases if case["verdict"] == "known"]
    refusals = [case for case in known if not case["in_control"] and REFUSAL.search(awaited(case))]
    versions = sorted({case["version"][1:] for case in cases if case["verdict"] != "skip"})
    cells = [
        run["target"]["name"],
        run["target"]["version"],
        ", ".join(versions),
        sum(case["verdict"] == "pass" for case in cases),
        len(known) - len(refusals),
        len(refusals),
        round(run["seconds"]),
    ]
    return "| " + " | ".join(str(cell) for cell in cells) + " |"


def awaited(case: dict) -> str:
    """The step that fails, and its alternatives."""
    place = case["place"] or {}
    return " ".join([place.get("text", ""), *(one["what"] for one in case["expected"])])


def severities(profile: Path) -> Counter:
    """How many causes of each severity a profile lists, including those of the file that it names."""
    text = profile.read_text()
    found = Counter(SEVERITY.findall(text))
    for file in KNOWN_FROM.findall(text):
        found += severities(profile.parent / file)
    return found


def causes(profile: Path) -> str:
    found = severities(profile)
    cells = [f"`{profile.stem}`", *(found[severity] for severity in SEVERITIES), sum(found.values())]
    return "| " + " | ".join(str(cell) for cell in cells) + " |"


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["--causes", _, *_]:
            rows = map(causes, map(Path, sys.argv[2:]))
        case [name, *_] if not name.startswith("-"):
            rows = map(row, map(Path, sys.argv[1:]))
        case _:
            sys.exit(__doc__)
    print(*rows, sep="\n")
