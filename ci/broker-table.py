#!/usr/bin/env python3
"""The rows of the tables in docs/brokers.md.

    ci/broker-table.py RESULT.json...          from what `mqttspec run --json` wrote, such as target/all-brokers/*.json
    ci/broker-table.py --causes PROFILE...     the causes of each severity in the profiles, such as ci/brokers/*.yaml
    ci/broker-table.py --rulings PROFILE...    the causes of each ruling

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
RULINGS = ("must", "strict", "should", "disputed")
# Each is on a line of its own in the profiles here, so that no YAML library is needed.
CAUSE = re.compile(r"^  - because: ", re.MULTILINE)
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


def values(profile: Path, key: str) -> Counter:
    """How many causes a profile lists for each value of a key, including those of the file that it names."""
    text = profile.read_text()
    found = Counter(re.findall(rf"^    {key}: (\S+)$", text, re.MULTILINE))
    listed = len(CAUSE.findall(text))
    if found.total() != listed:
        sys.exit(f"{profile}: {listed} causes, of which {found.total()} have the key `{key}`")
    for file in KNOWN_FROM.findall(text):
        found += values(profile.parent / file, key)
    return found


def causes(profile: Path, key: str, columns: tuple) -> str:
    found = values(profile, key)
    if unknown := found.keys() - set(columns):
        sys.exit(f"{profile}: unknown {key}: {', '.join(unknown)}")
    cells = [f"`{profile.stem}`", *(found[value] for value in columns), found.total()]
    return "| " + " | ".join(str(cell) for cell in cells) + " |"


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["--causes", _, *_]:
            rows = (causes(Path(name), "severity", SEVERITIES) for name in sys.argv[2:])
        case ["--rulings", _, *_]:
            rows = (causes(Path(name), "ruling", RULINGS) for name in sys.argv[2:])
        case [name, *_] if not name.startswith("-"):
            rows = map(row, map(Path, sys.argv[1:]))
        case _:
            sys.exit(__doc__)
    print(*rows, sep="\n")
