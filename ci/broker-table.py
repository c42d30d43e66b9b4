#!/usr/bin/env python3
"""The rows of the table in docs/brokers.md, from what `mqttspec run --json` wrote.

    ci/broker-table.py RESULT.json...     such as target/all-brokers/*.json

What the columns count stands below the table. A known deviation is one of what is not refused where the step that fails
expects a refusal or a close; one that shows in a case's control already is met by clients that keep to the protocol.
"""

import json
import re
import sys
from pathlib import Path

REFUSAL = re.compile(r"<- (refused|closed)")


def row(path: Path) -> str:
    run = json.loads(path.read_text())
    cases = run["cases"]
    known = [case for case in cases if case["verdict"] == "known"]
    refusals = [case for case in known if not case["in_control"] and REFUSAL.search(awaited(case))]
    causes = {cause for case in known for cause in (case["reason"] or "").split("; ")}
    versions = sorted({case["version"][1:] for case in cases if case["verdict"] != "skip"})
    cells = [
        run["target"]["name"],
        run["target"]["version"],
        ", ".join(versions),
        sum(case["verdict"] == "pass" for case in cases),
        len(known) - len(refusals),
        len(refusals),
        len(causes),
        round(run["seconds"]),
    ]
    return "| " + " | ".join(str(cell) for cell in cells) + " |"


def awaited(case: dict) -> str:
    """The step that fails, and what else it could have been."""
    place = case["place"] or {}
    return " ".join([place.get("text", ""), *(one["what"] for one in case["expected"])])


if __name__ == "__main__":
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    for name in sys.argv[1:]:
        print(row(Path(name)))
