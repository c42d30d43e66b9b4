#!/usr/bin/env python3
"""The measurements of ci/bench-capture.sh, on the files that it has made in a folder.

    ci/bench-capture.py FOLDER
"""

import os, shutil, statistics, sys

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
print(f"{'file':<18}{'MB':>6}  {'program':<10}{'seconds':>9}{'MB/s':>9}{'peak MB':>9}")
for name in ("full-200.pcap", "large-200.pcap", "short-140000.pcap"):
    path = os.path.join(folder, name)
    size = os.path.getsize(path) / 1e6
    rates = {}
    programs = {"audit": ["target/dist/mqttspec", "audit", "--json", path]}
    if has_tshark:
        programs["tshark"] = ["tshark", "-r", path, "-Y", "mqtt", "-T", "fields", "-e", "mqtt.msgtype"]
    for program, command in programs.items():
        # The median of five, or of as many as there are in twenty seconds.
        runs = [run(command)]
        while len(runs) < 5 and sum(s for _, s, _ in runs) < 20:
            runs.append(run(command))
        if any(code != 0 for code, _, _ in runs):
            bad.append(f"{program} fails on {name}")
        seconds, peak = statistics.median(s for _, s, _ in runs), max(p for _, _, p in runs)
        rates[program] = size / seconds
        print(f"{name:<18}{size:>6.0f}  {program:<10}{seconds:>9.2f}{rates[program]:>9.0f}{peak:>9.0f}", flush=True)
        if program == "audit" and peak >= 64:
            bad.append(f"audit takes {peak:.0f} MB on {name}")
    if has_tshark:
        times = rates["audit"] / rates["tshark"]
        print(f"{name:<18}audit is {times:.1f} times as fast as tshark")
        if times < 10:
            bad.append(f"audit is only {times:.1f} times as fast as tshark on {name}")
if not has_tshark:
    bad.append("tshark is not installed: nothing to compare with")
print("bench-capture: " + ("; ".join(bad) if bad else "as fast as asked for"))
sys.exit(1 if bad else 0)
