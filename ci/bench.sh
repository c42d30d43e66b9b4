#!/usr/bin/env bash
# What mqttspec costs, as Markdown tables: the suite against each target (time, processor time, memory, the slowest case),
# how that grows with the number of cases, `list` and `check`, and with `micro` its parts compared with other codecs.
#
#   ci/bench.sh [suite|growth|commands|micro]... [-- TARGET...]
#
# Without a part: the first three. TARGET is what `mqttspec run` accepts, or `embedded` for the embedded reference broker (whose
# time and memory are the harness's own); without one: embedded, the reference broker as a process, and mosquitto. MQTTSPEC
# names the program (target/dist/mqttspec). It needs bash, awk, python3 and a Linux /proc, and an otherwise idle machine.
# Exits 1 if a limit is exceeded.
set -u -o pipefail
cd "$(dirname "$0")/.." || exit 1
# shellcheck source=ci/common.sh
. ci/common.sh

program=${MQTTSPEC:-target/dist/mqttspec}
[ -x "$program" ] || { echo "$program is not there: cargo build --profile dist" >&2; exit 2; }
parts=()
while [ $# -gt 0 ] && [ "$1" != -- ]; do parts+=("$1"); shift; done
[ $# -gt 0 ] && shift
targets=("$@")
[ ${#parts[@]} -gt 0 ] || parts=(suite growth commands)
[ ${#targets[@]} -gt 0 ] || targets=(embedded ci/brokers/reference-process.yaml ci/brokers/mosquitto.yaml)
# The limits: peak memory of the harness in MB, processor time of the harness with mosquitto and of `list`, in seconds.
most_memory=100
most_suite=3
most_list=0.080
out=target/bench
mkdir -p "$out"
broken=0
limit() { printf '\n**Over the limit:** %s\n\n' "$1"; broken=1; }

# Runs a command, its output in a file. Sets `status`, `real`, `user`, `system` (seconds of the process itself, not of brokers that it
# starts) and `memory` (kB, peak). The parent is a `sleep` that waits for no child, so that the kernel keeps the figures
# of the process when it has ended.
measured() {
  local log=$1 began ticks
  shift
  rm -f "$out/pid"
  began=$(date +%s.%N)
  ( "$@" >"$log" 2>&1 & echo $! >"$out/pid"; exec sleep 3600 ) &
  local parent=$!
  until [ -s "$out/pid" ]; do sleep 0.01; done
  local pid state now
  pid=$(cat "$out/pid")
  memory=0
  while :; do
    now=$(awk '/^VmHWM:/ { print $2 }' "/proc/$pid/status" 2>/dev/null)
    [ -n "$now" ] && memory=$now
    state=$(awk '{ sub(/^.*\) /, ""); print $1 }' "/proc/$pid/stat")
    [ "$state" = Z ] && break
    sleep 0.05
  done
  real=$(awk -v a="$began" -v b="$(date +%s.%N)" 'BEGIN { printf "%.2f", b - a }')
  ticks=$(getconf CLK_TCK)
  # Behind the name in brackets: state, parent, ..., with utime and stime 12th and 13th, and last how it ended, as for wait(2).
  read -r user system status <<<"$(awk -v t="$ticks" '{ sub(/^.*\) /, ""); printf "%.2f %.2f %d", $12 / t, $13 / t, $NF }' "/proc/$pid/stat")"
  kill "$parent" 2>/dev/null
  wait "$parent" 2>/dev/null
}

megabytes() { awk -v kb="$1" 'BEGIN { printf "%.1f", kb / 1024 }'; }
over() { awk -v a="$1" -v b="$2" 'BEGIN { exit !(a > b) }'; }

# The arguments of `mqttspec run` for a target, in `arguments`, and the target's name in `name`.
target() {
  name=$(basename "$1" .yaml)
  arguments=(run --trace never)
  [ "$1" = embedded ] || arguments+=("$1")
  # A run that is not measured. Its report has the number of cases and the duration of each.
  rm -f "$out/$name.json"
  "$program" "${arguments[@]}" --json "$out/$name.json" >"$out/$name.log" 2>&1
  [ -s "$out/$name.json" ] || { tail -n 20 "$out/$name.log" >&2; exit 2; }
}

play() {
  measured "$out/$name.log" "$program" "${arguments[@]}" "$@"
  # 1: a case fails. Cases that a busy machine has voided (5) spoil the figures too.
  case $status in 0 | 256) ;; *) tail -n 20 "$out/$name.log" >&2; exit 2 ;; esac
}

suite() {
  printf '| target | cases | time | user | system | peak memory | slowest case |\n|---|--:|--:|--:|--:|--:|---|\n'
  local target cases
  for target in "${targets[@]}"; do
    target "$target"
    # Without a report: writing one is not measured.
    play
    local figures cpu peak=$memory
    figures="$real s | $user s | $system s | $(megabytes "$memory") MB"
    cpu=$(awk -v a="$user" -v b="$system" 'BEGIN { print a + b }')
    cases=$(ci/results.py cases "$out/$name.json")
    printf '| %s | %s | %s | %s |\n' "$name" "$cases" "$figures" "$(ci/results.py slowest "$out/$name.json")"
    [ "$peak" -le $((most_memory * 1024)) ] || limit "more than $most_memory MB with $name"
    if [ "$name" = mosquitto ] && over "$cpu" "$most_suite"; then limit "more than $most_suite s of processor time with $name"; fi
  done
}

growth() {
  printf '| target | repeated | time | user | system | peak memory |\n|---|--:|--:|--:|--:|--:|\n'
  local target n
  for target in "${targets[@]}"; do
    target "$target"
    for n in 1 4 16; do
      play --repeat "$n"
      printf '| %s | ×%s | %s s | %s s | %s s | %s MB |\n' "$name" "$n" "$real" "$user" "$system" "$(megabytes "$memory")"
    done
  done
}

commands() {
  printf '| command | time | user | system | peak memory |\n|---|--:|--:|--:|--:|\n'
  local command best least
  for command in list check 'check scenarios'; do
    # The best of five: other load on the machine can only make it slower.
    least=
    for _ in 1 2 3 4 5; do
      TIMEFORMAT='%R %U %S'
      # shellcheck disable=SC2086 # the words of a command
      best=$({ time "$program" $command >"$out/command.log" 2>&1; } 2>&1) || { cat "$out/command.log" >&2; exit 2; }
      least=$(printf '%s\n%s\n' "$least" "$best" | awk 'NF' | sort -n | head -n 1)
    done
    read -r real user system <<<"$least"
    # shellcheck disable=SC2086 # the words of a command
    measured "$out/command.log" "$program" $command
    read -r real user system <<<"$least"
    # shellcheck disable=SC2016 # Markdown
    printf '| `%s` | %s s | %s s | %s s | %s MB |\n' "$command" "$real" "$user" "$system" "$(megabytes "$memory")"
    if [ "$command" = list ] && over "$user" "$most_list"; then limit "more than $most_list s of processor time for list"; fi
  done
}

# The divan tables unchanged, and codec next to codec with the ratio of the times: below 1 ours is faster.
micro() {
  CARGO_TARGET_DIR=target/benches cargo bench --quiet --manifest-path benches/Cargo.toml >"$out/micro.txt" || exit 2
  # shellcheck disable=SC2016 # Markdown
  printf '```\n%s\n```\n\n' "$(cat "$out/micro.txt")"
  sed 's/├─/+/; s/╰─/+/; s/│/|/g' "$out/micro.txt" | awk '
    function ns(value, unit) { return value * (unit == "ns" ? 1 : unit == "ms" ? 1e6 : unit == "s" ? 1e9 : 1e3) }
    /^\+ / { group = $2 }
    /^[| ]+\+ [a-z_]+ *\|/ { codec = $0; sub(/^[^a-z]*/, "", codec); sub(/[ |].*/, "", codec) }
    /\+ [a-z]+ v[35]/ && (group == "decode" || group == "encode") {
      line = $0; sub(/^[^a-z]*/, "", line); sub(/\|.*/, "", line)
      match(line, /  +/); kind = substr(line, 1, RSTART - 1); split(substr(line, RSTART), least, " ")
      # The fastest sample: other load on the machine can only make it slower. For a batch of a hundred packets.
      time = ns(least[1], least[2]) / 100
      key = group "|" kind; if (!(key in seen)) { seen[key] = 1; order[++n] = key }
      took[key, codec] = time
    }
    function cell(key, codec) { return sprintf("%.0f ns", took[key, codec]) }
    END {
      print "| | packet | ours | with fields | rmqtt-codec | mqtt-proto | mqttbytes | ours : rmqtt-codec | ours : mqtt-proto |"
      print "|---|---|--:|--:|--:|--:|--:|--:|--:|"
      for (i = 1; i <= n; i++) {
        k = order[i]; split(k, part, "|")
        decode = part[1] == "decode"; ours = decode ? "mqttspec_check" : "mqttspec"
        printf "| %s | %s | %s | %s | %s | %s | %s | %.2f | %.2f |\n", part[1], part[2], cell(k, ours), \
          decode ? cell(k, "mqttspec_decode") : "", cell(k, "rmqtt_codec"), cell(k, "mqtt_proto"), cell(k, "mqttbytes"), \
          took[k, ours] / took[k, "rmqtt_codec"], took[k, ours] / took[k, "mqtt_proto"]
      }
    }
  '
}

printf '%s, %s, %s cores, %s\n' "$("$program" --version)" \
  "$(awk -F': ' '/^model name/ { print $2; exit }' /proc/cpuinfo)" "$(getconf _NPROCESSORS_ONLN)" "$(date +%Y-%m-%d)"
for part in "${parts[@]}"; do
  case $part in
    suite) printf '\n'; suite ;;
    growth) printf '\n'; growth ;;
    commands) printf '\n'; commands ;;
    micro) printf '\n'; micro ;;
    *) usage ;;
  esac
done
exit $broken
