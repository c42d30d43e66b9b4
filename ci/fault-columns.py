#!/usr/bin/env python3
"""Writes the columns of docs/fuzz-faults.md that come from the program: what the suite and `mqttspec fuzz` see of each fault.

Usage: ci/fault-columns.py play [PROGRAM] [FAULT...]
       ci/fault-columns.py fuzz [PROGRAM] [FAULT...]
       ci/fault-columns.py write

PROGRAM is mqttspec, target/release/mqttspec unless given. Without FAULT all faults of the page.

`play` plays the suite against the reference broker with each fault, and says which cases fail that no case of the obedient broker
does. `fuzz` plays generated sequences against the reference broker as a process of its own with a store, for 10 s, and if that gives
no scenario for 60 s and then for 600 s. Both keep their results in target/faults, one file for each fault, and leave out faults that
have one there. `write` makes columns and totals of them. `cargo test -p mqttspec-fuzzer --features measure fault_table` writes
the other columns, and keeps these."""

import functools
import json
import re
import subprocess
import sys
import tempfile
from pathlib import Path
from statistics import median

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs/fuzz-faults.md"
RESULTS = ROOT / "target/faults"
# How long sequences are played: the next time if the one before has confirmed nothing.
TIMES = [10, 60, 600]
ROW = re.compile(r"^\| `combined:([a-z0-9-]+)` \|", re.MULTILINE)
# These judge all connections of a case; every other name is that of a rule, which judges one connection.
HISTORY = re.compile(r'const \w+: Invariant = Invariant \{\s*name: "([a-z0-9-]+)"')


@functools.cache
def invariants() -> set[str]:
    folder = ROOT / "crates/protocol/src/history"
    return {name for file in folder.glob("*.rs") for name in HISTORY.findall(file.read_text())}


def faults() -> list[str]:
    return ROW.findall(PAGE.read_text())


def keep(kind: str, fault: str, result: object) -> None:
    RESULTS.mkdir(parents=True, exist_ok=True)
    (RESULTS / f"{fault}.{kind}.json").write_text(json.dumps(result, indent=1) + "\n")


def kept(kind: str, fault: str) -> object:
    file = RESULTS / f"{fault}.{kind}.json"
    return json.loads(file.read_text()) if file.exists() else None


def failures(program: str, arguments: list[str]) -> dict[str, dict]:
    """The cases that fail, each with whether its steps failed and the rules that saw a violation."""
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "run.json"
        command = [program, "run", "--json", str(out), "--trace", "never", *arguments]
        subprocess.run(command, cwd=folder, stdout=subprocess.DEVNULL, check=False)
        cases = json.loads(out.read_text())["cases"]
    return {
        case["id"]: {
            "steps": case["stage"] == "script",
            "rules": sorted({violation["rule"] for violation in case["violations"] if violation["rule"]}),
        }
        for case in cases
        if case["verdict"] == "fail"
    }


def play(program: str, wanted: list[str]) -> None:
    for fault in wanted:
        if kept("suite", fault) is None:
            failed = failures(program, ["--fault", f"combined:{fault}"])
            keep("suite", fault, failed)
            print(fault, len(failed), flush=True)


PROFILE = """name: reference
process:
  command: [{program}, broker, --listen, "127.0.0.1:$port", --store, $dir/store, --fault, "combined:{fault}"]
mqtt: mqtt://127.0.0.1:$port
versions: [v3.1, v3.1.1, v5]
supports: [restart, persistence, durable]
"""


