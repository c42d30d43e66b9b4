#!/usr/bin/env bash
# What the suite costs: time, processor time and memory for each target, the slowest case of each, and the time of `list` and
# `check`. It needs nothing but bash, awk and a Linux /proc: a bare Debian will do.
#
#   ci/measure.sh [TARGET...]
#
# TARGET is what `mqttspec run` takes, or `embedded` for the embedded reference broker (whose memory is the harness's own);
# without one: embedded, the reference broker as a process, and mosquitto. MQTTSPEC names the program
# (target/release/mqttspec). Measure on a machine that does nothing else. "user" and "system" include the brokers that the
# run has started and seen end; "memory" is the peak of the harness alone. Ends with 1 where a limit is broken.
set -u -o pipefail
cd "$(dirname "$0")/.."

program=${MQTTSPEC:-target/release/mqttspec}
[ -x "$program" ] || { echo "$program is not there: cargo build --release" >&2; exit 2; }
targets=("$@")
[ $# -gt 0 ] || targets=(embedded ci/brokers/reference-process.yaml ci/brokers/mosquitto.yaml)
# The limits: peak memory of the harness in MB, and processor time of `list` in seconds.
most_memory=100
most_list=0.080
out=target/measure
mkdir -p "$out"
broken=0

# Writes the greatest VmHWM of a process, in kB, for as long as it is there. The kernel keeps the peak, so that looking now
# and then misses only what is gained in the last tenth of a second.
peak() {
  local peak=0 now
  while now=$(awk '/^VmHWM:/ { print $2 }' "/proc/$1/status" 2>/dev/null) && [ -n "$now" ]; do
    peak=$now
    sleep 0.1
  done
  echo "$peak"
}

# Runs a command, its output in a file; leaves `real user system` in `times` and its exit code in `code`.
timed() {
  local log=$1
  shift
  TIMEFORMAT='%R %U %S'
  times=$({ time "$@" >"$log" 2>&1; } 2>&1)
  code=$?
}

# The same with the peak of memory (kB) in `memory`.
measured() {
  local log=$1
  shift
  rm -f "$out/pid"
  # The shell becomes the program, so that its id is the program's.
  TIMEFORMAT='%R %U %S'
  { time bash -c 'echo $$ >"$0"; exec "$@"' "$out/pid" "$@" >"$log" 2>&1; } 2>"$out/times" &
  local job=$!
  until [ -s "$out/pid" ]; do sleep 0.01; done
  memory=$(peak "$(cat "$out/pid")")
  wait "$job"
  code=$?
  times=$(cat "$out/times")
}

# Seconds and id of the slowest case of a `--json` file.
slowest() {
  awk -F'"' '
    /^      "id": / { id = $4 }
    /^      "seconds": / { value = $3; gsub(/[: ,]/, "", value); if (value + 0 > most) { most = value + 0; slow = id } }
    END { printf "%.1fs %s", most, slow }
  ' "$1"
}

printf '%s on %s cores\n\n' "$("$program" --version)" "$(getconf _NPROCESSORS_ONLN)"
printf '%-18s %8s %8s %8s %10s  %s\n' target time user system memory 'slowest case'
for target in "${targets[@]}"; do
  name=$(basename "$target" .yaml)
  arguments=(run --trace never)
  [ "$target" = embedded ] || arguments+=("$target")
  # Without a report: writing one is not what is measured.
  measured "$out/$name.log" "$program" "${arguments[@]}"
  if [ "$code" -gt 1 ]; then
    tail -n 20 "$out/$name.log" >&2
    exit 2
  fi
  read -r real user system <<<"$times"
  # A second run, with the report that knows how long each case took.
  "$program" "${arguments[@]}" --json "$out/$name.json" >/dev/null 2>&1
  megabytes=$(awk -v kb="$memory" 'BEGIN { printf "%.1f", kb / 1024 }')
  printf '%-18s %7ss %7ss %7ss %7s MB  %s\n' "$name" "$real" "$user" "$system" "$megabytes" "$(slowest "$out/$name.json")"
  if [ "$memory" -gt $((most_memory * 1024)) ]; then
    echo "  more than $most_memory MB"
    broken=1
  fi
done

printf '\n%-18s %8s %8s %8s\n' command time user system
for command in list 'check scenarios'; do
  # The best of five: what else the machine does can only make it slower.
  best=
  for _ in 1 2 3 4 5; do
    # shellcheck disable=SC2086 # the words of a command
    timed "$out/command.log" "$program" $command
    [ "$code" -eq 0 ] || { cat "$out/command.log" >&2; exit 2; }
    best=$(printf '%s\n%s\n' "$best" "$times" | awk 'NF { if (!n++ || $1 + 0 < least) { least = $1 + 0; line = $0 } } END { print line }')
  done
  read -r real user system <<<"$best"
  printf '%-18s %7ss %7ss %7ss\n' "$command" "$real" "$user" "$system"
  if [ "$command" = list ] && awk -v t="$user" -v most="$most_list" 'BEGIN { exit !(t > most) }'; then
    echo "  more than ${most_list}s of processor time"
    broken=1
  fi
done
exit $broken
