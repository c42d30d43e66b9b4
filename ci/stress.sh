#!/usr/bin/env bash
# Do verdicts hold still? Plays the suite again and again, first on a machine that is left alone, then with every core kept
# busy, and names every case whose verdict is not that of the very first run. A change is a race: in a scenario, in the
# harness or in the broker. It is to be found, not to be played again until it goes away.
#
#   ci/stress.sh [N] [TARGET...]
#
# N is how often each target is played in each of the two halves (20). TARGET is what `mqttspec run` takes, or `embedded` for
# the embedded reference broker; without one: embedded and mosquitto.
# MQTTSPEC names the program (target/release/mqttspec). The logs stay in target/stress.
# Ends with 0 where nothing changed, with 1 where something did, with 2 where it could not play.
set -u -o pipefail
cd "$(dirname "$0")/.."

times=20
case ${1:-} in
  '') ;;
  *[!0-9]*) ;;
  0) echo 'N is 1 or more' >&2; exit 2 ;;
  *) times=$1; shift ;;
esac
targets=("$@")
[ $# -gt 0 ] || targets=(embedded ci/brokers/mosquitto.yaml)
program=${MQTTSPEC:-target/release/mqttspec}
[ -x "$program" ] || { echo "$program is not there: cargo build --release" >&2; exit 2; }
cores=$(getconf _NPROCESSORS_ONLN)
logs=target/stress
mkdir -p "$logs"

# The busy loops and the run in hand: they end with this script, however it ends. By their ids, and no others.
loops=()
run=
rest() {
  [ ${#loops[@]} -eq 0 ] || kill "${loops[@]}" 2>/dev/null
  loops=()
}
finish() {
  [ -z "$run" ] || kill -INT "$run" 2>/dev/null
  rest
}
trap finish EXIT
trap 'exit 130' INT TERM

# Plays one target N times; its log has a line for each case of each run.
play() {
  local target=$1 how=$2 log=$3
  local arguments=(run -v --trace never --repeat "$times")
  [ "$target" = embedded ] || arguments+=("$target")
  local began=$SECONDS code
  "$program" "${arguments[@]}" >"$log" 2>&1 &
  run=$!
  wait "$run"
  code=$?
  run=
  printf '%-32s %-5s %3s runs in %ss, exit code %s: %s\n' "$target" "$how" \
    "$(grep -c ' in [0-9.]*s$' "$log")" $((SECONDS - began)) "$code" "$(tail -n 1 "$log")"
  # 1 is a bad verdict, which the first run may have had as well; what is worse is no run at all.
  [ "$code" -le 1 ] || { tail -n 20 "$log" >&2; exit 2; }
}

# Every case whose verdict in some run is not that of the first, over all the logs of a target.
changes() {
  awk '
    /^(pass|fail|crash|known|fixed|skip|error) / {
      verdict = $1
      id = $3
      if ($2 == "(control)") { id = $4 }
      if (!(id in first)) { first[id] = verdict; next }
      if (first[id] != verdict) { seen[id " was " first[id] ", is " verdict]++ }
    }
    END { for (what in seen) { printf "changed: %s (%d times)\n", what, seen[what] } }
  ' "$@" | sort
}

printf '%s on %s cores, %s times quiet and %s times busy\n' "$("$program" --version)" "$cores" "$times" "$times"
for how in quiet busy; do
  if [ $how = busy ]; then
    for _ in $(seq "$cores"); do
      (while :; do :; done) &
      loops+=($!)
    done
  fi
  for target in "${targets[@]}"; do
    play "$target" $how "$logs/$(basename "$target" .yaml).$how.log"
  done
done
rest

changed=0
for target in "${targets[@]}"; do
  name=$(basename "$target" .yaml)
  found=$(changes "$logs/$name.quiet.log" "$logs/$name.busy.log")
  [ -z "$found" ] || { changed=1; printf '%s\n%s\n' "$target" "$found"; }
done
[ $changed -eq 1 ] || echo 'no verdict changed'
exit $changed