def fuzz(program: str, wanted: list[str]) -> None:
    for fault in wanted:
        if kept("fuzz", fault) is not None:
            continue
        for seconds in TIMES:
            with tempfile.TemporaryDirectory() as folder:
                profile = Path(folder) / "broken.yaml"
                profile.write_text(PROFILE.format(program=json.dumps(program), fault=fault))
                out = Path(folder) / "fuzz.json"
                command = [program, "fuzz", str(profile), "--seed", "1", "--seconds", str(seconds), "--restarts", "4"]
                command += ["--waits", "64", "--json", str(out)]
                subprocess.run(command, cwd=folder, stdout=subprocess.DEVNULL, check=False)
                report = json.loads(out.read_text())
            causes = [cause for cause in report["causes"] if cause["outcome"] == "confirmed"]
            result = {
                "seconds": seconds,
                "sequences": report["sequences"],
                "causes": [
                    {
                        "id": cause["id"],
                        "steps": len(cause["sequence"]["actions"]),
                        "file": cause["scenario"] is not None,
                    }
                    for cause in causes
                ],
            }
            print(fault, result, flush=True)
            if any(cause["file"] for cause in result["causes"]):
                break
        keep("fuzz", fault, result)


def suite_cell(failed: dict[str, dict] | None) -> str:
    """How many cases fail outside scenarios/pairs by their steps or rules, by histories alone, and in scenarios/pairs."""
    if failed is None:
        return ""
    histories = invariants()
    plain = history = pairs = 0
    for case, how in failed.items():
        if case.startswith("pairs/"):
            pairs += 1
        elif how["steps"] or set(how["rules"]) - histories:
            plain += 1
        else:
            history += 1
    return f"{plain} + {history} + {pairs}"


def fuzz_cell(result: dict | None) -> str:
    """Within how many seconds a scenario was written, and the steps of the shortest sequence that has one."""
    if result is None:
        return ""
    steps = [cause["steps"] for cause in result["causes"] if cause["file"]]
    return f"{result['seconds']} s, {min(steps)} steps" if steps else "no"


CELLS = 6


def write() -> None:
    # Without a run of `fuzz` there is no column of it.
    has_fuzz = any(kept("fuzz", fault) is not None for fault in faults())
    lines = []
    for line in PAGE.read_text().splitlines():
        cells = line.split("|")
        if line.startswith("| fault |"):
            line = "|".join(cells[: CELLS + 1]) + "| suite |" + " `fuzz` |" * has_fuzz
        elif line.startswith("| --- |"):
            line = "|".join(cells[: CELLS + 1]) + "| --- |" + " --- |" * has_fuzz
        elif match := ROW.match(line):
            suite, found = suite_cell(kept("suite", match[1])), fuzz_cell(kept("fuzz", match[1]))
            line = "|".join(cells[: CELLS + 1]) + f"| {suite} |" + f" {found} |" * has_fuzz
        lines.append(line)
    PAGE.write_text("\n".join(lines) + "\n")
    totals()


def totals() -> None:
    results = [result for fault in faults() if (result := kept("suite", fault)) is not None]
    cells = [[int(number) for number in suite_cell(result).split(" + ")] for result in results]
    print(f"of {len(cells)} faults: {sum(c[0] > 0 for c in cells)} seen by steps and rules outside scenarios/pairs,")
    print(f"{sum(c[0] + c[1] > 0 for c in cells)} with histories, {sum(sum(c) > 0 for c in cells)} with scenarios/pairs")
    found = [result for fault in faults() if (result := kept("fuzz", fault)) is not None]
    if not found:
        return
    steps = [min(c["steps"] for c in r["causes"] if c["file"]) for r in found if any(c["file"] for c in r["causes"])]
    for seconds in TIMES:
        seen = sum(r["seconds"] <= seconds and any(c["file"] for c in r["causes"]) for r in found)
        print(f"of {len(found)} faults: {seen} by fuzz within {seconds} s")
    if steps:
        print(f"steps: median {median(steps)}, at most {max(steps)}")


def main() -> None:
    if len(sys.argv) < 2 or sys.argv[1] not in ("play", "fuzz", "write"):
        sys.exit(__doc__)
    program = sys.argv[2] if len(sys.argv) > 2 else str(ROOT / "target/release/mqttspec")
    wanted = sys.argv[3:] or faults()
    if sys.argv[1] == "play":
        play(str(Path(program).resolve()), wanted)
    elif sys.argv[1] == "fuzz":
        fuzz(str(Path(program).resolve()), wanted)
    else:
        write()


if __name__ == "__main__":
    main()
