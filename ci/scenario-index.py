#!/usr/bin/env python3
"""Writes scenarios/README.md: each folder, its topic, and its contents.

Usage: ci/scenario-index.py [--check] [PROGRAM]

PROGRAM is mqttspec, target/release/mqttspec unless given. scenarios/folders.txt describes the folders. With --check
nothing is written: it exits 1 if the file differs. It also exits 1 if a folder has no text, or a text no folder."""

import json
import re
import subprocess
import sys
from collections import defaultdict
from pathlib import Path

HEAD = """# Scenarios

One folder per topic, one file per scenario. The path of a file is the id of its cases: `qos2/dup-before-pubrel@v5`.
[docs/language.md](../docs/language.md) describes the language. Former ids are in [aliases.txt](aliases.txt).

`ci/scenario-index.py` writes this file from `folders.txt`. The last column counts the normative statements that the cases prove.

| folder | about | scenarios | cases | statements |
| --- | --- | ---: | ---: | ---: |
"""


def about(file: Path) -> dict[str, str]:
    lines = [line for line in file.read_text().splitlines() if line and not line.startswith("#")]
    texts = dict(line.split(": ", 1) for line in lines)
    if list(texts) != sorted(texts):
        sys.exit(f"{file}: the folders are not sorted")
    return texts


def index(root: Path, program: str) -> str:
    command = [program, "list", "--json", "--scenarios", str(root / "scenarios")]
    listed = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    scenarios, cases, statements = defaultdict(set), defaultdict(int), defaultdict(set)
    for case in listed["cases"]:
        path = re.split(r"[\[@]", case["id"])[0]
        folder = path.rsplit("/", 1)[0]
        scenarios[folder].add(path)
        cases[folder] += 1
        statements[folder].update(case["statements"])
    texts = about(root / "scenarios/folders.txt")
    if texts.keys() != scenarios.keys():
        sys.exit(f"folders.txt and the folders differ: {', '.join(sorted(texts.keys() ^ scenarios.keys()))}")
    rows = [
        f"| [{f}]({f}) | {texts[f]} | {len(scenarios[f])} | {cases[f]} | {len(statements[f])} |" for f in sorted(scenarios)
    ]
    totals = (sum(map(len, scenarios.values())), sum(cases.values()), len(set().union(*statements.values())))
    rows.append(f"| all | | {totals[0]} | {totals[1]} | {totals[2]} |")
    return HEAD + "\n".join(rows) + "\n"


def main() -> None:
    arguments = [argument for argument in sys.argv[1:] if argument != "--check"]
    root = Path(__file__).resolve().parent.parent
    text = index(root, arguments[0] if arguments else str(root / "target/release/mqttspec"))
    file = root / "scenarios/README.md"
    if "--check" not in sys.argv:
        file.write_text(text)
    elif not file.exists() or file.read_text() != text:
        sys.exit("scenarios/README.md is not up to date: run ci/scenario-index.py")


if __name__ == "__main__":
    main()
