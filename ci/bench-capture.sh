#!/usr/bin/env bash
# How fast `audit` reads beside tshark, on the same files in one run: 200 MB in large segments, and 140 000 short connections.
# Prints user + system time, throughput and peak memory of both, and fails where audit is less than ten times as fast or takes
# 64 MB or more. It needs tshark, python3, 400 MB of disk and some minutes, nearly all of them tshark's.
#
#   ci/bench-capture.sh [FOLDER]      FOLDER for the two files, target/bench without it
set -eu -o pipefail
cd "$(dirname "$0")/.."
folder=${1:-target/bench}
mkdir -p "$folder"
cargo build --release --locked --quiet --bin mqttspec
cargo build --locked --quiet --example make-capture
[ -s "$folder/large.pcap" ] || target/debug/examples/make-capture large 200 > "$folder/large.pcap"
[ -s "$folder/short.pcap" ] || target/debug/examples/make-capture short 140000 > "$folder/short.pcap"

python3 - "$folder" <<'PYTHON'
import os, shutil, sys

def run(command):
    """Seconds of user and system time, and the peak of memory in MB."""
    pid = os.fork()
    if pid == 0:
        sink = os.open(os.devnull, os.O_WRONLY)
        os.dup2(sink, 1)
        os.dup2(sink, 2)
        os.execvp(command[0], command)
    _, status, usage = os.wait4(pid, 0)
    code = os.waitstatus_to_exitcode(status)
    return code, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024

folder, bad = sys.argv[1], []
has_tshark = shutil.which("tshark")
print(f"{'file':<12}{'MB':>6}  {'program':<10}{'seconds':>9}{'MB/s':>9}{'peak MB':>9}")
for name in ("large.pcap", "short.pcap"):
    path = os.path.join(folder, name)
    size = os.path.getsize(path) / 1e6
    rates = {}
    programs = {"audit": ["target/release/mqttspec", "audit", "--json", path]}
    if has_tshark:
        programs["tshark"] = ["tshark", "-r", path, "-Y", "mqtt", "-T", "fields", "-e", "mqtt.msgtype"]
    for program, command in programs.items():
        # The best of three; tshark takes its time, once is enough.
        runs = [run(command) for _ in range(3 if program == "audit" else 1)]
        if any(code != 0 for code, _, _ in runs):
            bad.append(f"{program} fails on {name}")
        seconds, peak = min(s for _, s, _ in runs), max(p for _, _, p in runs)
        rates[program] = size / seconds
        print(f"{name:<12}{size:>6.0f}  {program:<10}{seconds:>9.2f}{rates[program]:>9.0f}{peak:>9.0f}", flush=True)
        if program == "audit" and peak >= 64:
            bad.append(f"audit takes {peak:.0f} MB on {name}")
    if has_tshark:
        times = rates["audit"] / rates["tshark"]
        print(f"{name:<12}audit is {times:.1f} times as fast as tshark")
        if times < 10:
            bad.append(f"audit is only {times:.1f} times as fast as tshark on {name}")
if not has_tshark:
    bad.append("tshark is not installed: nothing to compare with")
print("bench-capture: " + ("; ".join(bad) if bad else "as fast as asked for"))
sys.exit(1 if bad else 0)
PYTHON
