#!/usr/bin/env bash
# Runs the suite against every broker that has a profile, one after the other, and compares snapshots.
#
#   ci/all-brokers.sh [--times N] [NAME...]
#
# NAME is a profile's file in ci/brokers/ without its extension; without a NAME, all of them. A broker that is not installed is
# reported and skipped, and is a failure only if it was named. With --times each is run N times. Each run must exit 0, and
# no process of it may be left. MQTTSPEC names the program (target/release/mqttspec). The results are in
# target/all-brokers/NAME.json. The last lines are a table.
set -u -o pipefail
cd "$(dirname "$0")/.." || exit 1
# shellcheck source=ci/common.sh
. ci/common.sh

program=${MQTTSPEC:-target/release/mqttspec}
[ -x "$program" ] || { echo "$program is not there: cargo build --release" >&2; exit 2; }
# A snapshot that differs is a failure here; nothing is rewritten, unless the caller asks for it.
export INSTA_UPDATE=${INSTA_UPDATE:-no}
times=1
names=()
while [ $# -gt 0 ]; do
  case $1 in
    --times) times=${2:?--times needs a number}; shift ;;
    -*) usage ;;
    *) names+=("$1") ;;
  esac
  shift
done
named=${#names[@]}
if [ "$named" = 0 ]; then
  for profile in ci/brokers/*.yaml; do
    name=${profile##*/}
    names+=("${name%.yaml}")
  done
fi

out=target/all-brokers
mkdir -p "$out"
bad=0
table=()

# Processes that carry the mark of this run in their environment: the brokers that it has started.
left() {
  local environment
  for environment in /proc/[0-9]*/environ; do
    grep -qsz "^ALL_BROKERS_MARK=$1\$" "$environment" && echo "${environment//[!0-9]/}"
  done
}

for name in "${names[@]}"; do
  profile=ci/brokers/$name.yaml
  [ -f "$profile" ] || { echo "there is no $profile" >&2; exit 2; }
  for turn in $(seq "$times"); do
    # The file of an earlier run must not be mistaken for this one's.
    rm -f "$out/$name.json"
    mark=$name-$turn-$$
    began=$SECONDS
    ALL_BROKERS_MARK=$mark "$program" run "$profile" --snapshots snapshots --json "$out/$name.json" --trace never \
      >"$out/$name.log" 2>&1
    code=$?
    seconds=$((SECONDS - began))
    # Without a report, only the text distinguishes a missing broker from one that does not start.
    if [ $code = 5 ] && grep -q 'is not installed\|no such program\|not found' "$out/$name.log" && [ ! -s "$out/$name.json" ]; then
      table+=("$name|not installed")
      [ "$named" = 0 ] || bad=$((bad + 1))
      break
    fi
    summary=
    [ ! -s "$out/$name.json" ] || summary=$(ci/results.py summary "$out/$name.json")
    remains=$(left "$mark")
    [ -z "$remains" ] || { code=left; echo "$name: processes are left: $remains" >&2; }
    if [ "$code" != 0 ]; then
      bad=$((bad + 1))
      # Without a report, or if snapshots differ, the log shows what is wrong.
      [ ! -s "$out/$name.json" ] || ci/results.py bad "$out/$name.json" | head -n 40
      tail -n 20 "$out/$name.log"
    fi
    table+=("$name|$code|${seconds}s|$summary")
  done
done
printf '\n'
printf '%s\n' "${table[@]}" | column -t -s '|'
[ $bad = 0 ]
