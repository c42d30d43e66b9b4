#!/usr/bin/env bash
# Are verdicts stable? Plays the suite repeatedly: on an idle machine, with every core kept busy, and
# with a network delay of 50 ms each way between harness and broker. It names every case whose verdict differs from that of the very
# first run. A difference is a race: in a scenario, in the harness or in the broker. Find its cause; do not repeat the run until
# it disappears. A play that is void, because the machine was too busy for its timers, has no verdict; their number is printed.
#
#   ci/stress.sh [N] [TARGET...]
#
# N is how often each target is played in each of the three ways (20). TARGET is what `mqttspec run` accepts, profiles of clients
# among it, or `embedded` for the embedded reference broker, or `embedded-client` for the reference client; without one: embedded and
# mosquitto. Only these two are played with the delay, as addresses: cases that restart the broker are skipped there, and a known
# deviation is a failure. No process may be left when a run has ended (on Linux). ARGUMENTS are passed to
# every run, such as ARGUMENTS='--tag timing'; WAYS='quiet afar' leaves the busy runs out.
# MQTTSPEC names the program (target/release/mqttspec). The logs and the report of each run stay in LOGS
# (target/stress).
# Exits 0 if nothing changed, 1 if a verdict changed, 2 if it could not play, 3 if a run has left a process behind.
set -u -o pipefail
cd "$(dirname "$0")/.." || exit 1
# shellcheck source=ci/common.sh
. ci/common.sh

times=20
case ${1:-} in
  '') ;;
  -* | 0) usage ;;
  *[!0-9]*) ;;
  *) times=$1; shift ;;
esac
targets=("$@")
[ $# -gt 0 ] || targets=(embedded ci/brokers/mosquitto.yaml)
program=${MQTTSPEC:-target/release/mqttspec}
[ -x "$program" ] || { echo "$program is not there: cargo build --release" >&2; exit 2; }
cores=$(getconf _NPROCESSORS_ONLN)
logs=${LOGS:-target/stress}
mkdir -p "$logs"
rm -f "$logs"/*.log "$logs"/*.json

# The busy loops, the brokers and proxies, and the current run end with this script, however it ends. By their ids, and
# no others.
loops=()
run=
folder=$(mktemp -d)
rest() {
  [ ${#loops[@]} -eq 0 ] || kill "${loops[@]}" 2>/dev/null
  loops=()
}
# shellcheck disable=SC2317 # it is reached by the trap
finish() {
  [ -z "$run" ] || kill -INT "$run" 2>/dev/null
  rest
  rm -rf "$folder"
}
trap finish EXIT
trap 'exit 130' INT TERM

# The processes that a run has left behind: they have its environment. One that was killed may take a moment.
left_behind() {
  local file pids
  for _ in 1 2 3 4 5; do
    pids=()
    for file in /proc/[0-9]*/environ; do
      if tr '\0' '\n' 2>/dev/null <"$file" | grep -qx "MQTTSPEC_STRESS=$$" 2>/dev/null; then
        file=${file%/environ}
        pids+=("${file##*/}")
      fi
    done
    [ ${#pids[@]} -gt 0 ] || return 1
    sleep 1
  done
  echo "the run has left processes behind: ${pids[*]}" >&2
}

# Plays one target N times. Each run writes a report of its own, and all of them one log.
play() {
  local target=$1 how=$2 results=$3
  # Words on purpose: several arguments.
  # shellcheck disable=SC2206
  local arguments=(run --trace never ${ARGUMENTS:-})
  case $target in
    embedded) ;;
    embedded-client) arguments+=(--tests client) ;;
    *) arguments+=("$target") ;;
  esac
  local began=$SECONDS code turn result
  local -A codes=()
  for turn in $(seq -w "$times"); do
    result=$results.$turn.json
    MQTTSPEC_STRESS=$$ "$program" "${arguments[@]}" --json "$result" >>"$results.log" 2>&1 &
    run=$!
    wait "$run"
    code=$?
    run=
    codes[$code]=1
    ! left_behind || exit 3
    # An unexpected verdict does not stop it: it compares the verdicts of the runs.
    [ -s "$result" ] || { tail -n 20 "$results.log" >&2; exit 2; }
  done
  printf '%-32s %-5s %3s runs in %ss, exit code %s: %s\n' "$target" "$how" "$times" $((SECONDS - began)) "${!codes[*]}" \
    "$(ci/results.py summary "$result")"
}

# Starts a server that prints the address on which it listens as the last word of a line; leaves it in `address`.
serve() {
  local log=$folder/$1
  shift
  "$@" >"$log" 2>&1 &
  loops+=($!)
  until address=$(grep -om1 '127\.0\.0\.1:[0-9]*' "$log"); do
    kill -0 "${loops[-1]}" 2>/dev/null || { cat "$log" >&2; exit 2; }
    sleep 0.05
  done
}

# Starts the broker of a target behind a delay of 50 ms each way; leaves its address in `address`. Fails for a target that
# this script does not know how to start.
from_afar() {
  case $(basename "$1" .yaml) in
    embedded) serve broker "$program" broker --listen 127.0.0.1:0 ;;
    mosquitto)
      # A port that is probably free; mosquitto cannot be asked for a free one.
      address=127.0.0.1:$((20000 + $$ % 10000))
      bare_mosquitto "${address##*:}" "$folder"
      loops+=("$broker")
      ;;
    *) return 1 ;;
  esac
  serve delay target/release/examples/delay 127.0.0.1:0 "$address" 50
}

ways=${WAYS:-quiet busy afar}
for how in $ways; do
  case $how in quiet | busy | afar) ;; *) echo "WAYS are quiet, busy and afar, not $how" >&2; exit 2 ;; esac
done
[[ " $ways " != *' afar '* ]] || cargo build --quiet --release --locked --example delay || exit 2
printf '%s on %s cores, %s times each way: %s\n' "$("$program" --version)" "$cores" "$times" "$ways"
for how in quiet busy; do
  [[ " $ways " == *" $how "* ]] || continue
  if [ $how = busy ]; then
    for _ in $(seq "$cores"); do
      (while :; do :; done) &
      loops+=($!)
    done
  fi
  for target in "${targets[@]}"; do
    play "$target" $how "$logs/$(basename "$target" .yaml).$how"
  done
done
rest
for target in "${targets[@]}"; do
  if [[ " $ways " == *" afar "* ]] && from_afar "$target"; then
    play "mqtt://$address" afar "$logs/$(basename "$target" .yaml).afar"
    rest
  fi
done

changed=0
for target in "${targets[@]}"; do
  name=$(basename "$target" .yaml)
  # In the order of the runs.
  reports=()
  for how in quiet busy afar; do
    for report in "$logs/$name.$how".*.json; do
      [ ! -s "$report" ] || reports+=("$report")
    done
  done
  # None if the target is not played in any of these ways.
  [ ${#reports[@]} -gt 0 ] || continue
  found=$(ci/results.py changes "${reports[@]}")
  case $? in
    0) [ -z "$found" ] || printf '%s\n%s\n' "$target" "$found" ;;
    3) changed=1; printf '%s\n%s\n' "$target" "$found" ;;
    *) exit 2 ;;
  esac
done
[ $changed -eq 1 ] || echo 'no verdict changed'
exit $changed
