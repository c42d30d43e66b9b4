#!/usr/bin/env bash
# Checks licences, sources and bans of the dependencies against deny.toml, with the cargo-deny of ci/tools.sh. With ADVISORIES=1
# it checks advisories too, if their list can be fetched or is there already.
set -u -o pipefail
cd "$(dirname "$0")/.." || exit 1
checks=(bans licenses sources)
[ "${ADVISORIES:-}" != 1 ] || checks+=(advisories)
PATH=$PWD/target/tools/bin:$PATH exec cargo-deny --locked check "${checks[@]}"
