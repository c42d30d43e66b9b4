#!/usr/bin/env bash
# Runs the blocks of README.md and docs/*.md that are tagged `sh broker`, against a mosquitto that this script starts on
# port 1883, or against one that already listens there. `cargo test` runs the blocks tagged `sh`.
set -eu -o pipefail
cd "$(dirname "$0")/.." || exit 1
# shellcheck source=ci/common.sh
. ci/common.sh
PATH="$PWD/target/release:$PATH:/usr/sbin"
folder=$(mktemp -d)
broker=
stop() {
  [ -z "$broker" ] || kill "$broker" 2>/dev/null || true
  rm -rf "$folder"
}
trap stop EXIT
if ! mqttspec run mqtt://127.0.0.1:1883 -e ping/answered@v3.1.1 >/dev/null 2>&1; then
  bare_mosquitto 1883 "$folder"
fi
awk '/^```sh broker$/ {inside=1; next} /^```/ {inside=0} inside' README.md docs/*.md >"$folder/blocks"
count=0
while IFS= read -r line; do
  case $line in ''|'#'*) continue ;; esac
  # A line may state its exit code: `# exit 1`.
  expected=0
  case $line in *'# exit '*) expected=${line##*# exit } ;; esac
  code=0
  bash -c "$line" >"$folder/out" 2>&1 || code=$?
  if [ "$code" != "$expected" ]; then
    # shellcheck disable=SC2016 # Markdown
    printf '`%s` exited %s, not %s:\n' "$line" "$code" "$expected"
    tail -n 40 "$folder/out"
    exit 1
  fi
  count=$((count + 1))
done <"$folder/blocks"
printf '%s commands of the documentation do what it says\n' "$count"
