#!/usr/bin/env bash
# A crate outside the repository that tests its broker as docs/embedding.md says: with a `#[test]` and with
# `harness!`. Also counts the crates that the library needs with and without the command line, and fails if it pulls the
# command line's in.
set -euo pipefail
cd "$(dirname "$0")/.."
root=$PWD

crates() {
    cargo tree -e normal --prefix none --locked "$@" | awk '{print $1}' | sort -u
}
library=$(crates --no-default-features)
echo "crates: $(crates | wc -l) with the command line, $(wc -l <<<"$library") without"
for unwanted in clap clap_complete clap_mangen mimalloc tracing-subscriber anstream flate2 quick-junit libtest-mimic; do
    if grep -qx "$unwanted" <<<"$library"; then
        echo "the library needs $unwanted without the command line" >&2
        exit 1
    fi
done

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
mkdir -p "$folder/src" "$folder/tests"
cat >"$folder/Cargo.toml" <<TOML
[package]
name = "stranger"
version = "0.0.0"
edition = "2024"

[dev-dependencies]
mqttspec = { path = "$root", default-features = false, features = ["harness"] }

[[test]]
name = "mqtt"
harness = false

[workspace]
TOML
cp Cargo.lock "$folder/Cargo.lock"
echo '//! A broker.' >"$folder/src/lib.rs"
cat >"$folder/tests/conforms.rs" <<'RUST'
use std::net::SocketAddr;

use mqttspec::harness::{Home, Running};
use mqttspec::reference::{Config, Server};
use mqttspec::{Suite, Target};

struct Broker(Server);

impl Running for Broker {
    fn address(&self) -> SocketAddr {
        self.0.address()
    }

    async fn stop(self) {
        self.0.stop().await;
    }
}

async fn start(home: Home) -> std::io::Result<Broker> {
    let config = Config {
        address: home.address(),
        store: Some(home.folder().to_owned()),
        ..Config::default()
    };
    Server::start(config).await.map(Broker)
}

#[test]
fn conforms() {
    Suite::embedded()
        .select("qos2/dup-before-pubrel").unwrap()
        .select("retain/outlives[restart]*").unwrap()
        .run(Target::restarting(start).supports(&["persistence"])).unwrap()
        .assert_conforms();
}
RUST
cat >"$folder/tests/mqtt.rs" <<'RUST'
use mqttspec::{Suite, Target};

mqttspec::harness!(Target::reference(), Suite::embedded().select("qos2/dup-before-pubrel").unwrap());
RUST

# The crate's own lock file has the versions; build output stays below the repository's target.
export CARGO_TARGET_DIR="$root/target/embedding"
out=$(cargo test --manifest-path "$folder/Cargo.toml" 2>&1) || {
    echo "$out"
    exit 1
}
if ! grep -q 'conforms \.\.\. ok' <<<"$out" || ! grep -Eq 'qos2/dup-before-pubrel@v5 +\.\.\. ok' <<<"$out"; then
    echo "$out"
    echo "a test of the stranger's crate was not run" >&2
    exit 1
fi
grep 'test result' <<<"$out"
