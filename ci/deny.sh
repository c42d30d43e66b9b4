#!/usr/bin/env bash
# Licences, sources and bans of the dependencies, as deny.toml has them. With cargo-deny (`cargo install cargo-deny --locked`,
# some minutes) it asks that, and with ADVISORIES=1 about advisories too, where their list can be fetched or is there
# already. Without it ci/licences.py reads the same file and asks the same of what `cargo metadata` says.
set -u -o pipefail
cd "$(dirname "$0")/.." || exit 1
if cargo deny --version >/dev/null 2>&1; then
  checks=(bans licenses sources)
  [ "${ADVISORIES:-}" = 1 ] && checks+=(advisories)
  cargo deny --locked check "${checks[@]}"
else
  echo "note: cargo-deny is not installed: licences, sources and bans are checked by ci/licences.py, advisories are not"
  exec python3 ci/licences.py
fi
