#!/usr/bin/env python3
"""Counts the pairs of scenarios that share more than 70 % of their lines.

Usage: ci/alike.py [-v] [FOLDER]

FOLDER is scenarios unless given. A pair shares the lines that both files have, counted as often as both have them, as a part of
the longer file. Blank lines and comments do not count. With -v the pairs are listed, the most alike first."""

import sys
from collections import Counter
from itertools import combinations
from pathlib import Path

SHARE = 0.7


def main() -> None:
    arguments = [argument for argument in sys.argv[1:] if argument != "-v"]
    folder = Path(arguments[0] if arguments else "scenarios")
    files = {}
    for file in sorted(folder.rglob("*.yaml")):
        lines = (line.strip() for line in file.read_text().splitlines())
        files[file.relative_to(folder)] = Counter(line for line in lines if line and not line.startswith("#"))
    pairs = []
    for (a, left), (b, right) in combinations(files.items(), 2):
        share = (left & right).total() / max(left.total(), right.total())
        if share > SHARE:
            pairs.append((share, a, b))
    if "-v" in sys.argv:
        for share, a, b in sorted(pairs, reverse=True):
            print(f"{share:.0%}  {a.with_suffix('')}  {b.with_suffix('')}")
    print(f"{len(pairs)} pairs of {len(files)} scenarios share more than {SHARE:.0%} of their lines")


if __name__ == "__main__":
    main()
