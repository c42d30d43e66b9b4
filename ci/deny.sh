#!/usr/bin/env bash
# Licences, sources and bans of the dependencies, as deny.toml has them, by the cargo-deny of ci/tools.sh. With ADVISORIES=1
# advisories too, where their list can be fetched or is there already.
set -u -o pipefail
cd "$(dirname "$0")/.." || exit 1
checks=(bans licenses sources)
[ "${ADVISORIES:-}" != 1 ] || checks+=(advisories)
PATH=$PWD/target/tools/bin:$PATH exec cargo-deny --locked check "${checks[@]}"
