#!/usr/bin/env bash
# Licences, sources and bans of the dependencies; advisories too where their list can be fetched or is there already
# (ADVISORIES=1). Without cargo-deny this says so and passes: `cargo install cargo-deny --locked` takes some minutes.
set -u -o pipefail
cd "$(dirname "$0")/.."
if ! cargo deny --version >/dev/null 2>&1; then
  echo "note: cargo-deny is not installed, so dependencies are not checked"
  exit 0
fi
checks=(bans licenses sources)
[ "${ADVISORIES:-}" = 1 ] && checks+=(advisories)
cargo deny check "${checks[@]}"
