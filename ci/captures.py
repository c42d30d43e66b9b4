#!/usr/bin/env python3
"""Audits every capture in a folder that has an INDEX.md. Compares the MQTT packets by type, the versions and the
connections that can be replayed with the index, and the findings in captures that were made for a violation.
The index is a table with the columns `file`, `MQTT/all TCP streams`, `replayable streams`, `MQTT` and `packet types`.

    ci/captures.py FOLDER [PROGRAM]
"""

import json, os, re, subprocess, sys

if len(sys.argv) not in (2, 3):
    print(__doc__, file=sys.stderr)
    sys.exit(2)
folder, program = (*sys.argv[1:], "target/release/mqttspec")[:2]
NAMES = dict(CON="CONNECT", CAK="CONNACK", PUB="PUBLISH", PAK="PUBACK", REC="PUBREC", REL="PUBREL", CMP="PUBCOMP",
             SUB="SUBSCRIBE", SAK="SUBACK", UNS="UNSUBSCRIBE", UAK="UNSUBACK", PRQ="PINGREQ", PRS="PINGRESP",
             DIS="DISCONNECT", AUT="AUTH", type0="reserved 0")

def rows(text):
    head = None
    for line in text.splitlines():
        cells = [c.strip() for c in line.strip().strip("|").split("|")]
        if line.startswith("| file "):
            head = cells
        elif head and line.startswith("|") and not line.startswith("|--") and len(cells) == len(head):
            yield dict(zip(head, cells))

# Captures that were made for a violation: whose violation it is, of which statement, and whether the packets that were removed from
# the capture leave it open, so that only --strict reports a violation.
MADE_FOR = {
    "suricata-mqtt-events-invalid-qos.pcap": ("client", "v3.1.1:MQTT-3.3.1-4", "violation"),
    "suricata-mqtt-events-unassigned-msgtype.pcap": ("client", "v3.1.1:§2.2.1/packet-type", "violation"),
    "suricata-mqtt-events-unintroduced.pcap": ("broker", "v3.1:§3.1/connack", "unknown"),
    "suricata-mqtt-events-missing-connect.pcap": ("client", "v3.1.1:MQTT-3.1.0-1", "unknown"),
}

def violations(path, *options):
    """The exit code, and which side violated which statement."""
    out = subprocess.run([program, "audit", "--json", *options, path], capture_output=True, text=True, timeout=120)
    streams = json.loads(out.stdout)["streams"]
    return out.returncode, {(b["by"], b["statement"], b["outcome"]) for s in streams for b in s["violations"]}

checked = wrong = 0
for row in rows(open(os.path.join(folder, "INDEX.md")).read()):
    path = os.path.join(folder, row["file"])
    if not os.path.exists(path):
        continue
    out = subprocess.run([program, "audit", "--json", path], capture_output=True, text=True, timeout=120)
    if out.returncode not in (0, 1):
        print(f"{row['file']}: exit {out.returncode}: {out.stderr.strip()}")
        checked, wrong = checked + 1, wrong + 1
        continue
    streams = json.loads(out.stdout)["streams"]
    types = row["packet types"].split()
    want = {NAMES[name]: int(n) for name, n in zip(types[::2], types[1::2])}
    found = {}
    for stream in streams:
        for name, n in stream["packets"].items():
            found[name] = found.get(name, 0) + n
    versions = {s["version"] for s in streams if s["version"]}
    version = {"?": set()}.get(row["MQTT"], {"v" + row["MQTT"].removesuffix(".0")})
    compared = {
        "packets": (want, found),
        "connections of MQTT": (int(row["MQTT/all TCP streams"].split("/")[0]), len(streams)),
        "replayable": (int(row["replayable streams"]), sum(s["replayable"] for s in streams)),
        "versions": (version, versions),
    }
    if made_for := MADE_FOR.get(row["file"]):
        by, statement, outcome = made_for
        compared["violations"] = ((int(outcome == "violation"), {made_for}), violations(path))
        compared["violations with --strict"] = ((1, {(by, statement, "violation")}), violations(path, "--strict"))
    bad = {key: pair for key, pair in compared.items() if pair[0] != pair[1]}
    checked, wrong = checked + 1, wrong + bool(bad)
    for key, (expected, got) in bad.items():
        print(f"{row['file']}: {key}: the index says {expected}, found {got}")
    for stream in streams:
        if not stream["replayable"]:
            print(f"{row['file']}: stream {stream['stream']} cannot be replayed: {stream['reason']}")
print(f"captures: {checked} compared, {wrong} differ")
sys.exit(1 if wrong or not checked else 0)
