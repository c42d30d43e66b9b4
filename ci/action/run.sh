#!/usr/bin/env bash
# The action itself: one run with every report, and the comparison with an earlier run. All settings are variables, named
# like the action's inputs; without GitHub it does the same.
set -u -o pipefail

program=${PROGRAM:-mqttspec}
output=${OUTPUT:-mqttspec-results}
mkdir -p "$output"

arguments=(run)
[ -z "${TARGET:-}" ] || arguments+=("$TARGET")
while IFS= read -r pattern; do
  pattern=${pattern#"${pattern%%[![:space:]]*}"}
  pattern=${pattern%"${pattern##*[![:space:]]}"}
  [ -z "$pattern" ] || arguments+=(-e "$pattern")
done <<< "${SELECT:-}"
[ -z "${MQTT:-}" ] || arguments+=(--mqtt "$MQTT")
[ -z "${SHARD:-}" ] || arguments+=(--shard "$SHARD")
[ -z "${SNAPSHOTS:-}" ] || arguments+=(--snapshots "$SNAPSHOTS")
[ -z "${WRITE_KNOWN:-}" ] || arguments+=(--write-known "$WRITE_KNOWN")
# A name for each part, so that the parts of several jobs can be in one folder.
part=${SHARD:+-${SHARD//\//-of-}}
json=$output/results$part.json
arguments+=(--json "$json" --junit "$output/results$part.xml" --html "$output/results$part.html")
if [ -n "${ARGUMENTS:-}" ]; then
  read -r -a more <<< "$ARGUMENTS"
  arguments+=("${more[@]}")
fi

"$program" "${arguments[@]}"
code=$?
if [ -n "${GITHUB_OUTPUT:-}" ]; then
  { echo "exit-code=$code"; echo "json=$json"; } >> "$GITHUB_OUTPUT"
fi

# While a list of deviations is being made, failures are its content.
if [ -n "${WRITE_KNOWN:-}" ] && [ $code -eq 1 ]; then
  echo "the deviations found are in $WRITE_KNOWN: put them into the profile, each with its reason"
  code=0
fi

# Against an earlier run, only regressions count. Changed snapshots are none that it could excuse: the results hold their
# number, and the comparison fails because of them.
if [ -n "${BASELINE:-}" ]; then
  if [ -f "$BASELINE" ]; then
    "$program" compare "$BASELINE" "$json" --diff --md "$output/changes.md"
    changed=$?
    [ $code -gt 1 ] || code=$changed
  else
    echo "there is no $BASELINE yet, so nothing is compared"
  fi
fi
exit $code
